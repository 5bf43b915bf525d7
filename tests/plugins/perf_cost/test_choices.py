"""Which condition to take, held to figures worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sebsx.contracts.analyzers import Finding, Report, Table
from sebsx.model import Design
from sebsx.store import Store, open_store
from sebsx.testing.runs import RunWriter
from sebsx_perf_cost.analyzer import PerfCostAnalyzer, PerfCostAnalyzerSettings
from sebsx_perf_cost.choices import knee

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "s.sqlite") as opened:
        yield opened


@pytest.fixture
def run(store: Store) -> RunWriter:
    return RunWriter(store, design=Design.RMIT)


def measured(run: RunWriter, memory_mib: int, around_s: float, cost: float, **more: Any) -> None:
    """Store eleven latencies from 0.95 to 1.05 of the middle; their interval is the second to the tenth."""
    spread = [around_s * (1 + step / 100) for step in range(-5, 6)]
    run.add(spread, memory_mib=memory_mib, changes={"cost_usd": cost / 1e6}, **more)


def analyze(run: RunWriter, **settings: Any) -> Report:
    return PerfCostAnalyzer().analyze([run.finish()], PerfCostAnalyzerSettings(**settings))


def choices(report: Report) -> Table:
    return next(table for table in report.tables if table.name == "choices")


def choice(report: Report, name: str) -> Finding:
    (found,) = [finding for finding in report.findings if finding.numbers.get("choice") == name]
    return found


@pytest.mark.parametrize(
    ("costs", "durations", "place"),
    [
        # products 8, 4, 2.4, 4.8: doubling the last time costs twice and saves nothing
        ([1.0, 1.0, 1.2, 2.4], [8.0, 4.0, 2.0, 2.0], 2),
        # products 4, 4.4, 3.6, 5: the step to the second does not pay, the one after makes up for it
        ([1.0, 2.0, 2.0, 5.0], [4.0, 2.2, 1.8, 1.0], 2),
        # products 2, 4: nothing pays
        ([1.0, 2.0], [2.0, 2.0], 0),
        # products 4, 4: costs twice, takes half: it still pays, so the knee was not met
        ([1.0, 2.0], [4.0, 2.0], None),
        ([1.0], [1.0], None),
    ],
)
def test_knee_is_where_the_product_of_cost_and_duration_stops_falling(
    costs: Sequence[float], durations: Sequence[float], place: int | None
) -> None:
    assert knee(costs, durations) == place


@pytest.mark.slow
def test_front_holds_what_nothing_beats_in_both(run: RunWriter) -> None:
    for memory_mib, around_s, cost in ((128, 8.0, 1.0), (256, 4.0, 2.0), (512, 5.0, 3.0), (1024, 1.0, 3.0)):
        measured(run, memory_mib, around_s, cost)
    report = analyze(run)
    rows = choices(report).rows
    # 512 is beaten by 256 in both, and by 1024 in time at the same cost
    assert [(row["memory_mib"], row["front"]) for row in rows] == [
        (128, "yes"), (256, "yes"), (512, "no"), (1024, "yes"),
    ]  # fmt: skip
    figure = next(figure for figure in report.figures if figure.name == "cost-latency")
    points = {name: [(round(x, 9), round(y, 9)) for x, y in series] for name, series in figure.series.items()}
    assert points == {
        "echo warm, on the front": [(1.0, 8.0), (2.0, 4.0), (3.0, 1.0)], "echo warm": [(3.0, 5.0)],
    }  # fmt: skip


def test_table_names_what_each_is_best_at(run: RunWriter) -> None:
    for memory_mib, around_s, cost in ((128, 4.0, 1.0), (256, 2.0, 1.2), (512, 1.9, 4.0)):
        measured(run, memory_mib, around_s, cost)
    rows = {row["memory_mib"]: row for row in choices(analyze(run)).rows}
    # scores: (1/4 + 4/4) / 2, (1.2/4 + 2/4) / 2, (4/4 + 1.9/4) / 2; products 4, 2.4, 7.6
    assert {size: row["choice"] for size, row in rows.items()} == {
        128: "cheapest", 256: "fastest (tie), balanced, knee", 512: "fastest (tie)",
    }  # fmt: skip
    assert [row["score"] for row in rows.values()] == pytest.approx([0.625, 0.4, 0.7375])


def test_overlapping_intervals_cannot_be_told_apart(run: RunWriter) -> None:
    # intervals of the durations: 0.96 to 1.04 times 2.0 and 1.9: [1.92, 2.08] and [1.824, 1.976] overlap
    for memory_mib, around_s, cost in ((128, 4.0, 1.0), (256, 2.0, 1.2), (512, 1.9, 4.0)):
        measured(run, memory_mib, around_s, cost)
    report = analyze(run)
    fastest = choice(report, "fastest")
    assert fastest.text == "echo warm: fastest is a tie of 256 and 512 MiB; 512 MiB had 1.90 s and $4 per million"
    assert fastest.numbers["tied"] == 1
    assert "tie" not in choice(report, "cheapest").text  # costs that never vary can be told
    assert "tie" not in choice(report, "balanced").text
    assert "be distinguished" not in choice(report, "knee").text  # the next costs more, that is sure


def test_without_intervals_nothing_is_told_apart(run: RunWriter) -> None:
    for memory_mib, around_s in ((128, 4.0), (256, 2.0)):
        run.add([around_s], memory_mib=memory_mib)
    assert choice(analyze(run), "fastest").text.startswith(
        "echo warm: fastest is a tie of 128 and 256 MiB; 256 MiB had"
    )


def test_options_that_are_all_alike_are_counted(run: RunWriter) -> None:
    for memory_mib in (128, 256, 512, 1024):
        run.add([4.0], memory_mib=memory_mib)
    assert choice(analyze(run), "fastest").text.startswith("echo warm: fastest is a tie of all 4; 128 MiB had")


def test_architectures_are_chosen_between_too(run: RunWriter) -> None:
    measured(run, 256, 2.0, 2.0)
    measured(run, 256, 1.0, 1.0, effective={"architecture": "arm64"}, architecture="arm64")
    fastest = choice(analyze(run), "fastest")
    assert fastest.text.startswith("echo warm: fastest is arm64 256 MiB, 1.00 s and $1 per million")


def test_emulated_processors_are_told_and_not_chosen(run: RunWriter) -> None:
    measured(run, 256, 2.0, 2.0)
    emulated = {"architecture": "arm64", "emulated": True}
    measured(run, 256, 1.0, 1.0, effective=emulated, architecture="arm64")
    report = analyze(run)
    (warned,) = [finding for finding in report.findings if "emulated" in finding.text]
    assert warned.warning
    assert "arm64" in warned.text
    assert [finding for finding in report.findings if "choice" in finding.numbers] == []
    assert "choices" not in [table.name for table in report.tables]
    assert choice(analyze(run, emulated=True), "fastest").numbers["median_s"] == pytest.approx(1.0)


def test_sizes_that_nothing_limited_are_told_and_not_chosen(run: RunWriter) -> None:
    for memory_mib in (128, 256, 512):
        measured(run, memory_mib, 1.0, 1.0, effective={"unenforced": ["cpu"]})
    report = analyze(run)
    (warned,) = [finding for finding in report.findings if "did not follow memory" in finding.text]
    assert warned.warning
    assert "sebsx doctor --platform fake" in warned.text
    assert [finding for finding in report.findings if "choice" in finding.numbers] == []
    assert "choices" not in [table.name for table in report.tables]
    assert [figure.title for figure in report.figures if "memory" in figure.title.lower()] == []


def test_versions_are_not_chosen_between(run: RunWriter) -> None:
    for version in ("base", "new"):
        measured(run, 256, 1.0, 1.0, version=version)
    assert [finding for finding in analyze(run).findings if "choice" in finding.numbers] == []
