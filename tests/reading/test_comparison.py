"""Verdicts on stored runs whose figures are known: what is found, what is refused, and how often it is wrong."""

from __future__ import annotations

import json
import math
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import scipy.stats
from sqlalchemy import update

from sebsx.cli.console import plain
from sebsx.contracts.analyzers import Estimate
from sebsx.errors import UnknownNameError, UserError
from sebsx.model import CellStatus, Deployment, Design, FunctionConfig, RunStatus, StartType, Status
from sebsx.model.meaning import FACTS, SUBJECT
from sebsx.reading.comparison import ComparisonReport, Options, compare_runs
from sebsx.reading.comparison.result import COMMENT_CHARACTERS, change_in_words
from sebsx.stats import Verdict, holm
from sebsx.store import Store, open_store, schema
from sebsx.testing.runs import RunWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sebsx.contracts.runs import RunView

N = 60
ROUNDS = range(N)
FAILED = {"status": Status.FUNCTION_ERROR}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.sqlite") as opened:
        yield opened


def times(seed: int = 1, n: int = N, scale: float = 0.02, cv: float = 0.05) -> list[float]:
    return (scale * np.exp(np.random.default_rng(seed).normal(0, cv, n))).tolist()


def slower(values: Sequence[float], factor: float) -> list[float]:
    return [value * factor for value in values]


def versions(store: Store, base: Sequence[float], new: Sequence[float], **more: Any) -> RunView:
    """Return an interleaved run of two versions; `more` is for the new one."""
    writer = RunWriter(store, design=Design.RMIT)
    writer.add(base, rounds=range(len(base)), version="base")
    writer.add(new, rounds=range(len(new)), version="new", **more)
    return writer.finish()


def two_runs(store: Store, base: dict[str, Any], new: dict[str, Any], **options: Any) -> ComparisonReport:
    """Return the comparison of two runs of one condition with the same latencies."""
    views = []
    for number, arguments in enumerate((base, new), 1):
        writer = RunWriter(store, number)
        writer.add(times(number), **arguments)
        views.append(writer.finish())
    return compare_runs(views[:1], views[1:], Options(**options))


def verdicts(report: ComparisonReport) -> list[str]:
    return [str(row.verdict) for row in report.rows]


# What is found


def test_exactly_ten_percent_slower_is_a_regression_of_ten_percent(store: Store) -> None:
    base = times()
    report = compare_runs([versions(store, base, slower(base, 1.1))])
    (row,) = report.rows
    assert row.verdict is Verdict.REGRESSION
    assert row.method == "paired"
    assert row.ratio.value == pytest.approx(1.1, rel=1e-4)
    # Points in time are stored as seconds since 1970, to a quarter of a microsecond.
    assert (row.ratio.low, row.ratio.high) == (pytest.approx(1.1, rel=1e-4), pytest.approx(1.1, rel=1e-4))
    assert row.base.value == pytest.approx(float(np.median(base)), rel=1e-4)
    assert row.shift.value == pytest.approx(0.1 * float(np.median(base)), rel=1e-2)
    assert row.cliff == pytest.approx(
        np.mean([np.sign(1.1 * one - other) for one in base for other in base]), abs=1e-12
    )
    assert row.change == "+10.0 % [+10.0, +10.0]"
    assert report.summary == "1 regression; the worst: echo 256 MiB warm client.latency_s.p50 +10.0 % [+10.0, +10.0]"


def test_faster_is_an_improvement(store: Store) -> None:
    base = times()
    report = compare_runs([versions(store, base, slower(base, 0.9))])
    assert verdicts(report) == ["improvement"]


def test_the_same_code_is_equivalent_when_samples_are_enough(store: Store) -> None:
    report = compare_runs([versions(store, times(1), times(2))])
    assert verdicts(report) == ["equivalent"]


@pytest.mark.parametrize("settings", [{"repetitions": 10}, {"rounds": 10}])
def test_few_noisy_samples_are_inconclusive_and_say_how_many_would_do(store: Store, settings: dict[str, int]) -> None:
    writer = RunWriter(store, design=Design.RMIT, settings=settings)
    for seed, version in ((1, "base"), (2, "new")):
        writer.add(times(seed, 10, cv=0.3), rounds=range(10), version=version)
    (row,) = compare_runs([writer.finish()]).rows
    assert row.verdict is Verdict.INCONCLUSIVE
    assert re.search(r"about \d+ samples a side, 80 % of runs show it where nothing changed", row.reason)
    assert ("--repetitions" in row.reason) is ("repetitions" in settings)  # an option that its experiment has
    assert row.adjusted_p is not None


