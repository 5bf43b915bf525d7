"""What the analyzer says of designs, versions and parts, held to figures worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sebsx.contracts.analyzers import Finding, Report, Table
from sebsx.model import Design, StartType
from sebsx.store import Store, open_store
from sebsx.testing.runs import RunWriter
from sebsx_perf_cost.analyzer import PerfCostAnalyzer, PerfCostAnalyzerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "s.sqlite") as opened:
        yield opened


def analyze(run: RunWriter, **settings: Any) -> Report:
    return PerfCostAnalyzer().analyze([run.finish()], PerfCostAnalyzerSettings(**settings))


def table(report: Report, name: str) -> Table:
    return next(table for table in report.tables if table.name == name)


def texts(report: Report, part: str) -> list[Finding]:
    return [finding for finding in report.findings if part in finding.text]


def test_sequential_run_of_several_conditions_is_warned_of(store: Store) -> None:
    run = RunWriter(store)
    for memory_mib in (128, 256):
        run.add([1.0], memory_mib=memory_mib)
    (finding,) = texts(analyze(run), "one after the other (design sequential)")
    assert finding.warning
    assert "echo" in finding.text
    assert "--design rmit" in finding.text


def test_interleaved_run_is_not_warned_of(store: Store) -> None:
    run = RunWriter(store, design=Design.RMIT)
    for memory_mib in (128, 256):
        run.add([1.0], memory_mib=memory_mib)
    assert texts(analyze(run), "one after the other") == []


def test_sequential_run_that_compares_nothing_is_not_warned_of(store: Store) -> None:
    run = RunWriter(store)
    run.add([1.0], start=StartType.COLD)
    run.add([1.0], start=StartType.WARM)
    run.add([1.0], deployment={"benchmark": "other"})
    assert texts(analyze(run), "one after the other") == []


def test_versions_are_compared_by_rounds(store: Store) -> None:
    run = RunWriter(store, design=Design.RMIT)
    drifting = [1.0 + number for number in range(8)]  # eight times slower in the end
    run.add(drifting, rounds=range(8), version="base")
    run.add([1.25 * value for value in reversed(drifting)], rounds=range(7, -1, -1), version="new")
    versions = table(analyze(run), "versions")
    assert "not that of the medians" in versions.caption
    (row,) = versions.rows
    ratio = row["ratio"]
    assert (ratio.value, ratio.low, ratio.high, ratio.n) == pytest.approx((1.25, 1.25, 1.25, 8))
    assert (row["base_s"].value, row["new_s"].value) == pytest.approx((4.5, 5.625))


def test_rounds_that_only_one_version_has_are_no_pairs(store: Store) -> None:
    run = RunWriter(store, design=Design.RMIT)
    run.add([1.0, 1.0, 1.0, 99.0], rounds=[0, 0, 1, 2], version="base")
    run.add([2.0, 4.0, 3.0], rounds=[0, 0, 1], version="new")
    (row,) = table(analyze(run), "versions").rows
    assert (row["ratio"].value, row["ratio"].n, row["ratio"].note) == (3.0, 2, "n too small")  # 3 and 3


def test_versions_of_a_sequential_run_are_compared_unpaired(store: Store) -> None:
    run = RunWriter(store)
    run.add([2.0] * 6, version="base")
    run.add([3.0] * 6, version="new")
    report = analyze(run)
    (row,) = table(report, "versions").rows
    assert (row["ratio"].value, row["ratio"].n) == (pytest.approx(1.5), 12)
    assert texts(report, "one after the other")


def test_versions_are_named_with_what_was_deployed(store: Store) -> None:
    run = RunWriter(store, design=Design.RMIT)
    run.add([1.0], version="base", deployment={"benchmark_version": "1", "benchmark_sha256": "a" * 64})
    run.add([1.0], version="new", deployment={"benchmark_version": "2", "benchmark_sha256": "b" * 64})
    (finding,) = texts(analyze(run), "measured in two versions")
    assert finding.text.endswith("base 1 (aaaaaaaaaaaa), new 2 (bbbbbbbbbbbb)")


def test_phases_are_columns_and_stand_in_the_bar_in_place_of_the_handler(store: Store) -> None:
    run = RunWriter(store)
    samples = {"phase.load_s": 0.25, "phase.compute_s": 0.5}
    run.add([1.0] * 3, changes={"samples": samples})  # handler 0.9, provider 0.95
    report = analyze(run)
    (row,) = table(report, "breakdown").rows
    assert (row["phase.load_s"], row["phase.compute_s"], row["function_s"]) == pytest.approx((0.25, 0.5, 0.9))
    figure = next(figure for figure in report.figures if figure.name == "breakdown")
    assert figure.kind == "stacked"
    bar = {name: points[0][1] for name, points in figure.series.items()}
    assert bar == pytest.approx(
        {"network": 0.05, "provider": 0.05, "phase load": 0.25, "phase compute": 0.5, "handler": 0.15}
    )
    assert texts(report, "add up") == []


def test_phases_longer_than_the_handler_are_warned_of(store: Store) -> None:
    run = RunWriter(store)
    run.add([1.0] * 3, changes={"samples": {"phase.a_s": 0.5, "phase.b_s": 0.5}})  # 1.0 in a handler of 0.9
    (finding,) = texts(analyze(run), "the phases take more than 5 % longer than the handler in 3 of 3")
    assert finding.warning


def test_phases_within_tolerance_are_fine(store: Store) -> None:
    run = RunWriter(store)
    run.add([1.0] * 3, changes={"samples": {"phase.a_s": 0.94}})  # 4.4 % more than 0.9
    assert texts(analyze(run), "longer than the handler") == []
