"""Actions that the user has: found, copied with other memory, or changed and put back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from sebsx.clouds.adopted import Existing
from sebsx.clouds.fresh import nonce
from sebsx.contracts.naming import NamingRule
from sebsx.errors import UnsupportedError, UserError
from sebsx_openwhisk import actions
from sebsx_openwhisk.activations import BLOCKING, annotations_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import Adoption
    from sebsx_openwhisk.api import Whisk

ACTION = "action"  # kind of the resource
NONCE = "sebsx-nonce"  # the annotation that is changed to end idle containers
# Names of entities (`EntityName` of OpenWhisk): letters, digits, `_@ .-`, at most 256.
NAME = NamingRule(longest=256, marks="-_.")
_ADDRESS = re.compile(r"(?:/(?P<namespace>[\w@ .-]{1,256})/)?(?P<name>(?:[\w@ .-]{1,256}/)?[\w@ .-]{1,256})")
_KIND = re.compile(r"(?P<language>[a-z]+):(?P<version>[\w.]+)")
_SEQUENCE = "sequence"
_GIVEN = frozenset({"exec"})  # annotations that the server writes itself


class ActionName(NamedTuple):
    """An action as a user names it, with its package; the namespace is empty for that of the key."""

    name: str
    namespace: str

    @property
    def address(self) -> str:
        """As a user would write it."""
        return f"/{self.namespace}/{self.name}" if self.namespace else self.name


def read_name(address: str) -> ActionName:
    """Return the action that a word means.

    Raises:
        UserError: If it is the name of none.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise UserError(f"{address!r} is not the name of an action; write NAME, PACKAGE/NAME or /NAMESPACE/NAME")
    return ActionName(found["name"], found["namespace"] or "")


class ExistingActions(Existing[dict[str, Any]]):
    """The user's actions on one server.

    Args:
        whisk: The server.
        context: See `Existing`.
    """

    kind = ACTION
    rule = NAME

    def __init__(self, whisk: Whisk, context: PlatformContext) -> None:
        super().__init__(context)
        self._whisk = whisk

    def found(self, adoption: Adoption) -> dict[str, Any]:
        """Return what the server says of an action, with its code where that is to be copied."""
        named = read_name(adoption.address)
        action = self._read(named, with_code=adoption.copy)
        if action is None:
            raise UserError(f"action {adoption.subject!r} does not exist; look with: wsk action list")
        is_sequence = action.get("exec", {}).get("kind") == _SEQUENCE
        if is_sequence and (adoption.copy or adoption.in_place):
            raise UnsupportedError(f"action {adoption.subject!r} is a sequence: its actions have memory, it has none")
        return action

    def copied(self, adoption: Adoption, told: dict[str, Any], name: str) -> dict[str, Any]:
        """Make an action of the same code, with its limits, parameters and annotations."""
        limits = dict(told.get("limits", {}))
        limits["memory"] = adoption.config.memory_mib or limits.get("memory", 256)
        document = {
            "exec": told["exec"],
            "limits": limits,
            "parameters": told.get("parameters", []),
            "annotations": [*_annotations(told), *actions.annotated(self.context.tags)],
        }
        self._whisk.put(name, document, f"copy of action {adoption.subject!r}")
        return self._made(ActionName(name, ""))

    def changed(self, adoption: Adoption, told: dict[str, Any]) -> dict[str, Any]:
        """Give it other memory."""
        named = read_name(adoption.address)
        self._limit(named, told, adoption.config.memory_mib)
        return self._made(named)

    def change_of(self, adoption: Adoption, told: dict[str, Any]) -> str:
        """Return name and memory."""
        return f"{read_name(adoption.address).address}@{told['limits']['memory']}"

    def put_back(self, change: str) -> None:
        """Give it its memory back, and take away what forced it cold."""
        address, _, memory_mib = change.rpartition("@")
        named = read_name(address)
        told = self._read(named)
        if told is None:
            return
        if told["limits"].get("memory") != int(memory_mib):
            self._limit(named, told, int(memory_mib))
        if NONCE in annotations_of(told):
            self._annotate(named, _annotations(told))

    def end_containers(self, address: str) -> None:
        """Make a new version of an action, by one more annotation: containers of others get no more activations."""
        named = read_name(address)
        self._annotate(named, [*_annotations(self._made(named)), {"key": NONCE, "value": nonce()}])

    def effective(self, adoption: Adoption, told: dict[str, Any]) -> Mapping[str, Any]:
        """Return what the server reports, with the language of the runtime."""
        facts = {**actions.effective_of(told), "function": told["address"], "trigger": BLOCKING}
        if runtime := _KIND.fullmatch(str(facts.get("runtime", ""))):
            facts |= {"language": runtime["language"], "language_version": runtime["version"]}
        return facts

    def endpoint(self, told: dict[str, Any]) -> str:
        """Return the URL of an action."""
        return self._whisk.url("actions", *read_name(told["address"]))

    def left_out(self, told: dict[str, Any]) -> Sequence[str]:
        """Return that parameters of its package are not copied, where it is in one."""
        if "/" in read_name(told["address"]).name:
            return ["parameters of its package are not copied: the copy has those of the action alone"]
        return []

    def _read(self, named: ActionName, *, with_code: bool = False) -> dict[str, Any] | None:
        """Return what the server says of an action and, as `address`, how it is asked for; None if there is none."""
        told = self._whisk.action(named.name, named.namespace, with_code=with_code)
        return None if told is None else {**told, "address": named.address}

    def _made(self, named: ActionName) -> dict[str, Any]:
        told = self._read(named)
        if told is None:
            raise UserError(f"action {named.address!r} was deleted while it was measured")
        return told

    def _limit(self, named: ActionName, told: Mapping[str, Any], memory_mib: int) -> None:
        document = {"limits": {**told["limits"], "memory": memory_mib}}
        self._whisk.put(named.name, document, f"change of action {named.address!r}", named.namespace)

    def _annotate(self, named: ActionName, annotations: Sequence[Mapping[str, Any]]) -> None:
        document = {"annotations": list(annotations)}
        self._whisk.put(named.name, document, f"update of action {named.address!r}", named.namespace)


def _annotations(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the annotations that the user gave an action, without what forced it cold."""
    left_out = _GIVEN | {NONCE}
    return [
        item for item in told.get("annotations") or () if isinstance(item, dict) and item.get("key") not in left_out
    ]