def test_a_threshold_of_its_own_decides_for_a_metric(store: Store) -> None:
    base = times()
    view = versions(store, base, slower(base, 1.1))
    names = ("client.latency_s", "function.duration_s")
    report = compare_runs([view], options=Options(names, thresholds={"function.*": 0.2}))
    assert {row.metric.name: str(row.verdict) for row in report.rows} == {
        "client.latency_s": "regression",
        "function.duration_s": "equivalent",
    }


def test_a_metric_without_direction_only_changes(store: Store) -> None:
    writer = RunWriter(store, design=Design.RMIT)
    for version, size in (("base", 1000.0), ("new", 2000.0)):
        writer.add(times(), rounds=ROUNDS, version=version, changes={"samples": {"function.downloaded_bytes": size}})
    report = compare_runs([writer.finish()], options=Options(("function.downloaded_bytes",)))
    assert verdicts(report) == ["change"]


def test_p_values_are_corrected_over_all_rows(store: Store) -> None:
    writer = RunWriter(store, design=Design.RMIT)
    for place, factor in enumerate((1.0, 1.01, 1.02, 1.03)):
        memory_mib = 256 * (place + 1)
        writer.add(times(2 * place), rounds=ROUNDS, version="base", memory_mib=memory_mib)
        writer.add(slower(times(2 * place + 1), factor), rounds=ROUNDS, version="new", memory_mib=memory_mib)
    rows = compare_runs([writer.finish()]).rows
    raw = [row.p for row in rows if row.p is not None]
    assert len(raw) == 4
    assert [row.adjusted_p for row in rows] == holm(raw)
    assert [row.adjusted_p for row in rows] != raw


def test_worst_comes_first(store: Store) -> None:
    writer = RunWriter(store, design=Design.RMIT)
    for place, factor in enumerate((1.0, 1.2, 1.5, 0.5)):
        memory_mib = 256 * (place + 1)
        writer.add(times(), rounds=ROUNDS, version="base", memory_mib=memory_mib)
        writer.add(slower(times(), factor), rounds=ROUNDS, version="new", memory_mib=memory_mib)
    rows = compare_runs([writer.finish()]).rows
    assert [(row.identity["memory_mib"], str(row.verdict)) for row in rows] == [
        (768, "regression"), (512, "regression"), (1024, "improvement"), (256, "equivalent"),
    ]  # fmt: skip


def test_costs_are_compared_by_their_means(store: Store) -> None:
    writer = RunWriter(store, design=Design.RMIT)
    writer.add(times(), rounds=ROUNDS, version="base", changes={"cost_usd": 1e-6})
    writer.add(times(), rounds=ROUNDS, version="new", changes={"cost_usd": 1.5e-6})
    report = compare_runs([writer.finish()], options=Options(("cost_per_million_usd",)))
    (row,) = report.rows
    assert (row.name, str(row.verdict)) == ("cost_per_million_usd.mean", "regression")
    assert row.base.value == pytest.approx(1.0)
    assert row.new.value == pytest.approx(1.5)
    assert row.ratio.value == pytest.approx(1.5)


def test_levels_of_any_factor_are_compared_within_a_run(store: Store) -> None:
    writer = RunWriter(store, design=Design.RMIT)
    for memory_mib, factor in ((256, 1.0), (512, 0.5), (1024, 0.25)):
        writer.add(slower(times(), factor), rounds=ROUNDS, memory_mib=memory_mib)
    view = writer.finish()
    rows = compare_runs([view], options=Options(factor="memory_mib")).rows
    assert [(row.condition, row.ratio.value) for row in rows] == [
        ("echo warm (memory_mib 1024)", pytest.approx(0.25, rel=1e-4)),
        ("echo warm (memory_mib 512)", pytest.approx(0.5, rel=1e-4)),
    ]
    rows = compare_runs([view], options=Options(factor="memory_mib", base="1024")).rows
    assert sorted(row.ratio.value or 0 for row in rows) == [pytest.approx(2, rel=1e-4), pytest.approx(4, rel=1e-4)]


def test_cold_and_warm_of_one_run_are_levels_too(store: Store) -> None:
    writer = RunWriter(store)
    writer.add(times(), start=StartType.WARM)
    writer.add(slower(times(), 10), start=StartType.COLD)
    (row,) = compare_runs([writer.finish()], options=Options(factor="start", base="warm")).rows
    assert row.verdict is Verdict.REGRESSION
    assert row.change.startswith("x 10 [")


# Failures


def with_failures(store: Store, base: int, new: int, n: int = 40, **options: Any) -> ComparisonReport:
    writer = RunWriter(store, design=Design.RMIT)
    for version, failures in (("base", base), ("new", new)):
        writer.add(times(1, n - failures), rounds=range(n - failures), version=version)
        if failures:
            writer.add(times(1, failures), rounds=range(failures), version=version, changes=FAILED)
    return compare_runs([writer.finish()], options=Options(**options))


