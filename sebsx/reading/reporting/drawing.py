"""Figures as pictures: inline SVG drawn by matplotlib, without script, in colours that the page decides.

Every colour is a placeholder that `sebsx.reading.reporting.svg` turns into a CSS variable. No series is told by colour
alone: lines differ in dashes, points in markers, bars in hatches.
"""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sebsx.reading.units import scale
from sebsx.system.lazy import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from matplotlib.axes import Axes

    from sebsx.contracts.analyzers import Column, Figure

EXTRA = "report"
INK, MUTED, GRID, BAD = "#010101", "#010102", "#010103", "#010104"
SERIES = tuple(f"#0102{number:02x}" for number in range(8))
_MARKERS = "os^DvPX*"
_DASHES: tuple[Any, ...] = (
    "-", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 2, 1, 2)), (0, (3, 1)), (0, (8, 2)), (0, (4, 1, 1, 1)), (0, (2, 2)),
)  # fmt: skip
_HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "ooo", "+++")
_MOST_CATEGORIES = 40
_MOST_LETTERS, _FIRST_LETTERS = 60, 12
_WIDTH_IN = 7.4
_PAD = 6.0  # points
_STYLE: Mapping[str, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "sebsx", "text.parse_math": False, "font.size": 9.0,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": MUTED, "xtick.color": MUTED, "ytick.color": MUTED,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK, "grid.color": GRID, "grid.linewidth": 0.6, "axes.grid": True,
    "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False, "hatch.color": INK,
    "hatch.linewidth": 0.5, "legend.frameon": False, "legend.fontsize": 9.0, "lines.linewidth": 1.6,
    "lines.markersize": 4.0, "path.simplify": True, "axes.unicode_minus": False, "figure.facecolor": "none",
    "axes.facecolor": "none",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture as matplotlib writes it, and what its caption must say."""

    svg: str
    notes: tuple[str, ...]


class _Axis:
    """How the numbers of a column are shown: in a unit that suits them."""

    def __init__(self, column: Column, values: Sequence[float], *, log: bool) -> None:
        magnitudes = sorted(abs(value) for value in values if value)
        typical = magnitudes[len(magnitudes) // 2] if magnitudes else 1.0
        self.factor, unit = (0.01, "%") if column.unit == "1" else scale(typical, column.unit)
        shown = {"count": "", "us": "µs"}.get(unit, unit)
        self.label = _plain(column.title) + (f" ({shown})" if shown else "")
        self.log = log and bool(values) and min(values) > 0
        self.name = column.title
        self.spread = max(values) / min(values) if self.log else math.inf

    def of(self, values: Iterable[float]) -> list[float]:
        return [value / self.factor for value in values]


def draw(figure: Figure) -> Drawing:
    """Return a figure as SVG.

    Points that are not finite numbers are left out, and so are categories beyond what can be read; notes say so. An
    axis is logarithmic only if all its values are positive.

    Raises:
        MissingDependencyError: If matplotlib is not installed.
    """
    matplotlib = require("matplotlib", extra=EXTRA)
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Picture

    figure, notes = _drawable(figure)
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the browser has fonts of its own
        matplotlib.rcdefaults()  # whatever the user's own style says
        matplotlib.rcParams.update(_STYLE)
        picture = Picture(figsize=(_WIDTH_IN, _height_in(figure)))
        axes = picture.add_axes((0.25 if figure.categories else 0.1, 0.2, 0.7, 0.75))
        notes += _DRAWERS.get(figure.form, _draw_points)(axes, figure)
        handles, names = axes.get_legend_handles_labels()
        legend = None
        if handles:
            columns = 1 if max(map(len, names)) > 40 else 2
            legend = picture.legend(handles, names, loc="lower left", ncols=columns, handlelength=3.0)
        _fit(picture, axes, legend)
        out = io.StringIO()
        FigureCanvasSVG(picture).print_svg(out, metadata={"Date": None})  # type: ignore[no-untyped-call]  # `savefig` draws twice
    return Drawing(out.getvalue(), tuple(notes))


def _fit(picture: Any, axes: Axes, legend: Any) -> None:
    """Let the axes fill what their texts and the legend leave: measured once, where matplotlib's layout does it twice.

    Ticks may change with the size of the axes, and their texts with them: a margin is left for that.
    """
    from matplotlib.transforms import Bbox

    inner = axes.get_window_extent()
    measured = (axes,) if axes.texts else (axes.xaxis, axes.yaxis)  # of what else there is nothing lies outside
    outer = Bbox.union([inner, *filter(None, (each.get_tightbbox() for each in measured))])
    width, height = picture.bbox.size
    below = legend.get_window_extent().height if legend else 0.0
    left, right = inner.x0 - outer.x0 + _PAD, outer.x1 - inner.x1 + _PAD
    bottom, top = inner.y0 - outer.y0 + _PAD + below, outer.y1 - inner.y1 + _PAD
    least = 0.2  # of the picture remains for the axes, however long the names are
    wide, high = max(least, 1 - (left + right) / width), max(least, 1 - (bottom + top) / height)
    axes.set_position((min(left / width, 1 - wide), min(bottom / height, 1 - high), wide, high))


def legend_name(figure: Figure, name: str) -> str:
    """Return the name of a series with the number of observations it stands for."""
    n = figure.samples.get(name, 0)
    drawn = len(figure.series[name])
    observations = figure.form == "scatter" and name not in figure.intervals  # what has an interval sums up many
    some = f", {drawn:,} drawn" if observations and drawn < n else ""
    return f"{_plain(name)} (n = {n:,}{some})" if n else _plain(name)


def _drawable(figure: Figure) -> tuple[Figure, list[str]]:
    """Return the part of a figure that can be drawn, and what was left out."""
    from dataclasses import replace

    series: dict[str, Any] = {}
    beside: dict[str, dict[str, Any]] = {key: {} for key in ("intervals", "x_intervals", "labels")}
    lost, beyond = 0, 0
    for name, points in figure.series.items():
        mine = {key: list(getattr(figure, key)[name]) for key in beside if getattr(figure, key).get(name)}
        ends = [mine[key] for key in ("intervals", "x_intervals") if key in mine]
        finite = [
            place
            for place, numbers in enumerate(zip(points, *ends, strict=False))
            if all(math.isfinite(number) for both in numbers for number in both)
        ]
        inside = [place for place in finite if not figure.categories or 0 <= points[place][0] < _MOST_CATEGORIES]
        lost, beyond = lost + len(points) - len(finite), beyond + len(finite) - len(inside)
        if inside:
            series[name] = [points[place] for place in inside]
            for key, values in mine.items():
                beside[key][name] = [values[place] for place in inside]
    notes = [f"{lost:,} points are not finite numbers and are not drawn"] if lost else []
    if beyond:
        notes.append(f"the first {_MOST_CATEGORIES} of {len(figure.categories):,} categories are drawn")
    drawn = replace(
        figure, series=series, categories=figure.categories[:_MOST_CATEGORIES], intervals=beside["intervals"],
        x_intervals=beside["x_intervals"], labels=beside["labels"],
    )  # fmt: skip
    return drawn, notes


def _height_in(figure: Figure) -> float:
    legend = 0.2 * (len(figure.series) + 1) / (1 if any(len(name) > 30 for name in figure.series) else 2)
    if figure.categories:
        return 1.0 + legend + 0.32 * max(2, len(figure.categories))
    return 3.1 + legend


def _draw_points(axes: Axes, figure: Figure) -> list[str]:
    """Draw `ecdf`, `scatter` and `line`."""
    x, y = _axes(figure, figure.log)
    _label_axes(axes, x, y)
    for number, (name, points) in enumerate(figure.series.items()):
        style = _style(figure.form, number, name)
        horizontal, vertical = (list(numbers) for numbers in zip(*points, strict=True))
        if figure.form == "ecdf":
            horizontal, vertical = [horizontal[0], *horizontal], [0.0, *vertical]
        across, up = x.of(horizontal), y.of(vertical)
        axes.plot(across, up, label=legend_name(figure, name), **style)
        if name in figure.intervals or name in figure.x_intervals:
            axes.errorbar(
                across, up, xerr=_errors(across, figure.x_intervals.get(name), x),
                yerr=_errors(up, figure.intervals.get(name), y), fmt="none", ecolor=style["color"], elinewidth=1.0,
                capsize=3,
            )  # fmt: skip
        for text, at in zip(figure.labels.get(name, ()), zip(across, up, strict=True), strict=False):
            axes.annotate(_plain(text), at, xytext=(5, 5), textcoords="offset points")
    if figure.form == "ecdf":
        axes.set_ylim(0, 101)
    if figure.x_range is not None:
        axes.set_xlim(*x.of(figure.x_range))
    if figure.reference is not None:
        axes.axhline(figure.reference / y.factor, color=INK, linewidth=1.0, linestyle=(0, (2, 2)))
    return _about_axes(figure, x, y, axes.get_ylim()[0])


def _draw_categories(axes: Axes, figure: Figure) -> list[str]:
    """Draw `bar`, `stacked` and `interval`: categories downwards, because their names are long."""
    swapped = {"x": "y", "y": "x", "xy": "xy"}.get(figure.log, "") if figure.form == "interval" else ""
    _, y = _axes(figure, figure.log if figure.form == "interval" else "")
    axes.set_xlabel(y.label)
    if y.log:
        _make_log(axes, "x", y)
    count = len(figure.series)
    ends: dict[float, float] = {}
    for number, (name, points) in enumerate(figure.series.items()):
        values = y.of(point[1] for point in points)
        offset = 0.0 if figure.form == "stacked" else (number - (count - 1) / 2) * 0.8 / max(1, count)
        places = [point[0] + offset for point in points]
        label = legend_name(figure, name) if count > 1 or figure.samples else None
        if figure.form == "interval":
            low_high = _errors(values, figure.intervals.get(name), y)
            axes.errorbar(
                values, places, xerr=low_high, label=label, linestyle="none", marker=_MARKERS[number % 8],
                color=SERIES[number % 8], capsize=3,
            )  # fmt: skip
            continue
        left = [ends.get(point[0], 0.0) if figure.form == "stacked" else 0.0 for point in points]
        ends |= {point[0]: begin + value for point, begin, value in zip(points, left, values, strict=True)}
        axes.barh(
            places, values, left=left, height=0.7 if figure.form == "stacked" else 0.8 / max(1, count), label=label,
            color=SERIES[number % 8], edgecolor=INK, linewidth=0.5, hatch=_HATCHES[number % 8],
            xerr=_errors(values, figure.intervals.get(name), y), ecolor=INK,
        )  # fmt: skip
    axes.set_yticks(range(len(figure.categories)), [_plain(name) for name in figure.categories])
    axes.set_ylim(max(len(figure.categories), 1) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    if figure.reference is not None:
        axes.axvline(figure.reference / y.factor, color=INK, linewidth=1.0, linestyle=(0, (2, 2)))
    return [f"the axis of {y.name} is logarithmic"] if swapped and y.log else []


def _draw_fields(axes: Axes, figure: Figure) -> list[str]:
    """Draw `heatmap`: a row of fields for each series, as dark as y is large, with y or its label written in."""
    from matplotlib.patches import Rectangle

    _, y = _axes(figure, "")
    most = max((abs(point[1]) for points in figure.series.values() for point in points), default=0.0) or 1.0
    for row, (name, points) in enumerate(figure.series.items()):
        words = figure.labels.get(name) or [f"{value:.3g}" for value in y.of(point[1] for point in points)]
        for (place, value), word in zip(points, words, strict=True):
            axes.add_patch(
                Rectangle(
                    (place - 0.5, row - 0.5), 1.0, 1.0, facecolor=SERIES[0], alpha=0.7 * abs(value) / most,
                    edgecolor="none",
                )
            )  # fmt: skip
            axes.text(place, row, _plain(word), ha="center", va="center")
    axes.set_xticks(range(len(figure.categories)), [_plain(name) for name in figure.categories])
    axes.set_yticks(range(len(figure.series)), [_plain(name) for name in figure.series])
    axes.set_xlim(-0.5, max(len(figure.categories), 1) - 0.5)
    axes.set_ylim(max(len(figure.series), 1) - 0.5, -0.5)
    axes.grid(visible=False)
    return [f"fields are as dark as {y.name} is large"]


def _draw_boxes(axes: Axes, figure: Figure) -> list[str]:
    """Draw `box`, categories downwards: quartiles, median, whiskers as Tukey drew them, and what lies beyond."""
    import numpy as np

    _, y = _axes(figure, figure.log)
    axes.set_xlabel(y.label)
    if y.log:
        _make_log(axes, "x", y)
    count = len(figure.series)
    for number, (name, points) in enumerate(figure.series.items()):
        color, height = SERIES[number % 8], 0.6 / max(1, count)
        offset = (number - (count - 1) / 2) * 0.8 / max(1, count)
        for order, place in enumerate(dict.fromkeys(point[0] for point in points)):
            values = np.array(y.of(point[1] for point in points if point[0] == place))
            low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
            inside = values[(values >= low - 1.5 * (high - low)) & (values <= high + 1.5 * (high - low))]
            beyond = values[(values < inside.min()) | (values > inside.max())]
            at = place + offset
            label = legend_name(figure, name) if not order and (count > 1 or figure.samples) else None
            axes.barh(at, high - low, left=low, height=height, color=color, alpha=0.5, edgecolor=INK, label=label)
            axes.hlines([at, at], [inside.min(), high], [low, inside.max()], colors=INK, linewidth=1.0)
            axes.vlines(middle, at - height / 2, at + height / 2, colors=INK, linewidth=2.0)
            axes.plot(beyond, [at] * len(beyond), linestyle="none", marker=".", markersize=3, color=INK)
    axes.set_yticks(range(len(figure.categories)), [_plain(name) for name in figure.categories])
    axes.set_ylim(max(len(figure.categories), 1) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    told = ["boxes are quartiles with the median, whiskers reach to the last point within 1.5 times the box"]
    return [*told, f"the axis of {y.name} is logarithmic"] if y.log else told


_DRAWERS: Mapping[str, Callable[[Any, Any], list[str]]] = {
    "bar": _draw_categories, "stacked": _draw_categories, "interval": _draw_categories,
    "heatmap": _draw_fields, "box": _draw_boxes,
}  # fmt: skip


def _axes(figure: Figure, log: str) -> tuple[_Axis, _Axis]:
    points = [point for each in figure.series.values() for point in each]
    heights = [point[1] for point in points]
    if figure.form == "stacked":  # whole bars: one of microseconds must not make an axis of 20000 of them
        heights = [sum(y for x, y in points if x == place) for place in {x for x, _ in points}]
    ends = [end for each in figure.intervals.values() for pair in each for end in pair]
    sides = [end for each in figure.x_intervals.values() for pair in each for end in pair]
    return (
        _Axis(figure.x, figure.x_range or [*(point[0] for point in points), *sides], log="x" in log),
        _Axis(figure.y, [*heights, *ends], log="y" in log),
    )


def _label_axes(axes: Axes, x: _Axis, y: _Axis) -> None:
    axes.set_xlabel(x.label)
    axes.set_ylabel(y.label)
    for which, axis in (("x", x), ("y", y)):
        if axis.log:
            _make_log(axes, which, axis)


def _make_log(axes: Axes, which: str, axis: _Axis) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    getattr(axes, f"set_{which}scale")("log")
    real = getattr(axes, f"{which}axis")
    real.set_major_locator(MaxNLocator(6) if axis.spread < 5 else LogLocator(subs=(1, 2, 5)))
    real.set_minor_locator(NullLocator())
    real.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))


def _style(kind: str, number: int, name: str) -> dict[str, Any]:
    colour = BAD if name == "failed" else SERIES[number % 8]
    if kind == "ecdf":
        return {"color": colour, "linestyle": _DASHES[number % 8], "drawstyle": "steps-post"}
    marker = "x" if name == "failed" else _MARKERS[number % 8]
    if kind == "line":
        return {"color": colour, "linestyle": _DASHES[number % 8], "marker": marker}
    hollow = {} if marker == "x" else {"markerfacecolor": "none"}
    return {"color": colour, "linestyle": "none", "marker": marker, "markersize": 3.5, **hollow}


def _errors(
    values: Sequence[float], ends: Sequence[tuple[float, float]] | None, axis: _Axis
) -> list[list[float]] | None:
    if ends is None:
        return None
    low, high = axis.of(end[0] for end in ends), axis.of(end[1] for end in ends)
    return [
        [max(0.0, value - end) for value, end in zip(values, low, strict=True)],
        [max(0.0, end - value) for value, end in zip(values, high, strict=True)],
    ]


def _about_axes(figure: Figure, x: _Axis, y: _Axis, bottom: float) -> list[str]:
    notes = [f"the axis of {axis.name} is logarithmic" for axis in (x, y) if axis.log]
    if not y.log and bottom > 0 and figure.form != "ecdf":
        notes.append(f"the axis of {y.name} does not begin at zero")
    return notes


def _plain(text: str) -> str:
    """Return a text that fits a line of a picture: printable, not too long, never hidden from a legend."""
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    if len(shown) > _MOST_LETTERS:  # the end, as cold or warm, is what tells neighbours apart
        shown = f"{shown[:_FIRST_LETTERS]} ... {shown[_FIRST_LETTERS + 5 - _MOST_LETTERS :]}"
    return f"\N{WORD JOINER}{shown}" if shown.startswith("_") else shown
