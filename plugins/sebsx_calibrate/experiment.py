"""The experiment `calibrate`: finds the values of the steps' parameter that give the wanted run times."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.experiments import Experiment
from sebsx.contracts.functions import FunctionSpec
from sebsx.contracts.schedules import Closed
from sebsx.errors import PlatformError, ThresholdError, UserError
from sebsx.model import Cell, CellStatus, Kind, Plan, Status
from sebsx.model.starved import MOST_STARVED, in_words, starved_share
from sebsx.settings import setting
from sebsx_calibrate.fitting import fit_line
from sebsx_calibrate.result import COUNT, GROWTH, duration_s

if TYPE_CHECKING:
    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.measurement import Measurement
    from sebsx.contracts.parameters import Steps
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.scene import Scene
    from sebsx.contracts.session import Session
    from sebsx_calibrate.fitting import Fit

# A call this long is measured once and without a warm-up: what a first call adds is lost in it.
_LONG_S = 10.0
# The ladder climbs to this share of the largest run time, by at most this factor of work from one point to the next.
_LADDER_END = 0.25
_LARGEST_STRIDE = 8.0
_SMALLEST_STRIDE = 2.0
_FEWEST_POINTS = 3
_ROUNDS = 4
# The function's time-out above the longest run time that is aimed for.
_TIMEOUT_FACTOR = 2.0


@dataclass(frozen=True)
class CalibrateSettings:
    """What to reach, where, and when to give up."""

    benchmark: str = setting("", help="name or folder of the benchmark")
    low_s: float = setting(4.0, help="run time of step 1")
    high_s: float = setting(120.0, help="run time of the last step")
    memory_mib: int = setting(0, help="provisioned memory in MiB; 0 for the benchmark's setting")
    architecture: str = setting("", help="processor architecture; default: the platform's first")
    language: str = setting("python", help="language of the function's code")
    repetitions: int = setting(5, help="warm calls behind each median", minimum=1)
    tolerance: float = setting(
        0.1, help="largest relative error of the run times of both ends", minimum=0.001, share=True
    )
    max_points: int = setting(16, help="maximum number of values measured", minimum=4)
    max_time_s: float = setting(1800.0, help="time limit of the search", minimum=1, option="--max-search-time")


class Calibrate(Experiment[CalibrateSettings]):
    """Climbs a ladder of work, fits a line, solves it for both ends, and measures them until they are right.

    What each point took is read back from the store: a run that was interrupted goes on where it was.
    """

    name = "calibrate"
    summary = "finds the steps' parameter for wanted run times"
    Settings: ClassVar[type[Any]] = CalibrateSettings
    analyzer = "calibration"
    without_options = "a calibration is kept by platform, memory size and benchmark; choose --memory instead"

    def plan(self, scene: Scene, settings: CalibrateSettings) -> Plan:
        """Return the first point; the others depend on what it measures."""
        prober = _Prober.prepare(scene, settings)
        cell = prober.cell(prober.steps.first)
        return Plan(
            (cell,), deployments=1, notes=(f"at most {settings.max_points} points in {settings.max_time_s:g} s",)
        )

    def run(self, session: Session, settings: CalibrateSettings) -> None:
        """Measure until both ends take as long as wanted, or a cap is reached.

        Raises:
            UserError: If the parameter's range does not reach the run times.
            ThresholdError: If an invocation fails, a cap is reached or the ends cannot be met.
        """
        prober = _Prober.prepare(session.scene, settings)
        prober.session = session
        session.record(GROWTH, prober.steps.growth)
        session.record(COUNT, prober.steps.count)
        _climb(prober, settings.high_s)
        fit = fit_line(prober.works)
        targets = (settings.low_s, settings.high_s)
        for round_ in range(_ROUNDS):
            ends = [prober.value_for(fit, target_s) for target_s in targets]
            times = [prober.seconds(value, target_s) for value, target_s in zip(ends, targets, strict=True)]
            error = max(abs(took_s / target_s - 1) for took_s, target_s in zip(times, targets, strict=True))
            if error <= settings.tolerance:
                break
            # All points steady the line against noise; the ends count ever more: bends in between do not matter.
            at_ends = [(prober.work(value), took_s) for value, took_s in zip(ends, times, strict=True)]
            fit = fit_line([*prober.works, *at_ends * 2**round_])
        else:
            raise ThresholdError(
                f"run times of {prober.benchmark.name!r} are still {error:.0%} off after {_ROUNDS} rounds; "
                "the machine is busy or the growth of its [steps] is wrong; try --tolerance or --repetitions"
            )


def _climb(prober: _Prober, high_s: float) -> None:
    """Measure growing work from the first step's, until a quarter of the largest run time is reached.

    Where the first step takes longer than that already, the work is made smaller instead.
    """
    value = prober.steps.first
    took_s = prober.seconds(value, 0.0)
    goal_s = high_s * _LADDER_END
    down = took_s > goal_s
    while len(prober.points) < _FEWEST_POINTS or (took_s < goal_s / 2 and not down):
        stride = goal_s / took_s if took_s < goal_s else _SMALLEST_STRIDE
        stride = min(_LARGEST_STRIDE, max(_SMALLEST_STRIDE, stride))
        value = prober.bounded(prober.value(prober.work(value) * (1 / stride if down else stride)))
        if value in prober.points:
            break
        took_s = prober.seconds(value, took_s * (1 if down else stride))


@dataclass(slots=True)
class _Prober:
    """Measures run times at values of the parameter, each once, within the caps."""

    settings: CalibrateSettings
    platform: Platform[Any]
    benchmark: Benchmark
    steps: Steps
    memory_mib: int
    architecture: str
    timeout_s: float
    points: dict[float, float]
    deadline_s: float
    session: Session | None = None

    @classmethod
    def prepare(cls, scene: Scene, settings: CalibrateSettings) -> _Prober:
        """Return a prober that has measured nothing.

        Raises:
            UserError: If the benchmark has no steps, or the platform ends calls before that.
        """
        if len(scene.platforms) > 1:
            raise UserError(f"calibrate takes one platform, not {', '.join(scene.platforms)}; name it with --platform")
        (platform,) = scene.platforms.values()
        benchmark = scene.benchmark(settings.benchmark)
        if benchmark.steps is None:
            raise UserError(f"benchmark {benchmark.name!r} has no numbered steps; its manifest needs [steps]")
        if settings.high_s > platform.timeout_s:
            raise UserError(
                f"run times to {settings.high_s:g} s: platform {platform.name!r} ends calls after "
                f"{platform.timeout_s:g} s"
            )
        benchmark.code(settings.language)
        return cls(
            settings,
            platform,
            benchmark,
            benchmark.steps,
            settings.memory_mib or benchmark.demands().memory_mib,
            settings.architecture or platform.architectures[0],
            min(platform.timeout_s, max(benchmark.demands().timeout_s, settings.high_s * _TIMEOUT_FACTOR)),
            {},
            time.monotonic() + settings.max_time_s,
        )

    @property
    def works(self) -> list[tuple[float, float]]:
        """The points as (work, run time in s)."""
        return [(self.work(value), took_s) for value, took_s in self.points.items()]

    def work(self, value: float) -> float:
        """Return the work at a value, up to a constant factor."""
        return float(value**self.steps.growth)

    def value(self, work: float) -> float:
        """Return the value for so much work, in the parameter's type."""
        value = float(max(work, 0.0) ** (1 / self.steps.growth))
        return round(value) if self.benchmark.parameters[self.steps.parameter].type == "int" else value

    def bounded(self, value: float) -> float:
        """Return the nearest value within the parameter's range."""
        parameter = self.benchmark.parameters[self.steps.parameter]
        low = value if parameter.minimum is None else max(value, parameter.minimum)
        return low if parameter.maximum is None else min(low, parameter.maximum)

    def value_for(self, fit: Fit, target_s: float) -> float:
        """Return the value that takes so long.

        Raises:
            UserError: If no value in the parameter's range does.
        """
        value = self.value(fit.work(target_s))
        nearest = self.bounded(value)
        reached_s = fit.duration_s(self.work(nearest))
        if abs(reached_s / target_s - 1) > self.settings.tolerance:
            raise UserError(
                f"benchmark {self.benchmark.name!r} cannot take {target_s:g} s here: "
                f"{self.steps.parameter}={nearest:g}, the nearest there is, takes about {reached_s:.3g} s; "
                "choose another --run-times or --memory"
            )
        return nearest

    def cell(self, value: float) -> Cell:
        """Return the cell of the design in which a value is measured."""
        factors = {
            "platform": self.platform.name,
            "benchmark": self.settings.benchmark,
            "benchmark_sha256": self.benchmark.sha256,
            "parameters": {self.steps.parameter: value},
            "language": self.settings.language,
            "architecture": self.architecture,
            "memory_mib": self.memory_mib,
        }
        return Cell(factors, self.settings.repetitions)

    def seconds(self, value: float, expected_s: float) -> float:
        """Return the median run time at a value, measured now or before.

        Raises:
            ThresholdError: If it fails or a cap is reached.
            PlatformError: If it cannot be deployed.
        """
        if value not in self.points:
            known_s = self._stored(self.cell(value))
            if known_s is None:
                self._check_caps(expected_s)
                known_s = self._measured(value, expected_s)
            self.points[value] = known_s
        return self.points[value]

    def _check_caps(self, expected_s: float) -> None:
        calls = 1 if expected_s >= _LONG_S else 1 + self.settings.repetitions
        if len(self.points) >= self.settings.max_points:
            raise ThresholdError(f"cap of {self.settings.max_points} points reached; allow more with --max-points")
        if time.monotonic() + expected_s * calls > self.deadline_s:
            raise ThresholdError(
                f"time limit of {self.settings.max_time_s:g} s reached; allow more with --max-search-time"
            )

    def _stored(self, cell: Cell) -> float | None:
        """Return what a value took before the run was interrupted; None if it was not measured."""
        assert self.session is not None
        view = self.session.view
        stored = next((item for item in view.cells() if item.hash == cell.hash), None)
        return None if stored is None else duration_s(view, stored)

    def _measured(self, value: float, expected_s: float) -> float:
        assert self.session is not None
        cell = self.cell(value)
        spec = FunctionSpec(
            platform=self.platform.name,
            benchmark=self.settings.benchmark,
            size="1",
            language=self.settings.language,
            architecture=self.architecture,
            memory_mib=self.memory_mib,
            timeout_s=self.timeout_s,
            parameters=((self.steps.parameter, value),),
        )
        with self.session.deployed(spec, [cell]) as function:
            if function is None:
                raise PlatformError(f"benchmark {self.benchmark.name!r} could not be deployed; see the warning above")
            with self.session.measure(cell, function) as measurement:
                took_s = self._timed(measurement, value, long=expected_s >= _LONG_S)
                self.session.finish(measurement, CellStatus.FINISHED, "enough samples")
        return took_s

    def _timed(self, measurement: Measurement, value: float, *, long: bool) -> float:
        if not long:
            self._call(measurement, value, 1, Kind.WARMUP)
        return median(self._call(measurement, value, 1 if long else self.settings.repetitions, Kind.MEASURED))

    def _call(self, measurement: Measurement, value: float, count: int, kind: Kind) -> list[float]:
        invocations = measurement.invoke(Closed(count), kind)
        share = starved_share([invocation.samples for invocation in invocations])
        for invocation in invocations:
            if invocation.status is not Status.OK or invocation.function_duration_s is None:
                reason = (invocation.error or "the function reported no duration").splitlines()[0]
                measurement.session.finish(measurement, CellStatus.FAILED, f"{invocation.status}", reason)
                raise ThresholdError(
                    f"benchmark {self.benchmark.name!r} with {self.steps.parameter}={value:g} ended as "
                    f"{invocation.status}: {reason}"
                )
        if kind is Kind.MEASURED and share is not None and share > MOST_STARVED:
            measurement.session.finish(measurement, CellStatus.INVALID, in_words(share))
            raise ThresholdError(
                f"benchmark {self.benchmark.name!r} with {self.steps.parameter}={value:g} was {in_words(share)}; "
                f"end other work on this machine, then: sebsx run --resume {measurement.session.run.id}"
            )
        return [
            invocation.function_duration_s for invocation in invocations if invocation.function_duration_s is not None
        ]