def test_a_version_that_fails_more_is_a_regression_whatever_its_latency(store: Store) -> None:
    report = with_failures(store, 0, 8)
    row = next(row for row in report.rows if row.metric.name == "errors")
    assert row.verdict is Verdict.REGRESSION
    # Fisher, two-sided, 0 of 40 against 8 of 40: both extreme tables are as likely, so twice C(40, 8) / C(80, 8).
    assert row.p == pytest.approx(2 * math.comb(40, 8) / math.comb(80, 8))
    assert (row.base.value, row.new.value) == (0, 0.2)
    assert row.change.startswith("+20.0 points [")


def test_a_version_that_fails_less_is_an_improvement(store: Store) -> None:
    row = next(row for row in with_failures(store, 8, 0).rows if row.metric.name == "errors")
    assert row.verdict is Verdict.IMPROVEMENT


def test_one_failure_more_is_no_alarm(store: Store) -> None:
    row = next(row for row in with_failures(store, 0, 1).rows if row.metric.name == "errors")
    assert row.verdict is Verdict.INCONCLUSIVE


def test_one_broken_sandbox_is_one_failure_not_eight(store: Store) -> None:
    writer = RunWriter(store, design=Design.RMIT)
    writer.add(times(1, 40), rounds=range(40), version="base", per_sandbox=8)
    writer.add(times(1, 32), rounds=range(32), version="new", per_sandbox=8)
    writer.add(times(1, 8), rounds=range(32, 40), version="new", per_sandbox=8, changes=FAILED)
    report = compare_runs([writer.finish()])
    row = next(row for row in report.rows if row.metric.name == "errors")
    assert (row.base.value, row.new.value) == (0, 0.2)
    assert row.p == 1.0  # 0 of 4 against 1 of 4: eight calls of a sandbox that fail together count once
    assert row.verdict is Verdict.INCONCLUSIVE


def test_failures_may_be_tolerated_in_points(store: Store) -> None:
    (row,) = (r for r in with_failures(store, 0, 8, thresholds={"errors": 0.25}).rows if r.metric.name == "errors")
    assert row.p is not None
    assert row.p < 0.05
    assert row.verdict is Verdict.INCONCLUSIVE


def test_without_a_failure_there_is_no_row_on_failures(store: Store) -> None:
    assert [row.metric.name for row in with_failures(store, 0, 0).rows] == ["client.latency_s"]


# What is refused


def region(name: str) -> dict[str, Any]:
    config = FunctionConfig("f-256", memory_mib=256, timeout_s=10.0, architecture="x86_64")
    effective = {"memory_mib": 256, "timeout_s": 10.0, "architecture": "x86_64"}
    return {"deployment": {"deployment": Deployment("f-256", config, effective=effective, region=name)}}


@pytest.mark.parametrize(
    ("fact", "base", "new"),
    [
        ("region", region("eu-central-1"), region("us-east-1")),
        ("platform", {}, {"deployment": {"platform": "other"}}),
        ("architecture", {}, {"effective": {"architecture": "arm64"}}),
        ("memory_mib", {}, {"effective": {"memory_mib": 512}}),
        ("language_version", {}, {"deployment": {"language_version": "3.12"}}),
        ("parameters", {}, {"deployment": {"parameters": {"n": 5}}}),
        ("size", {}, {"deployment": {"size": "large"}}),
        ("benchmark", {}, {"deployment": {"benchmark": "other"}}),
        ("trigger", {"effective": {"trigger": "http"}}, {"effective": {"trigger": "sdk"}}),
        ("emulated", {}, {"effective": {"emulated": True}}),
        ("concurrency", {"concurrency": 1}, {"concurrency": 8}),
        ("cpu_model", {"facts": {"cpu_model": "Xeon"}}, {"facts": {"cpu_model": "EPYC"}}),
    ],
)
def test_what_differs_elsewhere_is_incomparable_and_says_so(
    store: Store, fact: str, base: dict[str, Any], new: dict[str, Any]
) -> None:
    report = two_runs(store, base, new)
    (row,) = report.rows
    assert row.verdict is Verdict.INCOMPARABLE
    assert [item.fact for item in row.differences] == [fact]
    assert row.ratio.value is None
    assert row.p is None
    assert f"--allow {fact}" in row.reason
    assert not report.comparable


def ways(store: Store, base: Sequence[str], new: Sequence[str], **options: Any) -> ComparisonReport:
    """Return the comparison of two runs whose outputs told of these ways in which their work was done."""
    views = []
    for number, told in enumerate((base, new), 1):
        writer = RunWriter(store, number)
        cell_id = writer.add(times(number))
        (deployment,) = store.view(writer.run.id).deployments()
        for way in told:
            text = json.dumps({"how": way})
            store.add_value(writer.run.id, FACTS, None, deployment_id=deployment.id, cell_id=cell_id, text=text)
        views.append(writer.finish())
    return compare_runs(views[:1], views[1:], Options(**options))


