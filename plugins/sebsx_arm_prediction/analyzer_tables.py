"""The tables of a report on a campaign."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Column, Estimate, Table
from sebsx.reading.units import percent
from sebsx_arm_prediction.dataset import RUNTIME
from sebsx_arm_prediction.models import BASELINES
from sebsx_arm_prediction.pairs import CLASSES
from sebsx_arm_prediction.scopes import ALL_IN_ONE, ARM_SPEED, FUNCTION_SPECIFIC, GENERALISED, RESOURCE_BOUND
from sebsx_arm_prediction.validation import mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.model.frame import Mask
    from sebsx_arm_prediction.dataset import Dataset
    from sebsx_arm_prediction.pairs import Pairs
    from sebsx_arm_prediction.study import Evaluation
    from sebsx_arm_prediction.validation import HeldOut, PairedDifference

TRAINED, UNSEEN = "train", "unseen"
MEANS = ("mean of training functions", "mean of unseen functions", "mean of all functions")
ERRORS = {
    "mape_function_specific": FUNCTION_SPECIFIC,
    "mape_all_in_one": ALL_IN_ONE,
    "mape_resource_bound": RESOURCE_BOUND,
    "mape_arm_speed": ARM_SPEED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What time costs.

    Args:
        price_ratio: Price of a second there over one here.
        gb_s_usd: Price of a GB-second here, in USD.
    """

    price_ratio: float
    gb_s_usd: float


def tables(found: Evaluation, money: Money) -> list[Table]:
    """Return all tables; those of what was not measured are left out."""
    made = [table3(found), methods_table(found), decisions_table(found, money), classes_table(found)]
    made += [confusion_table(found), ablation_table(found)]
    return [_whole(table) for table in made if table.rows]


def _whole(table: Table) -> Table:
    """Return a table whose rows have a cell in each column."""
    keys = [column.key for column in table.columns]
    return replace(table, rows=[{key: row.get(key) for key in keys} for row in table.rows])


def rows_table(dataset: Dataset) -> Table:
    """Return what rows there are, by function and environment."""
    columns = [
        Column("function", "function"), Column("environment", "environment"), Column("rows", "rows", unit="count"),
        Column("runtime_s", "mean run time", unit="s"),
    ]  # fmt: skip
    rows = []
    for function in dataset.functions:
        mine = dataset.select(function=function)
        for environment in mine.levels("environment"):
            each = mine.select(environment=environment)
            rows.append({"function": function, "environment": environment, "rows": len(each),
                         "runtime_s": float(each[RUNTIME].mean())})  # fmt: skip
    return Table("profiles", columns=columns, rows=rows)


def table3(found: Evaluation) -> Table:
    """Return the table in the shape of the study's Table III, with baselines, and errors of functions left out."""
    columns = [
        Column("function", "function"),
        Column("split", "split", meaning="train: generalised models are fitted to it; unseen: they are not"),
        Column("min_runtime_x86_s", "least here", unit="s", meaning="mean run time of the shortest step"),
        Column("min_runtime_arm_s", "least there", unit="s", meaning="the same on the other machine"),
        Column("max_runtime_x86_s", "most here", unit="s", meaning="mean run time of the longest step"),
        Column("max_runtime_arm_s", "most there", unit="s", meaning="the same on the other machine"),
        Column("cv_x86", "CV here", unit="1", meaning="mean over steps of standard deviation over mean"),
        Column("cv_arm", "CV there", unit="1", meaning="the same on the other machine"),
        *(
            Column(key, scope, unit="1", meaning=f"mean relative error of {found.chosen.get(scope, 'no method')}")
            for key, scope in ERRORS.items()
        ),
        Column("mape_left_out", "left out", unit="1", meaning="all-in-one, the function left out of training"),
        Column("mape_same_time", "same time", unit="1", meaning="baseline: the time is the same"),
        Column("mape_price_ratio", "price ratio", unit="1", meaning="baseline: 1.25 times the time"),
    ]
    rows = [_function_row(found, name) for name in [*found.train, *found.unseen]]
    rows += list(_mean_rows(rows, columns))
    return Table("table3", columns=columns, rows=rows, caption="errors of rows that were not trained on")


