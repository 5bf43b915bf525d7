"""load: one phase of load for each platform and memory size, and whether the generator can be believed."""

from __future__ import annotations

import random
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.calibrations import calibrated, spelt_out
from sebsx.contracts.experiments import Experiment
from sebsx.contracts.functions import FunctionSpec
from sebsx.contracts.schedules import Arrivals
from sebsx.errors import UserError
from sebsx.model import Cell, CellStatus, Factor, Kind, Plan, Role
from sebsx.settings import public
from sebsx_load.shapes import LoadSettings

if TYPE_CHECKING:
    from sebsx.contracts.functions import Function
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.scene import Scene
    from sebsx.contracts.session import Session
    from sebsx.model import Provision

_SHAPE = frozenset((
    "rate", "ramp", "steps", "step", "arrivals", "users", "spawn_rate", "think", "burst", "trace", "speed", "duration",
    "requests", "max_in_flight",
))  # fmt: skip


class Load(Experiment[LoadSettings]):
    """Latency, throughput and cold starts of a function under a load whose generator is checked."""

    name = "load"
    summary = "latency and throughput under a rate, a ramp, users, a burst or a trace"
    Settings: ClassVar[type[Any]] = LoadSettings
    factors = (
        Factor(name="load", meaning="in words"),
        Factor(name="shape", role=Role.DERIVED, of=("load",), meaning="the settings of the load"),
    )
    analyzer = "load"
    subject = "load"

    def plan(self, scene: Scene, settings: LoadSettings) -> Plan:
        """Return one cell per platform, function, variant and memory size."""
        if not settings.benchmark:
            raise UserError("say what to put under load: sebsx run load BENCHMARK --rate 50 (sebsx list benchmarks)")
        if not settings.shape:
            raise UserError("say which load: one of --rate, --steps, --users, --burst, --trace, with a number above 0")
        benchmark = scene.benchmark(settings.benchmark)
        cells = tuple(
            self._cell(scene, platform, function, variant, provision, settings)
            for platform in scene.platforms.values()
            for function, variant in product(settings.functions or ("",), settings.variants or ("",))
            for provision in scene.provisions(
                platform,
                settings.memory_mib or (benchmark.demands(function, variant).memory_mib,),
                settings.architecture or platform.architectures[0],
            )
        )
        notes = []
        if settings.shape == "users" and not settings.requests:
            notes.append("how many calls a closed loop makes depends on how fast they are answered: an estimate")
        if settings.arrivals == "poisson":
            notes.append("a Poisson process draws how many calls there are: the mean is given")
        possible = [cell for cell in cells if cell.provision is None or not cell.provision.unsupported]
        return Plan(cells, deployments=len(possible), notes=tuple(notes))

    def run(self, session: Session, settings: LoadSettings) -> None:
        """Deploy each condition, warm it up, and send the phase."""
        for cell in session.pending(self.plan(session.scene, settings)):
            with session.deployed(FunctionSpec.of(cell), [cell]) as function:
                if function is not None:
                    _measure(session, cell, function, settings)

    def _cell(
        self,
        scene: Scene,
        platform: Platform[Any],
        function: str,
        variant: str,
        provision: Provision,
        settings: LoadSettings,
    ) -> Cell:
        benchmark = scene.benchmark(settings.benchmark)
        timeout_s = settings.timeout_s or min(benchmark.demands(function, variant).timeout_s, platform.timeout_s)
        size = settings.size or benchmark.default_size
        fitted = calibrated(benchmark, size, platform.name, provision.memory_offered_mib)
        calls, duration_s = settings.expected(fitted.expect.get(size))
        shape = {key: value for key, value in public(settings).items() if key in _SHAPE and key in settings.changed}
        if settings.trace:  # what a file of this name holds may be another load tomorrow
            shape["trace_sha256"] = settings.trace_sha256
        factors = {
            "platform": platform.name,
            "benchmark": settings.benchmark,
            "benchmark_sha256": benchmark.sha256,
            **{name: word for name, word in (("function", function), ("variant", variant)) if word},
            "size": size,
            "parameters": spelt_out(benchmark, fitted, size, settings.parameters),
            "language": settings.language,
            "architecture": settings.architecture or platform.architectures[0],
            **provision.factors,
            "timeout_s": timeout_s,
            "load": settings.words,
            "shape": shape,
        }
        overlaps = settings.schedule(0).overlaps or settings.warmups > 1
        in_flight = max(2, settings.users or min(calls, settings.cap or calls)) if overlaps else 1
        return Cell(factors, calls, duration_s=duration_s, provision=provision, in_flight=in_flight)


def _measure(session: Session, cell: Cell, function: Function, settings: LoadSettings) -> None:
    # The same load for every condition, and again when a run is taken up: not from the session's generator.
    seed = random.Random(f"{session.run.seed}/load").getrandbits(48)  # noqa: S311  # a seeded design, not a secret
    with session.measure(cell, function) as measurement:
        if settings.warmups:
            measurement.invoke(Arrivals([0.0] * settings.warmups), Kind.WARMUP)
        health = measurement.load(settings.schedule(seed), settings.cap)
        if not measurement.attempts:
            session.finish(measurement, CellStatus.FAILED, "nothing was sent", "the load has no requests")
        elif health.client_errors:
            session.finish(measurement, CellStatus.INVALID, health.verdict)
        elif health.given_up:
            session.finish(measurement, CellStatus.FAILED, health.given_up, measurement.first_error)
        elif measurement.failures == measurement.attempts:
            reason = f"all {measurement.failures} invocations failed"
            session.finish(measurement, CellStatus.FAILED, reason, measurement.first_error)
        elif health.verdict:
            session.finish(measurement, CellStatus.INVALID, health.verdict)
        else:
            session.finish(measurement, CellStatus.FINISHED, "the load ended")
