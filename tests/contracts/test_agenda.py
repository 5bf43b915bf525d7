from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from sebsx.contracts.agenda import Agenda
from sebsx.contracts.calls import Calls
from sebsx.contracts.schedules import OVER, Arrivals, Closed
from sebsx.model.clock import client_clock


def burst(calls: int = 1, gap_s: float = 0.0) -> Calls:
    times_s = [number * gap_s for number in range(calls)]
    return Calls(function=cast("Any", SimpleNamespace()), schedule=Arrivals(times_s), cell_id=1)


def begun(*bursts: tuple[float, Calls]) -> Agenda:
    agenda = Agenda()
    for due_in_s, calls in bursts:
        agenda.add(calls, client_clock().now() + due_in_s)
    assert agenda.begin() is agenda
    return agenda


def test_bursts_are_taken_by_due_time_with_all_their_calls_together() -> None:
    late, early = burst(), burst(calls=2)
    agenda = begun((200.0, late), (100.0, early))
    assert [agenda.take() for _ in range(3)] == [(early, 0), (early, 1), (late, 0)]
    assert len(agenda) == 0


def test_it_is_over_while_nothing_is_due_and_nothing_awaited() -> None:
    agenda = begun((100.0, burst()))
    assert agenda.due_s(0.0, 0, 0) == OVER
    assert agenda.next_s < OVER


def test_what_is_due_soon_is_waited_for_while_answers_are_awaited() -> None:
    agenda = begun((100.0, burst()))
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
    first = burst(calls=2)
    agenda = begun((-5.0, first))
    assert agenda.take() == (first, 0)
    agenda.add(burst(), client_clock().now() - 50.0)
    assert agenda.take() == (first, 1)


def test_calls_with_gaps_let_others_between_them() -> None:
    slow, quick = burst(calls=3, gap_s=10.0), burst(calls=2)
    agenda = begun((100.0, slow), (115.0, quick))
    assert [agenda.take() for _ in range(5)] == [(slow, 0), (slow, 1), (quick, 0), (quick, 1), (slow, 2)]


def test_schedule_that_waits_for_answers_is_refused() -> None:
    closed = Calls(function=cast("Any", SimpleNamespace()), schedule=Closed(3), cell_id=1)
    with pytest.raises(TypeError, match="Arrivals"):
        Agenda().add(closed, 0.0)
