"""What functions share is made once, written down before, and deleted at the end, or left in the ledger."""

from __future__ import annotations

import pytest

from sebsx.clouds.made import Made, delete_each
from sebsx.errors import PlatformError
from sebsx.model import ResourceState
from sebsx.testing.fakes import MemoryLedger


class Provider:
    """Has what was made, and clings to some of it."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self.ledger = ledger
        self.there: list[tuple[str, str]] = []
        self.clings: set[str] = set()
        self.deleted: list[tuple[str, str]] = []

    def make(self, kind: str, name: str) -> str:
        assert self.ledger.open[kind, name] is ResourceState.PLANNED, "made before it was written down"
        self.there.append((kind, name))
        return f"id/{kind}/{name}"

    def delete(self, kind: str, name: str) -> None:
        if kind in self.clings:
            raise PlatformError(f"{kind} is in use")
        self.deleted.append((kind, name))
        if (kind, name) in self.there:
            self.there.remove((kind, name))


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def provider(ledger: MemoryLedger) -> Provider:
    return Provider(ledger)


@pytest.fixture
def made(ledger: MemoryLedger, provider: Provider) -> Made:
    return Made(ledger, provider.delete)


def test_each_is_made_once_when_first_needed(made: Made, provider: Provider, ledger: MemoryLedger) -> None:
    asked = [made.once("bucket", "b", lambda: provider.make("bucket", "b")) for _ in range(3)]
    assert asked == ["id/bucket/b"] * 3
    assert provider.there == [("bucket", "b")]
    assert ledger.open == {("bucket", "b"): ResourceState.CREATED}


def test_what_fails_half_made_stays_planned_and_is_made_again(made: Made, provider: Provider) -> None:
    def fail() -> str:
        provider.make("role", "r")
        raise PlatformError("the answer was lost")

    with pytest.raises(PlatformError):
        made.once("role", "r", fail)
    assert provider.ledger.open == {("role", "r"): ResourceState.PLANNED}
    made.delete_all()
    assert provider.deleted == []  # what was not made to the end is the ledger's
    assert made.once("role", "r", lambda: provider.make("role", "r")) == "id/role/r"


def test_all_are_deleted_the_last_first_and_once(made: Made, provider: Provider, ledger: MemoryLedger) -> None:
    for kind in ("group", "storage", "plan"):
        made.once(kind, "n", lambda kind=kind: provider.make(kind, "n"))  # type: ignore[misc]
    made.delete_all()
    made.delete_all()
    assert provider.deleted == [("plan", "n"), ("storage", "n"), ("group", "n")]
    assert ledger.open == {}


def test_one_that_cannot_be_deleted_stays_in_the_ledger_and_keeps_no_other(
    made: Made, provider: Provider, ledger: MemoryLedger
) -> None:
    for kind in ("role", "bucket"):
        made.once(kind, "n", lambda kind=kind: provider.make(kind, "n"))  # type: ignore[misc]
    provider.clings = {"bucket"}
    made.delete_all()
    assert list(ledger.open) == [("bucket", "n")]
    assert provider.deleted == [("role", "n")]


def test_first_failure_is_raised_after_all_were_tried(provider: Provider, ledger: MemoryLedger) -> None:
    names = [("function", "f"), ("log-group", "f"), ("url", "f")]
    for kind, name in names:
        with ledger.creating(kind, name):
            provider.make(kind, name)
    provider.clings = {"function", "log-group"}
    with pytest.raises(PlatformError, match="function is in use"):
        delete_each(ledger, names, provider.delete)
    assert provider.deleted == [("url", "f")]
    assert set(ledger.open) == {("function", "f"), ("log-group", "f")}


def test_ledger_keeps_what_may_be_kept_of_an_identifier(ledger: MemoryLedger, provider: Provider) -> None:
    kept = []
    made = Made(ledger, provider.delete, "eu-1")
    made.once("role", "r", lambda: "arn:123456789012:r", lambda found: kept.append(found) or "r")  # type: ignore[func-returns-value]
    assert kept == ["arn:123456789012:r"]
