"""Actions that the user has: found, copied with other memory, or changed and put back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from sebsx.clouds.adopted import Existing, language_of, parts_of
from sebsx.contracts.naming import NamingRule
from sebsx.errors import UnsupportedError
from sebsx_openwhisk import actions
from sebsx_openwhisk.activations import BLOCKING, annotations_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import Adoption
    from sebsx_openwhisk.api import Whisk

ACTION = "action"  # kind of the resource
# Names of entities (`EntityName` of OpenWhisk): letters, digits, `_@ .-`, at most 256.
NAME = NamingRule(longest=256, marks="-_.")
_ADDRESS = re.compile(r"(?:/(?P<namespace>[\w@ .-]{1,256})/)?(?P<name>(?:[\w@ .-]{1,256}/)?[\w@ .-]{1,256})")
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
    refusal = f"{address!r} is not the name of an action; write NAME, PACKAGE/NAME or /NAMESPACE/NAME"
    return ActionName(**parts_of(address, refusal, _ADDRESS))


class ExistingActions(Existing[dict[str, Any]]):
    """The user's actions on one server.

    Args:
        whisk: The server.
        context: See `Existing`.
    """

    kind = ACTION
    rule = NAME
    listing = "wsk action list"

    def __init__(self, whisk: Whisk, context: PlatformContext) -> None:
        super().__init__(context)
        self._whisk = whisk

    def found(self, adoption: Adoption) -> dict[str, Any]:
        """Return what the server says of an action, with its code where that is to be copied."""
        named = read_name(adoption.address)
        action = self.there(f"action {adoption.subject!r}", self._read(named, with_code=adoption.copy))
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
            "annotations": actions.annotated({**self.variables(told), **self.context.tags}),
        }
        self._whisk.put(name, document, f"copy of action {adoption.subject!r}")
        return self.now(name)

    def look(self, address: str) -> dict[str, Any] | None:
        """Return what the server says of an action and, as `address`, how it is asked for; None if there is none."""
        return self._read(read_name(address))

    def address(self, told: dict[str, Any]) -> str:
        """Return its name, with the namespace it was asked for by."""
        return str(told["address"])

    def sizes(self, told: dict[str, Any]) -> tuple[str, ...]:
        """Return its memory."""
        return (str(told["limits"]["memory"]),)

    def resized(self, told: dict[str, Any], memory_mib: int) -> tuple[str, ...]:
        """Return other memory: the server has any."""
        return (str(memory_mib),)

    def variables(self, told: dict[str, Any]) -> Mapping[str, Any]:
        """Return the annotations that it was given: containers belong to a version, and each change makes one."""
        return {key: value for key, value in annotations_of(told).items() if key not in _GIVEN}

    def change(
        self, told: dict[str, Any], sizes: Sequence[str] | None, variables: Mapping[str, Any] | None
    ) -> None:  # fmt: skip
        """Give it other memory or annotations."""
        document: dict[str, Any] = {}
        if sizes is not None:
            document["limits"] = {**told["limits"], "memory": int(sizes[0])}
        if variables is not None:
            document["annotations"] = actions.annotated(variables)
        named = read_name(told["address"])
        self._whisk.put(named.name, document, f"change of action {named.address!r}", named.namespace)

    def effective(self, adoption: Adoption, told: dict[str, Any]) -> Mapping[str, Any]:
        """Return what the server reports, with the language of the runtime."""
        facts = {**actions.effective_of(told), "function": told["address"], "trigger": BLOCKING}
        return {**facts, **language_of(str(facts.get("runtime", "")))}

    def endpoint(self, told: dict[str, Any]) -> str:
        """Return the URL of an action."""
        return self._whisk.url("actions", *read_name(told["address"]))

    def left_out(self, told: dict[str, Any], copy: dict[str, Any]) -> Sequence[str]:
        """Return that parameters of its package are not copied, where it is in one."""
        if "/" in read_name(told["address"]).name:
            return ["parameters of its package are not copied: the copy has those of the action alone"]
        return []

    def _read(self, named: ActionName, *, with_code: bool = False) -> dict[str, Any] | None:
        """Return what the server says of an action and, as `address`, how it is asked for; None if there is none."""
        told = self._whisk.action(named.name, named.namespace, with_code=with_code)
        return None if told is None else {**told, "address": named.address}
