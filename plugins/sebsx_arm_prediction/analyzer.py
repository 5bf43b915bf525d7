"""What a campaign says: Table III in shape, all methods and scopes, classes, which functions to move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.analyzers import Analyzer, Finding, Method, Report, about_emulation, about_runs
from sebsx.errors import MissingDependencyError, UserError
from sebsx.settings import setting
from sebsx_arm_prediction.analyzer_figures import figures
from sebsx_arm_prediction.analyzer_tables import Money, rows_table, tables
from sebsx_arm_prediction.answering import answers, remarks
from sebsx_arm_prediction.checks import problems
from sebsx_arm_prediction.classifiers import CLASSIFIERS
from sebsx_arm_prediction.models import LEARNED
from sebsx_arm_prediction.pairs import pair
from sebsx_arm_prediction.runs import dataset_of_runs
from sebsx_arm_prediction.study import LEVEL, Extent, study

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx_arm_prediction.dataset import Dataset

_PAGE = "docs/methods/arm-prediction.md"
_METHODS = (
    Method(
        of="error of a method",
        unit="the function: the mean of its mean relative errors",
        interval="differences have that of Wilcoxon's signed-rank test over functions, corrected by Holm",
        silent="how functions err that are like none of these",
        page=_PAGE,
    ),
    Method(
        of="prediction interval",
        unit="the function that was left out",
        interval="it is conformal over functions (Lee, Barber, Willett 2023), and its coverage was counted",
        silent="functions outside of what was trained on, for which the answer is that it cannot be known",
        page=_PAGE,
    ),
)


@dataclass(frozen=True)
class ArmPredictionAnalyzerSettings:
    """How much is fitted, and what time costs."""

    source: str = setting("", help="environment that is profiled, where there are several")
    target: str = setting("", help="environment that is predicted, where there are several")
    rows_per_step: int = setting(
        20, help="maximum number of invocations of a step that are fitted; 0 for all", minimum=0
    )
    trees: int = setting(30, help="trees of a forest", minimum=3, maximum=500)
    methods: tuple[str, ...] = setting(LEARNED, help="methods to compare", choices=LEARNED)
    classifiers: tuple[str, ...] = setting(
        tuple(CLASSIFIERS), help="classifiers to compare, the first of which is used", choices=tuple(CLASSIFIERS)
    )
    level: float = setting(LEVEL, help="coverage of intervals", minimum=0.5, maximum=0.95, share=True)
    price_ratio: float = setting(0.8, help="price of a second there over one here; AWS in 2026-09", minimum=0.001)
    gb_s_usd: float = setting(0.0000166667, help="price of a GB-second here in USD; AWS in 2026-09", minimum=0)
    seed: int = setting(0, help="seed of all that is random")


class ArmPredictionAnalyzer(Analyzer[ArmPredictionAnalyzerSettings]):
    """Fits and tests everything that a campaign allows."""

    name: ClassVar[str] = "arm-prediction"
    summary: ClassVar[str] = "run times on ARM predicted from x86 profiles: errors, classes, functions to move"
    columns: ClassVar[Sequence[str]] = ("saaf.*", "sandbox_id")
    Settings: ClassVar[type[Any]] = ArmPredictionAnalyzerSettings

    def analyze(self, runs: Sequence[RunView], settings: ArmPredictionAnalyzerSettings) -> Report:
        """Return the report over all runs: a campaign may be spread over several."""
        dataset = dataset_of_runs(runs)
        about = [*about_runs(runs), *about_emulation(runs)]
        about += [Finding(note, warning=True) for note in dataset.notes]
        title = "ARM prediction"
        wrong = list(problems(dataset, ("runtime_s", "cpuUserDelta_s"))) if len(dataset) else []
        if wrong or not len(dataset):
            about += [Finding(line, warning=True) for line in wrong]
            return Report(title, tables=[rows_table(dataset)], findings=about)
        try:
            found = study(pair(dataset, settings.source, settings.target), _plan(settings))
        except (UserError, MissingDependencyError) as exc:
            return Report(title, tables=[rows_table(dataset)], findings=[*about, Finding(str(exc), warning=True)])
        money = Money(price_ratio=settings.price_ratio, gb_s_usd=settings.gb_s_usd)
        about += [Finding(note, warning=True) for note in found.notes]
        return Report(
            title,
            tables=tables(found, money),
            figures=figures(found),
            findings=[*about, *map(Finding, remarks(found))],
            answers=list(answers(found, on_provider=_on_provider(runs, found.pairs.source))),
            methods=_METHODS,
        )


def _plan(settings: ArmPredictionAnalyzerSettings) -> Extent:
    return Extent(
        rows_per_step=settings.rows_per_step,
        trees=settings.trees,
        methods=settings.methods,
        classifiers=settings.classifiers,
        level=settings.level,
        seed=settings.seed,
    )


def _on_provider(runs: Sequence[RunView], profiled: Dataset) -> bool:
    """Tell whether what was profiled ran at a provider, which has regions, rather than on a machine of one's own."""
    platforms = set(profiled.levels("platform"))
    return any(item.region for item in _deployments(runs) if item.platform in platforms)


def _deployments(runs: Sequence[RunView]) -> Iterator[Any]:
    for view in runs:
        yield from view.deployments()
