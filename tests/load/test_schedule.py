from __future__ import annotations

from sebsx.load.schedule import Arrivals, Closed


def test_closed_loop_sends_while_a_user_is_free() -> None:
    schedule = Closed(invocations=10, users=2)
    assert schedule.due_s(1.5, sent=0, done=0) == 1.5
    assert schedule.due_s(1.5, sent=1, done=0) == 1.5
    assert schedule.due_s(1.5, sent=2, done=0) is None
    assert schedule.due_s(1.7, sent=2, done=1) == 1.7


def test_arrivals_are_due_when_planned_whatever_was_answered() -> None:
    schedule = Arrivals([0.0, 0.5, 2.0])
    assert schedule.total == 3
    assert schedule.due_s(0.1, sent=1, done=0) == 0.5
    assert schedule.due_s(9.0, sent=2, done=0) == 2.0
