"""memory-sharing: what N replicas of a model take in memory, by how they came by it."""

from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.experiments import Experiment
from sebsx.model import Capability, Cell, Design, Factor, Plan, Role
from sebsx.pricing.planning import estimate
from sebsx.reading.units import parse_bytes, show
from sebsx.running.rounds import take_turns
from sebsx_memory.replicas import Rounds, model_bytes, shape
from sebsx_memory.settings import DIFFERENT, MERGING, SAME, SharingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.scene import Scene
    from sebsx.contracts.session import Session
    from sebsx.model import Provision

_FOLDER = Path(__file__).parent / "shipped"
_WAVES = 5
# For plans, before anything was measured: of the whole model.
_BYTES_PER_S = 5e7
_COLD_GUESS_S, _MERGE_GUESS_S = 0.5, 10.0
_INTERPRETER_BYTES = 48 * 2**20


class MemorySharing(Experiment[SharingSettings]):
    """Copies, a mapped file, processes forked after loading, and merged pages, in N replicas."""

    name = "memory-sharing"
    summary = "what N replicas of a model hold in memory, what they share, and what sharing costs"
    Settings: ClassVar[type[Any]] = SharingSettings
    needs = frozenset({Capability.FORCE_COLD})
    factors = (
        Factor(name="model", meaning="what each replica loads"),
        Factor(name="model_bytes", title="model size", role=Role.DERIVED, of=("model",), meaning="its size"),
        Factor(name="strategy", meaning="how a replica gets the model", base="copy"),
        Factor(name="weights", meaning="whether all replicas have the same, or each its own (the control)"),
        Factor(name="replicas", title="replicas", meaning="at the same time"),
        Factor(name="private_bytes", title="private", meaning="memory that each fills for itself"),
    )
    analyzer = "memory-sharing"
    without_options = "replicas share what their sandboxes are given; memory is a setting (--memory)"

    def plan(self, scene: Scene, settings: SharingSettings) -> Plan:
        """Return a cell for each platform, model, strategy and number of replicas, and the controls."""
        cells = tuple(cell for platform in scene.platforms.values() for cell in _cells(scene, platform, settings))
        deployed = {(cell.factors["platform"], cell.factors["model"]) for cell in cells}
        return Plan(cells, deployments=len(deployed), design=Design.RMIT)

    def run(self, session: Session, settings: SharingSettings) -> None:
        """Measure in rounds; the sandboxes of one turn end before the next begins."""
        cells = session.pending(self.plan(session.scene, settings))
        take_turns(session, cells, partial(Rounds, settings=settings), shared=True)


def _cells(scene: Scene, platform: Platform[Any], settings: SharingSettings) -> Iterator[Cell]:
    chosen = settings.chosen
    architecture = settings.architecture or platform.architectures[0]
    designs = [(strategy, SAME, replicas) for strategy, replicas in product(chosen.strategies, chosen.replicas)]
    if settings.control:
        designs += [(strategy, DIFFERENT, chosen.replicas[-1]) for strategy in chosen.strategies]
    for provision, model, design in product(
        scene.provisions(platform, [settings.memory_mib], architecture), chosen.models, designs
    ):
        yield _cell(scene, platform, provision, model, design, settings)


def _cell(
    scene: Scene,
    platform: Platform[Any],
    provision: Provision,
    model: str,
    design: tuple[str, str, int],
    settings: SharingSettings,
) -> Cell:
    benchmark = scene.benchmark(str(_FOLDER))
    strategy, weights, replicas = design
    size = model_bytes(model)
    factors = {
        "platform": platform.name,
        "benchmark": benchmark.name,
        "folder": str(_FOLDER),
        "benchmark_sha256": benchmark.sha256,
        "size": "default",
        "parameters": {"model_bytes": size},
        "language": "python",
        "architecture": settings.architecture or platform.architectures[0],
        **provision.factors,
        "timeout_s": min(benchmark.demands().timeout_s, platform.timeout_s),
        "model": model,
        "model_bytes": size,
        "strategy": strategy,
        "weights": weights,
        "replicas": replicas,
        "private_bytes": parse_bytes(settings.private),
    }
    processes, calls = shape(factors)
    rounds = settings.chosen.rounds
    call_s = settings.hold_s + processes * size / _BYTES_PER_S
    cost = estimate(platform, factors, rounds * calls * _WAVES, call_s, init_s=_COLD_GUESS_S / _WAVES,
                    provision=provision)  # fmt: skip
    merge_s = _MERGE_GUESS_S if strategy in MERGING else 0.0
    return Cell(
        factors,
        rounds * calls,
        duration_s=rounds * (_WAVES * call_s + calls * _COLD_GUESS_S + merge_s),
        cost_usd=cost.expected_usd,
        provision=provision,
        in_flight=calls,
        unsupported=_refusal(platform, provision, factors, processes),
    )


def _refusal(platform: Platform[Any], provision: Provision, factors: dict[str, Any], processes: int) -> str | None:
    """Return why a cell cannot be measured, as far as that is known before anything runs."""
    if factors["strategy"] in MERGING and Capability.COLOCATED not in platform.capabilities:
        return f"KSM is set in the kernel below the sandboxes, which platform {platform.name!r} does not give away"
    alone = factors["strategy"] != "forked" or factors["weights"] == DIFFERENT
    need = processes * (_INTERPRETER_BYTES + factors["private_bytes"])
    need += factors["model_bytes"] * (processes if alone else 1)
    if need > provision.memory_offered_mib * 2**20:
        has = show(provision.memory_offered_mib * 2**20, "bytes")
        return f"needs about {show(need, 'bytes')} in a sandbox, and has {has} (--memory)"
    return None
