"""perf-cost: benchmarks x memory sizes x start types, one after the other or interleaved."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import chain, groupby, product
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.calibrations import calibrated, spelt_out
from sebsx.contracts.experiments import Experiment
from sebsx.contracts.functions import FunctionSpec
from sebsx.errors import UserError
from sebsx.model import Capability, Cell, Design, Factor, Factors, Plan, Role
from sebsx.pricing.planning import estimate
from sebsx.running.blocks import Spreading, unchanging
from sebsx.running.rounds import groups, told_apart
from sebsx.settings import setting
from sebsx_perf_cost.known import as_measured
from sebsx_perf_cost.payloads import digest
from sebsx_perf_cost.sampling import interleave, one_by_one

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.scene import Scene
    from sebsx.contracts.session import Session
    from sebsx.model import Provision

DEFAULT_SUITE = "default"

# What a cold start adds, for the plan only, where nothing is measured yet.
_COLD_GUESS_S = 0.3


@dataclass(frozen=True)
class PerfCostSettings:
    """What to measure and when to stop."""

    benchmarks: tuple[str, ...] = setting(
        (), help="names or folders of benchmarks; default: the suite `default`", positional="NAME|FOLDER"
    )
    suite: str = setting(
        "", help="a named set of benchmarks in place of names (sebsx list suites); `all` for every one"
    )
    size: str = setting("", help="input size, as the benchmark names it; default: `small` or its only one")
    parameters: dict[str, str] = setting(
        {}, help="parameters of the benchmark on top of its size", option="--parameter"
    )
    payload: str = setting(
        "",
        help="input of every call, in place of the benchmark's own: a JSON object or a file that holds one",
        option="--payload",
    )
    functions: tuple[str, ...] = setting((), help="functions of the benchmark; default: its first", option="--function")
    variants: tuple[str, ...] = setting(
        (), help="variants of the benchmark; default, and the empty word: its code as it is",
        option="--variant",
    )  # fmt: skip
    memory_mib: tuple[int, ...] = setting(
        (), help="provisioned memory sizes in MiB; default: the benchmark's setting", option="--memory"
    )
    architectures: tuple[str, ...] = setting(
        (), help="processor architectures; default: the platform's first", option="--architecture"
    )
    language: str = setting("python", help="language of the function's code")
    start: tuple[str, ...] = setting(
        ("cold", "warm"), help="start types", choices=("cold", "warm", "burst", "sequential")
    )
    design: str = setting(
        "auto",
        help="order of the cells: rmit interleaves them in random order, so that drift hits all alike; "
        "auto does so whenever two or more conditions of a benchmark are compared",
        choices=("auto", "rmit", "sequential"),
    )
    against: str = setting(
        "", help="name or folder of another version of the benchmark to measure with it, as its base"
    )
    max_deployed: int = setting(
        32, help="maximum number of functions deployed at once; with more, not all cells are interleaved", minimum=1
    )
    repetitions: int = setting(30, help="samples wanted of each condition and start type", minimum=1)
    sandboxes: int = setting(
        0, help="sandboxes that serve the warm samples, in turn; 0 for 10, and with --against as many as it takes",
        minimum=0,
    )  # fmt: skip
    detect: float = setting(
        0.1,
        help="change that `against` finds in 95 % of runs, with a threshold of half of it; 0 stops at `repetitions`",
        minimum=0, maximum=10, share=True,
    )  # fmt: skip
    max_sandboxes: int = setting(60, help="maximum number of sandboxes of a condition that --against takes", minimum=10)
    concurrency: int = setting(1, help="users of the warm closed loop", minimum=1)
    burst_size: int = setting(10, help="simultaneous invocations of a burst", minimum=1)
    warmups: int = setting(1, help="uncounted calls of each user before warm samples", minimum=1)
    precision: float = setting(
        0.05,
        help="continue past `repetitions` until the interval of the median is this share of it",
        minimum=0.001,
        share=True,
    )
    max_repetitions: int = setting(
        0, help="maximum number of samples when going on for precision; 0 stops at `repetitions`", minimum=0
    )
    timeout_s: float = setting(0.0, help="time-out of the function; 0 for the benchmark's setting", minimum=0)
    max_attempts: int = setting(
        0, help="maximum number of invocations of a cell, wrong start types included; 0 for 3 x samples + 10", minimum=0
    )
    max_failures: int = setting(10, help="failed invocations after which a cell is given up", minimum=1)
    max_time_s: float = setting(600.0, help="time limit of a cell", minimum=1, option="--max-cell-time")

    def __post_init__(self) -> None:
        if self.suite and self.benchmarks:
            raise ValueError("name benchmarks or `suite`, not both")
        if 0 < self.max_repetitions < self.repetitions:
            raise ValueError("`max_repetitions` must be 0 or at least `repetitions`")
        if self.against and len(self.benchmarks) != 1:
            raise ValueError("`against` takes exactly one benchmark to compare with")

    @property
    def powered(self) -> bool:
        """Whether the design goes on until it would find `detect`: nothing else was said of when to stop."""
        return bool(self.against and self.detect) and not (self.sandboxes or self.max_repetitions)

    @property
    def spreading(self) -> Spreading:
        """How the warm samples of a cell are spread over sandboxes."""
        detect = self.detect if self.powered else 0.0
        return Spreading.of(self.repetitions, self.sandboxes, self.concurrency, detect, self.max_sandboxes)

    @property
    def most_samples(self) -> int:
        """Samples at which a cell stops whatever the precision."""
        if self.powered:
            return self.spreading.most_samples
        return self.max_repetitions or self.repetitions

    def warming(self, platform: Platform[Any], start: str) -> int:
        """Return how many calls that do not count a cell needs, at least: some in each sandbox, where it is changed."""
        if start != "warm":
            return 0
        changes = Capability.FORCE_COLD in platform.capabilities
        return self.warmups * self.concurrency * (self.spreading.sandboxes if changes else 1)

    @property
    def attempts(self) -> int:
        """Cap on the invocations of a cell."""
        return self.max_attempts or 3 * self.most_samples + 10


class PerfCost(Experiment[PerfCostSettings]):
    """Latency, memory and cost of benchmarks, cold and warm, over memory sizes (SeBS, Middleware'21)."""

    name = "perf-cost"
    summary = "latency, memory and cost, cold and warm, over memory sizes"
    Settings: ClassVar[type[Any]] = PerfCostSettings
    factors = (
        Factor(name="version", implies=("benchmark", "folder"), base="base", meaning="of the benchmark's code"),
        Factor(name="concurrency", role=Role.DERIVED, of=("start",), meaning="calls at once"),
    )
    analyzer = "perf-cost"
    subject = "benchmark"

    def plan(self, scene: Scene, settings: PerfCostSettings) -> Plan:
        """Return one cell per platform, benchmark, version, architecture, memory size and start type."""
        families, left_out = families_of(scene, settings)
        cells, known = as_measured([cell for family in families for cell in family], scene, settings)
        unknown = any(cell.duration_s is None for cell in cells)
        notes = [*_unchanging(scene, settings)]
        if unknown:
            notes.append("a benchmark does not say how long a call takes: the duration is unknown")
        design = _design(families, settings)
        possible = [cell for cell in cells if cell.provision is None or not cell.provision.unsupported]
        if design is Design.SEQUENTIAL:
            specs = {FunctionSpec.of(cell) for cell in possible}
            return Plan(tuple(cells), deployments=len(specs), notes=(*left_out, *notes, *known), design=design)
        return Plan(
            tuple(cells),
            deployments=len(possible),
            notes=(*left_out, *_too_many(families, settings), *notes, *known),
            design=design,
        )

    def run(self, session: Session, settings: PerfCostSettings) -> None:
        """Measure every family of comparable cells in the design that was stored with the run."""
        families, left_out = families_of(session.scene, settings)
        pending = {cell.hash for cell in session.pending(Plan(tuple(chain.from_iterable(families)), deployments=0))}
        interleaved = session.run.design is Design.RMIT
        for line in (*left_out, *(_too_many(families, settings) if interleaved else ())):
            session.observer.warned(line)
        session.prepare(FunctionSpec.of(cell) for family in families for cell in family if cell.hash in pending)
        for family in families:
            left = [cell for cell in family if cell.hash in pending]
            if interleaved:
                for group in groups(left, Factors.of(self.factors), settings.max_deployed):
                    interleave(session, [(FunctionSpec.of(cell), cell) for cell in group], settings)
            else:
                for spec, cells in groupby(left, key=FunctionSpec.of):
                    one_by_one(session, spec, list(cells), settings)


def families_of(scene: Scene, settings: PerfCostSettings) -> tuple[list[list[Cell]], list[str]]:
    """Return the cells by benchmark, those of one being comparable, and a line for each benchmark left out."""
    members, left_out = _members(scene, settings)
    words = list(dict.fromkeys(chain.from_iterable(members.values())))
    known = {word: scene.benchmark(word) for word in (*words, *filter(None, [settings.against]))}
    names = [known[word].name for word in words]
    for name in names:
        if names.count(name) > 1:
            raise UserError(
                f"two benchmarks are named {name!r}; to compare versions of one, name one of them --against"
            )
    families = [
        [
            _cell(platform, spec, provision, known[spec.benchmark], version, start, settings)
            for platform in scene.platforms.values()
            if word in members[platform.name]
            for version, spec, provision in _specs(scene, known, platform, word, settings)
            for start in settings.start
        ]
        for word in words
    ]
    return families, left_out


def _members(scene: Scene, settings: PerfCostSettings) -> tuple[dict[str, list[str]], list[str]]:
    """Return the benchmarks to run by platform, and a line for each of a suite that cannot run there."""
    if settings.benchmarks:
        return {name: list(settings.benchmarks) for name in scene.platforms}, []
    suite = settings.suite or DEFAULT_SUITE
    members: dict[str, list[str]] = {}
    left_out = []
    for platform in scene.platforms.values():
        chosen = members[platform.name] = []
        for name in scene.suite(suite):
            why = scene.benchmark(name).unsuitable(settings.size, settings.language, platform.capabilities)
            if why is None:
                chosen.append(name)
            else:
                left_out.append(f"{name} is left out on {platform.name}: {why}")
    if not any(members.values()):
        raise UserError(f"nothing of suite {suite!r} can run so; {'; '.join(left_out)}")
    return members, left_out


def _specs(
    scene: Scene, known: Mapping[str, Benchmark], platform: Platform[Any], word: str, settings: PerfCostSettings
) -> Iterator[tuple[str, FunctionSpec, Provision]]:
    """Yield what to deploy and what that is given, with its version: empty unless two are compared.

    Two that are compared differ in nothing else.
    """
    benchmark = known[word]
    size = settings.size or benchmark.default_size
    architectures = settings.architectures or platform.architectures[:1]
    parts = list(product(settings.functions or ("",), settings.variants or ("",)))
    given = [
        (function, variant, name, provision)
        for function, variant in parts
        for name in architectures
        for provision in scene.provisions(
            platform, settings.memory_mib or (benchmark.demands(function, variant).memory_mib,), name
        )
    ]
    for function, variant, architecture, provision in given:
        memory_mib = provision.memory_offered_mib
        fitted = calibrated(benchmark, size, platform.name, memory_mib)
        chosen = tuple(spelt_out(benchmark, fitted, size, settings.parameters).items())  # fails now on a bad value
        timeout_s = settings.timeout_s or min(benchmark.demands(function, variant).timeout_s, platform.timeout_s)
        spec = FunctionSpec(
            platform.name, word, size=size, language=settings.language, architecture=architecture,
            memory_mib=memory_mib, timeout_s=timeout_s, parameters=chosen,
            function=function, variant=variant, options=provision.options_offered,
        )  # fmt: skip
        if settings.against:
            known[settings.against].resolve(size, dict(chosen))  # fails now on what it does not know
            yield "base", replace(spec, benchmark=settings.against), provision
        yield "new" if settings.against else "", spec, provision


def _cell(
    platform: Platform[Any],
    spec: FunctionSpec,
    provision: Provision,
    benchmark: Benchmark,
    version: str,
    start: str,
    settings: PerfCostSettings,
) -> Cell:
    factors = {
        "platform": spec.platform,
        "benchmark": benchmark.name,
        **({"folder": spec.benchmark} if spec.benchmark != benchmark.name else {}),
        "benchmark_sha256": benchmark.sha256,
        **({"version": version} if version else {}),
        **{name: word for name, word in (("function", spec.function), ("variant", spec.variant)) if word},
        "size": spec.size,
        "parameters": dict(spec.parameters),
        **({"payload_sha256": digest(settings.payload)} if settings.payload else {}),
        "language": spec.language,
        "architecture": spec.architecture,
        **provision.factors,
        "timeout_s": spec.timeout_s,
        "start": start,
        "concurrency": settings.burst_size if start == "burst" else settings.concurrency,
    }
    call_s = calibrated(benchmark, spec.size, spec.platform, spec.memory_mib).expect.get(spec.size)
    cold_s = _COLD_GUESS_S if start == "cold" else 0.0
    spreading = settings.spreading
    duration_s = None if call_s is None else settings.repetitions * (call_s + cold_s)
    most = settings.attempts + settings.warmups * settings.concurrency
    if start == "warm" and Capability.FORCE_COLD in platform.capabilities:
        if duration_s is not None:
            duration_s += spreading.sandboxes * (_COLD_GUESS_S + settings.warmups * (call_s or 0.0))
        changed = spreading.most if spreading.detect else math.ceil(settings.most_samples / spreading.calls)
        most = settings.attempts + settings.warmups * settings.concurrency * changed
    calls = settings.repetitions + settings.warming(platform, start)
    cost = estimate(platform, factors, calls, call_s, init_s=cold_s, most_calls=most, provision=provision)
    in_flight = {"burst": settings.burst_size, "warm": settings.concurrency}.get(start, 1)
    return Cell(
        factors,
        settings.repetitions,
        duration_s=duration_s,
        cost_usd=cost.expected_usd,
        cost_bound_usd=cost.most_usd,
        provision=provision,
        in_flight=in_flight,
    )


def _design(families: Sequence[Sequence[Cell]], settings: PerfCostSettings) -> Design:
    """Return the design: cold and warm of one condition alone differ by more than drift."""
    if settings.design != "auto":
        return Design(settings.design)
    compared = bool(settings.against) or any(len({FunctionSpec.of(cell) for cell in family}) > 1 for family in families)
    return Design.RMIT if compared else Design.SEQUENTIAL


def _unchanging(scene: Scene, settings: PerfCostSettings) -> Iterator[str]:
    """Yield a note for each platform on which warm calls stay in the sandboxes that they happen to meet."""
    for platform in scene.platforms.values():
        if "warm" in settings.start and Capability.FORCE_COLD not in platform.capabilities:
            yield unchanging(platform.name)


def _too_many(families: Sequence[Sequence[Cell]], settings: PerfCostSettings) -> Iterator[str]:
    factors = Factors.of(PerfCost.factors)
    for family in families:
        if note := told_apart(family, factors, settings.max_deployed, family[0].factors["benchmark"]):
            yield note
