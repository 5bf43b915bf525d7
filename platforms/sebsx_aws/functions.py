"""Functions of Lambda: made, changed, waited for and read back."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from sebsx.clouds.fresh import NONCE, nonce
from sebsx.clouds.s3 import code_of
from sebsx.clouds.waiting import until
from sebsx.contracts.naming import NamingRule
from sebsx.errors import DeployError, QuotaError
from sebsx_aws.errors import ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sebsx.model import FunctionConfig
    from sebsx_aws.clients import Clients
    from sebsx_aws.settings import AwsSettings

ALIAS = "sebsx"
NAME = NamingRule(longest=64, marks="-_")
_WAIT = {"Delay": 1, "MaxAttempts": 300}
_PROVISIONED_WITHIN_S = 600.0


class Functions:
    """The functions of one account and region.

    Args:
        clients: The account.
        settings: How functions are made.
    """

    def __init__(self, clients: Clients, settings: AwsSettings) -> None:
        self._clients = clients
        self._settings = settings
        # Functions whose invocations go to a published version, since snapshots and provisioned sandboxes belong to
        # one, with the number of sandboxes that are kept ready.
        self._published: dict[str, int] = {}
        self._most: dict[str, int] = {}  # sandboxes at once, by function

    def qualifier_of(self, name: str) -> dict[str, str]:
        """Return what invocations name beside the function: the alias of its version where it needs one."""
        return {"Qualifier": ALIAS} if name in self._published else {}

    def create(
        self,
        name: str,
        config: FunctionConfig,
        code: Mapping[str, Any],
        runtime: Mapping[str, str],
        role: str,
        environment: Mapping[str, str],
        tags: Mapping[str, str],
        options: Mapping[str, Any],
    ) -> str:
        """Create a function, wait until it can be invoked, and return its ARN (of the alias where there is one).

        Args:
            name: Of the function.
            config: What is asked.
            code: Where its code is.
            runtime: How that is run.
            role: Execution role.
            environment: Variables beside those of the configuration.
            tags: Of the function.
            options: What it gets of every option.
        """
        settings, functions = self._settings, self._clients.functions
        wanted: dict[str, Any] = {
            "FunctionName": name,
            "Role": role,
            "Code": dict(code),
            "Architectures": [config.architecture],
            "MemorySize": config.memory_mib,
            "Timeout": max(1, math.ceil(config.timeout_s)),
            "Environment": {"Variables": {**config.environment, **environment, NONCE: nonce()}},
            "Tags": dict(tags),
            **runtime,
        }
        if options["ephemeral_mib"] != 512:
            wanted["EphemeralStorage"] = {"Size": options["ephemeral_mib"]}
        if settings.log_format == "json":
            wanted["LoggingConfig"] = {"LogFormat": "JSON"}
        if options["snapstart"]:
            wanted["SnapStart"] = {"ApplyOn": "PublishedVersions"}
        what = f"create of function {name!r}"
        try:
            made = self._clients.settled(what, partial(functions.create_function, **wanted), self._role_is_new)
        except DeployError as exc:
            if not ERRORS.is_busy(exc):
                raise
            # No other has this name: the answer to an earlier attempt was lost on its way.
            with ERRORS.explained(what):
                made = functions.get_function_configuration(FunctionName=name)
        with ERRORS.explained(what):
            arn = str(made["FunctionArn"])
            self.wait_active(name)
            if most := options["max_instances"]:
                told = functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=most)
                self._most[name] = told["ReservedConcurrentExecutions"]
        if not options["snapstart"] and not options["min_instances"]:
            return arn
        self._published[name] = options["min_instances"]
        return self._publish(name, functions.create_alias)

    def update(self, name: str, **changes: Any) -> None:
        """Change the configuration of a function and wait until that has arrived."""
        functions = self._clients.functions
        what = f"update of function {name!r}"
        self._clients.settled(what, partial(functions.update_function_configuration, FunctionName=name, **changes))
        with ERRORS.explained(what):
            functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=_WAIT)
        if name in self._published:
            self._publish(name, functions.update_alias)

    def _publish(self, name: str, name_it: Callable[..., Mapping[str, Any]]) -> str:
        """Publish a version, let the alias name it, wait until it can be invoked, and return the alias's ARN."""
        functions = self._clients.functions
        with ERRORS.explained(f"publication of function {name!r}"):
            version = functions.publish_version(FunctionName=name)["Version"]
            functions.get_waiter("published_version_active").wait(
                FunctionName=name, Qualifier=version, WaiterConfig=_WAIT
            )
            alias = name_it(FunctionName=name, Name=ALIAS, FunctionVersion=version)
            if instances := self._published[name]:
                self._published[name] = self._provision(name, instances)
            return str(alias["AliasArn"])

    def wait_active(self, name: str) -> None:
        """Wait until a function that was just made can be invoked."""
        with ERRORS.explained(f"create of function {name!r}"):
            self._clients.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=_WAIT)

    def effective(self, name: str, qualifier: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return what Lambda reports of a function, under the names of `FunctionConfig` and facts of its own.

        Args:
            name: Of the function.
            qualifier: Which version of it; None for the one that its options call for.
        """
        functions = self._clients.functions
        with ERRORS.explained(f"read of function {name!r}"):
            told = functions.get_function_configuration(
                FunctionName=name, **(self.qualifier_of(name) if qualifier is None else qualifier)
            )
            return self._facts(name, told, ours=qualifier is None)

    def _facts(self, name: str, told: Mapping[str, Any], *, ours: bool) -> dict[str, Any]:
        facts = {
            "memory_mib": told["MemorySize"],
            "timeout_s": float(told["Timeout"]),
            "architecture": told.get("Architectures", ["x86_64"])[0],
            "runtime": told.get("Runtime"),
            "runtime_version": told.get("RuntimeVersionConfig", {}).get("RuntimeVersionArn"),
            "package": told.get("PackageType", "").lower() or None,
            "code_sha256": told.get("CodeSha256"),
            "code_bytes": told.get("CodeSize") or None,  # 0 for images
            "ephemeral_mib": told.get("EphemeralStorage", {}).get("Size"),
            "snapstart": told.get("SnapStart", {}).get("OptimizationStatus") == "On",
            "log_format": told.get("LoggingConfig", {}).get("LogFormat"),
            "version": told.get("Version"),
            # Of a function that is not ours these are asked for by `adopt`, or nobody knows them.
            "min_instances": self._published.get(name, 0) if ours else None,
            "max_instances": self._most.get(name, 0) if ours else None,
            "billing_scheme": "provisioned" if self._published.get(name) else None,
        }
        return {key: value for key, value in facts.items() if value is not None}

    def send_results(self, name: str, queue_arn: str, qualifier: Mapping[str, str]) -> None:
        """Send the result of every asynchronous invocation to a queue, and do none again."""
        destination = {"Destination": queue_arn}
        send = partial(
            self._clients.functions.put_function_event_invoke_config, FunctionName=name, MaximumRetryAttempts=0,
            DestinationConfig={"OnSuccess": destination, "OnFailure": destination}, **qualifier,
        )  # fmt: skip
        self._clients.settled(f"destinations of {name!r}", send, self._role_is_new)

    def _role_is_new(self, exc: Exception) -> bool:
        """Tell whether Lambda has not heard of our role or of what it may do yet, which takes some seconds."""
        new = "assume" in str(exc) or "role does not have permissions" in str(exc)
        return new and code_of(exc) == "InvalidParameterValueException" and not self._settings.role

    def _provision(self, name: str, instances: int) -> int:
        """Keep so many sandboxes ready, wait until they are, and return how many Lambda says there are."""
        functions = self._clients.functions
        functions.put_provisioned_concurrency_config(
            FunctionName=name,
            Qualifier=ALIAS,
            ProvisionedConcurrentExecutions=instances,
        )

        def ready() -> int | None:
            said = functions.get_provisioned_concurrency_config(FunctionName=name, Qualifier=ALIAS)
            if said["Status"] == "IN_PROGRESS":
                return None
            if said["Status"] != "READY":
                reason = ERRORS.clean(said.get("StatusReason", said["Status"]))
                raise QuotaError(f"provisioning of {name!r} failed: {reason}")
            return int(said.get("AllocatedProvisionedConcurrentExecutions", instances))

        return until(ready, f"provisioning of {name!r}", within_s=_PROVISIONED_WITHIN_S)
