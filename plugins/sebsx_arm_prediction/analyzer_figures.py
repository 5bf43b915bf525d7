"""The figures of a report on a campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Column, Figure
from sebsx.reading.units import percent
from sebsx_arm_prediction.analyzer_tables import best_scope
from sebsx_arm_prediction.pairs import CLASSES
from sebsx_arm_prediction.scopes import SCOPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx_arm_prediction.classifiers import Confusion
    from sebsx_arm_prediction.study import Evaluation

_ERROR = Column("error", "mean relative error", unit="1")
_MOST_SERIES = 18


def figures(found: Evaluation) -> list[Figure]:
    """Return the figures of what was measured."""
    return [*_errors(found), *_scatter(found), *_confusion(found), *_voting(found), *_importance(found)]


def _errors(found: Evaluation) -> Iterator[Figure]:
    """Yield the errors of functions not seen, by scope and method."""
    chosen = [(scope, found.chosen[scope]) for scope in SCOPES if scope in found.chosen]
    names = [*found.train, *found.unseen]
    series = {
        f"{scope} {method}": [(names.index(name), error) for name, error in found.errors(scope).items()]
        for scope, method in chosen
    }
    series = {name: points for name, points in series.items() if points}
    if series:
        yield Figure(
            "errors", "bar", title="Error of each function, on rows that were not trained on",
            x=Column("function", "function"), y=_ERROR, series=series, categories=names,
            samples={
                f"{scope} {method}": len(found.tested[scope, method].predicted)
                for scope, method in chosen
                if (scope, method) in found.tested
            },
        )  # fmt: skip
    methods = sorted({method for _, method in found.left_out})
    left_out = {
        scope: [
            (methods.index(method), each.error) for (its, method), each in found.left_out.items() if its == scope
        ]
        for scope in SCOPES
    }  # fmt: skip
    if any(left_out.values()):
        yield Figure(
            "methods", "bar", title="Error of each method and scope, on functions left out",
            x=Column("method", "method"), y=_ERROR, categories=methods,
            series={scope: points for scope, points in left_out.items() if points},
            samples={
                scope: sum(len(each.predicted) for (its, _), each in found.left_out.items() if its == scope)
                for scope, points in left_out.items()
                if points
            },
        )  # fmt: skip


def _scatter(found: Evaluation) -> Iterator[Figure]:
    """Yield predicted against measured times, a point for each step of each function."""
    import numpy as np  # heavy

    scope = best_scope(found)
    held = found.tested.get((scope, found.chosen[scope])) if scope else None
    if held is None:
        return
    counts = np.bincount(held.pairs.step_of)
    means = np.bincount(held.pairs.step_of, weights=held.predicted) / counts
    series: dict[str, list[tuple[float, float]]] = {}
    samples: dict[str, int] = {}
    steps = zip(held.pairs.step_names, held.pairs.target_s, means, counts, strict=True)
    for (function, _, _), measured, predicted, count in steps:
        series.setdefault(function, []).append((float(measured), float(predicted)))
        samples[function] = samples.get(function, 0) + int(count)
    yield Figure(
        "predicted", "scatter", title="Predicted against measured time, a point for each step", log="xy",
        x=Column("measured_s", "measured", unit="s"), y=Column("predicted_s", "predicted", unit="s"),
        series=dict(list(series.items())[:_MOST_SERIES]), samples=samples,
    )  # fmt: skip


def _confusion(found: Evaluation) -> Iterator[Figure]:
    if found.on_rest is not None and found.on_rest.total:
        yield confusion_figure(found.on_rest, "confusion", "Classes, on rows that were not trained on")
    for name, matrix in list(found.classifiers.items())[:1]:
        yield confusion_figure(matrix, "confusion-left-out", f"Classes by {name}, on functions left out")


def confusion_figure(matrix: Confusion, name: str, title: str) -> Figure:
    """Return a confusion matrix as a heat map: shares of each row, with accuracies of rows and columns beside it."""
    rows, labels, samples = {}, {}, {}
    for word, counts, accuracy in zip(CLASSES, matrix.counts, matrix.row_accuracy, strict=True):
        row = word if accuracy is None else f"{word}: {percent(accuracy, 2)} right"
        total = sum(counts)
        rows[row] = [(place, count / total if total else 0.0) for place, count in enumerate(counts)]
        labels[row], samples[row] = [f"{count:,}" for count in counts], total
    columns = [
        f"predicted {word}" + ("" if share is None else f": {percent(share, 2)} right")
        for word, share in zip(CLASSES, matrix.column_accuracy, strict=True)
    ]
    return Figure(
        name, "heatmap", title=title, x=Column("predicted", "predicted"),
        y=Column("share", "share of the row", unit="1"), series=rows, labels=labels, categories=columns,
        samples=samples,
    )  # fmt: skip


def _voting(found: Evaluation) -> Iterator[Figure]:
    if found.voting:
        rows = found.on_rest.total if found.on_rest else 0
        yield Figure(
            "voting", "line", title="Classes by the plurality of samples, on functions not seen",
            x=Column("samples", "samples", unit="count"), y=Column("right", "right", unit="1"),
            series={"measured": list(found.voting), "if samples were independent": list(found.bound)},
            samples={"measured": rows, "if samples were independent": rows},
        )  # fmt: skip


def _importance(found: Evaluation) -> Iterator[Figure]:
    shown = {name: value for name, value in found.importance.items() if value > 0}
    if shown:
        yield Figure(
            "importance", "bar", title="By how much the error grows when a feature is shuffled",
            x=Column("feature", "feature"), y=Column("error", "more error", unit="1"),
            series={"permutation": list(enumerate(shown.values()))}, categories=list(shown),
            samples={"permutation": len(found.pairs.of(found.train))},
        )  # fmt: skip