def _function_row(found: Evaluation, name: str) -> dict[str, Any]:
    mine = found.pairs.of([name])
    left_out = found.left_out.get((ALL_IN_ONE, found.chosen.get(ALL_IN_ONE, "")))
    base = {each: _naive(found, each, mine) for each in BASELINES}
    return {
        "function": name,
        "split": TRAINED if name in found.train else UNSEEN,
        "min_runtime_x86_s": float(mine.source_s.min()),
        "min_runtime_arm_s": float(mine.target_s.min()),
        "max_runtime_x86_s": float(mine.source_s.max()),
        "max_runtime_arm_s": float(mine.target_s.max()),
        "cv_x86": _mean(mine.source_cv),
        "cv_arm": _mean(mine.target_cv),
        **{key: found.errors(scope).get(name) for key, scope in ERRORS.items()},
        "mape_left_out": left_out.errors.get(name) if left_out else None,
        "mape_same_time": base["same-time"],
        "mape_price_ratio": base["price-ratio"],
    }


def _naive(found: Evaluation, name: str, mine: Pairs) -> float:
    """Return the error of a baseline, which no training can spoil, over all rows of a function."""
    import numpy as np  # heavy

    from sebsx_arm_prediction.models import fit

    return float(np.mean(np.abs(fit(name, mine).predict(mine.source) - mine.target) / mine.target))


def _mean_rows(rows: Sequence[dict[str, Any]], columns: Sequence[Column]) -> Iterator[dict[str, Any]]:
    errors = [column.key for column in columns if column.key.startswith("mape_")]
    for title, splits in zip(MEANS, ((TRAINED,), (UNSEEN,), (TRAINED, UNSEEN)), strict=True):
        mine = [row for row in rows if row["split"] in splits]
        if mine:
            means = {
                key: mean(values) for key in errors if (values := [row[key] for row in mine if row[key] is not None])
            }
            yield {"function": title, "split": "", **means}


def methods_table(found: Evaluation) -> Table:
    """Return the error of every scope and method, and how it compares with saying the same time."""
    columns = [
        Column("scope", "scope"),
        Column("method", "method"),
        Column("left_out", "left out", unit="1", meaning="mean over training functions, each left out"),
        Column("seen", "seen", unit="1", meaning="mean over training functions, in another campaign"),
        Column("unseen", "unseen", unit="1", meaning="mean over functions that were not trained on"),
        Column("ratio", "to same time", meaning="typical error over that of 'the same time', functions left out"),
        Column("p", "p", meaning="of Wilcoxon's test over functions, corrected by Holm"),
        Column("chosen", "chosen", meaning="whether it is the method of its scope"),
    ]
    by_name = {each.method: each for each in found.against_same}
    keys = list(dict.fromkeys([*found.left_out, *found.tested]))
    rows = [_method_row(found, scope, name, by_name.get(f"{scope} {name}")) for scope, name in sorted(keys)]
    return Table("methods", columns=columns, rows=rows, caption="mean relative errors")


def _method_row(found: Evaluation, scope: str, name: str, difference: PairedDifference | None) -> dict[str, Any]:
    tested, left_out = found.tested.get((scope, name)), found.left_out.get((scope, name))
    return {
        "scope": scope,
        "method": name,
        "left_out": left_out.error if left_out else None,
        "seen": _mean_of(tested, found.train),
        "unseen": _mean_of(tested, found.unseen),
        "ratio": difference
        and Estimate(difference.ratio, low=difference.low, high=difference.high, n=difference.functions),
        "p": difference and f"{difference.p:.2g}",
        "chosen": "yes" if found.chosen.get(scope) == name else "",
    }


def best_scope(found: Evaluation) -> str | None:
    """Return the generalised scope that erred least on functions left out; None where none was fitted."""
    scopes = [scope for scope in GENERALISED if (scope, found.chosen.get(scope, "")) in found.left_out]
    return min(scopes, key=lambda scope: found.left_out[scope, found.chosen[scope]].error) if scopes else None


def decisions_table(found: Evaluation, money: Money) -> Table:
    """Return which functions to move: predicted savings with their intervals, beside what was measured."""
    columns = [
        Column("function", "function"),
        Column("split", "split"),
        Column("ratio", "predicted ratio", meaning="time there over time here, with its interval"),
        Column("measured", "measured ratio"),
        Column("saving", "saving", unit="1", meaning="share of the cost of time that moving saves"),
        Column("usd", "saved per million", unit="USD", meaning="by a million invocations of its mean time"),
        Column("decision", "decision", meaning="move or stay where the whole interval says so, else measure"),
        Column("right", "right", meaning="whether what was measured says the same"),
    ]
    scope = best_scope(found)
    held = found.tested.get((scope, found.chosen[scope])) if scope else None
    names = [*found.unseen, *found.train] if held else []
    rows = [_decision(found, held, name, money) for name in names if held and name in held.pairs.functions]
    return Table(
        "decisions", columns=columns, rows=rows, caption=f"break-even at {1 / money.price_ratio:.3g} x the time"
    )


