from __future__ import annotations

import math
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from sebsx.contracts.analyzers import Column, Figure
from sebsx.reading.reporting.drawing import draw
from sebsx.reading.reporting.figures import as_table, describe
from sebsx.reading.reporting.svg import Inliner
from tests.reading.reporting.conftest import EVIL, breakdown, comparison

X, Y = Column("x", "time", unit="s"), Column("y", "latency", unit="s")
LINE = Figure("line", "line", title="A line", x=X, y=Y, series={"a": [(1.0, 0.002), (2.0, 0.004)]})


def counted(figure: Figure) -> Figure:
    """The figure with the number of observations of each series."""
    return replace(figure, samples={name: len(points) for name, points in figure.series.items()})


KINDS = [LINE, *breakdown().figures, *comparison().figures]


def inline(figure: Figure, inliner: Inliner | None = None) -> ET.Element:
    return ET.fromstring((inliner or Inliner()).inline(draw(figure).svg, figure.title, describe(figure)))


def texts(figure: Figure) -> list[str]:
    return ["".join(element.itertext()) for element in inline(figure).iter("text")]


@pytest.mark.parametrize("figure", KINDS, ids=lambda figure: figure.name)
def test_picture_has_no_inline_style_and_fixed_colours_only_through_variables(figure: Figure) -> None:
    inliner = Inliner()
    root = inline(figure, inliner)
    assert not any("style" in element.attrib or element.tag in ("style", "script") for element in root.iter())
    assert re.findall(r"#[0-9a-f]{6}", inliner.css) == []
    assert "var(--series-0)" in inliner.css


def test_long_names_keep_their_end_which_tells_cold_from_warm() -> None:
    run = f"01M81SGBR8ZD3TE9WV2MCB98WV compression 256 MiB concurrency 1 {'x' * 20} "
    figure = counted(replace(LINE, series={run + start: [(1.0, 0.002)] for start in ("cold", "warm")}))
    names = [text for text in texts(figure) if text.startswith("01M81SGBR8ZD ... ")]
    assert [name.split()[-4] for name in names] == ["cold", "warm"]


def test_stacked_bars_have_the_unit_of_whole_bars() -> None:
    parts = {
        "client": [(0.0, 9e-6), (1.0, 8e-6)],
        "connect": [(0.0, 2e-6), (1.0, 2e-6)],
        "handler": [(0.0, 0.02), (1.0, 0.03)],
    }
    assert "latency (ms)" in texts(replace(LINE, kind="stacked", series=parts, categories=["a", "b"]))


def test_axes_carry_units_that_suit_the_numbers() -> None:
    assert {"time (s)", "latency (ms)"} <= set(texts(LINE))
    assert "peak (MiB)" in texts(next(figure for figure in KINDS if figure.name == "memory"))


def test_series_say_how_many_observations_and_how_many_are_drawn() -> None:
    points = [(float(n), 1.0) for n in range(10)]
    figure = replace(LINE, kind="scatter", series={"a": points}, samples={"a": 12_000})
    assert "a (n = 12,000, 10 drawn)" in texts(figure)
    medians = replace(figure, intervals={"a": [(0.5, 1.5)] * 10})
    assert "a (n = 12,000)" in texts(medians)


@pytest.mark.slow
def test_points_carry_labels_and_intervals_and_no_number_that_nobody_counted() -> None:
    figure = replace(
        LINE, kind="scatter", labels={"a": ["128 MiB", "256 MiB"]}, intervals={"a": [(0.001, 0.003), (0.003, 0.005)]},
        x_intervals={"a": [(0.5, 1.5), (1.5, 2.5)]},
    )  # fmt: skip
    assert {"128 MiB", "256 MiB", "a"} <= set(texts(figure))
    lines = [len(re.findall("<path", draw(one).svg)) for one in (LINE, figure)]
    assert lines[1] > lines[0] + 2
    lost = replace(figure, series={"a": [(1.0, math.nan), (2.0, 0.004)]})
    assert "128 MiB" not in texts(lost)
    assert "256 MiB" in texts(lost)


