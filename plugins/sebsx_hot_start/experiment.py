"""hot-start: a payload to a polling sandbox and back, beside warm and cold invocations with the same payload."""

from __future__ import annotations

import json
import random
import string
from dataclasses import dataclass
from functools import partial
from itertools import product
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.experiments import Experiment
from sebsx.contracts.schedules import Closed
from sebsx.errors import PlatformError
from sebsx.model import Capability, Cell, Design, Factor, Kind, Plan, StartType, Status
from sebsx.pricing.planning import estimate
from sebsx.running.rounds import StoppingRule, interleave
from sebsx.settings import setting
from sebsx_hot_start.polling import FOLDER, LOOPBACK, SHARED_MEMORY, WAYS, client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx.contracts.measurement import Measurement
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.scene import Scene
    from sebsx.contracts.session import Session
    from sebsx.model import Provision

ROUND_TRIP, SERIES = "hot.round_trip_s", "hot.series"
HOT = "hot"
PLATFORM = "platform"
_WARMUPS = 10
_TIMEOUT_S = 60.0
# For plans, before anything was measured: a call, a start, and an exchange with a polling sandbox by its way.
_CALL_GUESS_S, _COLD_GUESS_S, _BYTES_PER_S = 0.01, 0.3, 5e7
_EXCHANGE = {SHARED_MEMORY: (1e-5, 2.5e9), LOOPBACK: (5e-5, 5e8)}  # seconds of a byte; bytes a second there and back


@dataclass(frozen=True, slots=True)
class HotPreset:
    """Values for the settings that are not given."""

    payload_bytes: tuple[int, ...]
    sandboxes: int
    exchanges: int
    calls: int


PRESETS = {
    "quick": HotPreset((1024, 1_000_000), 6, 50, 3),
    "full": HotPreset((1, 1024, 65_536, 1_000_000, 5_000_000), 20, 1000, 20),
}


@dataclass(frozen=True)
class HotSettings:
    """Payloads, ways and how often; what is not given is the preset's."""

    preset: str = setting("quick", help="quick for a first look, full for 1 B to 5 MB", choices=tuple(PRESETS))
    payload_bytes: tuple[int, ...] = setting(
        (), help="payloads in bytes, there and back; default: the preset's", minimum=1, maximum=50_000_000
    )
    ways: tuple[str, ...] = setting(WAYS, help="how a client reaches a polling sandbox", choices=WAYS)
    start: tuple[str, ...] = setting(
        (HOT, "warm", "cold"), help="polling, warm and cold sandboxes", choices=(HOT, "warm", "cold")
    )
    sandboxes: int = setting(0, help="fresh sandboxes of each cell; 0 for the preset's", minimum=0, maximum=10_000)
    exchanges: int = setting(0, help="exchanges with each polling sandbox; 0 for the preset's", minimum=0)
    calls: int = setting(0, help="warm calls of each sandbox; 0 for the preset's", minimum=0, maximum=10_000)
    memory_mib: tuple[int, ...] = setting(
        (), help="provisioned memory sizes in MiB; default: the benchmark's setting", option="--memory"
    )
    architecture: str = setting("", help="processor architecture; default: the platform's first")
    max_failures: int = setting(10, help="failed calls after which a cell is given up", minimum=1)
    max_time_s: float = setting(1800.0, help="time limit of a cell", minimum=1, option="--max-cell-time")

    @property
    def chosen(self) -> HotPreset:
        """The preset with what was given in place of its own."""
        preset = PRESETS[self.preset]
        return HotPreset(
            tuple(sorted(set(self.payload_bytes))) or preset.payload_bytes,
            self.sandboxes or preset.sandboxes,
            self.exchanges or preset.exchanges,
            self.calls or preset.calls,
        )


class HotStart(Experiment[HotSettings]):
    """The least that an invocation can take on this machine, and how far every platform is from it."""

    name = "hot-start"
    summary = "how quick an invocation can be: a polling sandbox beside warm and cold ones, 1 B to 5 MB"
    Settings: ClassVar[type[Any]] = HotSettings
    factors = (
        Factor(name="payload_bytes", title="payload", meaning="there and back"),
        Factor(name="way", meaning="shared memory, a loopback socket, or the platform's own"),
    )
    analyzer = "hot-start"

    def plan(self, scene: Scene, settings: HotSettings) -> Plan:
        """Return a cell for each platform, start, way and payload."""
        cells = tuple(cell for platform in scene.platforms.values() for cell in _cells(scene, platform, settings))
        return Plan(cells, deployments=len(cells), design=Design.RMIT)

    def run(self, session: Session, settings: HotSettings) -> None:
        """Measure in rounds: a turn is one sandbox."""

        def rule(cell: Cell) -> StoppingRule:
            return StoppingRule(
                repetitions=cell.invocations, max_failures=settings.max_failures, max_time_s=settings.max_time_s
            )

        interleave(session, session.pending(self.plan(session.scene, settings)), rule, partial(_take, settings))