@pytest.mark.parametrize("told", [["cached"], ["direct", "cached"]])
def test_work_that_was_done_another_way_is_incomparable(store: Store, told: list[str]) -> None:
    (row,) = ways(store, ["direct"], told).rows
    assert row.verdict is Verdict.INCOMPARABLE
    assert f"output.how direct -> {' / '.join(sorted(told))} (--allow output.how" in row.reason


def test_work_that_was_done_the_same_way_or_as_nobody_told_is_compared(store: Store) -> None:
    assert ways(store, ["direct"], ["direct"]).comparable


def test_way_that_one_side_does_not_tell_is_listed(store: Store) -> None:
    report = ways(store, [], ["direct"])
    assert report.comparable
    assert "output.how none -> direct" in [str(item) for item in report.changed]


def test_way_may_be_allowed_to_differ(store: Store) -> None:
    assert ways(store, ["direct"], ["cached"], allow=frozenset({"output.how"})).comparable


def test_little_named_work_is_warned_of_unless_it_is_compared_itself(store: Store) -> None:
    little = {"changes": {"samples": {SUBJECT: 0.0045}}}  # of 18 ms in the handler
    run = versions(store, [0.02] * N, [0.02] * N, **little)
    report, own = (compare_runs([run], options=Options(metrics=metrics)) for metrics in ((), (SUBJECT,)))
    (text,) = (text for text in report.warnings if "named work" in text)
    assert text == (
        "echo 256 MiB warm: the named work is 25 % of the handler's time, so that a change of it hardly shows here: "
        "compare --metric function.subject_s"
    )
    assert not [text for text in own.warnings if "named work" in text]


def test_what_may_differ_is_compared_and_told(store: Store) -> None:
    report = two_runs(store, region("eu-central-1"), region("us-east-1"), allow=frozenset({"region"}))
    assert report.comparable
    assert any("region eu-central-1 -> us-east-1" in text for text in report.warnings)


RESTORED = {"start": StartType.COLD, "changes": {"start_type": StartType.RESTORED}}


def test_restored_and_cold_starts_are_not_compared_unless_that_is_wanted(store: Store) -> None:
    report = two_runs(store, {"start": StartType.COLD}, RESTORED)
    (row,) = report.rows
    assert row.verdict is Verdict.INCOMPARABLE
    assert row.reason == "start cold -> restored (--allow start compares anyway)"
    assert report.missing == ()


def test_restored_starts_of_two_runs_are_compared_under_their_name(store: Store) -> None:
    (row,) = two_runs(store, RESTORED, RESTORED).rows
    assert row.verdict is not Verdict.INCOMPARABLE
    assert row.identity["start"] == "restored"


def test_start_that_may_differ_still_tells_cold_from_warm(store: Store) -> None:
    views = []
    for number, cold in enumerate(({"start": StartType.COLD}, RESTORED), 1):
        writer = RunWriter(store, number)
        writer.add(times(number), **cold)
        writer.add(times(number + 2, scale=0.01))
        views.append(writer.finish())
    report = compare_runs(views[:1], views[1:], Options(allow=frozenset({"start"})))
    assert sorted(row.condition for row in report.rows) == ["echo 256 MiB cold", "echo 256 MiB warm"]
    assert report.comparable
    assert any("start cold -> restored" in text for text in report.warnings)


def test_run_that_failed_throughout_is_compared_with_restored_starts(store: Store) -> None:
    report = two_runs(store, RESTORED, {"start": StartType.COLD, "changes": FAILED})
    assert "incomparable" not in verdicts(report)
    assert "regression" in verdicts(report)


def test_collectors_that_differ_are_incomparable(store: Store) -> None:
    views = []
    for number, collectors in enumerate((["process"], []), 1):
        writer = RunWriter(store, number)
        set_settings(store, writer.run.id, {**writer.run.settings, "collectors": collectors})
        writer.add(times(number))
        views.append(writer.finish())
    (row,) = compare_runs(views[:1], views[1:]).rows
    assert [str(item) for item in row.differences] == ["collectors process -> none"]


def set_settings(store: Store, run: str, settings: dict[str, Any]) -> None:
    with store._database.write() as connection:
        connection.execute(update(schema.run).where(schema.run.c.ulid == run).values(settings=settings))


