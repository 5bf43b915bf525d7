from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sebsx.contracts.analyzers import Estimate, Finding, Report, Table
from sebsx.errors import UserError
from sebsx.model import CellStatus, Deployment, Invocation, Kind, RunStatus, StartType, Status
from sebsx.settings import Layer, Section, SettingsReader
from sebsx.store import Store, current_owner, open_store
from sebsx_perf_cost.analyzer import PerfCostAnalyzer, PerfCostAnalyzerSettings
from tests.store.conftest import METRICS, RUN, add_deployment, make_cell, make_config, make_invocation, make_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Scene:
    """A store with a run that is filled cell by cell."""

    def __init__(self, store: Store, run_id: str = RUN) -> None:
        self.store = store
        self.run_id = run_id
        store.start_run(make_run(run_id), {}, METRICS)

    def cell(
        self,
        start: str,
        invocations: list[Invocation],
        memory_mib: int = 128,
        per_sandbox: int = 1,
        effective: int | None = None,
        **facts: object,
    ) -> int:
        config = make_config(memory_mib=memory_mib)
        reported = Deployment("fn", config, effective={"memory_mib": effective or memory_mib, **facts})
        deployment = add_deployment(self.store, self.run_id, config=config, deployment=reported)
        cell = self.store.design.add_cell(self.run_id, make_cell(start, len(invocations), memory_mib=memory_mib))
        first = self.store.next_sequence(self.run_id)
        for place, invocation in enumerate(invocations):
            invocation.sequence = first + place
            invocation.sandbox_id = f"sandbox-{place // per_sandbox}"
        self.store.add_invocations(self.run_id, deployment, cell, invocations)
        return cell

    def analyze(self, **settings: Any) -> Report:
        self.store.finish_run(self.run_id, RunStatus.FINISHED)
        return PerfCostAnalyzer().analyze([self.store.view(self.run_id)], PerfCostAnalyzerSettings(**settings))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "s.sqlite") as opened:
        yield opened


@pytest.fixture
def scene(store: Store) -> Scene:
    return Scene(store)


def took(latency_s: float, start: str = "warm", **changes: Any) -> Invocation:
    times = dict.fromkeys(("client_sent_s", "client_intended_s", "client_connected_s"), 0.0)
    times |= {"client_done_s": latency_s}
    return make_invocation(0, **{**times, "start_type": StartType(start), **changes})


def table(report: Report, name: str) -> Table:
    return next(table for table in report.tables if table.name == name)


def texts(report: Report, part: str) -> list[Finding]:
    return [finding for finding in report.findings if part in finding.text]


def test_latency_row_has_median_interval_and_tail(scene: Scene) -> None:
    scene.cell("warm", [took(float(number)) for number in range(1, 51)])
    (row,) = table(scene.analyze(), "latency").rows
    assert (row["start"], row["memory_mib"], row["ok"], row["failed"]) == ("warm", 128, 50, 0)
    # n = 50: median of 1..50 is 25.5, ranks (18, 33); type 7 p90 at position 44.1 is 45.1
    median = row["median_s"]
    assert (median.value, median.low, median.high, median.n) == (25.5, 18.0, 33.0, 50)
    assert row["p90_s"].value == pytest.approx(45.1)
    assert row["p99_s"] == Estimate(None, n=50, note="n too small")


def test_calls_of_one_sandbox_are_one_unit(scene: Scene) -> None:
    rng = np.random.default_rng(1)
    times = [
        took(float(np.exp(sandbox + call))) for sandbox in rng.normal(0, 0.2, 10) for call in rng.normal(0, 0.1, 5)
    ]
    scene.cell("warm", times, per_sandbox=5)
    (row,) = table(scene.analyze(), "latency").rows
    medians = sorted(float(np.median([call.latency_s for call in times[at : at + 5]])) for at in range(0, 50, 5))
    # n = 10: ranks 2 and 9 of the ten sandboxes
    assert (row["ok"], row["sandboxes"]) == (50, 10)
    assert (row["median_s"].low, row["median_s"].high) == (medians[1], medians[8])
    assert row["between"] == pytest.approx(0.2, rel=0.5)
    assert row["within"] == pytest.approx(0.1, rel=0.3)


