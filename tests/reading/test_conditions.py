from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from sebsx.model import CellStatus, Design, Kind, StartType, Status
from sebsx.reading.conditions import caption, conditions, identity_columns, label, labels
from sebsx.reading.estimates import TOO_SMALL
from sebsx.reading.summaries import summaries
from sebsx.store import open_store
from sebsx.testing.runs import RunWriter, store_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sebsx.contracts.runs import RunView


@pytest.fixture
def views(tmp_path: Path) -> Iterator[Mapping[str, RunView]]:
    yield from store_runs(tmp_path / "store.sqlite", "perf-cost")


def test_each_memory_size_and_start_is_a_condition(views: Mapping[str, RunView]) -> None:
    found = conditions([views["finished"]])
    assert [(one.identity["memory_mib"], one.identity["start"]) for one in found] == [
        (256, "cold"), (256, "warm"), (512, "cold"), (512, "warm"),
    ]  # fmt: skip


def test_samples_are_those_that_the_view_measured_counts(views: Mapping[str, RunView]) -> None:
    view = views["finished"]
    for one in conditions([view]):
        rows = [
            row["client_latency_s"]
            for row in view.rows("measured")
            if (row["memory_mib"], row["start_wanted"]) == (one.identity["memory_mib"], one.identity["start"])
        ]
        assert one.latency_s.tolist() == rows
        assert len(rows) > 30


def test_failures_are_counted_by_status_and_not_lost(views: Mapping[str, RunView]) -> None:
    cold = conditions([views["finished"]])[0]
    assert cold.failed == {"timeout": 1, "function_error": 1, "throttled": 1}
    assert len(cold.frame) == 40
    assert len(cold.counted) == 37
    assert cold.wrong_start == 0


def test_warmups_are_in_a_frame_only_when_asked_for(views: Mapping[str, RunView]) -> None:
    assert views["finished"].frame().tally("kind") == {"measured": 158}
    assert views["finished"].frame(kind=None).tally("kind") == {"warmup": 2, "measured": 158}
    assert len(views["finished"].frame(kind=Kind.WARMUP)) == 2


def test_samples_stand_beside_their_invocations(views: Mapping[str, RunView]) -> None:
    frame = views["finished"].frame(more=["phase.*_s"])
    function, phase = frame["function.duration_s"], frame["phase.compute_s"]
    assert np.array_equal(np.isnan(function), np.isnan(phase))
    assert np.nanmax(np.abs(phase - function / 2)) < 1e-12


def test_empty_run_has_no_condition(views: Mapping[str, RunView]) -> None:
    assert conditions([views["empty"]]) == []
    assert len(views["empty"].frame(more=["phase.*_s"])) == 0


def test_names_hold_what_differs_and_the_caption_what_does_not(views: Mapping[str, RunView]) -> None:
    found = conditions([views["finished"]])
    assert [column.key for column in identity_columns(found)] == ["benchmark", "memory_mib", "start"]
    assert label(found[0], found) == "echo 256 MiB cold"
    assert labels(found) == [label(one, found) for one in found]
    assert caption(found) == "platform fake, size default, language python, architecture x86_64"


def test_runs_are_told_apart(views: Mapping[str, RunView]) -> None:
    found = conditions([views["finished"], views["interrupted"]])
    assert identity_columns(found)[0].key == "run"
    assert label(found[0], found).startswith("01JZ0000000000000000000001 ")


def test_summaries_say_what_can_be_said(views: Mapping[str, RunView]) -> None:
    cold = conditions([views["finished"]])[0]
    said = {summary.name: summary.estimate for summary in summaries(cold)}
    latency = said["client.latency_s.p50"]
    late = [*cold.latency_s, *[1e9] * cold.unserved]  # what failed is later than all that did not
    assert cold.unserved == 3
    assert latency.value == pytest.approx(float(np.median(late)))
    assert latency.n == len(late)
    assert said["client.latency_s.p50_answered"].value == pytest.approx(float(np.median(cold.latency_s)))
    assert latency.low is not None
    assert latency.high is not None
    assert latency.low < latency.value < latency.high
    assert said["client.latency_s.p99"].note == TOO_SMALL
    assert said["cost_per_million_usd.mean"].value == pytest.approx(1.0)
    assert said["errors.share"].value == pytest.approx(3 / 40)
    assert said["provider.init_s.p50"].value == pytest.approx(0.2)