def test_a_price_book_matters_to_costs_only(store: Store) -> None:
    views = []
    for number, day in enumerate(("2026-01-01", "2026-02-01"), 1):
        writer = RunWriter(store, number)
        writer.add(times(number))
        key = store.view(writer.run.id).deployments()[0].id
        book = json.dumps({"provider": "fake", "effective": day, "region": f"r{number}"})
        store.add_value(writer.run.id, "price_book", None, deployment_id=key, text=book)
        views.append(writer.finish())
    report = compare_runs(views[:1], views[1:], Options(("client.latency_s", "cost_per_million_usd")))
    assert (
        "price_book provider fake, effective 2026-01-01 -> provider fake, effective 2026-02-01" in report.rows[0].reason
    )
    found = {row.metric.name: row.verdict for row in report.rows}
    assert found.pop("cost_per_million_usd") is Verdict.INCOMPARABLE
    assert Verdict.INCOMPARABLE not in found.values()


def test_an_invalid_measurement_is_not_compared(store: Store) -> None:
    writer = RunWriter(store, design=Design.RMIT)
    writer.add(times(), rounds=ROUNDS, version="base")
    cell = writer.add(times(), rounds=ROUNDS, version="new")
    store.design.finish_cell(cell, CellStatus.INVALID, "the generator was late")
    (row,) = compare_runs([writer.finish()]).rows
    assert row.verdict is Verdict.INCOMPARABLE
    assert str(row.differences[0]) == "validity valid -> the generator was late"


@pytest.mark.parametrize(("xeons", "comparable"), [(60, False), (38, False), (36, True), (30, True)])
def test_mixes_of_cpu_models_may_differ_by_a_fifth(store: Store, xeons: int, comparable: bool) -> None:
    views = []
    for number, share in enumerate((24, xeons), 1):  # of 60 cold starts: 40 % of the base
        writer = RunWriter(store, number)
        writer.add(times(number), start=StartType.COLD)
        view = writer.finish()
        row = view.deployments()[0].id
        for place, sandbox in enumerate({item.sandbox_id: 0 for item in view.invocations()}):
            store.design.add_sandbox(row, sandbox or "", {"cpu_model": "Xeon" if place < share else "EPYC"})
        views.append(store.view(view.run.id))
    assert compare_runs(views[:1], views[1:]).comparable is comparable


def test_what_one_side_lacks_is_listed(store: Store) -> None:
    views = []
    for number, sizes in enumerate(((256, 512, 1024), (256, 2048, 4096)), 1):
        writer = RunWriter(store, number)
        for memory_mib in sizes:
            writer.add(times(number), memory_mib=memory_mib)
        views.append(writer.finish())
    report = compare_runs(views[:1], views[1:])
    assert [row.identity["memory_mib"] for row in report.rows] == [256]
    assert [(item.side, item.label) for item in report.missing] == [
        ("new", "echo 512 MiB warm"), ("new", "echo 1024 MiB warm"),
        ("base", "echo 2048 MiB warm"), ("base", "echo 4096 MiB warm"),
    ]  # fmt: skip


def test_what_could_not_be_measured_is_listed_with_the_reason(store: Store) -> None:
    writer = RunWriter(store, design=Design.RMIT)
    writer.add(times(), rounds=ROUNDS, version="base")
    cell = writer.add([], rounds=[], version="new")
    store.design.finish_cell(cell, CellStatus.FAILED, "not deployed", "the handler could not be imported")
    with pytest.raises(UserError, match="echo 256 MiB new warm: the handler could not be imported"):
        compare_runs([writer.finish()])


def test_code_that_differs_is_told_and_compared(store: Store) -> None:
    report = two_runs(store, {}, {"deployment": {"benchmark_sha256": "1" * 64}})
    assert [item.fact for item in report.changed] == ["benchmark_sha256"]
    assert report.comparable


# How far it can be trusted


def test_an_interleaved_run_needs_no_warning(store: Store) -> None:
    assert compare_runs([versions(store, times(1), times(2))]).warnings == ()


def test_a_sequential_run_is_warned_of_with_what_to_do(store: Store) -> None:
    writer = RunWriter(store)
    writer.add(times(1), version="base")
    writer.add(times(2), version="new")
    report = compare_runs([writer.finish()])
    assert report.rows[0].method == "unpaired"
    assert "64 %" in report.warnings[0]
    assert "--design rmit" in report.warnings[0]


def test_two_runs_are_warned_of_with_what_to_do(store: Store) -> None:
    report = two_runs(store, {}, {})
    assert report.rows[0].method == "unpaired"
    assert "separate runs" in report.warnings[0]
    assert "--against" in report.warnings[0]


