"""eviction: how long idle sandboxes live, over memory, code size, language and run time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.experiments import Experiment
from sebsx.contracts.functions import FunctionSpec
from sebsx.model import Cell, Factor, Plan
from sebsx.model.options import MIN_INSTANCES, SANDBOX_CONCURRENCY
from sebsx.pricing.planning import estimate
from sebsx.settings import setting
from sebsx_eviction.models import survival_steps
from sebsx_eviction.runner import CellWork, TrialRunner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.scene import Scene
    from sebsx.contracts.session import Session
    from sebsx.model import Provision, Scalar
    from sebsx_eviction.trials import Trial

# What a cold start takes, for the plan only.
_COLD_GUESS_S = 0.3
# A function may take so much longer than it holds its sandbox.
_TIMEOUT_S = 30.0
# The benchmark's parameter for how long it holds its sandbox.
_HOLD = "duration_s"
_BISECTION = "bisection"


@dataclass(frozen=True)
class EvictionPreset:
    """Levels that a word stands for."""

    idle_s: tuple[float, ...]
    d_init: tuple[int, ...]
    memory_mib: tuple[int, ...]
    repetitions: int


# The levels of the paper: SeBS (Middleware 2021), section 6.6: 1 to 1600 s, 1 to 20 sandboxes, 128 and 1536 MB.
PRESETS = {
    "quick": EvictionPreset((0.5, 1, 2, 4, 8, 15, 30), (4,), (), 2),
    "paper": EvictionPreset(
        (1, 60, 120, 240, 360, 379, 400, 480, 600, 720, 759, 780, 900, 1080, 1139, 1160, 1300, 1450, 1600),
        (1, 2, 4, 8, 12, 16, 20),
        (128, 1536),
        1,
    ),
}


@dataclass(frozen=True)
class EvictionSettings:
    """How long to leave how many sandboxes alone."""

    preset: str = setting(
        "quick",
        help="levels to start from: a minute on a laptop, or those of the paper",
        choices=tuple(PRESETS),
    )
    method: str = setting(
        "ladder",
        help="measure every idle time, or halve the bracket around the time at which half are gone",
        choices=("ladder", _BISECTION),
    )
    idle_s: tuple[float, ...] = setting((), help="idle times; a bisection goes between their ends", minimum=0)
    d_init: tuple[int, ...] = setting((), help="simultaneous sandboxes of a trial, usually 1 to 20", minimum=1)
    repetitions: int = setting(0, help="trials of each idle time; 0 for the preset's", minimum=0)
    precision: float = setting(
        0.05,
        help="a bisection stops when its bracket is this narrow, relative to its middle",
        minimum=0.001,
        share=True,
    )
    memory_mib: tuple[int, ...] = setting(
        (), help="provisioned memory sizes in MiB; default: the preset's", option="--memory"
    )
    padding_mib: tuple[float, ...] = setting(
        (0.0,), help="code sizes: MiB that do not compress, added to the package", minimum=0
    )
    languages: tuple[str, ...] = setting(("python",), help="languages of the function's code")
    hold_s: tuple[float, ...] = setting(
        (0.25,), help="run times: how long a call holds its sandbox; calls at once must overlap", minimum=0.01
    )
    benchmark: str = setting("server-reply", help=f"name or folder of a benchmark with a parameter {_HOLD}")
    functions: tuple[str, ...] = setting((), help="functions of the benchmark; default: its first", option="--function")
    variants: tuple[str, ...] = setting(
        (), help="variants of the benchmark; default, and the empty word: its code as it is", option="--variant"
    )
    architecture: str = setting("", help="processor architecture; default: the platform's first")
    max_deployed: int = setting(
        300, help="maximum number of functions deployed at once; further trials wait", minimum=1
    )
    max_starting: int = setting(
        16,
        help="maximum number of sandboxes starting at once, at least those of one trial; more slow each other down",
        minimum=1,
    )
    max_bursts: int = setting(
        3, help="maximum number of bursts until all sandboxes of a trial are warm and different", minimum=1
    )
    max_void: int = setting(5, help="void trials after which a cell is given up", minimum=1)
    max_time_s: float = setting(7 * 86400.0, help="no trial begins after this time", minimum=1, option="--last-trial")

    def __post_init__(self) -> None:
        if self.method == _BISECTION and not 0 < min(self.ladder_s) < max(self.ladder_s):
            raise ValueError("a bisection needs two different `idle_s` above 0")

    @property
    def ladder_s(self) -> tuple[float, ...]:
        """The idle times, ascending."""
        return tuple(sorted(set(self.idle_s or PRESETS[self.preset].idle_s)))

    @property
    def trials(self) -> int:
        """Trials of each idle time."""
        return self.repetitions or PRESETS[self.preset].repetitions


class Eviction(Experiment[EvictionSettings]):
    """Sandboxes that survive an idle time, all idle times at once (SeBS, Middleware'21, section 6.6)."""

    name = "eviction"
    summary = "how long idle sandboxes live, by which rule, and what keeping them warm costs"
    Settings: ClassVar[type[Any]] = EvictionSettings
    factors = (
        Factor(name="padding_mib", title="padding", meaning="added to the package, never read"),
        Factor(name="d_init", title="sandboxes", meaning="simultaneous, before the idle time"),
        Factor(name="idle_s", title="idle", meaning="how long they are left alone, or `bisection`"),
    )
    analyzer = "eviction"

    def plan(self, scene: Scene, settings: EvictionSettings) -> Plan:
        """Return one cell per platform, condition, number of sandboxes, and idle time."""
        preset = PRESETS[settings.preset]
        idles: tuple[float | str, ...] = settings.ladder_s if settings.method == "ladder" else (_BISECTION,)
        own = scene.benchmark(settings.benchmark).memory_mib
        sizes = settings.memory_mib or preset.memory_mib or (own,)
        cells = [
            _cell(scene, platform, settings, language, part, provision, padding_mib, hold_s, d_init, idle)
            for platform in scene.platforms.values()
            for language, part, provision, padding_mib, hold_s, d_init, idle in product(
                settings.languages,
                product(settings.functions or ("",), settings.variants or ("",)),
                scene.provisions(platform, sizes, settings.architecture or platform.architectures[0]),
                settings.padding_mib,
                settings.hold_s,
                sorted(set(settings.d_init or preset.d_init)),
                idles,
            )
        ]
        notes = ["all trials are under way at the same time: the run takes as long as the longest"]
        if settings.method == "ladder":
            notes.append(
                f"a platform that keeps sandboxes for longer than {settings.ladder_s[-1]:g} s shows no eviction: reach "
                "beyond it with --idle, or set a shorter time where that is a setting (-s keep_alive_s=10)"
            )
        if settings.method == _BISECTION:
            notes.append("how many steps a bisection takes depends on what it finds: this is the maximum")
        return Plan(tuple(cells), deployments=len(cells) * settings.trials, notes=tuple(notes), together=True)

    def run(self, session: Session, settings: EvictionSettings) -> None:
        """Begin every trial, sleep until something is due, and go on until all are over."""
        runner = TrialRunner(
            session,
            max_deployed=settings.max_deployed,
            max_starting=settings.max_starting,
            max_bursts=settings.max_bursts,
            max_void=settings.max_void,
            max_time_s=settings.max_time_s,
        )
        runner.run([_work(cell, settings) for cell in session.pending(self.plan(session.scene, settings))])


def _cell(
    scene: Scene,
    platform: Platform[Any],
    settings: EvictionSettings,
    language: str,
    part: tuple[str, str],
    provision: Provision,
    padding_mib: float,
    hold_s: float,
    d_init: int,
    idle: float | str,
) -> Cell:
    benchmark = scene.benchmark(settings.benchmark)
    provision = apart(platform, provision, settings.architecture or platform.architectures[0], d_init)
    size = benchmark.default_size
    parameters = {_HOLD: hold_s}
    benchmark.resolve(size, parameters)  # fails now on one that cannot hold its sandbox
    factors = {
        "platform": platform.name,
        "benchmark": benchmark.name,
        **({"folder": settings.benchmark} if settings.benchmark != benchmark.name else {}),
        "benchmark_sha256": benchmark.sha256,
        **{name: word for name, word in zip(("function", "variant"), part, strict=True) if word},
        "size": size,
        "parameters": parameters,
        "language": language,
        "architecture": settings.architecture or platform.architectures[0],
        **provision.factors,
        "padding_mib": padding_mib,
        "timeout_s": min(hold_s + _TIMEOUT_S, platform.timeout_s),
        "d_init": d_init,
        "idle_s": idle,
    }
    ladder_s = settings.ladder_s
    steps = 1 if idle != _BISECTION else bisection_steps(ladder_s[0], ladder_s[-1], settings.precision)
    longest_s = float(idle) if idle != _BISECTION else steps * ladder_s[-1]
    calls = settings.trials * d_init * steps
    cold = estimate(platform, factors, calls, hold_s, init_s=_COLD_GUESS_S, provision=provision).expected_usd
    warm = estimate(platform, factors, 2 * calls, hold_s, provision=provision).expected_usd
    cost_usd = None if cold is None or warm is None else cold + warm
    duration_s = longest_s + steps * (3 * hold_s + _COLD_GUESS_S)
    # Functions do not wait for each other, so that even one call of each is in flight with others.
    return Cell(factors, calls, duration_s=duration_s, cost_usd=cost_usd, provision=provision, in_flight=max(2, d_init))


def apart(platform: Platform[Any], provision: Provision, architecture: str, d_init: int) -> Provision:
    """Refuse simultaneous calls where nothing leads them to different sandboxes.

    That is so where one sandbox takes several calls, unless there are as many sandboxes as calls from the beginning.
    """
    offers, given = platform.offers(architecture), dict(provision.options_offered)

    def chosen(name: str) -> Scalar | None:
        option = offers.option(name)
        return given.get(name, None if option is None else option.default)

    calls = chosen(SANDBOX_CONCURRENCY.name)
    if d_init == 1 or calls in (None, 1) or chosen(MIN_INSTANCES.name) == d_init:
        return provision
    return provision.refused(
        f"{d_init} calls at once may meet one sandbox, which takes several; use "
        f"--option {SANDBOX_CONCURRENCY.name}=1 where a call starts a sandbox, else --option "
        f"{MIN_INSTANCES.name}={d_init}"
    )


def _work(cell: Cell, settings: EvictionSettings) -> CellWork:
    factors, ladder_s = cell.factors, settings.ladder_s
    spec = replace(FunctionSpec.of(cell), padding_bytes=round(factors["padding_mib"] * 2**20))
    if factors["idle_s"] == _BISECTION:
        next_idles = partial(bisect, ladder_s[0], ladder_s[-1], settings.precision, settings.trials)
    else:
        next_idles = partial(_missing, factors["idle_s"], settings.trials)
    return CellWork(cell, spec, factors["d_init"], next_idles)


def _missing(idle_s: float, wanted: int, trials: Sequence[Trial]) -> list[float]:
    return [idle_s] * (wanted - len(trials))


def bisect(low_s: float, high_s: float, precision: float, wanted: int, trials: Sequence[Trial]) -> list[float]:
    """Return the idle times of the next step; none when the bracket is narrow enough.

    The bracket follows from the trials alone, so that an interrupted bisection goes on: it lies between the last time
    at which at least half of the sandboxes are there and the first at which fewer are, by the isotonic estimate.
    Steps are halves on a logarithmic scale.
    """
    for at_s, share in survival_steps(trials):
        if share >= 0.5:
            low_s = max(low_s, at_s)
        else:
            high_s = min(high_s, at_s)
            break
    return [] if high_s <= low_s * (1 + precision) else [sqrt(low_s * high_s)] * wanted


def bisection_steps(low_s: float, high_s: float, precision: float) -> int:
    """Return how many steps a bisection takes at most, if idle times are kept."""
    steps, ratio = 0, high_s / low_s
    while ratio > 1 + precision:
        steps, ratio = steps + 1, sqrt(ratio)
    return steps
