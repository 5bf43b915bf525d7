"""What a platform in an account at a provider is made of: the account, and a table of its kinds of resources.

A `CloudAccount` is what calls go to: it says who asks, and what errors mean. A `ResourceKind` says how one resource is
made, deleted and found. `AccountPlatform` does with them what every such platform must: it opens and closes the
account, makes what functions share once and writes it down first, deletes, finds what was left, and ends a run whose
credentials are no longer accepted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from sebsx.clouds.adopted import CHANGE, undo
from sebsx.clouds.failures import EXPLAINED
from sebsx.clouds.made import Made, by_kind, delete_each, end
from sebsx.clouds.refusals import passing_over
from sebsx.clouds.tags import are_ours, check_ours, in_region, resource
from sebsx.clouds.targets import target_of
from sebsx.clouds.waiting import SETTLES_S, settled
from sebsx.contracts.naming import NamingRule
from sebsx.contracts.platforms import Platform
from sebsx.errors import CredentialsError, PlatformError
from sebsx.model import Capability
from sebsx.settings import setting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sebsx.clouds.adopted import Existing
    from sebsx.clouds.failures import ProviderErrors
    from sebsx.clouds.shipped import Shipped
    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import Adoption, Deployment, FunctionConfig, Manifest, Reply, Resource, Status, Target

T = TypeVar("T")

_SHOWN_BYTES = 300


@dataclass(frozen=True, kw_only=True)
class AccountSettings:
    """What every platform in an account lets a user choose."""

    ttl_h: float = setting(
        24.0, help="hours after which `sebsx clean` on any machine may delete what is left", minimum=0.1
    )


class KeptClient(cached_property[Any]):
    """A client of an account's: made when it is first used, by a function of the account, and closed with it."""


class CloudAccount(ABC):
    """One account and region at a provider, or one server. Making one sends nothing; it is used from one thread.

    Class attributes:
        errors: What its exceptions mean.
    """

    errors: ClassVar[ProviderErrors] = EXPLAINED

    @property
    def region(self) -> str:
        """Where things are made; empty where there are no regions."""
        return ""

    @abstractmethod
    def prove(self) -> None:
        """See that somebody is known who may ask, before anything is made.

        Raises:
            CredentialsError: If there is nobody.
            UserError: If settings are missing.
        """

    def close(self) -> None:
        """Close every connection. A second call is harmless, and a later use opens them again."""
        kept = [name for name in self.__dict__ if isinstance(getattr(type(self), name, None), KeptClient)]
        for client in map(self.__dict__.pop, kept):
            self.close_client(client)

    def close_client(self, client: Any) -> None:
        """Close the connections of a kept client; overridden where the SDK's clients have another way than `close`."""
        client.close()

    def explained(self, what: str) -> AbstractContextManager[None]:
        """Return a context that turns what the SDK raises into an error of ours that says what to do.

        Args:
            what: What is being done, for the message: `create of function 'f'`.
        """
        return self.errors.explained(what)

    def if_there(self, what: str, read: Callable[[], T]) -> T | None:
        """Return what a read gives; None where there is no such thing.

        Args:
            what: What is read, for messages.
            read: The read.
        """
        with passing_over(self.errors.is_gone), self.explained(what):
            return read()
        return None

    def settled(
        self,
        what: str,
        call: Callable[[], T],
        passes: Callable[[Exception], bool] | None = None,
        within_s: float = SETTLES_S,
    ) -> T:
        """Return what a call gives, called again while what it fails for will pass; see `waiting.settled`.

        Args:
            what: What is being done, for messages.
            call: The call.
            passes: Whether an exception of it will pass; None for what is still being made or changed.
            within_s: Time after which it is given up.
        """
        with self.explained(what):
            return settled(call, passes or self.errors.is_busy, what, within_s=within_s, clean=self.clean)

    def clean(self, text: str) -> str:
        """Return words of the provider fit to be shown: in one line, without keys and numbers of accounts."""
        return self.errors.clean(text)

    def noted(self, name: str, made: str) -> str:
        """Return what the ledger keeps of how the provider calls a resource that was made under a name."""
        return made


