"""Where a platform writes down what it creates, before it creates it."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True, kw_only=True)
class Creation:
    """A resource being created; the platform sets `provider_id` as soon as it knows it."""

    provider_id: str | None = None


class Ledger(Protocol):
    """The resources of one platform in one run."""

    def creating(self, kind: str, name: str, region: str = "") -> AbstractContextManager[Creation]:
        """Return a context: `planned` is committed on entry, `created` on a clean exit.

        When the body raises, the resource stays `planned`, so that clean-up looks for it.
        """
        ...

    def deleted(self, kind: str, name: str) -> None:
        """Record that a resource is gone. Harmless when it is not in the ledger."""
        ...


class ForgetfulLedger:
    """The ledger of a platform that is only planned with or cleaned up after: it writes nothing down."""

    @contextmanager
    def creating(self, kind: str, name: str, region: str = "") -> Iterator[Creation]:
        """Return a creation that nobody remembers."""
        yield Creation()

    def deleted(self, kind: str, name: str) -> None:
        """Do nothing."""