def test_one_sandbox_is_said_at_the_number(scene: Scene) -> None:
    scene.cell("warm", [took(float(number)) for number in range(1, 51)], per_sandbox=60)
    report = scene.analyze()
    (row,) = table(report, "latency").rows
    assert row["median_s"] == Estimate(25.5, n=50, note="1 sandbox", blocks=1)
    (finding,) = texts(report, "measured in 1 sandbox: a difference of a few percent may be that of the sandbox")
    assert finding.warning


def test_warning_that_several_conditions_share_is_one(scene: Scene) -> None:
    for memory_mib in (128, 256):
        scene.cell("warm", [took(1.0), took(2.0)], memory_mib, per_sandbox=2)
    (finding,) = texts(scene.analyze(), "a difference of a few percent may be that of the sandbox")
    assert finding.text.count("measured in 1 sandbox") == 1
    assert "128 MiB warm, sleep 256 MiB warm: " in finding.text


def test_small_sample_has_a_median_without_interval(scene: Scene) -> None:
    scene.cell("warm", [took(1.0), took(3.0)])
    (row,) = table(scene.analyze(), "latency").rows
    assert row["median_s"] == Estimate(2.0, n=2, note="n too small")
    assert row["p90_s"].note == "n too small"


def test_other_confidence_gives_other_ranks(scene: Scene) -> None:
    scene.cell("warm", [took(float(number)) for number in range(1, 8)])
    (row,) = table(scene.analyze(confidence=0.99), "latency").rows
    assert row["median_s"].note == "n too small"  # 99 % takes 8


def test_warmups_are_not_counted(scene: Scene) -> None:
    scene.cell("warm", [took(9.0, kind=Kind.WARMUP), took(1.0)])
    (row,) = table(scene.analyze(), "latency").rows
    assert (row["ok"], row["median_s"].value) == (1, 1.0)


def test_parts_add_up_to_the_latency(scene: Scene) -> None:
    parts = {"function_duration_s": 0.5, "provider_duration_s": 0.625, "provider_init_s": 0.25}
    scene.cell("cold", [took(1.0, "cold", **parts)])
    (row,) = table(scene.analyze(), "breakdown").rows
    assert (row["function_s"], row["provider_s"], row["init_s"], row["network_s"]) == (0.5, 0.125, 0.25, 0.125)


def test_connecting_is_not_the_network_and_waiting_in_the_client_is_no_latency(scene: Scene) -> None:
    scene.cell("warm", [took(1.0, provider_duration_s=0.5, client_connected_s=0.125, client_intended_s=-0.25)])
    (row,) = table(scene.analyze(), "breakdown").rows
    assert (row["connect_s"], row["network_s"], row["client_s"]) == (0.125, 0.375, 0.25)


def test_without_provider_figures_the_rest_is_the_network(scene: Scene) -> None:
    scene.cell("warm", [took(1.0, function_duration_s=0.75)])
    (row,) = table(scene.analyze(), "breakdown").rows
    assert (row["function_s"], row["provider_s"], row["network_s"]) == (0.75, None, 0.25)


def test_negative_part_is_shown_and_warned_about(scene: Scene) -> None:
    scene.cell("warm", [took(1.0, function_duration_s=0.5, provider_duration_s=0.25)])
    report = scene.analyze()
    assert table(report, "breakdown").rows[0]["provider_s"] == -0.25
    (finding,) = texts(report, "provider time is negative in 1 of 1")
    assert finding.warning


# network 2, 1, 1 and handler 1, 2, 1: the medians are 1 and 1, that of 3, 3, 2 is 3
KINDS = ((3.0, 1.0), (3.0, 2.0), (2.0, 1.0))


def test_medians_that_do_not_add_up_are_warned_of(scene: Scene) -> None:
    scene.cell("warm", [took(all_s, function_duration_s=own, provider_duration_s=own) for all_s, own in KINDS * 20])
    (finding,) = texts(scene.analyze(), "add up to 2.00 s, that of the latency is 3.00 s")
    assert "two groups of calls, 20 of about 2.00 s and 40 of about 3.00 s" in finding.text
    assert finding.warning


def test_the_part_in_which_two_groups_differ_is_named(scene: Scene) -> None:
    """Network 1.4 or 2.2 of the slow ones and 1 of the others, handler 1.6 or 0.8 and 1: medians 1.4 and 1."""
    kinds = ((3.0, 1.6), (3.0, 0.8), (2.0, 1.0))
    scene.cell("warm", [took(all_s, function_duration_s=own, provider_duration_s=own) for all_s, own in kinds * 20])
    (finding,) = texts(scene.analyze(), "add up to 2.40 s")
    assert "which differ most in network" in finding.text


