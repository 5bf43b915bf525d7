"""Functions that the user has: found, copied with other memory, or changed and put back."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from sebsx.clouds.adopted import Existing, parts_of
from sebsx.clouds.quantities import quantity
from sebsx.clouds.starts import KnownStarts
from sebsx.clouds.waiting import until
from sebsx.contracts.naming import NamingRule
from sebsx.errors import UnsupportedError
from sebsx_openfaas import functions
from sebsx_openfaas.functions import HTTP
from sebsx_openfaas.probes import is_healthy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import Adoption
    from sebsx_openfaas.gateway import FaasGateway

FUNCTION = "function"  # kind of the resource
NAME = NamingRule(longest=63)  # of services in Kubernetes: a label of DNS
_ADDRESS = re.compile(r"(?P<name>[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.(?P<namespace>[a-z0-9-]{1,63}))?")
# What an update takes as the status tells it; the rest of a status is what came of it.
_KEPT = ("image", "envProcess", "envVars", "constraints", "secrets", "labels", "annotations", "limits", "requests",
         "readOnlyRootFilesystem")  # fmt: skip
# Neither may be told to another function: faas-netes writes them itself, and finds pods by the first.
_LABELS_OF_PROVIDER = frozenset({"faas_function", "uid"})
# From the watchdog's first healthy answer on: whether a function behind it listens, only a call would tell.
_SETTLES_S = 1.0
_SIZES = ("limits", "requests")
_NOTHING = "-"  # in the name of a change, for a size that was not set


class FaasName(NamedTuple):
    """A function as a user names it; the namespace is empty for that of the settings."""

    name: str
    namespace: str

    @property
    def address(self) -> str:
        """As a user would write it."""
        return ".".join(filter(None, self))


def read_name(address: str) -> FaasName:
    """Return the function that a word means.

    Raises:
        UserError: If it is the name of none.
    """
    refusal = f"{address!r} is not the name of a function; write NAME or NAME.NAMESPACE"
    return FaasName(**parts_of(address, refusal, _ADDRESS))


class ExistingFunctions(Existing[dict[str, Any]]):
    """The user's functions behind one gateway.

    An update replaces a function whole, by what the gateway tells of it. Whether it tells variables is seen before.

    Args:
        gateway: The gateway.
        context: See `Existing`.
    """

    kind = FUNCTION
    rule = NAME
    listing = "faas-cli list"
    sizes_kept = 2

    def __init__(self, gateway: FaasGateway, context: PlatformContext) -> None:
        super().__init__(context)
        self._gateway = gateway
        self.starts = KnownStarts(serves_all=True)  # no replica is started for a call

    def found(self, adoption: Adoption) -> dict[str, Any]:
        """Return what the gateway says of a function."""
        told = self.there(f"function {adoption.subject!r}", self.look(adoption.address))
        if adoption.copy or adoption.in_place:
            self._check_told(adoption.subject, told)
        return told

    def new_name(self, adoption: Adoption, told: dict[str, Any]) -> str:
        """Return a name with the function's namespace, where its secrets are."""
        return FaasName(super().new_name(adoption, told), told["namespace"]).address

    def copied(self, adoption: Adoption, told: dict[str, Any], name: str) -> dict[str, Any]:
        """Make a function of the same image, with its variables, secrets and labels."""
        named = read_name(name)
        document = _document(told, named.name)
        document["annotations"] = {**(document.get("annotations") or {}), **self.context.tags}
        if adoption.config.memory_mib:
            _set_sizes(document, self.resized(told, adoption.config.memory_mib))
        self._put(document, told, new=True)
        return self.now(name)

    def look(self, address: str) -> dict[str, Any] | None:
        """Return what the gateway says of a function and, as `address`, how it is asked for; None if there is none."""
        named = read_name(address)
        told = self._gateway.function(*named)
        return None if told is None else {**told, **named._asdict(), "address": named.address}

    def address(self, told: dict[str, Any]) -> str:
        """Return its name, with the namespace it was asked for by."""
        return str(told["address"])

    def sizes(self, told: dict[str, Any]) -> tuple[str, ...]:
        """Return limit and request of memory."""
        return tuple((told.get(key) or {}).get("memory") or _NOTHING for key in _SIZES)

    def resized(self, told: dict[str, Any], memory_mib: int) -> tuple[str, ...]:
        """Return another limit, and a request that is no larger."""
        limit, request = f"{memory_mib}Mi", self.sizes(told)[1]
        return limit, limit if (quantity(request) or 0) > (quantity(limit) or 0) else request

    def variables(self, told: dict[str, Any]) -> Mapping[str, str]:
        """Return its environment variables."""
        return dict(told.get("envVars") or {})

    def change(
        self, told: dict[str, Any], sizes: Sequence[str] | None, variables: Mapping[str, str] | None
    ) -> None:  # fmt: skip
        """Replace it by itself with other memory or variables."""
        document = _document(told, told["name"])
        if sizes is not None:
            _set_sizes(document, sizes)
        if variables is not None:
            document["envVars"] = dict(variables)
        self._put(document, told, new=False)

    def end_sandboxes(self, address: str) -> None:
        """Replace a function by itself with another variable, so that its next call meets a new replica."""
        super().end_sandboxes(address)
        self.starts.ended(address, all_of_them=functions.replicas_of(self.now(address)) == 1)

    def effective(self, adoption: Adoption, told: dict[str, Any]) -> Mapping[str, Any]:
        """Return what the gateway reports."""
        return {**functions.effective_of(told), "function": told["address"], "trigger": HTTP}

    def endpoint(self, told: dict[str, Any]) -> str:
        """Return where a function is called at once."""
        return self._gateway.invoke_url(*read_name(told["address"]))

    def warnings(self, told: dict[str, Any]) -> Sequence[str]:
        """Return that several replicas share the calls, if they do."""
        replicas = functions.replicas_of(told)
        return [f"its {replicas} replicas share the calls: which of them answered is not known"] if replicas > 1 else []

    def _check_told(self, subject: str, told: Mapping[str, Any]) -> None:
        """Refuse to write a function that the gateway may not tell whole.

        Raises:
            UnsupportedError: If it tells variables of no function.
        """
        if "envVars" not in told and not any(status.get("envVars") for status in self._gateway.functions()):
            raise UnsupportedError(
                f"the gateway does not show the variables of a function, so a copy or a change of {subject!r} might "
                "lack some; measure it as it is (without --memory)"
            )

    def _put(self, document: dict[str, Any], told: Mapping[str, Any], *, new: bool) -> None:
        """Make or replace a function, and wait until its watchdog answers, which calls nothing."""
        self._gateway.put(document, new=new, namespace=told["namespace"])
        name, url = document["service"], self._gateway.invoke_url(document["service"], told["namespace"])
        healthy: list[float] = []

        def look() -> bool | None:
            seen = self._gateway.function(name, told["namespace"]) or {}
            ready = functions.replicas_of(seen, available=True) >= functions.replicas_of(seen) > 0
            if not ready or not is_healthy(url, self._gateway.certificate):
                healthy.clear()
                return None
            healthy.append(time.monotonic())
            return healthy[-1] - healthy[0] >= _SETTLES_S or None

        until(look, f"start of function {name!r}", within_s=self._gateway.settings.ready_s)


def _document(told: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a function as the gateway takes it, by what it tells of one."""
    document = {"service": name, **{key: told[key] for key in _KEPT if told.get(key)}}
    if labels := document.get("labels"):
        document["labels"] = {key: value for key, value in labels.items() if key not in _LABELS_OF_PROVIDER}
    return document


def _set_sizes(document: dict[str, Any], sizes: Sequence[str]) -> None:
    """Set limit and request of memory; whatever else is limited stays."""
    for key, size in zip(_SIZES, sizes, strict=True):
        kept = {name: value for name, value in (document.pop(key, None) or {}).items() if name != "memory" and value}
        if size != _NOTHING:
            kept["memory"] = size
        if kept:
            document[key] = kept