def test_another_client_and_an_unfinished_run_are_warned_of(store: Store) -> None:
    views = []
    for number, cpu in enumerate(("Xeon", "EPYC"), 1):
        writer = RunWriter(store, number, environment={"cpu_model": cpu})
        writer.add(times(number))
        views.append(writer.finish(RunStatus.INTERRUPTED))
    text = "\n".join(compare_runs(views[:1], views[1:]).warnings)
    assert "cpu_model Xeon -> EPYC" in text
    assert text.count("is interrupted") == 2


# Bad input


@pytest.mark.parametrize("n", [0, 1, 5])
def test_too_few_samples_are_inconclusive(store: Store, n: int) -> None:
    writer = RunWriter(store, design=Design.RMIT)
    writer.add(times(), rounds=ROUNDS, version="base")
    writer.add(times(2, n), rounds=range(n), version="new")
    view = writer.finish()
    if n == 0:
        with pytest.raises(UserError, match="holds no two levels of version"):
            compare_runs([view])
        return
    (row,) = compare_runs([view]).rows
    assert row.verdict is Verdict.INCONCLUSIVE
    assert row.reason.startswith("not enough data")
    assert (row.ratio.value, row.p) == (None, None)


def test_a_side_that_failed_altogether_is_not_enough_data_and_fails_more(store: Store) -> None:
    report = compare_runs([versions(store, times(), times(), changes=FAILED)])
    assert {row.metric.name: str(row.verdict) for row in report.rows} == {
        "errors": "regression", "client.latency_s": "inconclusive",
    }  # fmt: skip
    assert "all 60 invocations of new failed" in report.rows[1].reason


def test_both_sides_failed_altogether_is_not_enough_data(store: Store) -> None:
    writer = RunWriter(store, design=Design.RMIT)
    for version in ("base", "new"):
        writer.add(times(), rounds=ROUNDS, version=version, changes=FAILED)
    report = compare_runs([writer.finish()])
    assert {row.metric.name: str(row.verdict) for row in report.rows} == {
        "errors": "inconclusive", "client.latency_s": "inconclusive",
    }  # fmt: skip


def test_an_empty_run_gives_no_row(store: Store) -> None:
    writer = RunWriter(store, 1)
    writer.add(times())
    report = compare_runs([writer.finish()], [RunWriter(store, 2).finish()])
    assert report.rows == ()
    assert [item.side for item in report.missing] == ["new"]
    assert not report.comparable
    with pytest.raises(UserError, match="holds no invocations"):
        compare_runs([store.view("last")])


def test_a_metric_that_one_side_lacks_is_inconclusive_and_one_that_both_lack_is_left_out(store: Store) -> None:
    view = versions(store, times(), times(), changes={"provider_max_memory_bytes": None})
    report = compare_runs([view], options=Options(("provider.max_memory_bytes", "provider.init_s")))
    (row,) = report.rows
    assert row.verdict is Verdict.INCONCLUSIVE
    assert "no invocation of new has this metric" in row.reason


def test_zeros_on_both_sides_are_equal_without_a_ratio(store: Store) -> None:
    report = compare_runs([versions(store, times(), times())], options=Options(("client.connect_s",)))
    (row,) = report.rows
    assert (row.verdict, row.ratio.value) == (Verdict.EQUIVALENT, None)


@pytest.mark.parametrize(
    ("base", "new", "verdict"),
    [
        ([0.0] * 20, [0.1] * 20, Verdict.REGRESSION),
        ([0.1] * 20, [0.0] * 20, Verdict.IMPROVEMENT),
        ([0.0, *[0.1] * 19], [0.2] * 20, Verdict.REGRESSION),  # one zero among 20 leaves no ratio
        ([0.0, *[0.1] * 19], [0.1001] * 20, Verdict.EQUIVALENT),
        ([0.0, *[0.1 * n for n in range(1, 20)]], [0.1 * n for n in range(19, -1, -1)], Verdict.INCONCLUSIVE),
    ],
)
@pytest.mark.parametrize("rounds", [True, False], ids=["pairs", "apart"])
def test_difference_decides_where_zeros_leave_no_ratio(
    store: Store, base: list[float], new: list[float], verdict: Verdict, *, rounds: bool
) -> None:
    writer = RunWriter(store, design=Design.RMIT)
    for version, values in (("base", base), ("new", new)):
        writer.add(values, rounds=range(20) if rounds else None, version=version, changes={"client_connected_s": None})
    view = writer.finish()
    damage_durations(store, view, base, new)
    (row,) = compare_runs([view], options=Options(("function.duration_s",))).rows
    assert (row.verdict, row.ratio.value) == (verdict, None)
    assert row.method == ("paired" if rounds else "unpaired")


def damage_durations(store: Store, view: RunView, base: list[float], new: list[float]) -> None:
    """Give the invocations of a run these durations in the function, in order."""
    with store._database.write() as connection:
        for sequence, value in enumerate([*base, *new], 1):
            i = schema.invocation
            connection.execute(update(i).where(i.c.sequence == sequence).values(function_duration_s=value))


