"""Functions that the user has: found, copied with other memory, or changed and put back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sebsx.clouds import labels
from sebsx.clouds.adopted import Existing, check_place, language_of, parts_of
from sebsx.errors import UnsupportedError
from sebsx_gcp.errors import ERRORS
from sebsx_gcp.functions import NAME, VCPU_BY_MEMORY, GcpFunctions, effective, memory_mib

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import Adoption
    from sebsx_gcp.clients import GcpClients

_ADDRESS = re.compile(
    r"(projects/(?P<project>(?:[a-z0-9-]+(?:\.[a-z0-9-]+)+:)?[a-z0-9][a-z0-9-]*)/locations/(?P<region>[a-z0-9-]+)/functions/)?(?P<name>[A-Za-z][A-Za-z0-9_-]{0,62})"
)
# What a copy takes over of how a function runs; memory, processors and labels are its own.
_KEPT = (
    "timeout_seconds", "environment_variables", "max_instance_count", "vpc_connector", "vpc_connector_egress_settings",
    "service_account_email", "all_traffic_on_latest_revision", "secret_environment_variables", "secret_volumes",
    "max_instance_request_concurrency",
)  # fmt: skip
_SIZES = ("available_memory", "available_cpu")


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
    form = "write its name or projects/PROJECT/locations/REGION/functions/NAME"
    refusal = f"{ERRORS.clean(address)!r} names no function of Google Cloud; {form}"
    return GcpFunctionName(**parts_of(address, refusal, _ADDRESS))


class GcpExisting(Existing[Any]):
    """The user's functions in one project and region.

    Args:
        clients: The account.
        context: See `Existing`.
    """

    rule = NAME
    listing = "gcloud functions list --regions={region}"
    sizes_kept = 2

    def __init__(self, clients: GcpClients, context: PlatformContext) -> None:
        super().__init__(context, clients.region)
        self._clients = clients
        self._functions = GcpFunctions(clients)

    def found(self, adoption: Adoption) -> Any:
        """Return what Google says of a function that can be measured."""
        named = read_name(adoption.address)
        what = f"function {named.name!r}"
        check_place(what, "region", named.region, self.region)
        check_place(what, "project", named.project, self._clients.project)
        told = self.there(what, self.look(named.name))
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
        service |= dict(zip(_SIZES, self.resized(told, wanted), strict=True))
        if service["max_instance_request_concurrency"] > 1:
            service["available_cpu"] = f"{max(1.0, VCPU_BY_MEMORY[wanted]):g}"
        build = {key: getattr(told.build_config, key) for key in ("runtime", "entry_point", "environment_variables")}
        build["source"] = {"storage_source": told.build_config.source.storage_source}
        return self._functions.create(name, build, service, labels.encode(self.context.tags))

    def look(self, address: str) -> Any:
        """Return what Google says of a function; None if there is none."""
        return self._clients.if_there(f"read of function {address!r}", partial(self._functions.get, address))

    def address(self, told: Any) -> str:
        """Return its name, without project and region."""
        return str(told.name.rpartition("/")[2])

    def sizes(self, told: Any) -> tuple[str, ...]:
        """Return memory and processors."""
        return told.service_config.available_memory, told.service_config.available_cpu

    def resized(self, told: Any, memory_mib: int) -> tuple[str, ...]:
        """Return memory, and the processors that it brings."""
        if memory_mib not in VCPU_BY_MEMORY:
            raise UnsupportedError(f"{memory_mib} MiB is not offered; has {', '.join(map(str, VCPU_BY_MEMORY))}")
        return f"{memory_mib}Mi", f"{VCPU_BY_MEMORY[memory_mib]:g}"

    def variables(self, told: Any) -> Mapping[str, str]:
        """Return its environment variables."""
        return dict(told.service_config.environment_variables)

    def change(self, told: Any, sizes: Sequence[str] | None, variables: Mapping[str, str] | None) -> None:
        """Make a revision with other sizes or variables."""
        changes: dict[str, Any] = {} if sizes is None else dict(zip(_SIZES, sizes, strict=True))
        if variables is not None:
            changes["environment_variables"] = variables
        self._functions.change(self.address(told), changes)

    def effective(self, adoption: Adoption, told: Any) -> Mapping[str, Any]:
        """Return what Google reports, with the language of the runtime."""
        facts = effective(told)
        return {**facts, **language_of(facts["runtime"]), "function": self.address(told)}

    def endpoint(self, told: Any) -> str:
        """Return its URI."""
        return str(told.service_config.uri)

    def left_out(self, told: Any, copy: Any) -> Sequence[str]:
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