@pytest.mark.slow
def test_figures_side_by_side_have_one_axis() -> None:
    def ticks(figure: Figure) -> set[str]:
        return {text for text in texts(figure) if re.fullmatch(r"[\d.]+", text)}

    curves = [replace(LINE, kind="ecdf", series={"a": [(at, 0.5), (2 * at, 1.0)]}, log="x") for at in (0.01, 1.0)]
    apart, together = ([ticks(replace(one, x_range=ends)) for one in curves] for ends in (None, (0.01, 2.0)))
    assert apart[0] != apart[1]
    assert together[0] == together[1]


def test_series_differ_without_colour() -> None:
    two = {"a": [(1.0, 1.0), (2.0, 2.0)], "b": [(1.0, 2.0), (2.0, 1.0)]}
    for kind in ("ecdf", "scatter"):
        svg = draw(replace(LINE, kind=kind, series=two)).svg
        if kind == "ecdf":
            assert "stroke-dasharray" in svg
        else:
            markers = re.findall(r'<defs>\s*<path id="[^"]+" d="([^"]+)"', svg)
            assert len(set(markers)) == len(markers) > 2


def test_stacked_bars_add_up() -> None:
    figure = replace(breakdown().figures[0], series={"init": [(0, 3.0)], "handler": [(0, 1.0)]}, categories=["one"])
    clipped = [element for element in ET.fromstring(draw(figure).svg).iter() if "clip-path" in element.attrib]
    bars = [element.get("d", "").split() for element in clipped]
    ends = [sorted({float(word) for word in bar[1::3]}) for bar in bars if bar[-1] == "z"]
    assert len(ends) == 2
    assert ends[1][0] == pytest.approx(ends[0][1], abs=0.1)
    assert (ends[0][1] - ends[0][0]) / (ends[1][1] - ends[1][0]) == pytest.approx(3, rel=0.01)


def test_identifiers_of_two_pictures_differ() -> None:
    inliner = Inliner()
    found = [
        element.get("id") for _ in range(2) for element in inline(KINDS[1], inliner).iter() if element.get("id")
    ]  # fmt: skip
    assert len(found) == len(set(found)) > 4


@pytest.mark.slow
def test_references_lead_to_elements_of_the_same_picture() -> None:
    for figure in KINDS:
        root = inline(figure)
        ids = {element.get("id") for element in root.iter()}
        for element in root.iter():
            used = [element.get("href", ""), *re.findall(r"url\((#[^)]+)\)", " ".join(element.attrib.values()))]
            assert {one.removeprefix("#") for one in used if one} <= ids


@pytest.mark.parametrize("name", [EVIL, "_hidden", "$x$ and $y", "\x00\ud800\n\t", "新しい", "x" * 500, ""])
def test_any_name_is_drawn(name: str) -> None:
    root = inline(counted(replace(LINE, series={name: [(1.0, 1.0), (2.0, 2.0)]})))
    assert root.find(".//script") is None
    legend = [text for text in ("".join(one.itertext()) for one in root.iter("text")) if "n = 2" in text]
    assert len(legend) == 1
    assert len(legend[0]) < 80


def test_what_is_no_finite_number_is_left_out_and_said() -> None:
    figure = replace(LINE, series={"a": [(1.0, 1.0), (2.0, math.nan), (math.inf, 1.0)]})
    assert "2 points are not finite numbers and are not drawn" in draw(figure).notes


@pytest.mark.slow
def test_axis_with_a_zero_is_not_logarithmic() -> None:
    figure = replace(LINE, log="y")
    assert "the axis of latency is logarithmic" in draw(figure).notes
    assert draw(replace(figure, series={"a": [(1.0, 0.0), (2.0, 2.0)]})).notes == ()


