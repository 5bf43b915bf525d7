from __future__ import annotations

import time

import pytest

from sebsx.model.clock import ClockSteps
from sebsx.model.envelope import read_envelope


class Clocks:
    """A wall clock that can be set, and the time that really passes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.set_by_s, self.jitter_s = 0.0, 0.0
        wall, steady = time.time, time.clock_gettime
        monkeypatch.setattr(time, "time", lambda: wall() + self.set_by_s)
        monkeypatch.setattr(time, "clock_gettime", lambda which: steady(which) + self._late())

    def _late(self) -> float:
        self._reads = getattr(self, "_reads", 0) + 1
        return self.jitter_s * self._reads


def test_step_between_two_looks_is_found_once_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    steps = ClockSteps()
    assert steps.since() is None
    clocks.set_by_s = -3600.0
    assert steps.since() == pytest.approx(-3600.0, abs=0.01)
    assert steps.since() is None


def test_clock_that_is_slewed_has_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    steps = ClockSteps()
    clocks.set_by_s = 0.004
    assert steps.since() is None


def test_process_that_lost_its_processor_between_the_readings_sees_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    steps = ClockSteps()
    clocks.jitter_s = 1.0
    assert steps.since() is None


@pytest.mark.parametrize("step", ["1", True, float("inf"), [1]])
def test_step_that_is_no_number_makes_the_envelope_wrong(step: object) -> None:
    import json

    body = json.dumps({"sebsx": {"v": 1, "clock_step_s": step}, "output": 1}).encode()
    assert read_envelope(body).fault


def test_step_of_a_sandbox_is_a_figure() -> None:
    assert read_envelope(b'{"sebsx": {"v": 1, "clock_step_s": -2.5}, "output": 1}').samples == {
        "function.clock_step_s": -2.5
    }