def test_medians_of_one_wide_group_are_not_warned_of(scene: Scene) -> None:
    """Parts that hinge on each other: the handler is long where the network is short, and all calls are of one kind."""
    calls = [(1.0 + place / 60, (1.0 + place / 60) * (0.9 if place % 2 else 0.1)) for place in range(60)]
    scene.cell("warm", [took(all_s, function_duration_s=own, provider_duration_s=own) for all_s, own in calls])
    assert texts(scene.analyze(), "two groups") == []


@pytest.mark.parametrize("times", [1, 2])
def test_medians_that_few_samples_may_explain_are_not_warned_of(scene: Scene, times: int) -> None:
    """Of 6 samples the median is anywhere between their ends; below 6 nothing is known of it."""
    scene.cell("warm", [took(all_s, function_duration_s=own, provider_duration_s=own) for all_s, own in KINDS * times])
    assert texts(scene.analyze(), "add up") == []


def test_memory_is_the_maximum_and_cost_the_mean(scene: Scene) -> None:
    scene.cell(
        "warm",
        [
            took(1.0, provider_max_memory_bytes=100, cost_usd=1e-6),
            took(1.0, provider_max_memory_bytes=300, cost_usd=4e-6),
        ],
    )
    (row,) = table(scene.analyze(), "breakdown").rows
    assert row["memory_bytes"] == 300
    assert row["million_usd"] == pytest.approx(2.5)


def test_without_prices_there_is_no_cost_and_no_choice(scene: Scene) -> None:
    for memory in (128, 256):
        scene.cell("warm", [took(1.0)], memory)
    report = scene.analyze()
    assert [row["million_usd"] for row in table(report, "breakdown").rows] == [None, None]
    assert texts(report, "cheapest") == []


def test_cold_overhead_is_the_median_of_all_ratios(scene: Scene) -> None:
    scene.cell("cold", [took(6.0, "cold") for _ in range(6)])
    scene.cell("warm", [took(2.0) for _ in range(6)])
    (row,) = table(scene.analyze(), "cold-start").rows
    assert (row["cold_s"].value, row["warm_s"].value) == (6.0, 2.0)
    assert (row["ratio"].value, row["ratio"].low, row["ratio"].high) == (3.0, 3.0, 3.0)
    assert (row["difference_s"].value, row["difference_s"].low, row["difference_s"].high) == (4.0, 4.0, 4.0)


def test_warm_alone_has_no_cold_start_table(scene: Scene) -> None:
    scene.cell("warm", [took(1.0)])
    assert [item.name for item in scene.analyze().tables] == ["latency", "breakdown"]


def test_burst_and_sequential_are_rows_and_take_any_start(scene: Scene) -> None:
    for start in ("burst", "sequential"):
        scene.cell(start, [took(1.0, "cold"), took(2.0, "warm")])
    rows = table(scene.analyze(), "latency").rows
    assert [(row["start"], row["ok"]) for row in rows] == [("burst", 2), ("sequential", 2)]


def test_samples_of_the_wrong_start_are_told_and_left_out(scene: Scene) -> None:
    scene.cell("cold", [took(1.0, "cold"), took(9.0, "warm"), took(9.0, "unknown")])
    report = scene.analyze()
    assert table(report, "latency").rows[0]["median_s"].value == 1.0
    (finding,) = texts(report, "2 of 3 were not cold")
    assert finding.warning
    assert finding.numbers == {"wrong_start": 2, "n": 3}


def test_restored_starts_are_cold_ones_under_their_own_name(scene: Scene) -> None:
    scene.cell("cold", [took(2.0, "restored") for _ in range(6)])
    scene.cell("warm", [took(1.0) for _ in range(6)])
    report = scene.analyze()
    assert [row["start"] for row in table(report, "latency").rows] == ["restored", "warm"]
    overhead = table(report, "cold-start")
    assert "start" in [column.key for column in overhead.columns]
    (row,) = overhead.rows
    assert (row["start"], row["cold_s"].value, row["ratio"].value) == ("restored", 2.0, 2.0)
    assert texts(report, "not cold") == []


def test_cold_and_restored_starts_in_one_sample_are_told(scene: Scene) -> None:
    scene.cell("cold", [took(9.0, "cold"), *(took(2.0, "restored") for _ in range(5))])
    report = scene.analyze()
    assert [(row["start"], row["ok"]) for row in table(report, "latency").rows] == [("cold+restored", 6)]
    (finding,) = texts(report, "mixes 1 cold, 5 restored")
    assert finding.warning


