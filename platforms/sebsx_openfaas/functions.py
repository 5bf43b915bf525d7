"""Functions as the gateway takes them, and what it reports back of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sebsx.clouds.quantities import quantity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.model import FunctionConfig

HTTP, ASYNC = TRIGGERS = ("http", "async")
SECRET = "SEBSX_SECRET"  # noqa: S105  # the name of the variable that names it
FOLDER = "/home/app/package"
PORT = 5000
SCALE_MIN, SCALE_MAX = "com.openfaas.scale.min", "com.openfaas.scale.max"
_PROCESSES = {"python": f"python3 {FOLDER}/sebsx_server.py", "nodejs": f"node {FOLDER}/sebsx_server.cjs"}
_SPARE_S = 5.0  # how much longer the watchdog waits for bodies than for the function
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")


def recipe_of(language: str, watchdog: str) -> list[str]:
    """Return the lines of a Dockerfile behind the package: of-watchdog in front of our server.

    Args:
        language: Of the function.
        watchdog: Image that holds /fwatchdog.
    """
    return [
        f"COPY --from={watchdog} /fwatchdog /usr/bin/fwatchdog",
        f"ENV mode=http upstream_url=http://127.0.0.1:{PORT} prefix_logs=false log_call_id=true",
        f'ENV fprocess="{_PROCESSES[language]}"',
        "USER 1000",
        'CMD ["fwatchdog"]',
    ]


def document_of(
    name: str, image: str, config: FunctionConfig, options: Mapping[str, Any], *,
    environment: Mapping[str, str], tags: Mapping[str, str], secrets: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """Return a function as the gateway takes it, whole: an update replaces all of it.

    Args:
        name: Of the function.
        image: What it runs; its tag is a digest of what went into it.
        config: What is asked.
        options: What it gets of every option.
        environment: Variables beside those of the configuration.
        tags: Whose it is.
        secrets: Names of secrets that it gets.
    """
    limit_s, spare_s = f"{config.timeout_s:g}s", f"{config.timeout_s + _SPARE_S:g}s"
    variables = {
        **config.environment,
        **environment,
        "SEBSX_MEMORY_MIB": str(config.memory_mib),
        "SEBSX_TIMEOUT_S": repr(config.timeout_s),
        "exec_timeout": limit_s,
        "read_timeout": spare_s,
        "write_timeout": spare_s,
    }
    if options["sandbox_concurrency"]:
        variables["max_inflight"] = str(options["sandbox_concurrency"])
    limits = {"memory": f"{config.memory_mib}Mi"}
    if options["vcpu"]:
        limits["cpu"] = f"{options['vcpu']:g}"
    labels = {SCALE_MIN: str(options["min_instances"])}
    if options["max_instances"]:
        labels[SCALE_MAX] = str(options["max_instances"])
    return {
        "service": name,
        "image": image,
        "envVars": variables,
        "labels": labels,
        "annotations": dict(tags),
        "limits": limits,
        "secrets": list(secrets),
    }


def effective_of(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the gateway reports of a function, under the names of `FunctionConfig` and facts of its own.

    Providers leave out what they do not apply, and counts that are 0.
    """
    limits, variables = status.get("limits") or {}, status.get("envVars") or {}
    labels = status.get("labels") or {}
    memory, cpu = quantity(limits.get("memory")), quantity(limits.get("cpu"))
    timeout = _SECONDS.fullmatch(str(variables.get("exec_timeout", "")))
    facts = {
        "memory_mib": None if memory is None else int(memory / 2**20),
        "vcpu": cpu,
        "timeout_s": float(timeout[1]) if timeout else None,
        "sandbox_concurrency": int(variables.get("max_inflight", 0)),
        "min_instances": replicas_of(status),
        "max_instances": int(labels.get(SCALE_MAX, 0)),
        "image": status.get("image"),
        "namespace": status.get("namespace"),
    }
    return {name: value for name, value in facts.items() if value is not None}


def replicas_of(status: Mapping[str, Any], *, available: bool = False) -> int:
    """Return how many replicas there are, or can be called: 0 where the gateway leaves the count out."""
    return int(status.get("availableReplicas" if available else "replicas") or 0)
