"""invocation-overhead: payload and package sizes x start types, by clocks that are aligned around each window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.experiments import Experiment
from sebsx.contracts.functions import FunctionSpec
from sebsx.model import Cell, Design, Factor, Plan
from sebsx.pricing.planning import estimate
from sebsx.running.rounds import take_turns
from sebsx_invocation_overhead.sampling import WindowSampler
from sebsx_invocation_overhead.settings import OverheadSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.scene import Scene
    from sebsx.contracts.session import Session
    from sebsx.model import Provision

PROBE, SIZE = "clock-probe", "test"
# The smallest payload and package of each sweep's other axis.
_SMALL_PAYLOAD, _NO_PADDING = 1024, 0
# What a round trip and a cold start take, for the plan only.
_CALL_GUESS_S, _COLD_GUESS_S = 0.02, 0.5


class InvocationOverhead(Experiment[OverheadSettings]):
    """Time from the client's send to the start of the handler, against payload and package size (SeBS)."""

    name = "invocation-overhead"
    summary = "time to the start of the handler against payload and package size, cold and warm"
    Settings: ClassVar[type[Any]] = OverheadSettings
    factors = (
        Factor(name="sweep", meaning="what is made larger: the payload or the package"),
        Factor(name="payload_bytes", title="payload"),
    )
    analyzer = "invocation-overhead"

    def plan(self, scene: Scene, settings: OverheadSettings) -> Plan:
        """Return one cell per platform, memory size, sweep, size and start type."""
        benchmark = scene.benchmark(PROBE)
        sizes = settings.memory_mib or (benchmark.demands().memory_mib,)
        cells = [
            cell
            for platform in scene.platforms.values()
            for provision in scene.provisions(platform, sizes, settings.architecture or platform.architectures[0])
            for cell in _cells(platform, benchmark, provision, settings)
        ]
        notes = ("the exchanges that align the clocks come on top of the calls; time and cost include them, estimated",)
        deployments = len({FunctionSpec.of(cell) for cell in cells})
        return Plan(tuple(cells), deployments=deployments, notes=notes, design=Design.RMIT)

    def run(self, session: Session, settings: OverheadSettings) -> None:
        """Deploy each package once, and measure in rounds: a turn is a window, which begins by aligning the clock."""
        cells = session.pending(self.plan(session.scene, settings))
        take_turns(session, cells, lambda measurement: WindowSampler(measurement, settings), renew_every=1, shared=True)


def _cells(
    platform: Platform[Any], benchmark: Benchmark, provision: Provision, settings: OverheadSettings
) -> Iterator[Cell]:
    chosen = settings.chosen
    parameters = {"reads": "2", **settings.parameters}
    values = benchmark.resolve(SIZE, parameters)  # fails now on a bad name or value
    for payload in chosen.payload_bytes:
        benchmark.resolve(SIZE, {"padding_bytes": payload})
    sizes = {
        "payload": [(payload, _NO_PADDING) for payload in chosen.payload_bytes],
        "package": [(_SMALL_PAYLOAD, padding) for padding in chosen.package_bytes],
    }
    for sweep in settings.sweeps:
        for payload, padding in sizes[sweep]:
            for start in settings.start:
                factors = {
                    "platform": platform.name,
                    "benchmark": benchmark.name,
                    "benchmark_sha256": benchmark.sha256,
                    "size": SIZE,
                    "parameters": {name: values[name] for name in sorted(parameters)},
                    "language": "python",
                    "architecture": settings.architecture or platform.architectures[0],
                    **provision.factors,
                    "timeout_s": min(benchmark.demands().timeout_s, platform.timeout_s),
                    "sweep": sweep,
                    "payload_bytes": payload,
                    "padding_bytes": padding,
                    "start": start,
                }
                yield _planned(platform, benchmark, factors, provision, settings)


def _planned(
    platform: Platform[Any],
    benchmark: Benchmark,
    factors: dict[str, Any],
    provision: Provision,
    settings: OverheadSettings,
) -> Cell:
    """Return a cell with what it will cost and take, exchanges included."""
    chosen = settings.chosen
    cold = factors["start"] == "cold"
    windows = chosen.repetitions if cold else -(-chosen.repetitions // settings.calls)
    alignments = windows if cold else 2 * windows
    calls = alignments * 2 * chosen.exchanges
    init_s = _COLD_GUESS_S if cold else 0.0
    call_s = benchmark.expect.get(SIZE)
    measured = estimate(platform, factors, chosen.repetitions, call_s, init_s=init_s, provision=provision).expected_usd
    exchanged = estimate(platform, factors, calls, call_s, provision=provision).expected_usd
    duration_s = (chosen.repetitions + calls) * _CALL_GUESS_S + windows * _COLD_GUESS_S
    cost_usd = None if measured is None or exchanged is None else measured + exchanged
    return Cell(factors, chosen.repetitions, duration_s=duration_s, cost_usd=cost_usd, provision=provision)