def test_memory_sizes_are_chosen_between_however_they_started(scene: Scene) -> None:
    for memory_mib, first in ((128, "restored"), (256, "cold")):
        calls = [took(1.0, "restored", cost_usd=1e-6) for _ in range(6)]
        scene.cell("cold", [took(1.0, first, cost_usd=1e-6), *calls], memory_mib=memory_mib)
    rows = table(scene.analyze(), "choices").rows
    assert [(row["memory_mib"], row["start"]) for row in rows] == [(128, "restored"), (256, "cold+restored")]


def test_failures_are_told_by_status_with_one_example(scene: Scene) -> None:
    scene.cell(
        "warm",
        [
            took(1.0),
            took(1.0, status=Status.TIMEOUT, error="took more than 3 s"),
            took(1.0, status=Status.FUNCTION_ERROR, error="ValueError: bad\ntraceback"),
            took(1.0, status=Status.FUNCTION_ERROR, error="KeyError"),
        ],
    )
    report = scene.analyze()
    assert table(report, "latency").rows[0]["failed"] == 3
    assert texts(report, "1 of 4 ended as timeout, the first with: took more than 3 s")
    (errors,) = texts(report, "2 of 4 ended as function_error")
    assert errors.text.endswith("ValueError: bad")


def test_condition_with_failures_only_is_a_row(scene: Scene) -> None:
    scene.cell("warm", [took(1.0, status=Status.OUT_OF_MEMORY, error="")])
    report = scene.analyze()
    (row,) = table(report, "latency").rows
    assert (row["ok"], row["failed"], row["median_s"]) == (
        0,
        1,
        Estimate(None, n=1, note="not reached: all failed", unserved=1.0),
    )
    assert texts(report, "out_of_memory, the first with: no reason given")
    assert report.figures == ()


@pytest.mark.parametrize(
    ("evidence", "told"),
    [
        ('{"function": "cold", "provider": "warm"}', True),
        ('{"function": "cold", "provider": "cold"}', False),
        ('{"function": "cold", "provider": null}', False),
        ('{"function": "unknown", "provider": "warm"}', False),
        ("", False),
        ("[1]", False),
        ('{"function": ["cold"]}', False),
    ],
)
def test_disagreeing_evidence_is_told(scene: Scene, evidence: str, told: bool) -> None:
    scene.cell("warm", [took(1.0, start_evidence=evidence)])
    assert bool(texts(scene.analyze(), "disagree on the start of 1 of 1")) is told


def test_memory_other_than_asked_is_told(scene: Scene) -> None:
    scene.cell("warm", [took(1.0)], memory_mib=100, effective=128)
    report = scene.analyze()
    (finding,) = texts(report, "gave sleep 128 MiB where 100 MiB were asked for")
    assert finding.warning
    assert table(report, "latency").rows[0]["memory_mib"] == 128


@pytest.mark.parametrize("emulated", [True, False])
def test_emulated_processor_is_told_once(scene: Scene, emulated: bool) -> None:
    for memory_mib in (128, 256):
        scene.cell("warm", [took(1.0)], memory_mib, emulated=emulated)
    found = texts(scene.analyze(), "on another processor: its times are not those of")
    assert len(found) == emulated
    assert all(finding.warning for finding in found)


def test_cheapest_fastest_and_balanced_memory(scene: Scene) -> None:
    # cost 1, 1.2, 4 and time 4, 2, 1: half and half of cost / 4 + time / 4 gives .625, .4, .625
    for memory, cost, time in ((128, 1.0, 4.0), (256, 1.2, 2.0), (512, 4.0, 1.0)):
        scene.cell("cold", [took(time * 9, "cold", cost_usd=cost / 1e6)], memory)
        scene.cell("warm", [took(time, cost_usd=cost / 1e6)], memory)
    report = scene.analyze()
    choices = {finding.numbers["choice"]: finding.numbers for finding in report.findings if "choice" in finding.numbers}
    assert {name: numbers["memory_mib"] for name, numbers in choices.items()} == {
        "cheapest": 128, "fastest": 512, "balanced": 256, "knee": 256,
    }  # fmt: skip
    assert choices["balanced"]["score"] == pytest.approx(0.4)
    assert choices["fastest"]["median_s"] == 1.0  # the warm ones