def _decision(found: Evaluation, held: HeldOut, name: str, money: Money) -> dict[str, Any]:
    mask: Mask = held.pairs.source.frame.equals("function", name)
    here_s = float(held.pairs.source[RUNTIME][mask].mean())
    ratio = float(held.predicted[mask].mean()) / here_s
    measured = float(held.pairs.target[mask].mean()) / here_s
    factor = math.exp(found.half) if found.half is not None else None
    ends = (ratio / factor, ratio * factor) if factor else (None, None)
    saving = 1 - ratio * money.price_ratio
    gb = float(held.pairs.source["memory_mib"][mask].mean()) / 1024
    decision = "measure"
    if ends[0] is not None and ends[1] is not None:
        decision = (
            "move" if ends[1] * money.price_ratio < 1 else "stay" if ends[0] * money.price_ratio > 1 else "measure"
        )
    truth = "move" if measured * money.price_ratio < 1 else "stay"
    return {
        "function": name,
        "split": TRAINED if name in found.train else UNSEEN,
        "ratio": Estimate(ratio, low=ends[0], high=ends[1], confidence=found.level or 0.0, n=int(mask.sum())),
        "measured": measured,
        "saving": saving,
        "usd": saving * here_s * gb * money.gb_s_usd * 1e6,
        "decision": decision,
        "right": "" if decision == "measure" else "yes" if decision == truth else "no",
    }


def classes_table(found: Evaluation) -> Table:
    """Return how often each classifier is right on functions left out."""
    columns = [
        Column("classifier", "classifier"),
        Column("accuracy", "right", unit="1", meaning="share of rows of functions left out"),
        *(Column(word, word, unit="1", meaning=f"share of rows that are {word} and recognised") for word in CLASSES),
    ]
    rows = [
        {"classifier": name, "accuracy": matrix.accuracy, **dict(zip(CLASSES, matrix.row_accuracy, strict=True))}
        for name, matrix in found.classifiers.items()
    ]
    return Table("classes", columns=columns, rows=rows, caption="functions left out")


def confusion_table(found: Evaluation) -> Table:
    """Return the confusion of the first classifier on rows that were not trained on."""
    columns = [
        Column("target", "measured"),
        *(Column(f"predicted_{word}", f"predicted {word}", unit="count") for word in CLASSES),
        Column("accuracy", "right", unit="1", meaning="of the row"),
    ]
    if found.on_rest is None:
        return Table("confusion", columns=columns, rows=[])
    rows: list[dict[str, Any]] = [
        {"target": word, **{f"predicted_{other}": count for other, count in zip(CLASSES, counts, strict=True)},
         "accuracy": accuracy}
        for word, counts, accuracy in zip(CLASSES, found.on_rest.counts, found.on_rest.row_accuracy, strict=True)
    ]  # fmt: skip
    columns_right = ", ".join(
        f"{word} {percent(share, 2)}" for word, share in zip(CLASSES, found.on_rest.column_accuracy, strict=True)
        if share is not None
    )  # fmt: skip
    return Table("confusion", columns=columns, rows=rows, caption=f"right of those predicted: {columns_right}")


def ablation_table(found: Evaluation) -> Table:
    """Return errors by set of features."""
    columns = [
        Column("features", "features"),
        Column("mlr-linear", "mlr-linear", unit="1", meaning="mean relative error, functions left out"),
        Column("mlr-forest", "mlr-forest", unit="1", meaning="the same"),
        Column("class", "class", unit="1", meaning="share of wrong classes, functions left out"),
    ]
    rows = [{"features": name, **row} for name, row in found.ablation.items()]
    return Table("features", columns=columns, rows=rows)


def _mean(values: Any) -> float | None:
    known = [float(value) for value in values if not math.isnan(value)]
    return mean(known) if known else None


def _mean_of(tested: HeldOut | None, functions: Sequence[str]) -> float | None:
    values = [error for name, error in tested.errors.items() if name in functions] if tested else []
    return mean(values) if values else None
