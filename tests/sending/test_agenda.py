from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from sebsx.contracts.schedules import OVER
from sebsx.sending.agenda import Agenda, Burst
from sebsx.sending.clock import client_clock


def burst(due_in_s: float, calls: int = 1) -> Burst:
    return Burst(cast("Any", SimpleNamespace()), 1, calls, client_clock().now() + due_in_s)


def begun(*bursts: Burst) -> Agenda:
    agenda = Agenda()
    for each in bursts:
        agenda.add(each)
    assert agenda.begin() is agenda
    return agenda


def test_bursts_are_taken_by_due_time_with_all_their_calls_together() -> None:
    late, early = burst(200.0), burst(100.0, calls=2)
    agenda = begun(late, early)
    assert [agenda.take() for _ in range(3)] == [early, early, late]
    assert len(agenda) == 0


def test_it_is_over_while_nothing_is_due_and_nothing_awaited() -> None:
    agenda = begun(burst(100.0))
    assert agenda.due_s(0.0, 0, 0) == OVER
    assert agenda.next_s < OVER


def test_what_is_due_soon_is_waited_for_while_answers_are_awaited() -> None:
    agenda = begun(burst(100.0))
    due_s = agenda.due_s(0.0, 3, 2)
    assert due_s is not None
    assert 99 < due_s <= 100
    assert due_s == agenda.due_s(due_s, 3, 3)


def test_without_bursts_answers_are_waited_for() -> None:
    agenda = begun()
    assert agenda.next_s == OVER
    assert agenda.due_s(0.0, 1, 0) is None
    assert agenda.due_s(0.0, 1, 1) == OVER


def test_burst_that_is_being_sent_is_sent_to_its_end_before_another() -> None:
    first = burst(-5.0, calls=2)
    agenda = begun(first)
    assert agenda.take() is first
    agenda.add(burst(-50.0))
    assert agenda.take() is first
