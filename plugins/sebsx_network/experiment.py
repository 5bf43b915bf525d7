"""network: round trips from the client to warm sandboxes, and from there to the run's storage."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.experiments import Experiment
from sebsx.contracts.schedules import Closed
from sebsx.model import Capability, Cell, Design, Factor, Kind, Plan, Status
from sebsx.pricing.planning import estimate
from sebsx.running.rounds import StoppingRule, interleave
from sebsx.settings import setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sebsx.contracts.measurement import Measurement
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.scene import Scene
    from sebsx.contracts.session import Session

UPLOAD, DOWNLOAD = "network.upload_s", "network.download_s"
CLIENT, STORAGE = "client", "storage"
# A batch is committed after so many calls: what a crash may cost.
_BATCH = 50
_TRIP_GUESS_S, _COLD_GUESS_S = 0.02, 0.5


@dataclass(frozen=True, slots=True)
class NetworkPreset:
    """Values for the settings that are not given."""

    sandboxes: int
    round_trips: int
    object_bytes: tuple[int, ...]


PRESETS = {
    "quick": NetworkPreset(10, 30, (1024, 2**20)),
    "paper": NetworkPreset(50, 1000, (1024, 2**16, 2**20, 2**23)),  # 50 x 1000 as in the configuration of SeBS
}


@dataclass(frozen=True)
class NetworkSettings:
    """Which ways, and how often; what is not given is the preset's."""

    preset: str = setting("quick", help="quick for a first look, paper for what SeBS did", choices=tuple(PRESETS))
    paths: tuple[str, ...] = setting(
        (CLIENT, STORAGE), help="round trips from the client, and from sandboxes to the storage",
        choices=(CLIENT, STORAGE),
    )  # fmt: skip
    sandboxes: int = setting(0, help="sandboxes, one a round; 0 for the preset's", minimum=0)
    round_trips: int = setting(0, help="round trips of each sandbox; 0 for the preset's", minimum=0)
    object_bytes: tuple[int, ...] = setting((), help="sizes of the object in bytes; default: the preset's", minimum=1)
    memory_mib: tuple[int, ...] = setting(
        (), help="provisioned memory sizes in MiB; default: the benchmark's setting", option="--memory"
    )
    architecture: str = setting("", help="processor architecture; default: the platform's first")
    max_attempts: int = setting(
        0, help="maximum number of calls of a cell; 0 for 2 x round trips of all sandboxes", minimum=0
    )
    max_failures: int = setting(20, help="failed calls after which a cell is given up", minimum=1)
    max_time_s: float = setting(3600.0, help="time limit of a cell", minimum=1, option="--max-cell-time")

    @property
    def chosen(self) -> NetworkPreset:
        """The preset with what was given in place of its own."""
        preset = PRESETS[self.preset]
        return NetworkPreset(
            self.sandboxes or preset.sandboxes,
            self.round_trips or preset.round_trips,
            self.object_bytes or preset.object_bytes,
        )

    @property
    def wanted(self) -> int:
        """Round trips of a cell."""
        return self.chosen.sandboxes * self.chosen.round_trips

    @property
    def attempts(self) -> int:
        """Cap on the calls of a cell."""
        return self.max_attempts or 2 * self.wanted

    @property
    def rule(self) -> StoppingRule:
        """When a cell ends."""
        return StoppingRule(
            repetitions=self.wanted,
            max_attempts=self.attempts,
            max_failures=self.max_failures,
            max_time_s=self.max_time_s,
        )


class Network(Experiment[NetworkSettings]):
    """Round-trip times between client, sandbox and storage (SeBS, network ping-pong)."""

    name = "network"
    summary = "round trips between client and sandbox, and between sandbox and storage"
    Settings: ClassVar[type[Any]] = NetworkSettings
    factors = (
        Factor(name="path", meaning="from the client to a sandbox, or from there to the storage"),
        Factor(name="sandboxes", meaning="looked at, one a round"),
    )
    analyzer = "network"

    def plan(self, scene: Scene, settings: NetworkSettings) -> Plan:
        """Return one cell per platform, memory size and way; several for the storage's object sizes."""
        cells = tuple(cell for platform in scene.platforms.values() for cell in _cells(scene, platform, settings))
        return Plan(cells, deployments=len(cells), design=Design.RMIT)

    def run(self, session: Session, settings: NetworkSettings) -> None:
        """Measure in rounds: a turn is the round trips of one sandbox."""
        cells = session.pending(self.plan(session.scene, settings))
        interleave(session, cells, settings.rule, partial(_look_at_one, settings))


def storage_times(output: Mapping[str, Any]) -> dict[str, float]:
    """Return the times of the round trip that an invocation made."""
    return {UPLOAD: output["upload_s"][0], DOWNLOAD: output["download_s"][0]}


def _cells(scene: Scene, platform: Platform[Any], settings: NetworkSettings) -> Iterator[Cell]:
    ways = [("clock-probe", CLIENT, {"reads": 2})] if CLIENT in settings.paths else []
    if STORAGE in settings.paths:
        ways += [
            ("network-probe", STORAGE, {"object_bytes": size, "round_trips": 1})
            for size in settings.chosen.object_bytes
        ]
    for name, path, parameters in ways:
        benchmark = scene.benchmark(name)
        benchmark.resolve("test", parameters)  # fails now on a size that is too large
        sizes = settings.memory_mib or (benchmark.demands().memory_mib,)
        architecture = settings.architecture or platform.architectures[0]
        for provision in scene.provisions(platform, sizes, architecture):
            factors = {
                "platform": platform.name,
                "benchmark": name,
                "benchmark_sha256": benchmark.sha256,
                "size": "test",
                "parameters": parameters,
                "language": "python",
                "architecture": architecture,
                **provision.factors,
                "timeout_s": min(benchmark.demands().timeout_s, platform.timeout_s),
                "path": path,
                "sandboxes": settings.chosen.sandboxes,
                "start": "warm",
            }
            call_s = benchmark.expect.get("test")
            cost = estimate(platform, factors, settings.wanted, call_s, provision=provision)
            duration_s = settings.wanted * _TRIP_GUESS_S + settings.chosen.sandboxes * _COLD_GUESS_S
            yield Cell(factors, settings.wanted, duration_s=duration_s, cost_usd=cost.expected_usd, provision=provision)


def _look_at_one(settings: NetworkSettings, measurement: Measurement, number: int) -> None:
    """Take the round trips of one sandbox; one that is evicted is followed by the next."""
    storage = measurement.cell.factors["path"] == STORAGE
    wanted = settings.chosen.round_trips
    missing = wanted - len(measurement.good) % wanted  # fewer where an interruption cut the last sandbox's short
    until = len(measurement.good) + missing
    _fresh_sandbox(measurement, number)
    while len(measurement.good) < until and not _exhausted(measurement, settings):
        calls = Closed(min(_BATCH, until - len(measurement.good)))
        measurement.invoke(calls, round=number, read=storage_times if storage else None)


def _fresh_sandbox(measurement: Measurement, number: int) -> None:
    """Start the sandbox whose round trips are next, where the platform can be made to; warm it up."""
    if Capability.FORCE_COLD in measurement.function.platform.capabilities:
        measurement.force_cold()
    for call in measurement.invoke(Closed(1), Kind.WARMUP, round=number):
        if call.status is not Status.OK:
            measurement.failures += 1
            measurement.first_error = measurement.first_error or f"{call.status}: {call.error}"


def _exhausted(measurement: Measurement, settings: NetworkSettings) -> bool:
    return measurement.failures >= settings.max_failures or measurement.attempts >= settings.attempts