def test_costs_that_were_nothing_are_a_regression(store: Store) -> None:
    writer = RunWriter(store, design=Design.RMIT)
    for version, cost in (("base", 0.0), ("new", 1e-6)):
        writer.add(times(), rounds=ROUNDS, version=version, changes={"cost_usd": cost})
    (row,) = compare_runs([writer.finish()], options=Options(("cost_usd",))).rows
    assert row.verdict is Verdict.REGRESSION
    assert row.change.startswith("+$1e-06")


def test_gate_rests_on_no_metric_where_all_calls_failed(store: Store) -> None:
    report = compare_runs([versions(store, times(), times(), changes=FAILED)])
    assert not report.judged
    assert [row.statistic for row in report.undecided]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(("client.latncy_s",)), "did you mean 'client.latency_s'"),
        (Options(thresholds={"client.latncy_s": 0.1}), "did you mean 'client.latency_s'"),
        (Options(allow=frozenset({"regoin"})), "did you mean 'region'"),
        (Options(factor="verison"), "did you mean 'version'"),
        (Options(base="nwe"), "did you mean 'new'"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(store: Store, options: Options, words: str) -> None:
    with pytest.raises(UnknownNameError, match=words):
        compare_runs([versions(store, times(), times())], options=options)


def test_a_run_against_itself_is_refused(store: Store) -> None:
    view = versions(store, times(), times())
    with pytest.raises(UserError, match="both sides"):
        compare_runs([view], [view])


def test_a_run_without_two_levels_says_what_it_has(store: Store) -> None:
    writer = RunWriter(store)
    writer.add(times(), memory_mib=256)
    writer.add(times(), memory_mib=512)
    with pytest.raises(UserError, match=r"memory_mib \(256, 512\)"):
        compare_runs([writer.finish()])


# How it reads


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (Estimate(1.1034, low=1.0891, high=1.1182), "+10.3 % [+8.9, +11.8]"),
        (Estimate(0.5), "-50.0 %"),
        (Estimate(4.1, low=3.9, high=4.32), "x 4.1 [3.9, 4.32]"),
    ],
)
def test_a_change_reads_as_people_say_it(ratio: Estimate, text: str) -> None:
    assert change_in_words(ratio) == text


def many(store: Store, n: int, samples: int = 6) -> tuple[RunView, RunView]:
    """Return two runs of `n` conditions; the last one is slower."""
    views = []
    for number in (1, 2):
        writer = RunWriter(store, number)
        for place in range(n):
            factor = 2.0 if number == 2 and place == n - 1 else 1.0
            writer.add(slower(times(place, samples), factor), group=f"g{place}")
        views.append(writer.finish())
    return views[0], views[1]


@pytest.mark.slow
def test_markdown_fits_into_a_comment_and_keeps_the_worst(store: Store) -> None:
    base, new = many(store, 20, 20)
    report = compare_runs([base], [new])
    report = replace(report, rows=report.rows * 100)
    text = report.to_markdown()
    assert len(text) <= COMMENT_CHARACTERS
    assert (
        "**regression**" in text.splitlines()[next(i for i, line in enumerate(text.splitlines()) if "---" in line) + 1]
    )
    assert "rows more" in text


def test_markdown_cells_cannot_break_the_table(store: Store) -> None:
    view = versions(store, times(), times())
    report = compare_runs([view])
    (row,) = report.rows
    text = replace(report, rows=(replace(row, condition="a|b <img> @all\nx"),)).to_markdown()
    assert "a\\|b &lt;img> &#64;all x" in text


def test_the_report_has_a_forest_plot_around_one(store: Store) -> None:
    base = times()
    report = compare_runs([versions(store, base, slower(base, 1.1))]).to_report()
    (figure,) = report.figures
    assert (figure.kind, figure.reference) == ("interval", 1.0)
    assert figure.categories == ["echo 256 MiB warm client.latency_s.p50"]
    assert figure.series["regression"] == [(0.0, pytest.approx(1.1, rel=1e-4))]
    assert len(figure.intervals["regression"]) == 1


def test_the_table_is_cut_at_the_limit_and_counts_the_rest(store: Store) -> None:
    base, new = many(store, 4)
    report = compare_runs([base], [new])
    assert len(report.to_report(None).tables[0].rows) == 4
    table = report.to_report(1).tables[0]
    assert len(table.rows) == 1
    assert "and 3 rows more: " in table.caption