def _cells(scene: Scene, platform: Platform[Any], settings: HotSettings) -> Iterator[Cell]:
    benchmark = scene.benchmark(str(FOLDER))
    architecture = settings.architecture or platform.architectures[0]
    starts = [(HOT, way) for way in settings.ways if HOT in settings.start]
    starts += [(start, PLATFORM) for start in settings.start if start != HOT]
    chosen = settings.chosen
    for provision, (start, way), size in product(
        scene.provisions(platform, settings.memory_mib or (benchmark.demands().memory_mib,), architecture),
        starts,
        chosen.payload_bytes,
    ):
        factors = {
            "platform": platform.name,
            "benchmark": benchmark.name,
            "folder": str(FOLDER),
            "benchmark_sha256": benchmark.sha256,
            "size": "default",
            "language": "python",
            "architecture": architecture,
            **provision.factors,
            "timeout_s": min(benchmark.demands().timeout_s, platform.timeout_s),
            "payload_bytes": size,
            "way": way,
            "start": start,
        }
        yield _cell(platform, provision, factors, chosen)


def _cell(platform: Platform[Any], provision: Provision, factors: dict[str, Any], chosen: HotPreset) -> Cell:
    start, size = factors["start"], factors["payload_bytes"]
    calls = chosen.sandboxes * (chosen.calls if start == "warm" else 1)
    call_s = _CALL_GUESS_S + size / _BYTES_PER_S
    if start == HOT:
        least_s, bytes_per_s = _EXCHANGE[factors["way"]]
        call_s = (chosen.exchanges + _WARMUPS) * (least_s + 2 * size / bytes_per_s)
    init_s = _COLD_GUESS_S * chosen.sandboxes / calls
    cost = estimate(platform, factors, calls, call_s, init_s=init_s, provision=provision)
    return Cell(
        factors,
        calls,
        duration_s=calls * call_s + chosen.sandboxes * _COLD_GUESS_S,
        cost_usd=cost.expected_usd,
        provision=provision,
        unsupported=_refusal(platform, start, size),
    )


def _refusal(platform: Platform[Any], start: str, size: int) -> str | None:
    """Return why a cell cannot be measured, as far as that is known before anything runs."""
    if start == HOT and Capability.SHARED_MEMORY not in platform.capabilities:
        return f"a client shares neither memory nor loopback with the sandboxes of platform {platform.name!r}"
    if start == "cold" and Capability.FORCE_COLD not in platform.capabilities:
        return "no way to force a cold start"
    if start != HOT and size > platform.payload_bytes:
        return f"a payload of {size} bytes is larger than the {platform.payload_bytes} that are taken"
    return None


def _take(settings: HotSettings, measurement: Measurement, number: int) -> None:
    """Take one sandbox."""
    if Capability.FORCE_COLD in measurement.function.platform.capabilities:
        measurement.force_cold()
    factors = measurement.cell.factors
    if factors["start"] == HOT:
        _poll(settings, measurement, number)
        return
    event = {"do": "echo", "data": _text(factors["payload_bytes"])}
    if factors["start"] == StartType.WARM:
        first = measurement.invoke(Closed(1), Kind.WARMUP, round=number, events=[event])
        if first[0].status is not Status.OK:
            measurement.failures += 1
            measurement.first_error = measurement.first_error or f"{first[0].status}: {first[0].error}"
            return
    calls = settings.chosen.calls if factors["start"] == StartType.WARM else 1
    measurement.invoke(Closed(calls), round=number, events=[event])


def _poll(settings: HotSettings, measurement: Measurement, number: int) -> None:
    """Have a sandbox poll while a client exchanges payloads with it."""
    factors, session = measurement.cell.factors, measurement.session
    with (
        client(factors["way"], factors["payload_bytes"], settings.chosen.exchanges, _WARMUPS, _TIMEOUT_S) as asking,
        session.execution("polling", measurement.cell_id, measurement.function, round=number) as group,
    ):
        (invocation,) = measurement.invoke(Closed(1), round=number, events=[asking.event])
        if invocation.status is not Status.OK:
            return
        try:
            times_s = asking.times_s()
        except PlatformError as exc:
            group.status, group.error = Status.PLATFORM_ERROR, str(exc)
            measurement.failures += 1
            measurement.first_error = measurement.first_error or str(exc)
            return
        group.figures[ROUND_TRIP] = median(times_s)
        session.record(SERIES, json.dumps({"round": number, "t_s": times_s}), cell_id=measurement.cell_id)


def _text(size: int) -> str:
    """Return a payload of so many characters, of which JSON makes as many bytes."""
    letters = string.ascii_letters + string.digits
    return "".join(random.Random(size).choices(letters, k=size))  # noqa: S311  # any payload does
