"""serving-lab: workers as threads, forks or processes, and policies that say how many there are."""

from __future__ import annotations

import os
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.experiments import Experiment
from sebsx.model import Capability, Cell, Factor, Plan, Role
from sebsx.pricing.planning import estimate
from sebsx.reading.units import parse_bytes
from sebsx.running.rounds import take_turns
from sebsx_serving.cells import ModeTurns, ScalingTurns
from sebsx_serving.policies import CONCURRENCY, POLICIES
from sebsx_serving.settings import RELEASED, ServingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sebsx.contracts.measurement import Measurement
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.scene import Scene
    from sebsx.contracts.session import Session
    from sebsx.model import Provision
    from sebsx.running.rounds import Turns

_FOLDER = Path(__file__).parent / "shipped"
_COLD_GUESS_S = 1.0
MODE, SCALING = "modes", "policies"


class ServingLab(Experiment[ServingSettings]):
    """Serving modes at full load, then scaling policies under users and a ramp, as far as the machine goes."""

    name = "serving-lab"
    summary = "threads or replicas, wider or more: how one function that serves a model is scaled"
    Settings: ClassVar[type[Any]] = ServingSettings
    needs = frozenset({Capability.FORCE_COLD})
    factors = (
        Factor(name="part", meaning="modes at full load, or policies under a load"),
        Factor(name="mode", meaning="what a worker is"),
        Factor(name="work", meaning="whether an inference holds the interpreter lock"),
        Factor(name="workers", meaning="busy at the same time"),
        Factor(name="policy", meaning="how many workers there are", base="bare"),
        Factor(name="load", meaning="users that think, or a ramp"),
        Factor(name="shape", role=Role.DERIVED, of=("load",), meaning="the settings of the load"),
        Factor(name="most", title="cap", meaning="largest number of workers: the processors of the machine"),
        Factor(name="inference_s", title="inference", meaning="processor time of one"),
        Factor(name="model_bytes", title="model", meaning="memory of the model"),
    )
    analyzer = "serving-lab"
    extras = ("lab",)

    def plan(self, scene: Scene, settings: ServingSettings) -> Plan:
        """Return a cell for each mode, kind of work and number of workers, and for each policy and load."""
        cells = tuple(cell for platform in scene.platforms.values() for cell in _cells(scene, platform, settings))
        notes = ("requests of the policies depend on how fast they are answered: an estimate",)
        return Plan(
            cells,
            deployments=len([cell for cell in cells if not cell.unsupported]),
            notes=notes if settings.policies else (),
        )

    def run(self, session: Session, settings: ServingSettings) -> None:
        """Measure one cell after the other: each takes all processors of the machine."""
        for cell in session.pending(self.plan(session.scene, settings)):
            take_turns(session, [cell], partial(_turns_of, settings=settings))


def _turns_of(measurement: Measurement, settings: ServingSettings) -> Turns:
    if measurement.cell.factors["part"] == MODE:
        return ModeTurns(measurement, settings)
    return ScalingTurns(measurement, settings)


def most_workers(platform: Platform[Any], provision: Provision) -> int:
    """Return how many workers can have a processor each in one sandbox."""
    if Capability.COLOCATED in platform.capabilities:
        return os.cpu_count() or 1
    return max(1, round(provision.memory_offered_mib / 1769))  # AWS: one processor at 1769 MB (2026-11)


def _cells(scene: Scene, platform: Platform[Any], settings: ServingSettings) -> Iterator[Cell]:
    architecture = settings.architecture or platform.architectures[0]
    for provision in scene.provisions(platform, [settings.memory_mib], architecture):
        most = most_workers(platform, provision)
        ladder = sorted({1, *(2**step for step in range(1, most.bit_length()) if 2**step <= most), most})
        for mode, work, workers in product(settings.modes, settings.work, ladder):
            levels = {"part": MODE, "mode": mode, "work": work, "workers": workers}
            yield _cell(scene, platform, provision, levels, settings)
        for policy, kind in product(settings.policies, settings.loads):
            shape = {
                "duration_s": settings.chosen.duration_s,
                "period_s": settings.chosen.period_s,
                **(
                    {"rate": settings.chosen.rate}
                    if kind == "ramp"
                    else {
                        "users": settings.chosen.users,
                        "spawn_rate": settings.chosen.spawn_rate,
                        "think": settings.chosen.think,
                    }
                ),
            }
            levels = {
                "part": SCALING, "policy": policy, "mode": POLICIES[policy].mode, "work": RELEASED, "load": kind,
                "shape": shape, "most": most,
            }  # fmt: skip
            yield _cell(scene, platform, provision, levels, settings)


def _cell(
    scene: Scene, platform: Platform[Any], provision: Provision, levels: Mapping[str, Any], settings: ServingSettings
) -> Cell:
    benchmark = scene.benchmark(str(_FOLDER))
    chosen = settings.chosen
    factors = {
        "platform": platform.name,
        "benchmark": benchmark.name,
        "folder": str(_FOLDER),
        "benchmark_sha256": benchmark.sha256,
        "size": "default",
        "language": "python",
        "architecture": settings.architecture or platform.architectures[0],
        **provision.factors,
        "timeout_s": min(benchmark.demands().timeout_s, platform.timeout_s),
        "inference_s": chosen.inference_s,
        "model_bytes": parse_bytes(settings.model),
        **levels,
    }
    calls, call_s, in_flight, duration_s = 1, chosen.saturate_s, 1, chosen.saturate_s
    if levels["part"] == SCALING:
        calls, call_s = max(1, round(chosen.duration_s / chosen.period_s)), chosen.period_s
        duration_s = chosen.duration_s
        if levels["policy"] == CONCURRENCY:
            calls, call_s, in_flight = settings.load(levels["load"]).expected, chosen.inference_s, 2
    cost = estimate(platform, factors, calls, call_s, init_s=_COLD_GUESS_S / calls, provision=provision)
    return Cell(
        factors,
        calls,
        duration_s=duration_s + _COLD_GUESS_S,
        cost_usd=cost.expected_usd,
        provision=provision,
        in_flight=in_flight,
        unsupported=_refusal(platform, levels),
    )


def _refusal(platform: Platform[Any], levels: Mapping[str, Any]) -> str | None:
    """Return why a cell cannot be measured: sandboxes that stop between calls make no load of their own."""
    scaled_here = levels["part"] == SCALING and levels["policy"] != CONCURRENCY
    if scaled_here and Capability.COLOCATED not in platform.capabilities:
        return (
            f"a sandbox of platform {platform.name!r} stops between two calls, and its processors cannot be changed: "
            "only policy 'concurrency' is measured there"
        )
    return None
