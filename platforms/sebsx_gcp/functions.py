"""Functions of the second generation: made, changed, waited for and read back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sebsx.clouds.fresh import NONCE, nonce
from sebsx.clouds.quantities import quantity
from sebsx.clouds.uploads import send_file
from sebsx.clouds.waiting import until
from sebsx.contracts.naming import NamingRule
from sebsx.errors import DeployError
from sebsx.system.lazy import require
from sebsx_gcp.clients import pages_of
from sebsx_gcp.errors import ERRORS, failed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sebsx.model import FunctionConfig, Scalar
    from sebsx_gcp.clients import GcpClients

# Of the Cloud Run service behind a function, the strictest (docs/configuring/services, "Service names").
NAME = NamingRule(longest=49, shortest=4)
ENTRY_POINT = "handler"
# vCPU that come with memory in MiB, and the least there is for it (docs/functions/configuring/memory, 2026-09).
VCPU_BY_MEMORY = {
    128: 0.083, 256: 0.167, 512: 0.333, 1024: 0.583, 2048: 1.0, 4096: 2.0, 8192: 2.0, 16384: 4.0, 32768: 8.0,
}  # fmt: skip
_DONE_WITHIN_S = 900.0
_UPLOAD_WITHIN_S = 120.0


class GcpFunctions:
    """The functions of one project and region.

    Args:
        clients: The account.
    """

    def __init__(self, clients: GcpClients) -> None:
        self._clients = clients

    def path(self, name: str) -> str:
        """Return how Google names a function."""
        return f"{self._clients.location}/functions/{name}"

    def upload(self, archive: Path) -> Any:
        """Hand over a package, and return under what source a function is made of it."""
        what, parent = "upload of the package", self._clients.location
        with ERRORS.explained(what):
            told = self._call("generate_upload_url", {"parent": parent, "environment": "GEN_2"})
            # The URL is signed, and takes no credentials.
            answer = send_file(
                what, "PUT", told.upload_url, archive, extra="gcp", headers={"content-type": "application/zip"},
                within_s=_UPLOAD_WITHIN_S, clean=ERRORS.clean,
            )  # fmt: skip
            if not answer.ok:
                errors = require("google.api_core.exceptions", extra="gcp")
                raise errors.from_http_status(answer.status_code, answer.text[:300])
        return told.storage_source

    def create(self, name: str, build: Mapping[str, Any], service: Mapping[str, Any], labels: Mapping[str, str]) -> Any:
        """Create a function, wait until it can be invoked, and return what Google says of it.

        Args:
            name: Of the function.
            build: Runtime, entry point and source.
            service: What its instances get.
            labels: Whose it is.
        """
        what = f"create of function {name!r}"
        wanted = {
            "name": self.path(name), "environment": "GEN_2", "description": "made by sebsx for measuring",
            "labels": dict(labels), "build_config": build, "service_config": service,
        }  # fmt: skip
        errors = require("google.api_core.exceptions", extra="gcp")
        request = {"parent": self._clients.location, "function_id": name, "function": wanted}
        with ERRORS.explained(what):
            try:
                self._done(self._call("create_function", request), what)
            except errors.Conflict:  # no other has this name: the answer to an earlier attempt was lost on its way
                until(lambda: self._if_deployed(name), what, within_s=_DONE_WITHIN_S)
        return self.get(name)

    def change(self, name: str, service: Mapping[str, Any]) -> Any:
        """Change what a function's instances get, wait until a new revision serves, and return what Google says."""
        what = f"update of function {name!r}"
        request = {
            "function": {"name": self.path(name), "service_config": service},
            "update_mask": {"paths": [f"service_config.{key}" for key in service]},
        }
        with ERRORS.explained(what):
            self._done(self._call("update_function", request), what)
        return self.get(name)

    def get(self, name: str) -> Any:
        """Return what Google says of a function."""
        with ERRORS.explained(f"read of function {name!r}"):
            return self._call("get_function", {"name": self.path(name)})

    def all(self) -> list[Any]:
        """Return every function of project and region, whoever made it."""
        with ERRORS.explained("search for functions with our labels"):
            listing = self._call("list_functions", {"parent": self._clients.location})
            return [function for page in pages_of("search for functions", listing) for function in page.functions]

    def runtimes(self) -> dict[str, list[str]]:
        """Return the runtimes that the region offers for the second generation, with Google's warnings of each."""
        with ERRORS.explained("list of runtimes"):
            told = self._call("list_runtimes", {"parent": self._clients.location})
        return {item.name: list(item.warnings) for item in told.runtimes if item.environment.name == "GEN_2"}

    def delete(self, name: str) -> None:
        """Delete a function and wait until it is gone."""
        self._done(self._call("delete_function", {"name": self.path(name)}), f"delete of function {name!r}")

    def _call(self, method: str, request: Mapping[str, Any]) -> Any:
        return getattr(self._clients.functions, method)(request=request, retry=self._clients.retry())

    def _done(self, future: Any, what: str) -> None:
        """Wait for an operation.

        Raises:
            PlatformError: If it ends with an error.
        """
        name = future.operation.name

        def look() -> Any:
            told = self._clients.functions.get_operation(request={"name": name}, retry=self._clients.retry())
            return told if told.done else None

        told = until(look, what, within_s=_DONE_WITHIN_S)
        if told.HasField("error"):
            raise failed(what, told.error)

    def _if_deployed(self, name: str) -> Any:
        told = self.get(name)
        if told.state.name == "FAILED":
            said = "; ".join(ERRORS.clean(message.message) for message in told.state_messages)
            raise DeployError(f"create of function {name!r} failed: {said}")
        return told if told.state.name == "ACTIVE" else None


