"""The recipe of the study's Table III, its confusion matrix and its classifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.recipes import ExpectedCell, Recipe
from sebsx_arm_prediction.analyzer_tables import MEANS
from sebsx_arm_prediction.synthetic import published_table
from sebsx_arm_prediction.validation import mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_TIMES = ("min_runtime_x86_s", "min_runtime_arm_s", "max_runtime_x86_s", "max_runtime_arm_s")
_TIME_TOLERANCE = 0.25  # relative: steps are calibrated, and the machines are not those of the study
# Published name in percent -> our column, and by how many points it may differ.
_SHARES = {
    "cv_x86_percent": ("cv_x86", 0.02),
    "cv_arm_percent": ("cv_arm", 0.02),
    "mape_function_specific_percent": ("mape_function_specific", 0.01),
    "mape_all_in_one_percent": ("mape_all_in_one", 0.05),
    "mape_arm_speed_percent": ("mape_arm_speed", 0.05),
}
_CLASS_TOLERANCE = 0.05
_WORDS = ("faster", "similar", "slower")


class ArmTable3(Recipe):
    """18 functions, 40 steps, 100 runs on x86 and ARM64 of AWS Lambda."""

    name = "arm-table3"
    summary = "ARM64 run times from x86 profiles: 18 functions, their errors, classes and classifiers"
    source = "Chen, Hung, Cordingly, Lloyd, predicting ARM64 serverless function runtime (2024), Table III"
    experiment = "arm-prediction"
    settings: ClassVar[Mapping[str, Any]] = {"preset": "paper"}
    platforms = ("aws", "aws-arm")
    analyzer = "arm-prediction"

    def expected(self) -> Sequence[ExpectedCell]:
        """Return Table III with its means, the accuracies of the confusion matrix, and those of the classifiers."""
        rows = published_table("table3")
        return [*(cell for row in rows for cell in _function(row)), *_means(rows), *_confusion(), *_classifiers()]


def _function(row: Mapping[str, str]) -> Iterator[ExpectedCell]:
    key = {"function": row["function"]}
    for name in _TIMES:
        time_s = float(row[name])
        yield ExpectedCell(table="table3", row=key, column=name, value=time_s, tolerance=_TIME_TOLERANCE * time_s)
    for published, (column, tolerance) in _SHARES.items():
        yield ExpectedCell(
            table="table3", row=key, column=column, value=float(row[published]) / 100, tolerance=tolerance
        )


def _means(rows: Sequence[Mapping[str, str]]) -> Iterator[ExpectedCell]:
    for title, splits in zip(MEANS, (("train",), ("unseen",), ("train", "unseen")), strict=True):
        mine = [row for row in rows if row["split"] in splits]
        for published, (column, tolerance) in _SHARES.items():
            if column.startswith("mape_"):
                value = mean(float(row[published]) for row in mine) / 100
                yield ExpectedCell(
                    table="table3", row={"function": title}, column=column, value=value, tolerance=tolerance
                )


def _confusion() -> Iterator[ExpectedCell]:
    for row in published_table("confusion"):
        counts = {word: int(row[f"predicted_{word}"]) for word in _WORDS}
        value = counts[row["target"]] / sum(counts.values())
        yield ExpectedCell(
            table="confusion", row={"target": row["target"]}, column="accuracy", value=value, tolerance=_CLASS_TOLERANCE
        )


def _classifiers() -> Iterator[ExpectedCell]:
    for row in published_table("classifiers"):
        value = float(row["accuracy_percent"]) / 100
        yield ExpectedCell(
            table="classes", row={"classifier": row["classifier"]}, column="accuracy", value=value,
            tolerance=_CLASS_TOLERANCE,
        )  # fmt: skip
