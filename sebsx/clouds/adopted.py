"""Functions that the user has: measured as they are, as copies, or changed for a while and put back."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from sebsx.clouds.fresh import NONCE, function_name, nonce
from sebsx.errors import CredentialsError, UserError
from sebsx.model import Deployment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sebsx.contracts.ledger import Ledger
    from sebsx.contracts.naming import NamingRule
    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import Adoption

T = TypeVar("T")
U = TypeVar("U")

_RUNTIME = re.compile(r"(?P<language>[a-z]+?)(?:[:|](?P<apart>[\w.]+)|(?P<behind>\d[\d.]*?)(?:\.x)?)?")
_LANGUAGES = {"node": "nodejs"}

CHANGE = "memory-change"
"""Kind of the resource that stands for a change of a function; its name tells what to put back."""
COPY = "copy"
"""What `effective["adopted"]` says of a copy."""


class Existing(ABC, Generic[T]):
    """The user's functions at one provider. What it says of a function is a `T`.

    A change of a function is one of its sizes, of its variables, or of both. What a size is, the provider knows; as a
    variable counts whatever can be added to a function and taken away again, and ends its sandboxes.

    Args:
        context: Says where each copy and each change is written down first, and what copies are tagged with.
        region: Where the functions are.

    Class attributes:
        kind: Kind of the resource that a copy is.
        rule: By which copies are named.
        listing: The provider's own command that lists functions, with `{region}` where it asks for one.
        sizes_kept: How many texts `sizes` returns.
    """

    kind: ClassVar[str] = "function"
    rule: ClassVar[NamingRule]
    listing: ClassVar[str] = ""
    sizes_kept: ClassVar[int] = 1

    def __init__(self, context: PlatformContext, region: str = "") -> None:
        self.context = context
        self.region = region

    @abstractmethod
    def found(self, adoption: Adoption) -> T:
        """Return what the provider says of the function.

        Raises:
            UserError: If there is no such function.
            UnsupportedError: If it cannot be measured.
        """

    @abstractmethod
    def look(self, address: str) -> T | None:
        """Return what the provider says of a function now, by its name for requests; None if there is none."""

    @abstractmethod
    def address(self, told: T) -> str:
        """Return its name for requests."""

    @abstractmethod
    def copied(self, adoption: Adoption, told: T, name: str) -> T:
        """Make a copy of this name with the memory asked for, and return what the provider says of it."""

    @abstractmethod
    def sizes(self, told: T) -> tuple[str, ...]:
        """Return the sizes that it has, as texts without `@`."""

    @abstractmethod
    def resized(self, told: T, memory_mib: int) -> tuple[str, ...]:
        """Return the sizes that go with another memory.

        Raises:
            UnsupportedError: If the provider has none.
        """

    @abstractmethod
    def variables(self, told: T) -> Mapping[str, Any]:
        """Return its variables."""

    @abstractmethod
    def change(self, told: T, sizes: Sequence[str] | None, variables: Mapping[str, Any] | None) -> None:
        """Give it sizes, variables or both, None for those it has, and wait until they are in force."""

    @abstractmethod
    def effective(self, adoption: Adoption, told: T) -> Mapping[str, Any]:
        """Return what the provider reports, as in `Deployment.effective`, with `function`, its name for requests."""

    @abstractmethod
    def endpoint(self, told: T) -> str:
        """Return where it is called."""

    def new_name(self, adoption: Adoption, told: T) -> str:
        """Return the name of a copy, by which it is also deleted."""
        return function_name(adoption.config, self.rule)

    def left_out(self, told: T, copy: T) -> Sequence[str]:
        """Return in words what a copy does not have of the function."""
        return ()

    def warnings(self, told: T) -> Sequence[str]:
        """Return in words what makes the results of a function that is measured itself less than they seem."""
        return ()

    def adopt(self, adoption: Adoption) -> Deployment:
        """Return the function, its copy, or itself with other memory; see `Platform.adopt`."""
        told, ledger = self.found(adoption), self.context.ledger
        if adoption.copy:
            name = self.new_name(adoption, told)
            with ledger.creating(self.kind, name, self.region) as creation:
                copy = self._copy(adoption, told, name)
                creation.provider_id = name
            return self._deployment(adoption, copy, COPY, notes=list(self.left_out(told, copy)))
        notes = list(self.warnings(told))
        if not adoption.in_place:
            return self._deployment(adoption, told, "as it is", notes=notes)
        wanted = self.resized(told, adoption.config.memory_mib)
        change = "@".join((self.address(told), *self.sizes(told)))
        with ledger.creating(CHANGE, change, self.region):
            self.change(told, wanted, None)
        changed = self.now(self.address(told))
        return self._deployment(adoption, changed, "in place", notes=notes, **{CHANGE: change})

    def put_back(self, change: str) -> None:
        """Give a function back what it had, and take away what forced it cold. Harmless when done or gone already.

        Args:
            change: Name of the resource: the function, and the sizes that it had.
        """
        address, *had = change.rsplit("@", self.sizes_kept)
        told = self.look(address)
        if told is None:
            return
        sizes = None if self.sizes(told) == tuple(had) else had
        variables = dict(self.variables(told))
        kept = variables if variables.pop(NONCE, None) is not None else None
        if sizes is not None or kept is not None:
            self.change(told, sizes, kept)

    def end_sandboxes(self, address: str) -> None:
        """Change a variable, which ends the sandboxes of a function that are idle."""
        told = self.now(address)
        self.change(told, None, {**self.variables(told), NONCE: nonce()})

    def there(self, what: str, told: U | None) -> U:
        """Return what the provider says of something: `function 'f'`.

        Raises:
            UserError: If there is no such thing.
        """
        if told is None:
            raise UserError(f"{what} does not exist; look with: {self.listing.format(region=self.region)}")
        return told

    def now(self, address: str) -> T:
        """Return what the provider says of a function that is being measured.

        Raises:
            UserError: If it is gone.
        """
        told = self.look(address)
        if told is None:
            raise UserError(f"{self.kind} {address!r} was deleted while it was measured")
        return told

    def _copy(self, adoption: Adoption, told: T, name: str) -> T:
        try:
            return self.copied(adoption, told, name)
        except CredentialsError as exc:
            raise CredentialsError(
                f"{exc}; or measure the {self.kind} as it is (without --memory) or --in-place"
            ) from exc

    def _deployment(self, adoption: Adoption, told: T, how: str, **more: Any) -> Deployment:
        facts = {**self.effective(adoption, told), "adopted": how, **more}
        asked = adoption.config
        known = replace(
            asked,
            memory_mib=int(facts.get("memory_mib") or asked.memory_mib),
            architecture=asked.architecture or facts.get("architecture", ""),
            timeout_s=float(facts.get("timeout_s", asked.timeout_s)),
        )
        return Deployment(
            f"{self.kind}:{adoption.subject if how != COPY else facts['function']}",
            known,
            effective=facts,
            endpoint=self.endpoint(told),
            region=self.region,
            adopted=True,
        )


def parts_of(address: str, refusal: str, *forms: re.Pattern[str]) -> dict[str, str]:
    """Return the named parts of what a user calls a function, empty for those that it leaves out.

    Args:
        address: As the user wrote it.
        refusal: What is said where that is the name of no function, and how one is written.
        forms: The forms that names have; the first that fits counts.

    Raises:
        UserError: If none fits.
    """
    found = next((found for form in forms if (found := form.fullmatch(address))), None)
    if found is None:
        raise UserError(refusal)
    return {name: part or "" for name, part in found.groupdict().items()}


def check_place(what: str, setting: str, there: str, here: str) -> None:
    """Refuse a function that is elsewhere than the settings lead to.

    Args:
        what: What is asked for: `function 'f'`.
        setting: Name of the setting: `region`.
        there: Where the function is; empty where its name does not say.
        here: Where the settings lead to.

    Raises:
        UserError: If these differ.
    """
    if there and there != here:
        raise UserError(f"{what} is in {setting} {there}, not {here}; use --set {setting}={there}")


def language_of(runtime: str) -> dict[str, str]:
    """Return the facts `language` and `language_version` of a runtime, as providers write one.

    That is `python3.12`, `nodejs22.x`, `python312`, `node|22` or `python:3.12`; nothing of what is none of these.
    """
    found = _RUNTIME.fullmatch(runtime)
    if found is None:
        return {}
    language, version = _LANGUAGES.get(found["language"], found["language"]), found["apart"] or found["behind"] or ""
    if language == "python" and version.isdecimal():
        version = f"{version[0]}.{version[1:]}".rstrip(".")
    return {"language": language, "language_version": version}


def undo(
    deployment: Deployment,
    ledger: Ledger,
    *,
    delete: Callable[[Deployment], None],
    put_back: Callable[[str], None],
) -> None:
    """Delete a copy, or put a change back; what was measured as it is stays as it is.

    Args:
        deployment: Of a function that was adopted.
        ledger: Where the change is written down.
        delete: Deletes a copy.
        put_back: Puts a change back, by its name.
    """
    if deployment.effective["adopted"] == COPY:
        delete(deployment)
    elif change := deployment.effective.get(CHANGE):
        put_back(change)
        ledger.deleted(CHANGE, change)
