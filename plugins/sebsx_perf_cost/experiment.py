"""perf-cost: benchmarks x memory sizes x start types, until there are enough samples or a cap is reached."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, product
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.calibration import calibrated
from sebsx.errors import UserError
from sebsx.experiments import Experiment
from sebsx.load.schedule import Arrivals, Closed
from sebsx.model import Capability, Cell, CellStatus, Kind, Plan, StartType
from sebsx.pricing.planning import estimate
from sebsx.session import FunctionSpec
from sebsx.settings import setting
from sebsx.stats import next_look, precise_enough

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx.benchmarks import Benchmark
    from sebsx.platforms import Platform
    from sebsx.scene import Scene
    from sebsx.session import Function, Session, Trial

DEFAULT_SUITE = "default"

# What a cold start adds, for the plan only, where nothing is measured yet.
_COLD_GUESS_S = 0.3
# A batch is as long as a crash may cost: about this much time, within these numbers of invocations.
_BATCH_S = 1.0
_BATCH_INVOCATIONS = (10, 2000)


@dataclass(frozen=True)
class PerfCostSettings:
    """What to measure and when to stop."""

    benchmarks: tuple[str, ...] = setting(
        (), help="names or folders of benchmarks; none for the default suite", positional="NAME|FOLDER"
    )
    suite: str = setting(
        "", help="a named set of benchmarks in place of names (sebsx list suites); `all` for every one"
    )
    size: str = setting("", help="input size, as the benchmark names it; none for `small` or its only one")
    parameters: dict[str, str] = setting(
        {}, help="parameters of the benchmark on top of its size", option="--parameter"
    )
    memory_mib: tuple[int, ...] = setting(
        (), help="provisioned memory sizes in MiB; none for the benchmark's own", option="--memory"
    )
    architectures: tuple[str, ...] = setting((), help="processor architectures; none for the platform's first")
    language: str = setting("python", help="language of the function's code")
    start: tuple[str, ...] = setting(
        ("cold", "warm"), help="start types", choices=("cold", "warm", "burst", "sequential")
    )
    repetitions: int = setting(30, help="samples wanted of each configuration and start type", minimum=1)
    concurrency: int = setting(1, help="users of the warm closed loop", minimum=1)
    burst_size: int = setting(10, help="simultaneous invocations of a burst", minimum=1)
    warmups: int = setting(1, help="uncounted calls of each user before warm samples", minimum=1)
    precision: float = setting(
        0.05, help="go on past `repetitions` until the interval of the median is this share of it", minimum=0.001
    )
    max_repetitions: int = setting(
        0, help="most samples when going on for precision; 0 stops at `repetitions`", minimum=0
    )
    timeout_s: float = setting(0.0, help="time-out of the function in s; 0 for the benchmark's own", minimum=0)
    max_attempts: int = setting(
        0, help="most invocations of a cell, wrong start types included; 0 for 3 x samples + 10", minimum=0
    )
    max_failures: int = setting(10, help="failed invocations after which a cell is given up", minimum=1)
    max_time_s: float = setting(600.0, help="most time of a cell in s", minimum=1)

    def __post_init__(self) -> None:
        if self.suite and self.benchmarks:
            raise ValueError("name benchmarks or a suite, not both")
        if 0 < self.max_repetitions < self.repetitions:
            raise ValueError("max_repetitions must be 0 or at least repetitions")

    @property
    def most_samples(self) -> int:
        """Samples at which a cell stops whatever the precision."""
        return self.max_repetitions or self.repetitions

    @property
    def attempts(self) -> int:
        """Cap on the invocations of a cell."""
        return self.max_attempts or 3 * self.most_samples + 10


class PerfCost(Experiment[PerfCostSettings]):
    """Latency, memory and cost of benchmarks, cold and warm, over memory sizes (SeBS, Middleware'21)."""

    name = "perf-cost"
    summary = "latency, memory and cost, cold and warm, over memory sizes"
    Settings: ClassVar[type[Any]] = PerfCostSettings
    analyzer = "perf-cost"
    subject = "benchmark"

    def plan(self, scene: Scene, settings: PerfCostSettings) -> Plan:
        """Return one cell per platform, benchmark, architecture, memory size and start type."""
        members, left_out = _members(scene, settings)
        cells = [
            self._cell(platform, spec, scene.benchmark(spec.benchmark), start, settings)
            for platform in scene.platforms.values()
            for name in members[platform.name]
            for spec in _specs(platform, name, scene.benchmark(name), settings)
            for start in settings.start
        ]
        deployments = len({_spec_of(cell) for cell in cells})
        unknown = any(cell.duration_s is None for cell in cells)
        notes = ("a benchmark does not say how long a call takes: the duration is unknown",) if unknown else ()
        return Plan(tuple(cells), deployments, (*left_out, *notes))

    def run(self, session: Session, settings: PerfCostSettings) -> None:
        """Deploy each configuration once and measure its start types one after the other."""
        plan = self.plan(session.scene, settings)
        for line in _members(session.scene, settings)[1]:
            session.observer.warned(line)
        for spec, cells in groupby(session.pending(plan), key=_spec_of):
            wanted = list(cells)
            with session.deployed(spec, wanted) as function:
                if function is not None:
                    for cell in wanted:
                        _measure(session, cell, function, settings)

    def _cell(
        self,
        platform: Platform[Any],
        spec: FunctionSpec,
        benchmark: Benchmark,
        start: str,
        settings: PerfCostSettings,
    ) -> Cell:
        factors = {
            "platform": spec.platform,
            "benchmark": spec.benchmark,
            "benchmark_sha256": benchmark.sha256,
            "size": spec.size,
            "parameters": dict(spec.parameters),
            "language": spec.language,
            "architecture": spec.architecture,
            "memory_mib": spec.memory_mib,
            "timeout_s": spec.timeout_s,
            "start": start,
            "concurrency": settings.burst_size if start == "burst" else settings.concurrency,
        }
        call_s = calibrated(benchmark, spec.size, spec.platform, spec.memory_mib).expect.get(spec.size)
        cold_s = _COLD_GUESS_S if start == "cold" else 0.0
        duration_s = None if call_s is None else settings.repetitions * (call_s + cold_s)
        most = settings.attempts + settings.warmups * settings.concurrency
        cost = estimate(platform, factors, settings.repetitions, call_s, init_s=cold_s, most_calls=most)
        return Cell(factors, settings.repetitions, duration_s, cost.expected_usd, cost.most_usd)


def _members(scene: Scene, settings: PerfCostSettings) -> tuple[dict[str, list[str]], list[str]]:
    """Return the benchmarks to run by platform, and a line for each of a named suite that cannot run there."""
    if settings.benchmarks or not settings.suite:
        names = list(settings.benchmarks) or scene.suite(DEFAULT_SUITE)
        return dict.fromkeys(scene.platforms, names), []
    members: dict[str, list[str]] = {}
    left_out = []
    for platform in scene.platforms.values():
        chosen = members[platform.name] = []
        for name in scene.suite(settings.suite):
            why = scene.benchmark(name).unsuitable(settings.size, settings.language, platform.capabilities)
            if why is None:
                chosen.append(name)
            else:
                left_out.append(f"{name} is left out on {platform.name}: {why}")
    if not any(members.values()):
        raise UserError(f"nothing of suite {settings.suite!r} can run so; {'; '.join(left_out)}")
    return members, left_out


def _specs(
    platform: Platform[Any], name: str, benchmark: Benchmark, settings: PerfCostSettings
) -> Iterator[FunctionSpec]:
    size = settings.size or benchmark.default_size
    architectures = settings.architectures or platform.architectures[:1]
    for architecture, memory_mib in product(architectures, settings.memory_mib or (benchmark.memory_mib,)):
        fitted = calibrated(benchmark, size, platform.name, memory_mib)
        values = fitted.resolve(size, settings.parameters)  # fails now on a bad name or value
        # A calibrated step is spelt out, so that it is seen in the design and another calibration is another cell.
        names = {*settings.parameters, *((fitted.steps.parameter,) if fitted.steps and fitted is not benchmark else ())}
        chosen = tuple(sorted((key, values[key]) for key in names))
        timeout_s = settings.timeout_s or min(benchmark.timeout_s, platform.timeout_s)
        yield FunctionSpec(platform.name, name, size, settings.language, architecture, memory_mib, timeout_s, chosen)


def _spec_of(cell: Cell) -> FunctionSpec:
    keys = ("platform", "benchmark", "size", "language", "architecture", "memory_mib", "timeout_s")
    parameters = tuple(sorted(cell.factors["parameters"].items()))
    return FunctionSpec(**{key: cell.factors[key] for key in keys}, parameters=parameters)


def _measure(session: Session, cell: Cell, function: Function, settings: PerfCostSettings) -> None:
    """Sample one cell until it has enough or a cap is reached, and store why it stopped."""
    start = cell.factors["start"]
    wanted = StartType(start) if start in (StartType.COLD, StartType.WARM) else None
    with session.trial(cell, function, wanted) as trial:
        if start == "cold" and Capability.FORCE_COLD not in function.platform.capabilities:
            session.finish(trial, CellStatus.UNSUPPORTED, "no way to force a cold start")
            return
        if start != "cold":
            _prepare(trial, settings, start)
        look_at = settings.repetitions
        batch = _BATCH_INVOCATIONS[0]
        while not (stop := _stop(trial, settings, look_at)):
            if len(trial.good) >= look_at:
                look_at = next_look(len(trial.good))
            batch = _sample(trial, settings, start, min(look_at, settings.most_samples) - len(trial.good), batch)
        status, reason = stop
        session.finish(trial, status, reason, trial.last_error if status is CellStatus.FAILED else None)


def _prepare(trial: Trial, settings: PerfCostSettings, start: str) -> None:
    """Bring sandboxes into the state that the start type asks for."""
    if start == "warm":
        # All users at once, so that each finds a sandbox of its own; more rounds where a first call is slow for long.
        for _ in range(settings.warmups):
            trial.invoke(Arrivals([0.0] * settings.concurrency), Kind.WARMUP)
    elif Capability.FORCE_COLD in trial.function.platform.capabilities:
        trial.force_cold()


def _sample(trial: Trial, settings: PerfCostSettings, start: str, missing: int, batch: int) -> int:
    """Take one batch of samples and return how large the next should be."""
    if start == "cold":
        trial.force_cold()
        trial.invoke(Closed(1))
        return batch
    if start == "burst":
        if trial.attempts and Capability.FORCE_COLD in trial.function.platform.capabilities:
            trial.force_cold()
        trial.invoke(Arrivals([0.0] * settings.burst_size))
        return batch
    users = settings.concurrency if start == "warm" else 1
    before_s = trial.elapsed_s
    count = max(1, min(missing, batch))
    trial.invoke(Closed(count, users))
    smallest, largest = _BATCH_INVOCATIONS
    return max(smallest, min(largest, int(count * _BATCH_S / max(trial.elapsed_s - before_s, 1e-6))))


def _stop(trial: Trial, settings: PerfCostSettings, look_at: int) -> tuple[CellStatus, str] | None:
    """Return status and reason when sampling must end, None to go on."""
    if len(trial.good) >= settings.most_samples:
        return CellStatus.FINISHED, "enough samples"
    if len(trial.good) >= look_at and precise_enough(trial.good, settings.precision):
        return CellStatus.FINISHED, "precise enough"
    if trial.failures >= settings.max_failures:
        return CellStatus.FAILED, f"{trial.failures} invocations failed"
    if trial.attempts >= settings.attempts:
        return _capped(trial, f"cap of {settings.attempts} attempts reached")
    if trial.elapsed_s >= settings.max_time_s:
        return _capped(trial, f"cap of {settings.max_time_s:g} s reached")
    return None


def _capped(trial: Trial, reason: str) -> tuple[CellStatus, str]:
    return (CellStatus.FINISHED if trial.good else CellStatus.FAILED), reason
