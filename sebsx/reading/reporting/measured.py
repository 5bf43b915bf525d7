"""Each condition with its name and summaries, computed once; the table of them and the files to download."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Column, Estimate, Table
from sebsx.model import Status
from sebsx.model.starts import counting
from sebsx.reading.conditions import caption, conditions, identity_columns, labels, level
from sebsx.reading.summaries import summaries
from sebsx.stats import cv

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.reading.conditions import Condition
    from sebsx.reading.summaries import Summary

MORE_COLUMNS = ("sandbox_id", "client_intended_s")

_FAILED = "what failed is later than all that did not"
_COLUMNS = (
    Column("p50", "median", unit="s", meaning=f"client latency with its interval; {_FAILED}"),
    Column("p90", "p90", unit="s", meaning=f"client latency; {_FAILED}"),
    Column("p99", "p99", unit="s", meaning=f"client latency; {_FAILED}"),
    Column("million_usd", "cost per million", unit="USD", meaning="mean cost of an invocation, times a million"),
    Column("ok", "ok", unit="count", meaning="measured invocations that count"),
    Column("failed", "failed", unit="count", meaning="measured invocations that failed, the throttled ones apart"),
    Column("throttled", "throttled", unit="count", meaning="refused because too many ran at once"),
    Column(
        "cold_ratio",
        "cold",
        unit="1",
        meaning="share of the invocations that ended well and started or restored a sandbox",
    ),
    Column("mean", "mean of answered", unit="s", meaning="client latency of what did not fail"),
    Column("cv", "CV", unit="1", meaning="standard deviation over mean, of what did not fail"),
)
_EXECUTION = "from the start of a group of invocations to its end, with the interval of its median"
_FROM_SUMMARIES = {
    "execution": "execution.duration_s.p50",
    "p50": "client.latency_s.p50", "p90": "client.latency_s.p90", "p99": "client.latency_s.p99",
    "million_usd": "cost_per_million_usd.mean",
}  # fmt: skip
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class MeasuredCondition:
    """A condition with its shortest telling name and what there is to say of it."""

    condition: Condition
    name: str
    said: Mapping[str, Summary]


def measure(views: Sequence[RunView]) -> list[MeasuredCondition]:
    """Return the conditions of some runs, in the order of their designs."""
    found = conditions(views, MORE_COLUMNS)
    return [
        MeasuredCondition(one, name, {summary.name: summary for summary in summaries(one)})
        for one, name in zip(found, labels(found), strict=True)
    ]


def latency_table(measured: Sequence[MeasuredCondition]) -> Table:
    """Return the table with a row for each condition."""
    found = [each.condition for each in measured]
    identity = identity_columns(found)
    rows = [
        {**{column.key: level(each.condition, column.key) for column in identity}, **_figures(each)}
        for each in measured
    ]
    notes = (
        [Column("execution", "execution", unit="s", meaning=_EXECUTION)]
        if any(row.get("execution") for row in rows)
        else []
    )
    notes += [Column("note", "note")] if any("note" in row for row in rows) else []
    shared = caption(found)
    columns = [column for column in _COLUMNS if column.key == "ok" or any(row.get(column.key) for row in rows)]
    return Table(
        "latency",
        columns=(*identity, *columns, *notes),
        rows=rows,
        caption=f"client latency; {shared}" if shared else "",
    )


def _figures(each: MeasuredCondition) -> dict[str, Any]:
    one = each.condition
    failed = one.failed
    throttled = failed.get(Status.THROTTLED.value, 0)
    ok = one.frame.equals("status", "ok")
    row: dict[str, Any] = {
        "ok": len(one.counted),
        "failed": sum(failed.values()) - throttled,
        "throttled": throttled,
        "cold_ratio": float(counting(one.frame, "cold")[ok].mean()) if ok.any() else None,
        **{key: each.said[name].estimate if name in each.said else None for key, name in _FROM_SUMMARIES.items()},
        "mean": float(one.latency_s.mean()) if len(one.latency_s) else None,
        "cv": cv(one.latency_s) if len(one.latency_s) else None,
    }
    invalid = f"invalid: {one.invalid}" if one.invalid else ""
    notes = list(
        filter(
            None,
            (
                invalid,
                one.mixture,
                "emulated processor" if one.emulated else "",
                "processor not limited" if one.unlimited else "",
                one.doubt if one.was_starved and not one.invalid else "",
            ),
        )
    )
    return {**row, "note": "; ".join(notes)} if notes else row


def as_csv(measured: Sequence[MeasuredCondition]) -> str:
    """Return every condition as a line of CSV: identity, counts, each statistic with its interval."""
    rows = list(_flat(measured))
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_json(measured: Sequence[MeasuredCondition]) -> str:
    """Return every condition as JSON, statistics as objects with value, interval, n and note."""
    document = [
        {
            "run": each.condition.run.id,
            "condition": each.name,
            "identity": dict(each.condition.identity),
            "ok": len(each.condition.counted),
            "failed": dict(each.condition.failed),
            "wrong_start": each.condition.wrong_start,
            "invalid": each.condition.invalid,
            "statistics": {name: _estimate(summary.estimate) for name, summary in each.said.items()},
        }
        for each in measured
    ]
    return json.dumps(document, default=str, allow_nan=False)


def _estimate(estimate: Estimate) -> dict[str, Any]:
    fields = {"value": _rounded(estimate.value), "n": estimate.n}
    if estimate.low is not None:
        fields |= {
            "low": _rounded(estimate.low), "high": _rounded(estimate.high), "confidence": estimate.confidence,
        }  # fmt: skip
    return {**fields, "note": estimate.note} if estimate.note else fields


def _flat(measured: Iterable[MeasuredCondition]) -> Iterable[dict[str, Any]]:
    for each in measured:
        one = each.condition
        row: dict[str, Any] = {"run": one.run.id, **one.identity, "ok": len(one.counted)}
        row |= {f"failed.{status}": n for status, n in one.failed.items()}
        row |= {"wrong_start": one.wrong_start, "invalid": one.invalid}
        for name, summary in each.said.items():
            row[name] = _rounded(summary.estimate.value)
            if summary.estimate.low is not None:
                row |= {f"{name}.low": _rounded(summary.estimate.low), f"{name}.high": _rounded(summary.estimate.high)}
        yield row


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")