def test_weight_moves_the_balanced_choice(scene: Scene) -> None:
    for memory, cost, time in ((128, 1.0, 4.0), (512, 4.0, 1.0)):
        scene.cell("warm", [took(time, cost_usd=cost / 1e6)], memory)
    (finding,) = texts(scene.analyze(cost_weight=0.9), "balanced")
    assert finding.numbers["memory_mib"] == 128
    (finding,) = texts(scene.analyze(cost_weight=0.1), "balanced")
    assert finding.numbers["memory_mib"] == 512


def test_weight_above_one_is_refused() -> None:
    section, layer = "analyzer.perf-cost", Layer("test", {"analyzer.perf-cost.cost_weight": 1.5})
    with pytest.raises(UserError, match=r"cost_weight from test is 1\.5: must be at most 1"):
        SettingsReader([layer], [Section(section, PerfCostAnalyzerSettings)]).read(section)


def test_figures_show_distributions_and_the_memory_sweep(scene: Scene) -> None:
    scene.cell("warm", [took(4.0), took(2.0)], 128)
    scene.cell("warm", [took(1.0)], 256)
    memory, ecdf = scene.analyze().figures
    assert ecdf.series == {"sleep 128 MiB warm": [(2.0, 0.5), (4.0, 1.0)], "sleep 256 MiB warm": [(1.0, 1.0)]}
    assert ecdf.samples == {"sleep 128 MiB warm": 2, "sleep 256 MiB warm": 1}
    assert memory.series == {"sleep warm": [(128.0, 3.0), (256.0, 1.0)]}
    assert memory.intervals == {"sleep warm": [(3.0, 3.0), (1.0, 1.0)]}  # too few for any
    assert memory.samples == {"sleep warm": 3}


def test_columns_that_tell_nothing_apart_are_in_the_caption(scene: Scene) -> None:
    scene.cell("warm", [took(1.0)])
    latency = table(scene.analyze(), "latency")
    keys = [column.key for column in latency.columns]
    assert keys[:3] == ["benchmark", "memory_mib", "start"]
    assert "platform local" in latency.caption
    assert latency.rows[0]["platform"] == "local"


def test_two_runs_are_told_apart(scene: Scene, store: Store) -> None:
    other = Scene(store, "01BX5ZZKBKACTAV9WEVGEMMVRZ")
    for each in (scene, other):
        each.cell("warm", [took(1.0)])
    views = [store.view(each.run_id) for each in (scene, other)]
    latency = table(PerfCostAnalyzer().analyze(views, PerfCostAnalyzerSettings()), "latency")
    assert latency.columns[0].key == "run"
    assert [row["run"] for row in latency.rows] == [RUN, other.run_id]


def test_run_without_invocations_says_so(scene: Scene) -> None:
    report = scene.analyze()
    assert report.tables == ()
    assert texts(report, f"run {RUN} holds no invocations")[0].warning


def test_no_run_says_so() -> None:
    report = PerfCostAnalyzer().analyze([], PerfCostAnalyzerSettings())
    assert [finding.text for finding in report.findings] == ["there is no run to analyze"]


def test_interrupted_run_is_told(store: Store) -> None:
    store.start_run(make_run(owner={**current_owner(), "process_started": "1"}), {}, ())
    report = PerfCostAnalyzer().analyze([store.view(RUN)], PerfCostAnalyzerSettings())
    assert texts(report, "is interrupted; this is what it stored")


def test_unsupported_cell_is_told_with_its_reason(scene: Scene) -> None:
    cell = scene.cell("warm", [])
    scene.store.design.finish_cell(cell, CellStatus.UNSUPPORTED, "not deployed", "no arm64 here")
    assert texts(scene.analyze(), "local sleep warm 128 MiB: unsupported: no arm64 here")


def test_cells_that_ended_alike_are_told_of_in_one_sentence(scene: Scene) -> None:
    for start, memory_mib in (("cold", 128), ("warm", 128), ("warm", 256)):
        scene.store.design.finish_cell(
            scene.cell(start, [], memory_mib), CellStatus.FAILED, "3 failed", "out of quota\ntrace"
        )
    scene.store.design.finish_cell(scene.cell("cold", [], 512), CellStatus.FAILED, "3 failed", "no such role")
    report = scene.analyze()
    assert texts(report, "local sleep: failed: out of quota (3 cells: cold, warm; 128 MiB, 256 MiB)")
    assert texts(report, "local sleep cold 512 MiB: failed: no such role")
