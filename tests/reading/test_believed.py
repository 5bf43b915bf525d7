"""What may be believed: what was not answered is as late as can be, and a generator's own times are refused.

Held in every place that says a quantile: tables, gates, comparisons, and answers; exports in their own tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sebsx import plugins
from sebsx.model import Design, StartType, Status
from sebsx.model.metrics import CORE_METRICS
from sebsx.reading import gate
from sebsx.reading.believed import quantile_of
from sebsx.reading.comparison import Options, compare_runs
from sebsx.reading.conditions import conditions
from sebsx.reading.summaries import summaries
from sebsx.stats import Verdict
from sebsx.store import Store, open_store
from sebsx.testing.runs import RunWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sebsx.contracts.runs import RunView
    from sebsx.reading.comparison.result import Row

WAITED = "the generator waited for a processor 60 % of the time"
FAILED = {"status": Status.TIMEOUT, "start_type": StartType.UNKNOWN}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.sqlite") as opened:
        yield opened


def late(store: Store) -> RunView:
    """Return a run of two sizes whose generator had no processor for 60 % of the time, half a second each time."""
    writer = RunWriter(store)
    for memory_mib in (256, 512):
        cell = writer.add([0.05 + place / 1000 for place in range(60)], memory_mib=memory_mib)
        for name, value in (("duration_s", 100.0), ("runqueue_s", 60.0), ("turns", 120.0)):
            store.add_value(writer.run.id, f"generator.{name}", value, cell_id=cell)
    return writer.finish()


def test_median_that_a_late_generator_made_is_refused_everywhere(store: Store) -> None:
    view = late(store)
    metrics = {metric.name: metric for metric in CORE_METRICS}
    for condition in conditions([view]):
        said = {summary.name: summary.estimate for summary in summaries(condition)}
        for name in ("client.latency_s.p50", "client.latency_s.p90", "client.response_s.p50"):
            assert (said[name].value, said[name].note) == (None, WAITED)
        assert said["function.duration_s.p50"].value is not None  # measured by the function
    for told in gate.judged(["median>1ms", "p90>1ms", "client.response_s.p50>1ms"], [view], metrics):
        assert (told.crossed, told.reason) == (None, WAITED)
    row = latency(compare_runs([view], [], Options(factor="memory_mib")).rows)
    assert (row.verdict, row.ratio.value) == (Verdict.INCONCLUSIVE, None)
    assert row.reason == f"no comparison: the median of base: {WAITED}"
    analyzer = plugins.load(only=["perf-cost"]).analyzers["perf-cost"]
    report = analyzer().analyze([view], analyzer.Settings())
    table = next(table for table in report.tables if table.name == "latency")
    assert {row["median_s"].note for row in table.rows} == {WAITED}
    assert not any(table.name == "choices" for table in report.tables)


@pytest.mark.parametrize("paired", [False, True])
def test_unanswered_calls_change_a_ratio_as_answers_after_ages_would(store: Store, *, paired: bool) -> None:
    found = []
    for number, changes in enumerate((FAILED, {"client_done_s": 1.75e9 + 1e9}), 1):
        writer = RunWriter(store, number, design=Design.RMIT)
        for version, factor in (("base", 1.0), ("new", 1.04)):
            rounds = list(range(40)) if paired else None
            writer.add([factor * (0.1 + 0.001 * (7 * k % 30)) for k in range(30)], rounds=rounds, version=version)
            if version == "new":
                writer.add([1.0] * 10, rounds=rounds and rounds[30:], version=version, changes=changes)
            else:
                writer.add([0.11] * 10, rounds=rounds and rounds[30:], version=version)
        found.append(latency(compare_runs([writer.finish()], []).rows))
    unanswered, ages = found
    assert unanswered.ratio.value == pytest.approx(ages.ratio.value)
    assert unanswered.p == pytest.approx(ages.p, rel=0.1)  # ages are not all alike
    if paired:  # all other pairs are 4 % apart, so that their centre is
        assert unanswered.ratio.note == "upper end not reached: 25 % failed"
    else:
        assert unanswered.ratio.value > 1.045  # of the answered ones alone it is 1.04


# Analyzers of times that a client waits: what their cells are told by, and the column of the median.
CLIENTS: dict[str, tuple[dict[str, Any], str]] = {
    "perf-cost": ({}, "median_s"),
    "load": ({}, "response_s"),
    "network": ({"path": "client"}, "median_s"),
    "hot-start": ({"way": "platform", "payload_bytes": 1}, "median_s"),
    "dnn-inference": ({"model": "planted", "optimizer": "onnx", "batch": 1}, "latency_s"),
}


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("failed", [8, 24])
def test_median_is_of_all_that_was_asked_for(store: Store, name: str, failed: int) -> None:
    factors, key = CLIENTS[name]
    writer = RunWriter(store, experiment=name)
    samples = [{"phase.inference_s": 0.01}] * 16
    writer.add(
        [0.01 + place / 1000 for place in range(16)], per_sandbox=2, rounds=range(16), samples=samples, **factors
    )
    writer.add([9.0] * failed, rounds=range(16, 16 + failed), changes=FAILED, **factors)
    analyzer = plugins.load(only=[name, "reproduce"]).analyzers[name]
    report = analyzer().analyze([writer.finish()], analyzer.Settings())
    found = next(row[key] for table in report.tables for row in table.rows if key in row)
    meanings = [column.meaning for table in report.tables for column in table.columns]
    assert any("later than all" in words for words in (*map(str, report.methods), *meanings))
    if failed == 24:
        assert (found.value, found.note) == (None, "not reached: 60 % failed")
    else:
        assert found.value is not None
        assert found.n == 24


def test_one_failed_call_of_the_only_sandbox_leaves_its_median_in_reach(store: Store) -> None:
    writer = RunWriter(store)
    writer.add([0.1 + place / 1000 for place in range(59)], per_sandbox=0)
    writer.add([9.0], changes=FAILED)
    (condition,) = conditions([writer.finish()])
    assert quantile_of(condition, "client.latency_s").value == pytest.approx(0.129)


def latency(rows: tuple[Row, ...]) -> Row:
    (row,) = (row for row in rows if row.metric.name == "client.latency_s")
    return row
