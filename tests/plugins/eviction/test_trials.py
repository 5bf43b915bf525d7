from __future__ import annotations

from typing import Any

import pytest

from sebsx.model import Invocation, Kind, StartType, Status
from sebsx_eviction.trials import read_trial, read_trials
from tests.store.conftest import make_invocation


def call(sandbox: str, sent_s: float, done_s: float, **changes: Any) -> Invocation:
    values = {"start_type": StartType.WARM, "status": Status.OK, "function_duration_s": 0.4, **changes}
    return make_invocation(1, sandbox_id=sandbox, client_sent_s=sent_s, client_done_s=done_s, **values)


BEFORE = [call("a", 10.0, 10.5), call("b", 10.0, 10.6)]
COLD = {"start_type": StartType.COLD}


def test_idle_time_runs_from_the_last_byte_to_the_call_that_found_the_sandbox() -> None:
    trial = read_trial(3, BEFORE, [call("b", 20.1, 20.6), call("c", 20.0, 20.9, **COLD)], 2)
    assert trial.counts
    assert (trial.round, trial.warm, trial.share) == (3, 1, 0.5)
    assert trial.alive == (False, True)
    # b was found by the call sent at 20.1; the first call, at 20.0, would have found a.
    assert trial.idle_s == pytest.approx((20.0 - 10.5, 20.1 - 10.6))
    assert trial.overhead_s == pytest.approx(0.2)  # the larger of 0.5 and 0.6, less 0.4


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        ([call("a", 20, 21), call("a", 20, 21)], "after the idle time, 2 simultaneous calls met 1 sandboxes"),
        (
            [call("a", 20, 21), call("b", 20, 21, status=Status.TIMEOUT)],
            "after the idle time, 1 of 2 calls failed (timeout)",
        ),
        ([call("a", 20, 21, **COLD), call("b", 20, 21)], "wrong start type: a sandbox of before was cold"),
        ([call("a", 20, 21), call("x", 20, 21)], "wrong start type: a sandbox not seen before was warm"),
    ],
)
def test_trial_that_says_nothing_says_why(after: list[Invocation], problem: str) -> None:
    trial = read_trial(0, BEFORE, after, 2)
    assert not trial.counts
    assert trial.problem == problem


def test_restored_sandbox_is_a_new_one() -> None:
    trial = read_trial(0, BEFORE, [call("a", 20, 21), call("x", 20, 21, start_type=StartType.RESTORED)], 2)
    assert trial.alive == (True, False)


def test_sandboxes_must_be_warm_and_different_before_the_idle_time() -> None:
    after = [call("a", 20, 21), call("b", 20, 21)]
    cold = read_trial(0, [call("a", 1, 2, **COLD), call("b", 1, 2)], after, 2)
    assert cold.problem == "before the idle time, 1 of 2 calls started a sandbox"
    same = read_trial(0, [call("a", 1, 2), call("a", 1, 2)], after, 2)
    assert same.problem == "before the idle time, 2 simultaneous calls met 1 sandboxes"


def test_rounds_are_read_with_the_last_burst_before_the_idle_time() -> None:
    def stored(number: int, batch: int, kind: Kind, sandbox: str, at_s: float, **changes: Any) -> Invocation:
        return call(sandbox, at_s, at_s + 0.5, round=number, batch=batch, kind=kind, **changes)

    trials = read_trials(
        [
            stored(1, 1, Kind.WARMUP, "q", 1.0, **COLD),
            stored(0, 0, Kind.WARMUP, "p", 1.0, **COLD),
            stored(0, 2, Kind.WARMUP, "p", 5.0),
            stored(0, 3, Kind.MEASURED, "p", 7.5),
        ],
        1,
    )
    assert [(trial.round, trial.cut) for trial in trials] == [(0, False), (1, True)]
    assert trials[0].idle_s == (2.0,)