def service_config(
    config: FunctionConfig, options: Mapping[str, Scalar | None], account: str, environment: Mapping[str, str]
) -> dict[str, Any]:
    """Return what a function's instances get, as Google takes it.

    Args:
        config: What is asked.
        options: What it gets of every option.
        account: Service account it runs as; empty for that of the project.
        environment: Variables beside those of the configuration.
    """
    most, vcpu, calls = options["max_instances"], options["vcpu"], options["sandbox_concurrency"]
    return {
        "available_memory": f"{config.memory_mib}Mi",
        "available_cpu": f"{vcpu or VCPU_BY_MEMORY[config.memory_mib]:g}",
        "timeout_seconds": max(1, math.ceil(config.timeout_s)),
        "max_instance_request_concurrency": calls,
        "min_instance_count": options["min_instances"],
        "environment_variables": {
            **config.environment,
            **environment,
            "SEBSX_MEMORY_MIB": str(config.memory_mib),
            "SEBSX_TIMEOUT_S": repr(config.timeout_s),
            "THREADS": str(calls),  # of the functions framework; its own default depends on the machine
            NONCE: nonce(),
        },
        "all_traffic_on_latest_revision": True,
        **({"max_instance_count": most} if most else {}),
        **({"service_account_email": account} if account else {}),
    }


def effective(told: Any) -> dict[str, Any]:
    """Return what Google reports of a function, under the names of `FunctionConfig` and facts of its own."""
    service, build = told.service_config, told.build_config
    source = build.source.storage_source
    facts = {
        "memory_mib": memory_mib(service.available_memory),
        "timeout_s": float(service.timeout_seconds),
        "architecture": "x86_64",
        "runtime": build.runtime,
        "revision": service.revision,
        "service": service.service.rpartition("/")[2],
        "source_generation": str(source.generation or "") or None,
        "vcpu": quantity(service.available_cpu),
        "sandbox_concurrency": service.max_instance_request_concurrency or 1,
        "min_instances": service.min_instance_count,
        "max_instances": service.max_instance_count,
    }
    return {key: value for key, value in facts.items() if value not in (None, "")}


def memory_mib(text: str) -> int | None:
    """Return memory as Google writes it (`256Mi`, `256M`, `1Gi`); None for what cannot be read.

    `M` and `G` of Cloud Functions are powers of 1024 (API reference, `availableMemory`, and gcloud's own table).
    """
    found = quantity(text, binary=True)
    return None if found is None else round(found / 2**20)