A = TypeVar("A", bound=CloudAccount)
S = TypeVar("S")

SHARED = NamingRule(longest=63, shortest=3)
"""Of names of buckets, at nearly every provider the strictest of what functions share."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ResourceKind(Generic[A]):
    """How resources of a kind are handled, each by its name.

    Args:
        delete: Deletes one and returns when it is gone; where there is none, it does nothing or raises what
            `ProviderErrors.gone` knows.
        make: Makes the one that the functions of a run share, with our tags, and returns how the provider calls it.
        found: Yields all that there are, with the tags of each; None where nothing finds them.
    """

    delete: Callable[[A, str], object]
    make: Callable[[A, str, Mapping[str, str]], str] | None = None
    found: Callable[[A], Iterable[tuple[str, Mapping[str, str]]]] | None = None

    def remove(self, account: A, what: str, name: str) -> None:
        """Delete one. Harmless when it is gone.

        Args:
            account: Where it is.
            what: What is being done, for messages.
            name: Of the resource.

        Raises:
            PlatformError: If it exists and cannot be deleted.
        """
        with passing_over(account.errors.is_gone):
            account.settled(what, partial(self.delete, account, name))


class AccountPlatform(Platform[S], Generic[S, A]):
    """A platform in an account.

    Class attributes:
        Account: Makes the account of `Settings`.
        kinds: What is made there.
        shared_rule: Names what the functions of a run share.
        ships: What goes into packages.
    """

    Account: ClassVar[type[Any]]
    kinds: ClassVar[Mapping[str, ResourceKind[Any]]]
    shared_rule: ClassVar[NamingRule] = SHARED
    ships: ClassVar[Shipped]
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.FORCE_COLD, Capability.RECORDS, Capability.STORAGE, Capability.TABLE, Capability.ADOPT,
            Capability.CHANGE,
        }
    )  # fmt: skip

    def __init__(self, settings: S, context: PlatformContext) -> None:
        super().__init__(settings, context)
        self.account: A = type(self).Account(settings)
        self._made: Made | None = None
        self._denied: CredentialsError | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self.account.close)  # where nobody may enter, nobody leaves
            self.account.prove()
            stack.pop_all()
        self._denied = None
        self._made = Made(self.ledger, partial(self._delete, self.account), self.account.region)
        return self

    def __exit__(self, *_exc: object) -> None:
        made, self._made = self._made, None
        end(made, self.account)

    # What a platform is given.

    @property
    def made(self) -> Made:
        """What the functions of the run share.

        Raises:
            PlatformError: If the platform is not open.
        """
        if self._made is None:
            raise PlatformError(f"platform {self.name!r} is not open; use it in a `with` block")
        return self._made

    @cached_property
    def shared_name(self) -> str:
        """The name that the resources have, or would have, which the functions of the run share."""
        return self.context.name("shared", self.shared_rule)

    def shared_as(self, kind: str) -> str:
        """Return the name of the resource of a kind that functions share, as `ResourceKind` and the ledger have it.

        It is `shared_name` unless a provider has other rules for some kinds, or names things by where they are.
        """
        return self.shared_name

    def shared(self, kind: str) -> str:
        """Return how the provider calls the resource of a kind that functions share, made when this is first asked."""
        name, make = self.shared_as(kind), self.kinds[kind].make
        assert make is not None
        with self.account.explained(f"create of {kind} {name!r}"):
            return self.made.once(
                kind, name, partial(make, self.account, name, self.context.tags), partial(self.account.noted, name)
            )

    def chosen(self, config: FunctionConfig) -> dict[str, Any]:
        """Return what a function gets of every option."""
        return {option.name: self.option(config, option.name) for option in self.options}

    def delete(self, *resources: tuple[str, str]) -> None:
        """Delete resources by kind and name, and strike them out of the ledger; for `teardown`.

        Raises:
            PlatformError: The first failure, after all were tried.
        """
        delete_each(self.ledger, resources, partial(self._delete, self.account))

    # What a platform says of itself.

    def existing(self, account: A) -> Existing[Any]:
        """Return the functions that the user has there (`ADOPT`)."""
        raise self._missing(Capability.ADOPT, self.name)

    def proof(self, deployment: Deployment, payload: bytes) -> Mapping[str, str]:
        """Return headers that prove who invokes, as `Platform.signed` does."""
        return {}

    def denial(self, reply: Reply) -> str | None:
        """Return why an answer says that whoever runs sebsx may not invoke, and what to do; None of other answers."""
        return None

    def search(self) -> Iterator[Resource]:
        """Yield everything in the account that a platform of this name made, whatever run it was for."""
        for kind, how in self.kinds.items():
            for name, tags in how.found(self.account) if how.found else ():
                if are_ours(tags, self.name):
                    yield resource(kind, name, tags, region=self.account.region, provider_id=name)

    # The contract of a platform.

    def target(self, language: str, architecture: str) -> Target:
        """Return the runtime that the settings name."""
        return target_of(self, language, architecture)

    def adopt(self, adoption: Adoption) -> Deployment:
        """Return the user's function, a copy of it, or itself with other memory."""
        _ = self.made
        return self._existing.adopt(adoption)

    def release(self, deployment: Deployment) -> None:
        """Delete a copy, or put a change back; what was measured as it is stays as it is."""
        undo(deployment, self.ledger, delete=self.teardown, put_back=lambda change: self._existing.put_back(change))

    def signed(self, deployment: Deployment, payload: bytes) -> Mapping[str, str]:
        """Return what proves who invokes, as long as the credentials are accepted.

        Raises:
            CredentialsError: If an invocation was refused for them.
        """
        if self._denied is not None:
            raise self._denied
        return self.proof(deployment, payload)

    def status_of(self, reply: Reply) -> Status:
        """Return what an answer means; one that accepts the credentials no more ends the run once it is stored."""
        if why := self.denial(reply):
            self._denied = CredentialsError(f"invocations are refused: {why}")
        return super().status_of(reply)

    def error_of(self, reply: Reply) -> str | None:
        """Return the provider's words for a refusal."""
        if reply.http_status is None or reply.http_status < 400:
            return None
        words = self.account.clean(reply.body[:_SHOWN_BYTES].decode("utf-8", "replace"))
        return words or f"HTTP {reply.http_status}"

    def force_cold(self, deployment: Deployment) -> None:
        """Change a variable of the function, which ends its sandboxes."""
        self._existing.end_sandboxes(deployment.effective["function"])

    def table(self) -> None:
        """Make the run's table."""
        self.shared("table")

    def wrapper_files(self, language: str) -> Mapping[str, bytes]:
        """Return the clients of storage and table."""
        return self.ships.wrapper(language)

    def layout(self, package: Manifest, target: Target) -> Mapping[str, bytes]:
        """Return what the provider's runtime calls."""
        return self.ships.entry(target.language)

    def orphans(self) -> Sequence[Resource]:
        """Return everything in the account with our tags."""
        with closing(self.account), self.account.explained("search for resources with our tags"):
            return list(self.search())

    def remove(self, resource: Resource) -> None:
        """Delete one resource; one whose tags are known and not ours is refused."""
        check_ours(resource, self.name)
        with closing(type(self).Account(in_region(self.settings, resource))) as account:
            self._delete(account, resource.kind, resource.name)

    def _delete(self, account: A, kind: str, name: str) -> None:
        """Delete a resource by its kind and name, or put a change back. Harmless when it is gone."""
        if kind == CHANGE:
            self.existing(account).put_back(name)
        else:
            by_kind(self.kinds, kind, name).remove(account, f"delete of {kind} {name!r}", name)

    @cached_property
    def _existing(self) -> Existing[Any]:
        return self.existing(self.account)
