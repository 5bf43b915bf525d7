"""Functions that the user has: found, copied with other memory, or changed and put back."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sebsx.clouds import labels
from sebsx.clouds.adopted import CHANGE, COPY
from sebsx.clouds.fresh import NONCE, function_name
from sebsx.errors import PlatformError, UnsupportedError, UserError
from sebsx.model import Deployment
from sebsx_gcp.clients import GcpClients, clean, is_gone
from sebsx_gcp.functions import NAME, VCPU_BY_MEMORY, GcpFunctions, effective, memory_mib

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import Adoption

_ADDRESS = re.compile(
    r"(projects/(?P<project>[a-z0-9.:-]+)/locations/(?P<region>[a-z0-9-]+)/functions/)?(?P<name>[A-Za-z][A-Za-z0-9_-]{0,62})"
)
_RUNTIME = re.compile(r"([a-z]+)([0-9]+)")
# What a copy takes over of how a function runs; memory, processors and labels are its own.
_KEPT = (
    "timeout_seconds", "environment_variables", "max_instance_count", "vpc_connector", "vpc_connector_egress_settings",
    "service_account_email", "all_traffic_on_latest_revision", "secret_environment_variables", "secret_volumes",
    "max_instance_request_concurrency",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GcpFunctionName:
    """A function as a user names it; empty for what the name leaves open."""

    name: str
    project: str = ""
    region: str = ""


def read_name(address: str) -> GcpFunctionName:
    """Return the function that a name or a full resource name means.

    Raises:
        UserError: If it is neither.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise UserError(
            f"{clean(address)!r} names no function of Google Cloud; write its name or "
            "projects/PROJECT/locations/REGION/functions/NAME"
        )
    return GcpFunctionName(**{key: value or "" for key, value in found.groupdict().items()})


class GcpExisting:
    """The user's functions in one project and region.

    Args:
        clients: The account.
        context: Says where each copy and each change is written down first, and what copies are labelled with.
    """

    def __init__(self, clients: GcpClients, context: PlatformContext) -> None:
        self._clients = clients
        self._context = context
        self._functions = GcpFunctions(clients)

    def adopt(self, adoption: Adoption) -> Deployment:
        """Return the function, its copy, or itself with other memory; see `Platform.adopt`."""
        named = read_name(adoption.address)
        self._check_place(named)
        told = self._read(named)
        if adoption.copy:
            return deployment_of(
                self._copy(adoption, told), adoption, COPY, self._clients.region, notes=_left_out(told)
            )
        if not adoption.in_place:
            return deployment_of(told, adoption, "as it is", self._clients.region, notes=_warnings(told))
        change = f"{named.name}@{memory_mib(told.service_config.available_memory)}@{told.service_config.available_cpu}"
        with self._context.ledger.creating(CHANGE, change, self._clients.region):
            changed = self._functions.change(named.name, _size(adoption.config.memory_mib))
        return deployment_of(
            changed, adoption, "in place", self._clients.region, notes=_warnings(told), **{CHANGE: change}
        )

    def _check_place(self, named: GcpFunctionName) -> None:
        for what, word, own in (
            ("region", named.region, self._clients.region), ("project", named.project, self._clients.project),
        ):  # fmt: skip
            if word and word != own:
                raise UserError(f"function {named.name!r} is in {what} {word}, not {own}; add --set {what}={word}")

    def _read(self, named: GcpFunctionName) -> Any:
        """Return what Google says of a function that can be measured."""
        try:
            told = self._functions.get(named.name)
        except PlatformError as exc:
            if is_gone(exc.__cause__):
                raise UserError(
                    f"function {named.name!r} does not exist in {self._clients.region}; "
                    "look with: gcloud functions list"
                ) from exc
            raise
        if told.environment.name == "GEN_1":
            raise UnsupportedError(
                f"function {named.name!r} is of the first generation, which is called and charged in another way; "
                "measure its URL: sebsx run function https://..."
            )
        if told.event_trigger.event_type:
            raise UnsupportedError(f"function {named.name!r} is started by events ({told.event_trigger.event_type})")
        return told

    def _copy(self, adoption: Adoption, told: Any) -> Any:
        name = function_name(adoption.config, NAME)
        wanted = adoption.config.memory_mib or memory_mib(told.service_config.available_memory) or 0
        service = {key: getattr(told.service_config, key) for key in _KEPT}
        if service["max_instance_request_concurrency"] > 1:
            size = {**_size(wanted), "available_cpu": f"{max(1.0, VCPU_BY_MEMORY[wanted]):g}"}
        else:
            size = _size(wanted)
        build = {key: getattr(told.build_config, key) for key in ("runtime", "entry_point", "environment_variables")}
        build["source"] = {"storage_source": told.build_config.source.storage_source}
        with self._context.ledger.creating("function", name, self._clients.region) as creation:
            made = self._functions.create(name, build, {**service, **size}, labels.encode(self._context.tags))
            creation.provider_id = name
        return made


def deployment_of(told: Any, adoption: Adoption, how: str, region: str, **more: Any) -> Deployment:
    """Return the deployment of a function that was adopted."""
    facts: dict[str, Any] = {**effective(told), "function": told.name.rpartition("/")[2], "adopted": how, **more}
    if runtime := _RUNTIME.fullmatch(facts["runtime"]):
        language, version = runtime.groups()
        facts |= {"language": language, "language_version": f"3.{version[1:]}" if language == "python" else version}
    known = replace(
        adoption.config,
        memory_mib=adoption.config.memory_mib or facts["memory_mib"],
        architecture=facts["architecture"],
        timeout_s=facts["timeout_s"],
    )
    return Deployment(
        f"functions/{facts['function']}", known, effective=facts, endpoint=told.service_config.uri,
        region=region, adopted=True,
    )  # fmt: skip


def put_back(clients: GcpClients, change: str) -> None:
    """Give a function the memory and processors back that it had. Harmless when done already.

    Args:
        clients: The account.
        change: Name of the resource: function, memory and processors.
    """
    name, memory, vcpu = change.split("@")
    functions = GcpFunctions(clients)
    try:
        told = functions.get(name)
    except PlatformError as exc:
        if is_gone(exc.__cause__):
            return
        raise
    variables = dict(told.service_config.environment_variables)
    wanted: Mapping[str, Any] = {"available_memory": f"{memory}Mi", "available_cpu": vcpu}
    now = {"available_memory": told.service_config.available_memory, "available_cpu": told.service_config.available_cpu}
    changes = {} if now == wanted else dict(wanted)
    if variables.pop(NONCE, None) is not None:
        changes["environment_variables"] = variables
    if changes:
        functions.change(name, changes)


def _size(wanted_mib: int) -> dict[str, Any]:
    if wanted_mib not in VCPU_BY_MEMORY:
        raise UnsupportedError(f"{wanted_mib} MiB is not offered; has {', '.join(map(str, VCPU_BY_MEMORY))}")
    return {"available_memory": f"{wanted_mib}Mi", "available_cpu": f"{VCPU_BY_MEMORY[wanted_mib]:g}"}


def _left_out(told: Any) -> list[str]:
    """Return in words what a copy does not have of the function."""
    notes = ["invokers of the function are not copied: the copy is called as whoever runs sebsx"]
    if told.service_config.min_instance_count:
        notes.append("minimum instances are not copied: the copy starts on demand")
    return notes


def _warnings(told: Any) -> list[str]:
    """Return in words what makes the results of a function that is measured itself less than they seem."""
    if told.service_config.min_instance_count:
        return ["instances are kept ready for it: their price is not in the costs of the calls"]
    return []
