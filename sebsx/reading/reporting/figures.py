"""Figures for who does not see them: a sentence, and their numbers as a table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import FIGURE_KINDS, Column, Estimate, Table
from sebsx.reading.reporting.drawing import legend_name
from sebsx.reading.units import show
from sebsx.stats import tail_samples

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.analyzers import Figure

_MOST_POINTS = 40
_HALF = 0.5
_SHARES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999)


def describe(figure: Figure) -> str:
    """Return in words what a figure shows: axes, series and their ranges."""
    parts = [f"{FIGURE_KINDS.get(figure.kind, figure.kind)} of {figure.y.title}"]
    parts.append("by category." if figure.categories else f"against {figure.x.title}.")
    for name, points in figure.series.items():
        along = 0 if figure.form == "ecdf" else 1
        column = figure.x if figure.form == "ecdf" else figure.y
        values = [point[along] for point in points if math.isfinite(point[along])]
        if values:
            low, high = show(min(values), column.unit), show(max(values), column.unit)
            parts.append(f"{legend_name(figure, name)}: from {low} to {high}.")
    return " ".join(parts)


def as_table(figure: Figure) -> Table:
    """Return the numbers of a figure: all of few points, else quantiles of each series."""
    caption = f"numbers of the figure: {figure.title}"
    series = Column("series", "series")
    if figure.categories:
        values = Column("value", figure.y.title, unit=figure.y.unit)
        columns = [Column("category", figure.x.title or "category"), series, values]
        return Table(figure.name, columns=columns, rows=list(_by_category(figure)), caption=caption)
    if figure.form == "ecdf":
        seen = [share for share in _SHARES if any(_can_hold(figure, name, share) for name in figure.series)]
        shares = [Column(f"q{share}", f"{100 * share:g} % up to", unit=figure.x.unit) for share in seen]
        ends = (Column("least", "least", unit=figure.x.unit), *shares, Column("most", "most", unit=figure.x.unit))
        return Table(
            figure.name,
            columns=(series, *ends),
            rows=[_quantiles(figure, name) for name in figure.series],
            caption=caption,
        )
    if sum(map(len, figure.series.values())) <= _MOST_POINTS:
        columns = [
            series,
            Column("x", figure.x.title, unit=figure.x.unit),
            Column("y", figure.y.title, unit=figure.y.unit),
        ]
        rows = [{"series": name, "x": x, "y": y} for name, points in figure.series.items() for x, y in points]
        return Table(figure.name, columns=columns, rows=rows, caption=caption)
    unit, title = figure.y.unit, figure.y.title
    columns = [
        series, Column("from", f"{figure.x.title}, from", unit=figure.x.unit), Column("to", "to", unit=figure.x.unit),
        Column("least", f"{title}, least", unit=unit), Column("median", "median of the drawn", unit=unit),
        Column("most", "most", unit=unit),
    ]  # fmt: skip
    return Table(figure.name, columns=columns, rows=[_ranges(figure, name) for name in figure.series], caption=caption)


def _by_category(figure: Figure) -> Iterator[dict[str, Any]]:
    for name, points in figure.series.items():
        ends: Sequence[Any] = figure.intervals.get(name) or [None] * len(points)
        for (x, y), end in zip(points, ends, strict=False):
            known = math.isfinite(x) and 0 <= int(x) < len(figure.categories)
            yield {
                "category": figure.categories[int(x)] if known else show(x),
                "series": name,
                "value": Estimate(y, low=end[0], high=end[1]) if end else y,
            }


def _quantiles(figure: Figure, name: str) -> dict[str, Any]:
    """Read quantiles off a distribution: the least drawn value with at least that share up to it, where it was seen."""
    points = figure.series[name]
    row: dict[str, Any] = {"series": legend_name(figure, name)}
    for share in _SHARES:
        held = _can_hold(figure, name, share)
        row[f"q{share}"] = next((value for value, upto in points if upto >= share), None) if held else None
    return {**row, "least": points[0][0] if points else None, "most": points[-1][0] if points else None}


def _can_hold(figure: Figure, name: str, share: float) -> bool:
    """Tell whether a sample is so large that it has seen a quantile, the lower tail as the upper; a median always."""
    n = figure.samples.get(name, len(figure.series[name]))
    return share == _HALF or n >= tail_samples(max(share, 1 - share))


def _ranges(figure: Figure, name: str) -> dict[str, Any]:
    points = figure.series[name]
    x, y = sorted(point[0] for point in points), sorted(point[1] for point in points)
    row: dict[str, Any] = {"series": legend_name(figure, name)}
    if points:
        row |= {"from": x[0], "to": x[-1], "least": y[0], "median": y[len(y) // 2], "most": y[-1]}
    return row
