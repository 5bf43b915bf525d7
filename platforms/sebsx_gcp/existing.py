"""Functions that the user has: found, copied with other memory, or changed and put back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sebsx.clouds import labels
from sebsx.clouds.adopted import Existing
from sebsx.clouds.fresh import NONCE
from sebsx.errors import PlatformError, UnsupportedError, UserError
from sebsx_gcp.clients import GcpClients, clean, is_gone
from sebsx_gcp.functions import NAME, VCPU_BY_MEMORY, GcpFunctions, effective, memory_mib

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


class GcpExisting(Existing[Any]):
    """The user's functions in one project and region.

    Args:
        clients: The account.
        context: See `Existing`.
    """

    rule = NAME

    def __init__(self, clients: GcpClients, context: PlatformContext) -> None:
        super().__init__(context, clients.region)
        self._clients = clients
        self._functions = GcpFunctions(clients)

    def found(self, adoption: Adoption) -> Any:
        """Return what Google says of a function that can be measured."""
        named = read_name(adoption.address)
        for what, word, own in (
            ("region", named.region, self._clients.region), ("project", named.project, self._clients.project),
        ):  # fmt: skip
            if word and word != own:
                raise UserError(f"function {named.name!r} is in {what} {word}, not {own}; add --set {what}={word}")
        told = self._if_there(named.name)
        if told is None:
            raise UserError(
                f"function {named.name!r} does not exist in {self._clients.region}; look with: gcloud functions list"
            )
        if told.environment.name == "GEN_1":
            raise UnsupportedError(
                f"function {named.name!r} is of the first generation, which is called and charged in another way; "
                "measure its URL: sebsx run function https://..."
            )
        if told.event_trigger.event_type:
            raise UnsupportedError(f"function {named.name!r} is started by events ({told.event_trigger.event_type})")
        return told

    def copied(self, adoption: Adoption, told: Any, name: str) -> Any:
        """Make a copy of the same source with another size."""
        wanted = adoption.config.memory_mib or memory_mib(told.service_config.available_memory) or 0
        service = {key: getattr(told.service_config, key) for key in _KEPT}
        size = _size(wanted)
        if service["max_instance_request_concurrency"] > 1:
            size["available_cpu"] = f"{max(1.0, VCPU_BY_MEMORY[wanted]):g}"
        build = {key: getattr(told.build_config, key) for key in ("runtime", "entry_point", "environment_variables")}
        build["source"] = {"storage_source": told.build_config.source.storage_source}
        return self._functions.create(name, build, {**service, **size}, labels.encode(self.context.tags))

    def changed(self, adoption: Adoption, told: Any) -> Any:
        """Give it another size."""
        return self._functions.change(_name(told), _size(adoption.config.memory_mib))

    def change_of(self, adoption: Adoption, told: Any) -> str:
        """Return function, memory and processors."""
        service = told.service_config
        return f"{_name(told)}@{memory_mib(service.available_memory)}@{service.available_cpu}"

    def put_back(self, change: str) -> None:
        """Give it memory and processors back, and take away what forced it cold."""
        name, memory, vcpu = change.split("@")
        told = self._if_there(name)
        if told is None:
            return
        service = told.service_config
        variables = dict(service.environment_variables)
        wanted: dict[str, Any] = {"available_memory": f"{memory}Mi", "available_cpu": vcpu}
        now = {"available_memory": service.available_memory, "available_cpu": service.available_cpu}
        changes = {} if now == wanted else wanted
        if variables.pop(NONCE, None) is not None:
            changes["environment_variables"] = variables
        if changes:
            self._functions.change(name, changes)

    def effective(self, adoption: Adoption, told: Any) -> Mapping[str, Any]:
        """Return what Google reports, with the language of the runtime."""
        facts = {**effective(told), "function": _name(told)}
        if runtime := _RUNTIME.fullmatch(facts["runtime"]):
            language, version = runtime.groups()
            facts |= {"language": language, "language_version": f"3.{version[1:]}" if language == "python" else version}
        return facts

    def endpoint(self, told: Any) -> str:
        """Return its URI."""
        return str(told.service_config.uri)

    def left_out(self, told: Any) -> Sequence[str]:
        """Return that invokers and minimum instances are not copied."""
        notes = ["invokers of the function are not copied: the copy is called as whoever runs sebsx"]
        if told.service_config.min_instance_count:
            notes.append("minimum instances are not copied: the copy starts on demand")
        return notes

    def warnings(self, told: Any) -> Sequence[str]:
        """Return that instances are kept ready, if any are."""
        if told.service_config.min_instance_count:
            return ["instances are kept ready for it: their price is not in the costs of the calls"]
        return []

    def _if_there(self, name: str) -> Any:
        """Return what Google says of a function; None if there is none."""
        try:
            return self._functions.get(name)
        except PlatformError as exc:
            if is_gone(exc.__cause__):
                return None
            raise


def _name(told: Any) -> str:
    return str(told.name.rpartition("/")[2])


def _size(wanted_mib: int) -> dict[str, Any]:
    if wanted_mib not in VCPU_BY_MEMORY:
        raise UnsupportedError(f"{wanted_mib} MiB is not offered; has {', '.join(map(str, VCPU_BY_MEMORY))}")
    return {"available_memory": f"{wanted_mib}Mi", "available_cpu": f"{VCPU_BY_MEMORY[wanted_mib]:g}"}
