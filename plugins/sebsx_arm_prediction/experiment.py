"""arm-prediction: functions x steps x runs on two kinds of machine, in two independent campaigns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.experiments import Experiment
from sebsx.errors import UserError
from sebsx.model import Cell, Design, Factor, Plan, Role
from sebsx.pricing.planning import estimate
from sebsx_arm_prediction.campaign import Campaign, spec_of
from sebsx_arm_prediction.dataset import FROM, TO
from sebsx_arm_prediction.settings import PRESETS, STUDY, CampaignSettings
from sebsx_arm_prediction.steps import needed_steps, stored_steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.scene import Scene
    from sebsx.contracts.session import Session
    from sebsx.model import Provision

NAME = "arm-prediction"
TRAINED, UNSEEN = "train", "unseen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two machines.

    Args:
        name: `from` for the one that is profiled, `to` for the one that is predicted.
        platform: Where it is.
        architecture: Of its functions.
        memory_mib: Asked for; 0 for what the settings say of the first, at least what a benchmark needs.
    """

    name: str
    platform: Platform[Any]
    architecture: str
    memory_mib: int


class ArmPrediction(Experiment[CampaignSettings]):
    """Profiles to predict run times on another processor from (the ARM study of 18 functions)."""

    name = NAME
    summary = "profiles of functions on two machines, to predict one from the other: x86 to ARM"
    Settings: ClassVar[type[Any]] = CampaignSettings
    collectors = ("saaf",)
    analyzer = NAME
    extras = ("ml",)
    factors = (
        Factor(name="campaign", meaning="two independent ones: to train on and to test with"),
        Factor(
            name="side",
            meaning="from: the machine that is profiled; to: the one that is predicted",
            always=True,
            base=FROM,
            implies=(
                "platform", "region", "architecture", "memory_mib", "memory_offered_mib", "trigger", "limits",
                "language_version", "cpu_model", "price_book", "emulated",
            ),
        ),
        Factor(
            name="split",
            role=Role.DERIVED,
            of=("benchmark",),
            meaning="whether generalised models are trained on the function (train) or only tested (unseen)",
        ),
        Factor(name="size", title="step", meaning="of 1 to 40, by growing run time"),
        Factor(name="run_times", role=Role.DERIVED, of=("size",), meaning="of the first and the last step"),
    )  # fmt: skip

    def plan(self, scene: Scene, settings: CampaignSettings) -> Plan:
        """Return one cell per campaign, function, step and machine."""
        sides = _sides(scene, settings)
        benchmarks = _benchmarks(scene, settings)
        cells = [
            _cell(settings, benchmark, folder, campaign, step, side, provision)
            for campaign in settings.campaigns
            for folder, benchmark in benchmarks.items()
            for side in sides
            for provision in scene.provisions(side.platform, [side.memory_mib], side.architecture)
            for step in settings.step_numbers
        ]
        deployments = {(cell.factors["campaign"], cell.factors["side"], spec_of(cell)) for cell in cells}
        return Plan(
            tuple(cells), deployments=len(deployments), notes=tuple(_notes(settings, sides)), design=Design.RMIT
        )

    def run(self, session: Session, settings: CampaignSettings) -> None:
        """Measure one campaign after the other, each on functions that are deployed for it."""
        cells = session.pending(self.plan(session.scene, settings))
        session.prepare(dict.fromkeys(map(spec_of, cells)))
        steps = stored_steps(session.view)
        for campaign in settings.campaigns:
            session.observer.step(f"campaign {campaign}")
            Campaign(session, settings, steps).run([cell for cell in cells if cell.factors["campaign"] == campaign])


def _sides(scene: Scene, settings: CampaignSettings) -> tuple[Side, Side]:
    """Return the machine that is profiled and the one that is predicted.

    Raises:
        UserError: If more than two platforms are named.
    """
    platforms = list(scene.platforms.values())
    if len(platforms) > 2:  # a pair
        raise UserError(
            f"{NAME} takes a pair of platforms, not {', '.join(scene.platforms)}: the first is profiled, the second "
            "predicted"
        )
    first, second = platforms[0], platforms[-1]
    return (
        Side(
            name=FROM,
            platform=first,
            architecture=settings.architecture or first.architectures[0],
            memory_mib=settings.memory_mib,
        ),
        Side(
            name=TO,
            platform=second,
            architecture=settings.to_architecture or (settings.architecture if first is second else "")
            or second.architectures[0],
            memory_mib=settings.to_memory_mib or settings.memory_mib,
        ),
    )  # fmt: skip


def _benchmarks(scene: Scene, settings: CampaignSettings) -> dict[str, Benchmark]:
    """Return the benchmarks by what they were called.

    Raises:
        UserError: If one is not known, or has no steps, or one that is kept back is not among them.
    """
    words = settings.benchmarks or PRESETS[settings.preset].benchmarks or scene.suite(STUDY)
    found = {word: scene.benchmark(word) for word in dict.fromkeys(words)}
    for benchmark in found.values():
        needed_steps(benchmark)
        benchmark.code(settings.language)
    names = [benchmark.name for benchmark in found.values()]
    if wrong := [name for name in settings.unseen if name not in names]:
        raise UserError(f"--unseen {wrong[0]!r} is not among the benchmarks: {', '.join(names)}")
    return found


def _cell(
    settings: CampaignSettings,
    benchmark: Benchmark,
    folder: str,
    campaign: str,
    step: int,
    side: Side,
    provision: Provision,
) -> Cell:
    unseen = benchmark.name in settings.unseen if settings.unseen else f"{STUDY}:{UNSEEN}" in benchmark.groups
    factors = {
        "campaign": campaign,
        "side": side.name,
        "platform": side.platform.name,
        "benchmark": benchmark.name,
        **({"folder": folder} if folder != benchmark.name else {}),
        "benchmark_sha256": benchmark.sha256,
        "split": UNSEEN if unseen else TRAINED,
        "size": str(step),
        "run_times": settings.run_times,
        "language": settings.language,
        "architecture": side.architecture,
        **provision.factors,
        "timeout_s": min(settings.function_timeout_s, side.platform.timeout_s),
        "start": "warm",
    }
    call_s = settings.expected_s(step)
    most = settings.max_attempts or 3 * settings.runs + 10
    cost = estimate(side.platform, factors, settings.runs, call_s, most_calls=most, provision=provision)
    return Cell(
        factors,
        settings.runs,
        duration_s=settings.runs * call_s / settings.parallel,
        cost_usd=cost.expected_usd,
        cost_bound_usd=cost.most_usd,
        provision=provision,
        in_flight=1,
    )


def _notes(settings: CampaignSettings, sides: tuple[Side, Side]) -> Iterator[str]:
    first, second = sides
    low_s, high_s = settings.ends_s
    yield (
        f"{first.platform.name} {first.architecture} {first.memory_mib} MiB is profiled, "
        f"{second.platform.name} {second.architecture} {second.memory_mib} MiB is predicted"
    )
    yield (
        f"steps are calibrated to {low_s:g} s to {high_s:g} s where functions are profiled, as the run begins; "
        "time and cost are as if the other machine were as fast"
    )