def test_words_come_as_they_were_stored(views: Mapping[str, RunView]) -> None:
    view = views["finished"]
    frame = view.frame(more=["sandbox_id", "client_done_s"])
    rows = [row for row in view.rows() if row["kind"] == "measured"]
    assert frame.words("sandbox_id") == [row["sandbox_id"] for row in rows]
    assert frame.words("status") == [row["status"] for row in rows]
    assert frame.words("start_type") == [row["start_type"] for row in rows]
    assert frame["client_done_s"].tolist() == [row["client_done_s"] for row in rows]


def test_factors_of_an_experiment_are_part_of_the_identity(tmp_path: Path) -> None:
    with open_store(tmp_path / "store.sqlite") as store:
        writer = RunWriter(store, design=Design.RMIT)
        writer.add([0.1, 0.2], rounds=[0, 1], version="base")
        writer.add([0.3, 0.4], rounds=[0, 1], version="new", parameters={"n": "10"})
        base, new = found = conditions([writer.finish()])
        assert [label(one, found) for one in found] == ["echo 256 MiB base warm", "echo 256 MiB new warm"]
        assert new.identity["parameters"] == "n=10"  # it follows from another factor, and tells nothing more
        assert base.run.design is Design.RMIT
        assert new.latency_s == pytest.approx([0.3, 0.4])
        assert new.counted["round"].tolist() == [0.0, 1.0]


def test_wrong_start_types_are_not_counted_and_invalid_cells_say_why(tmp_path: Path) -> None:
    with open_store(tmp_path / "store.sqlite") as store:
        writer = RunWriter(store)
        cell = writer.add([0.1, 0.2], changes={"start_type": StartType.COLD}, effective={"emulated": True})
        store.design.finish_cell(cell, CellStatus.INVALID, "generator late")
        one = conditions([writer.finish()])[0]
        assert one.wrong_start == 2
        assert len(one.latency_s) == 0
        assert one.invalid == "generator late"
        assert one.emulated


def test_what_was_not_answered_is_later_than_all_that_was(tmp_path: Path) -> None:
    with open_store(tmp_path / "store.sqlite") as store:
        writer = RunWriter(store)
        writer.add([0.001 * rank for rank in range(1, 73)])
        for status, n in {Status.DROPPED: 20, Status.TIMEOUT: 5, Status.THROTTLED: 3}.items():
            writer.add([0.0001] * n, changes={"status": status})
        (condition,) = conditions([writer.finish()])
        said = {summary.name: summary.estimate for summary in summaries(condition)}
    middle, tail = said["client.latency_s.p50"], said["client.latency_s.p90"]
    assert (middle.value, middle.low, middle.high) == pytest.approx((0.0505, 0.040, 0.061), rel=1e-4)
    assert (tail.value, tail.note, tail.n) == (None, "not reached: 28 % failed", 100)
    assert said["client.response_s.p90"].note == "not reached: 28 % failed"
    assert said["client.latency_s.p90_answered"].value == pytest.approx(0.0649, rel=1e-4)  # position 63.9 of 72


def test_names_of_answered_ones_stand_only_where_something_failed(tmp_path: Path) -> None:
    with open_store(tmp_path / "store.sqlite") as store:
        writer = RunWriter(store)
        writer.add([0.1] * 30)
        (condition,) = conditions([writer.finish()])
    assert not [summary for summary in summaries(condition) if "answered" in summary.statistic]