def test_one_reason_of_many_rows_is_said_once(store: Store) -> None:
    views = []
    for number, language_version in enumerate(("3.11", "3.12"), 1):
        writer = RunWriter(store, number)
        for memory_mib in (256, 512, 1024):
            writer.add(times(number), memory_mib=memory_mib, deployment={"language_version": language_version})
        views.append(writer.finish())
    report = compare_runs(views[:1], views[1:]).to_report()
    said = [finding.text for finding in report.findings if finding.text.startswith("incomparable: ")]
    reason = "language_version 3.11 -> 3.12 (--allow language_version compares anyway)"
    assert said == [f"incomparable: echo 256 MiB warm client.latency_s.p50 and 2 more: {reason}"]


def test_the_document_is_json_without_nan(store: Store) -> None:
    document = compare_runs([versions(store, times(), times(2))]).document()
    text = json.dumps(plain(document), allow_nan=False)
    assert json.loads(text)["rows"][0]["metric"]["name"] == "client.latency_s"


# How often it is wrong


def drifting(rng: np.random.Generator, n: int, factor: float) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return both sides of an interleaved experiment: drift that a round shares (AR(1)), and noise of 5 % each."""
    drift = np.zeros(n)
    for place in range(1, n):
        drift[place] = 0.95 * drift[place - 1] + rng.normal(0, 0.03)
    base, new = (0.02 * np.exp(drift + rng.normal(0, 0.05, n)) for _ in range(2))
    return base, new * factor


def trials(store: Store, count: int, factor: float, *thresholds: float) -> dict[float, list[str]]:
    """Return the verdicts on `count` interleaved runs, for each threshold."""
    rng = np.random.default_rng(20261122)
    found: dict[float, list[str]] = {threshold: [] for threshold in thresholds}
    for number in range(count):
        base, new = drifting(rng, N, factor)
        writer = RunWriter(store, number + 1, design=Design.RMIT)
        writer.add(base.tolist(), rounds=ROUNDS, version="base")
        writer.add(new.tolist(), rounds=ROUNDS, version="new")
        view = writer.finish()
        for threshold in thresholds:
            found[threshold] += verdicts(compare_runs([view], options=Options(threshold=threshold)))
    return found


@pytest.mark.slow
def test_the_same_code_is_rarely_called_different(store: Store) -> None:
    """With a threshold of 0 nothing but the test decides, so that its own level of 5 % shows."""
    wrong = {
        threshold: sum(verdict not in {"equivalent", "inconclusive"} for verdict in found)
        for threshold, found in trials(store, 100, 1.0, 0.05, 0.0).items()
    }
    assert wrong[0.05] == 0
    assert wrong[0.0] <= scipy.stats.binom.ppf(0.99, 100, 0.05)


@pytest.mark.slow
def test_ten_percent_slower_is_nearly_always_found(store: Store) -> None:
    (found,) = trials(store, 60, 1.1, 0.05).values()
    assert found.count("regression") / 60 >= 0.95


def multiply(store: Store, view: RunView, times_: int) -> RunView:
    """Return a run of one condition with so many of them, copied inside the database."""
    series = f"WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {times_ - 1})"
    with store._database.write() as connection:
        (key,) = connection.exec_driver_sql("SELECT id FROM run WHERE ulid = ?", (view.run.id,)).one()
        (cell,) = connection.exec_driver_sql("SELECT id FROM cell WHERE run_id = ?", (key,)).one()
        (most,) = connection.exec_driver_sql("SELECT max(id) FROM cell").one()
        copies = {
            "cell": {"id": f"{most} + n", "hash": "hash || n", "position": "n",
                     "factors": "json_set(factors, '$.group', 'g' || n)"},
            "invocation": {"id": "NULL", "sequence": "sequence + 100 * n", "cell_id": f"{most} + n"},
        }  # fmt: skip
        for table, changed in copies.items():
            names = [column.name for column in schema.metadata.tables[table].columns]
            values = ", ".join(changed.get(name, name) for name in names)
            where = f"run_id = {key} AND {'id' if table == 'cell' else 'cell_id'} = {cell}"
            connection.exec_driver_sql(
                f"INSERT INTO {table} ({', '.join(names)}) {series} SELECT {values} FROM {table}, series WHERE {where}"
            )
    return store.view(view.run.id)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_thousands_of_conditions_take_seconds(store: Store) -> None:
    views = []
    for number in (1, 2):
        writer = RunWriter(store, number)
        writer.add(times(number, 20), group="g")
        views.append(multiply(store, writer.finish(), 2_000))
    began_s = time.process_time()
    report = compare_runs(views[:1], views[1:])
    text = report.to_markdown()
    took_s = time.process_time() - began_s
    assert len(report.rows) == 2_000
    assert len(text) <= COMMENT_CHARACTERS
    assert len(report.to_report().tables[0].rows) == 50
    assert took_s < 20, took_s
