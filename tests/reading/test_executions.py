"""What groups of invocations measure is a metric like others: for conditions, compare, gate, report and export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sebsx.contracts.runs import RunView
from sebsx.model import Design
from sebsx.reading.comparison import Options, compare_runs
from sebsx.reading.conditions import conditions
from sebsx.reading.reporting.measured import as_csv, latency_table, measure
from sebsx.reading.summaries import summaries
from sebsx.stats import Verdict
from sebsx.store import Store, open_store
from sebsx.testing.runs import RunWriter

LATENCIES_S = [0.1 + 0.001 * number for number in range(20)]
DURATION = "execution.duration_s"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "s.sqlite") as opened:
        yield opened


def run_of(store: Store, number: int, scale: float, design: Design = Design.SEQUENTIAL) -> RunView:
    """A run whose invocations are always as fast, and whose workflows take `scale` times as long."""
    writer = RunWriter(store, number, design=design)
    cell = writer.add(LATENCIES_S)
    durations_s = [scale * (0.5 + 0.01 * each) for each in range(20)]
    writer.add_executions(cell, durations_s, figures=[{"function.import_s": 2.0}] * 20, failed=3)
    return writer.finish()


def test_executions_belong_to_the_condition_of_their_cell(store: Store) -> None:
    writer = RunWriter(store)
    first, second = writer.add(LATENCIES_S), writer.add(LATENCIES_S, memory_mib=512)
    writer.add_executions(first, [1.0, 2.0])
    writer.add_executions(second, [3.0])
    found = {one.identity["memory_mib"]: list(one.values(DURATION)) for one in conditions([writer.finish()])}
    assert found == {256: [1.0, 2.0], 512: [3.0]}


def test_summaries_hold_their_time_and_figures_without_those_that_failed(store: Store) -> None:
    [condition] = conditions([run_of(store, 1, 1.0)])
    said = {summary.name: summary.estimate for summary in summaries(condition)}
    assert said[f"{DURATION}.p50"].value == pytest.approx(0.595)
    assert said[f"{DURATION}.p50"].n == 20
    assert said["function.import_s.p50"].value == 2.0
    assert said["client.latency_s.p50"].n == 20


def test_run_without_executions_says_nothing_of_them(store: Store) -> None:
    writer = RunWriter(store)
    writer.add(LATENCIES_S)
    view = writer.finish()
    assert not [summary for one in conditions([view]) for summary in summaries(one) if DURATION in summary.name]
    assert {row.metric.name for row in compare_runs([view], [run_like(store)]).rows} == {"client.latency_s"}


def run_like(store: Store) -> RunView:
    writer = RunWriter(store, 2)
    writer.add(LATENCIES_S)
    return writer.finish()


def test_slower_workflow_of_equally_fast_functions_is_a_regression(store: Store) -> None:
    found = compare_runs([run_of(store, 1, 1.0)], [run_of(store, 2, 1.5)])
    verdicts = {row.metric.name: row.verdict for row in found.rows}
    assert verdicts == {"client.latency_s": Verdict.EQUIVALENT, DURATION: Verdict.REGRESSION}
    [row] = [row for row in found.rows if row.metric.name == DURATION]
    assert row.ratio.value == pytest.approx(1.5)


def test_figure_of_executions_can_be_compared_by_name(store: Store) -> None:
    base, new = run_of(store, 1, 1.0), run_of(store, 2, 1.5)
    found = compare_runs([base], [new], Options(metrics=("function.import_s",)))
    assert [(row.metric.name, row.base.value, row.new.value) for row in found.rows] == [("function.import_s", 2.0, 2.0)]


def test_report_shows_them_in_table_and_download(store: Store) -> None:
    measured = measure([run_of(store, 1, 1.0)])
    table = latency_table(measured)
    assert "execution" in [column.key for column in table.columns]
    assert table.rows[0]["execution"].value == pytest.approx(0.595)
    assert f"{DURATION}.p50" in as_csv(measured)


@pytest.mark.parametrize("name", ["markdown", "openmetrics", "sqlite", "asv", "bencher"])
def test_exports_have_them(store: Store, tmp_path: Path, name: str, sebsx_registry) -> None:  # a fixture
    exporter = sebsx_registry.get("exporters", name)()
    [*written] = exporter.export([run_of(store, 1, 1.0)], tmp_path / f"out{exporter.suffix}")
    text = b"".join(path.read_bytes() for path in written if path.is_file()).decode(errors="replace")
    assert any(word in text for word in (DURATION, "execution_duration", "execution-duration")), text[:500]


def test_execution_rows_are_read_by_the_view(store: Store) -> None:
    rows = list(run_of(store, 1, 1.0).rows("executions"))
    assert [row["status"] for row in rows].count("ok") == 20
    figures = rows[0]["figures"]
    assert (json.loads(figures) if isinstance(figures, str) else figures) == {"function.import_s": 2.0}


def steps_of(store: Store, number: int, scale: float) -> RunView:
    """A run whose cells have two kinds of executions, of which one takes `scale` times as long."""
    writer = RunWriter(store, number, design=Design.RMIT)
    cell = writer.add(LATENCIES_S)
    writer.add_executions(cell, [0.1 + 0.001 * each for each in range(20)], rounds=range(20), kind="fan-in")
    writer.add_executions(cell, [scale * (5 + 0.01 * each) for each in range(20)], rounds=range(20), kind="fan-out")
    return writer.finish()


def test_kinds_of_executions_in_one_cell_share_no_figure(store: Store, tmp_path: Path, sebsx_registry) -> None:
    view = steps_of(store, 1, 1.0)
    [condition] = conditions([view])
    said = {summary.name: summary.estimate for summary in summaries(condition)}
    assert f"{DURATION}.p50" not in said
    assert (said["execution.fan_in_s.p50"].value, said["execution.fan_in_s.p50"].n) == (pytest.approx(0.1095), 20)
    assert said["execution.fan_out_s.p50"].value == pytest.approx(5.095)
    file = tmp_path / "out.md"
    sebsx_registry.get("exporters", "openmetrics")().export([view], file)
    assert "execution_fan_in" in file.read_text()


@pytest.mark.parametrize("metrics", [(), (DURATION,), ("execution.*",)])
def test_kinds_of_executions_are_compared_each_with_its_own(store: Store, metrics: tuple[str, ...]) -> None:
    found = compare_runs([steps_of(store, 1, 1.0)], [steps_of(store, 2, 1.5)], Options(metrics=metrics))
    verdicts = {row.metric.name: row.verdict for row in found.rows if row.metric.name.startswith("execution")}
    assert verdicts == {"execution.fan_in_s": Verdict.EQUIVALENT, "execution.fan_out_s": Verdict.REGRESSION}
