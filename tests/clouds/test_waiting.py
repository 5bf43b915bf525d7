"""Waiting for a provider ends: with what was waited for, or with an error that says what did not happen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sebsx.clouds.waiting import settled, until
from sebsx.errors import DeployError


class BusyError(Exception):
    """The provider is still at it."""


def is_busy(exc: Exception) -> bool:
    return isinstance(exc, BusyError)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that would have been made; none is."""
    made: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", made.append)
    return made


def in_turn(*outcomes: object) -> Callable[[], Any]:
    """Return a function that raises or returns one outcome after the other."""
    left = list(outcomes)

    def call() -> object:
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return call


def test_call_is_repeated_until_the_provider_has_settled(pauses: list[float]) -> None:
    assert settled(in_turn(BusyError(), BusyError(), "made"), is_busy, "create of 'f'") == "made"
    assert pauses == pytest.approx([0.2, 0.32])


def test_pauses_grow_to_five_seconds(pauses: list[float]) -> None:
    settled(in_turn(*[BusyError()] * 12, "made"), is_busy, "create of 'f'")
    assert max(pauses) == 5.0
    assert pauses == sorted(pauses)


def test_another_error_is_raised_at_once(pauses: list[float]) -> None:
    with pytest.raises(ValueError, match="no such role"):
        settled(in_turn(BusyError(), ValueError("no such role")), is_busy, "create of 'f'")
    assert len(pauses) == 1


def test_provider_that_does_not_settle_is_an_error_with_its_last_words_made_fit(pauses: list[float]) -> None:
    call = in_turn(BusyError("first"), BusyError("role of 123456789012 is not known"))
    with pytest.raises(DeployError) as caught:
        settled(call, is_busy, "create of 'f'", within_s=0.0, clean=lambda text: text.replace("123456789012", "***"))
    assert str(caught.value) == "create of 'f' did not settle within 0 s: role of *** is not known"
    assert isinstance(caught.value.__cause__, BusyError)


def test_first_thing_found_is_returned(pauses: list[float]) -> None:
    assert until(in_turn(None, None, 0), "provisioning", within_s=60) == 0  # 0 is something
    assert len(pauses) == 2


def test_nothing_in_time_is_an_error(pauses: list[float]) -> None:
    with pytest.raises(DeployError, match=r"provisioning of 'f' was not done within 0\.01 s"):
        until(in_turn(None), "provisioning of 'f'", within_s=0.01)


def test_what_a_look_raises_is_raised_at_once(pauses: list[float]) -> None:
    with pytest.raises(BusyError):
        until(in_turn(BusyError()), "provisioning", within_s=60)
    assert pauses == []


def test_interrupt_ends_the_waiting(pauses: list[float]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        settled(interrupted, lambda exc: True, "create of 'f'")
