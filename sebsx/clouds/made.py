"""What a run has in an account: made once and when first needed, written down before, deleted at the end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol, TypeVar

from sebsx.errors import PlatformError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sebsx.contracts.ledger import Ledger

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Closes(Protocol):
    """What has connections."""

    def close(self) -> None:
        """Close them."""
        ...


class DeletesAll(Protocol):
    """What a run made in an account."""

    def delete_all(self) -> None:
        """Delete it."""
        ...


class Made:
    """The resources that all functions of a run share: a role, a bucket, a registry, a resource group.

    Args:
        ledger: Where each is written down before it is made.
        delete: Deletes one by kind and name; harmless when it is gone, `PlatformError` if it cannot be.
        region: Where they are made.
    """

    def __init__(self, ledger: Ledger, delete: Callable[[str, str], None], region: str = "") -> None:
        self._ledger = ledger
        self._delete = delete
        self._region = region
        self._known: dict[tuple[str, str], str] = {}

    def once(
        self, kind: str, name: str, make: Callable[[], str], provider_id: Callable[[str], str] | None = None
    ) -> str:
        """Return what `make` returned when this was first asked for: how the provider calls the resource.

        Args:
            kind: What it is.
            name: As `delete` wants it.
            make: Makes it and returns when it can be used. When it raises, the resource stays in the ledger as planned.
            provider_id: What the ledger keeps of that: without the number of an account, say; None for all of it.
        """
        if (kind, name) not in self._known:
            with self._ledger.creating(kind, name, self._region) as creation:
                self._known[kind, name] = made = make()
                creation.provider_id = made if provider_id is None else provider_id(made)
        return self._known[kind, name]

    def leave(self, kind: str, name: str) -> None:
        """Leave one to whoever cleans up: `delete_all` passes it over, and it stays in the ledger."""
        self._known.pop((kind, name), None)

    def delete_all(self) -> None:
        """Delete what was made, the last first; one that cannot be stays in the ledger, for whoever cleans up."""
        known, self._known = list(self._known), {}
        for kind, name in reversed(known):
            self.delete(kind, name)

    def delete(self, kind: str, name: str) -> None:
        """Delete one; if it cannot be it stays in the ledger."""
        try:
            delete_each(self._ledger, [(kind, name)], self._delete)
        except PlatformError as exc:
            logger.info("delete of %s %r failed: %s", kind, name, exc)


def delete_each(ledger: Ledger, resources: Iterable[tuple[str, str]], delete: Callable[[str, str], None]) -> None:
    """Delete resources by kind and name and strike them out of the ledger; one that fails does not keep the others.

    Raises:
        PlatformError: The first failure, after all were tried; what failed stays in the ledger.
    """
    failure: PlatformError | None = None
    for kind, name in resources:
        try:
            delete(kind, name)
        except PlatformError as exc:
            failure = failure or exc
        else:
            ledger.deleted(kind, name)
    if failure is not None:
        raise failure


def end(made: DeletesAll | None, clients: Closes) -> None:
    """Delete what a run made, if it was begun, and close the clients whatever comes of that."""
    try:
        if made is not None:
            made.delete_all()
    finally:
        clients.close()


def by_kind(known: Mapping[str, T], kind: str, name: str) -> T:
    """Return what is known of a kind of resource: how one is deleted.

    Raises:
        UnsupportedError: If the platform makes no such thing.
    """
    if kind not in known:
        raise UnsupportedError(f"resource {name!r} is of kind {kind!r}, which this platform does not make")
    return known[kind]
