"""Steps of a function fitted to the machine that is profiled: which value of its parameter takes how long there.

A few calls of growing work and a line through them do. They are made as a campaign begins, and are no samples; a
calibration that `sebsx calibrate --save` kept is taken in their place. What was found is stored with the run, so that
one that is resumed, and its second campaign, have the same steps.

Where even the least of a parameter takes far longer than the first step should (one file of 64 MiB, where 50 ms are
wanted), the other parameters are those of a smaller size.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from sebsx.contracts.calibrations import find
from sebsx.contracts.parameters import Steps
from sebsx.contracts.schedules import Closed
from sebsx.errors import UserError
from sebsx.model import Kind, Status
from sebsx_arm_prediction.settings import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.measurement import Measurement
    from sebsx.contracts.runs import RunView
    from sebsx.contracts.session import Session

STEPS_METRIC = "arm-prediction.steps"

# The ladder climbs to this share of the last step's run time, by these factors of work from one point to the next.
_LADDER_END = 0.3
_STRIDES = (2.0, 10.0)
_LEAST_POINTS, _MOST_POINTS = 3, 12
# A call shorter than this is made three times: what a first call or a tick of the clock adds is not lost in it.
_SHORT_S = 1.0
_TOO_LONG = 2.0  # times the run time wanted of the first step, from which on a smaller size is tried


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedSteps:
    """Steps of a benchmark as a campaign measures them.

    Args:
        benchmark: Its name.
        parameter: What a step sets.
        first: Its value at step 1.
        last: Its value at step 40.
        growth: Exponent by which work grows with it.
        size: Whose other parameters all steps have; empty for the defaults.
    """

    benchmark: str
    parameter: str
    first: float
    last: float
    growth: float
    size: str = ""

    def parameters(self, benchmark: Benchmark, step: int) -> dict[str, Any]:
        """Return the parameters of the benchmark at a step."""
        value = Steps(self.parameter, first=self.first, last=self.last, count=STEPS, growth=self.growth).value(step)
        whole = benchmark.parameters[self.parameter].type == "int"
        return {**_others(benchmark, self.parameter, self.size), self.parameter: round(value) if whole else value}


def stored_steps(view: RunView) -> dict[str, FittedSteps]:
    """Return the steps that a run has found so far, by benchmark."""
    found = [FittedSteps(**json.loads(value.text or "{}")) for value in view.values() if value.metric == STEPS_METRIC]
    return {steps.benchmark: steps for steps in found}


def fit_steps(
    session: Session, benchmark: Benchmark, measurement: Measurement, ends_s: tuple[float, float]
) -> FittedSteps:
    """Return the steps of a benchmark that take wanted run times, measured on the function of a cell, and store them.

    Args:
        session: What calls.
        benchmark: With numbered steps.
        measurement: A cell of the machine that is profiled; its calls are warm-ups.
        ends_s: Run times wanted of the first and the last step.

    Raises:
        UserError: If a call fails, or the run time does not grow with the work.
    """
    steps = needed_steps(benchmark)
    config = measurement.function.deployment.config
    known = find(benchmark, measurement.function.platform.name, config.memory_mib)
    if known is not None:
        points = [(known.first**known.growth, known.first_s), (known.last**known.growth, known.last_s)]
        best = _fitted(_Work(benchmark, steps), points, ends_s)
    else:
        session.observer.step(f"calibrating the steps of {measurement.function.label}")
        best = _measured(session, measurement, [_Work(benchmark, steps, size) for size in _sizes(benchmark)], ends_s)
    if best.last <= best.first:
        raise UserError(
            f"steps of benchmark {benchmark.name!r} cannot take {ends_s[0]:g} s to {ends_s[1]:g} s here: "
            f"{steps.parameter} would be {best.first:g} to {best.last:g}; choose other run times (--run-times)"
        )
    found = FittedSteps(
        benchmark=benchmark.name, parameter=steps.parameter, first=best.first, last=best.last, growth=steps.growth,
        size=best.size,
    )  # fmt: skip
    session.record(STEPS_METRIC, json.dumps(asdict(found)))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ends:
    """Values that take wanted run times.

    Args:
        first: For the first step.
        last: For the last step.
        first_s: What the first takes by the line through what was measured.
        size: Whose other parameters were called with.
    """

    first: float
    last: float
    first_s: float
    size: str


def _measured(session: Session, measurement: Measurement, works: Sequence[_Work], ends_s: tuple[float, float]) -> _Ends:
    """Return the ends with the parameters of the first size that can be so quick, else of the quickest."""
    found: list[_Ends] = []
    for work in works:
        points = _climb(work, ends_s[1], partial(_seconds, session, measurement, work))
        found.append(_fitted(work, points, ends_s))
        if found[-1].first < found[-1].last and found[-1].first_s <= _TOO_LONG * ends_s[0]:
            return found[-1]
    return min(found, key=lambda ends: (ends.last <= ends.first, ends.first_s))


def _fitted(work: _Work, points: Sequence[tuple[float, float]], ends_s: tuple[float, float]) -> _Ends:
    """Return the values that take wanted run times; in proportion to the longest point where noise hides the line.

    Without a line nothing is known to be quicker than the quickest of the points.
    """
    with suppress(UserError):
        base_s, unit_s = line(points)
        first, last = (work.value((end_s - base_s) / unit_s) for end_s in ends_s)
        if first < last:
            return _Ends(first=first, last=last, first_s=base_s + unit_s * work.of(first), size=work.size)
    most, took_s = max(points)
    first, last = (work.value(most * end_s / took_s) for end_s in ends_s)
    return _Ends(first=first, last=last, first_s=min(each_s for _, each_s in points), size=work.size)


def _sizes(benchmark: Benchmark) -> list[str]:
    """Return the defaults, and then the sizes whose other parameters differ from them, the largest first."""
    parameter = needed_steps(benchmark).parameter
    found: dict[str, dict[str, Any]] = {"": {}}
    for size in sorted(benchmark.sizes, key=lambda name: benchmark.expect.get(name, 0.0), reverse=True):
        others = _others(benchmark, parameter, size)
        if others and others not in found.values():
            found[size] = others
    return list(found)


def _others(benchmark: Benchmark, parameter: str, size: str) -> dict[str, Any]:
    """Return the parameters of a size that differ from the defaults, without the one that steps set."""
    return {
        name: value
        for name, value in benchmark.sizes.get(size, {}).items()
        if name != parameter and value != benchmark.parameters[name].default
    }


def needed_steps(benchmark: Benchmark) -> Steps:
    """Return the steps of a benchmark.

    Raises:
        UserError: If it has none.
    """
    if benchmark.steps is None:
        raise UserError(f"benchmark {benchmark.name!r} has no numbered steps; its manifest needs [steps]")
    return benchmark.steps


def line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return base and slope of the line through (work, duration in s), by least squares of the relative errors.

    Raises:
        UserError: If more work does not take longer.
    """
    weights = [1 / duration_s**2 for _, duration_s in points]
    mean_x = sum(w * x for w, (x, _) in zip(weights, points, strict=True)) / sum(weights)
    mean_y = sum(w * y for w, (_, y) in zip(weights, points, strict=True)) / sum(weights)
    spread = sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, points, strict=True))
    together = sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, points, strict=True))
    if spread <= 0 or together <= 0:
        raise UserError("more work does not take longer: the steps' parameter does not scale the run time here")
    return mean_y - together / spread * mean_x, together / spread