def test_caption_says_that_an_axis_does_not_begin_at_zero() -> None:
    assert "the axis of latency does not begin at zero" in draw(LINE).notes


@pytest.mark.slow
def test_many_categories_are_cut_and_said() -> None:
    many = [(float(n), 1.0) for n in range(50)]
    figure = replace(breakdown().figures[0], series={"a": many}, categories=[f"c{n}" for n in range(50)])
    assert "the first 40 of 50 categories are drawn" in draw(figure).notes


def test_same_figure_gives_the_same_picture() -> None:
    assert draw(LINE).svg == draw(LINE).svg


def test_table_of_a_distribution_reads_quantiles_off_it() -> None:
    points = [(float(n), n / 100) for n in range(1, 101)]
    (row,) = as_table(replace(LINE, kind="ecdf", series={"a": points}, samples={"a": 300})).rows
    assert (row["least"], row["q0.5"], row["q0.99"], row["most"]) == (1.0, 50.0, 99.0, 100.0)


@pytest.mark.parametrize(("n", "last"), [(8, "q0.5"), (30, "q0.9"), (300, "q0.99"), (3000, "q0.999")])
def test_table_of_a_distribution_has_no_quantile_that_the_sample_cannot_hold(n: int, last: str) -> None:
    points = [(float(place), place / 200) for place in range(1, 201)]
    table = as_table(replace(LINE, kind="ecdf", series={"a": points}, samples={"a": n}))
    assert [column.key for column in table.columns if column.key.startswith("q")][-1] == last


def test_table_of_few_points_has_them_all_and_of_many_their_ranges() -> None:
    assert [(row["x"], row["y"]) for row in as_table(LINE).rows] == [(1.0, 0.002), (2.0, 0.004)]
    many = replace(LINE, kind="scatter", series={"a": [(float(n), float(n % 7)) for n in range(1000)]})
    (row,) = as_table(many).rows
    assert (row["from"], row["to"], row["least"], row["most"]) == (0.0, 999.0, 0.0, 6.0)


def test_heat_map_writes_what_its_fields_say():
    rows = {"fast: 90 % right": [(0, 0.9), (1, 0.1)], "slow": [(0, 0.25), (1, 0.75)]}
    figure = Figure(
        "classes", "heatmap", title="Classes", x=Column("predicted", "predicted"), y=Column("share", "share", unit="1"),
        series=rows, labels={"slow": ["3", "9"]}, categories=["predicted fast", "predicted slow"],
    )  # fmt: skip
    drawn = texts(figure)
    assert {"fast: 90 % right", "slow", "predicted fast", "90", "10", "3", "9"} <= set(drawn)
    assert draw(figure).notes == ("fields are as dark as share is large",)


def test_box_has_its_quartiles_and_what_lies_beyond_its_whiskers():
    points = [(0.0, value) for value in (1.0, 2.0, 3.0, 4.0, 20.0)] + [(1.0, 5.0)]
    figure = Figure(
        "times", "box", title="Times", x=Column("condition", "condition"), y=Column("time", "time"),
        series={"all": points}, categories=["one", "other"], samples={"all": 6},
    )  # fmt: skip
    assert {"one", "other"} <= set(texts(figure))
    assert draw(figure).notes == (
        "boxes are quartiles with the median, whiskers reach to the last point within 1.5 times the box",
    )


def test_long_names_stand_inside_the_picture_and_leave_room_for_its_axes() -> None:
    name = "graph-bfs at 256 MiB of a run with a long name, cold starts"
    figure = replace(breakdown().figures[0], categories=[name, f"{name} too"])
    root = ET.fromstring(draw(figure).svg)
    width = float((root.get("viewBox") or "").split()[2])
    names = [each for each in root.iter() if "text-anchor: end" in each.get("style", "")]
    assert len(names) == 2
    for each in names:
        end = float(each.get("x", "0"))
        assert 9 * 0.45 * len(each.text or "") < end < 0.8 * width  # letters are about half as wide as high