@dataclass(frozen=True, slots=True)
class _Work:
    """Work as a number that run time grows with in proportion."""

    benchmark: Benchmark
    steps: Steps
    size: str = ""  # whose other parameters it is called with; empty for the defaults

    def given(self, value: float) -> dict[str, Any]:
        """Return what the benchmark is called with at a value."""
        return {**_others(self.benchmark, self.steps.parameter, self.size), self.steps.parameter: value}

    @property
    def smallest(self) -> float:
        """Value of the parameter to begin with: that of the smallest size, far below the first step's."""
        values = [size[self.steps.parameter] for size in self.benchmark.sizes.values() if self.steps.parameter in size]
        return min([float(value) for value in values] or [self.steps.first])

    def of(self, value: float) -> float:
        """Return the work of a value."""
        return float(value**self.steps.growth)

    def value(self, work: float) -> float:
        """Return the nearest value of so much work that the parameter can have."""
        parameter = self.benchmark.parameters[self.steps.parameter]
        value = float(max(work, 0.0) ** (1 / self.steps.growth))
        value = round(value) if parameter.type == "int" else value
        value = value if parameter.minimum is None else max(value, parameter.minimum)
        return value if parameter.maximum is None else min(value, parameter.maximum)


def _climb(work: _Work, high_s: float, seconds: Callable[[float], float]) -> list[tuple[float, float]]:
    """Return (work, duration in s) of a few values, from the smallest until a good share of the last step's run time.

    Where the smallest takes longer than that already, the work is made smaller instead, until it does not.
    """
    least, most = _STRIDES
    goal_s = high_s * _LADDER_END
    value = work.value(work.of(work.smallest))
    points: dict[float, float] = {}
    down = False
    while len(points) < _MOST_POINTS and value not in points:
        points[value] = took_s = seconds(value)
        down = took_s > goal_s if len(points) == 1 else down
        if len(points) >= _LEAST_POINTS and (took_s <= goal_s if down else took_s >= goal_s):
            break
        missing = took_s / goal_s if down else goal_s / max(took_s, 1e-6)
        stride = min(most, max(least, missing))
        value = work.value(work.of(value) * (1 / stride if down else stride))
    return [(work.of(value), took_s) for value, took_s in points.items()]


def _seconds(session: Session, measurement: Measurement, work: _Work, value: float) -> float:
    """Return the median run time at a value, of calls that do not count."""
    function = measurement.function
    measurement.function = session.called(function, work.given(value))
    try:
        times = _times(measurement, 1)
        return times[0] if times[0] >= _SHORT_S else median(_times(measurement, 2))
    finally:
        measurement.function = function


def _times(measurement: Measurement, calls: int) -> list[float]:
    found = []
    for call in measurement.invoke(Closed(calls), Kind.WARMUP):
        if call.status is not Status.OK or call.function_duration_s is None:
            reason = (call.error or "the function reported no duration").partition("\n")[0]
            raise UserError(f"a call to calibrate {measurement.function.label} ended as {call.status}: {reason}")
        found.append(call.function_duration_s)
    return found
