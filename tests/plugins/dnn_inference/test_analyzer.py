"""What was planted comes back: latencies, the best engine, a tie, cost-performance, parts of a cold start."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sebsx.model import Role, StartType
from sebsx.model.metrics import Metric
from sebsx.store import Store, open_store
from sebsx.testing.contracts.analyzers import check_report
from sebsx.testing.runs import RunWriter
from sebsx_dnn_inference import plugin
from sebsx_dnn_inference.analyzer import DnnAnalyzer, DnnAnalyzerSettings
from sebsx_dnn_inference.experiment import DIFFERENCE, MULTIPLY_ADDS, ORIGINAL, DnnInference
from sebsx_dnn_inference.predicting import predicted
from sebsx_dnn_inference.reuse import REUSED
from tests.orchestration import store_in

SANDBOXES, CALLS = 12, 6
# What is wrong with rows of a run that another took cells from.
DAMAGES = {
    "its words": "UPDATE invocation SET client_sent_s = 'yesterday'",
    "its cells": "UPDATE cell SET factors = '{' WHERE run_id = (SELECT min(run_id) FROM cell)",
    "its name": "UPDATE run_value SET text = '../../x' WHERE text IS NOT NULL",
    "its place": "UPDATE run_value SET text = run_id WHERE text IS NOT NULL",
}


@pytest.fixture
def store(tmp_path: Path):
    with store_in(tmp_path) as opened:
        yield opened


class Sweep:
    """A run whose cells take as long as a test says."""

    def __init__(self, store: Store, seed: int = 1, number: int = 1) -> None:
        self.writer = RunWriter(
            store,
            number,
            experiment="dnn-inference",
            factors=DnnInference.factors,
            metrics=[*plugin.sebsx_register_metrics(), Metric("memory-series.series", "json")],
        )
        self.rng = np.random.default_rng(seed)
        self.store = store

    def add(
        self,
        engine: str,
        inference_s: float,
        *,
        batch: int = 1,
        memory_mib: int = 1024,
        spread: float = 0.05,
        cost_usd: float | None = None,
        effective: Mapping[str, Any] | None = None,
        model: str = "planted",
        figures: Mapping[str, float] | None = None,
    ) -> None:
        """Store a cell of warm calls, sandboxes differing by a few percent."""
        luck = self.rng.lognormal(0, spread, SANDBOXES).repeat(CALLS)
        times = inference_s * luck * self.rng.lognormal(0, 0.02, SANDBOXES * CALLS)
        cell = self.writer.add(
            (times * 1.1).tolist(),
            per_sandbox=CALLS,
            memory_mib=memory_mib,
            start=StartType.WARM,
            samples=[{"phase.inference_s": time_s} for time_s in times],
            changes={"cost_usd": cost_usd},
            effective=effective or {},
            model=model,
            optimizer=engine,
            batch=batch,
        )
        for metric, value in (figures or {}).items():
            self.store.add_value(self.writer.run.id, metric, value, cell_id=cell)

    def begin(self, engine: str, load_s: float, first_s: float, rest_s: float = 0.0, **levels: Any) -> None:
        """Store a cell of sandboxes whose first calls load, and of as many later calls of 10 ms."""
        luck = self.rng.lognormal(0, 0.02, SANDBOXES)
        firsts = [
            {"phase.model_load_s": load_s * factor, "phase.inference_s": first_s * factor} for factor in luck
        ]  # fmt: skip
        calls = [sample for first in firsts for sample in (first, {"phase.inference_s": 0.010})]
        self.writer.add(
            [(sum(sample.values()) + (rest_s if place % 2 == 0 else 0)) / 0.9 for place, sample in enumerate(calls)],
            per_sandbox=2,
            starts=[StartType.COLD, StartType.WARM] * SANDBOXES,
            samples=calls,
            model="planted",
            optimizer=engine,
            batch=1,
            **levels,
        )

    def report(self, **settings: Any):
        view = self.store.view(self.writer.run.id)
        return DnnAnalyzer().analyze([view], DnnAnalyzerSettings(**settings))


def test_planted_best_is_recommended_with_its_saving(store: Store) -> None:
    sweep = Sweep(store)
    sweep.add("onnx", 0.040)
    sweep.add("quick", 0.020)
    sweep.add("slow", 0.080)
    report = sweep.report()
    (answer,) = report.answers
    assert answer.startswith("planted: serve it by quick: ")
    assert "less time an item" in answer
    saved = float(answer.partition("%")[0].rpartition(" ")[2])
    assert saved == pytest.approx(50, abs=6)
    latencies = {row["optimizer"]: row["latency_s"] for row in report.tables[0].rows}
    for engine, true_s in (("onnx", 0.040), ("quick", 0.020), ("slow", 0.080)):
        assert latencies[engine].low < latencies[engine].value < latencies[engine].high
        assert latencies[engine].value == pytest.approx(true_s, rel=0.08)  # 12 sandboxes that differ by 5 %


@pytest.mark.parametrize(
    ("effective", "sizes", "warning"),
    [
        ({"unenforced": ["cpu"]}, (512, 1024), "the processor did not follow memory on fake"),
        ({"emulated": True}, (1024,), "fake emulated"),
    ],
)
def test_where_nothing_may_be_chosen_the_answer_says_so(
    store: Store, effective: dict[str, Any], sizes: tuple[int, ...], warning: str
) -> None:
    sweep = Sweep(store)
    for memory_mib in sizes:
        sweep.add("onnx", 0.040, memory_mib=memory_mib, effective=effective)
    report = sweep.report()
    assert list(report.answers) == ["planted: nothing is recommended; the warnings say why"]
    assert any(finding.text.startswith(warning) for finding in report.findings if finding.warning)


def test_engine_is_recommended_at_a_single_size_that_limits_nothing(store: Store) -> None:
    sweep = Sweep(store)
    sweep.add("onnx", 0.040, effective={"unenforced": ["cpu"]})
    (answer,) = sweep.report().answers
    assert answer.startswith("planted: serve it by onnx: ")


def test_two_equal_engines_are_a_tie(store: Store) -> None:
    sweep = Sweep(store, seed=5)
    sweep.add("onnx", 0.040)
    sweep.add("other", 0.040)
    (answer,) = sweep.report().answers
    assert "a tie with" in answer
    assert "less time" not in answer


def test_cheaper_engine_that_is_as_fast_has_a_saving_of_money_and_a_range_with_both_signs(store: Store) -> None:
    sweep = Sweep(store)
    sweep.add("onnx", 0.040, cost_usd=2e-6)
    sweep.add("other", 0.040, cost_usd=1e-6)
    (answer,) = sweep.report().answers
    assert answer.startswith("planted: serve it by other: ")
    assert re.search(r"\(\d+% less to \d+% more\) and 50% less money \(50% to 50%\) than onnx$", answer), answer


def test_fastest_engine_is_counted_within_a_run(store: Store) -> None:
    def fastest(*sweeps: Sweep) -> list[str]:
        views = [store.view(sweep.writer.run.id) for sweep in sweeps]
        findings = DnnAnalyzer().analyze(views, DnnAnalyzerSettings()).findings
        return [finding.text for finding in findings if finding.text.startswith("fastest")]

    one, other = Sweep(store), Sweep(store, number=2)
    one.add("onnx", 0.040)
    other.add("quick", 0.020)
    assert fastest(one, other) == []  # of two runs, which may be of two machines
    one.add("quick", 0.030)
    assert fastest(one, other) == ["fastest on fake with 1024 MiB at batch 1, by number of models: quick 1"]


@pytest.mark.slow
def test_equal_engines_are_called_a_tie_nearly_always(store: Store) -> None:
    """The tie is by an interval of 95 %: of 20 pairs of equal engines, few are told apart."""
    apart = 0
    for number in range(1, 21):
        sweep = Sweep(store, seed=number, number=number)
        sweep.add("onnx", 0.040)
        sweep.add("other", 0.040)
        apart += "a tie with" not in next(iter(sweep.report().answers))
    assert apart <= 4  # at 5 %, P(more than 4 of 20) = 0.003


def test_batch_is_told_against_one(store: Store) -> None:
    sweep = Sweep(store)
    sweep.add("onnx", 0.010, batch=1)
    sweep.add("onnx", 0.100, batch=16)
    rows = {row["batch"]: row for row in sweep.report().tables[0].rows}
    assert rows[16]["relative"] == pytest.approx(1.6, rel=0.1)  # (16 / 0.1) / (1 / 0.01)
    assert rows[1]["relative"] is None
    assert rows[16]["throughput"] == pytest.approx(160, rel=0.1)


def test_cost_performance_is_one_at_its_base_and_follows_memory_where_memory_does_nothing(store: Store) -> None:
    sweep = Sweep(store)
    for memory_mib in (1024, 2048, 10240):
        sweep.add("onnx", 0.040, memory_mib=memory_mib, spread=0.01)
    (table,) = [table for table in sweep.report().tables if table.name == "cost-performance"]
    (row,) = table.rows
    assert row["2048"] == 1
    assert row["10240"] == pytest.approx(5, rel=0.05)  # published: an insensitive function has CP(10) = 5
    assert row["1024"] == pytest.approx(0.5, rel=0.05)


def test_identity_of_a_model_is_no_level(store: Store) -> None:
    roles = {factor.name: factor.role for factor in DnnInference.factors}
    assert roles["model_identity"] is Role.IDENTITY


def test_knee_is_where_more_memory_stops_helping(store: Store) -> None:
    sweep = Sweep(store)
    for memory_mib, time_s in ((512, 0.4), (1024, 0.2), (2048, 0.1), (3072, 0.098)):
        sweep.add("onnx", time_s, memory_mib=memory_mib, spread=0.01)
    (knee,) = (finding for finding in sweep.report().findings if "the knee" in finding.text)
    assert knee.text.endswith("the knee; more memory makes no inference 10% quicker")
    assert knee.numbers["memory_mib"] == 2048


def test_work_orders_models_where_it_is_what_times_follow(store: Store) -> None:
    sweep = Sweep(store)
    for name, work, size in (("a", 1e8, 500), ("b", 2e8, 20), ("c", 4e8, 300), ("d", 8e8, 40)):
        sweep.add("onnx", work * 1e-10, model=name, spread=0.01, figures={MULTIPLY_ADDS: work, ORIGINAL: size})
    (said,) = (finding for finding in sweep.report().findings if "multiply-adds order" in finding.text)
    assert said.numbers == {"multiply_adds": 1.0, "size": pytest.approx(-0.4), "models": 4}  # by hand: 1 - 6 * 14 / 60


def test_front_keeps_what_nothing_beats_in_accuracy_time_and_cost(store: Store) -> None:
    sweep = Sweep(store)
    sweep.add("onnx", 0.040, model="resnet18", cost_usd=2e-6, figures={DIFFERENCE: 0.0})
    sweep.add("quantised", 0.020, model="resnet18", cost_usd=1e-6, figures={DIFFERENCE: 0.01})
    sweep.add("slow", 0.080, model="resnet18", cost_usd=3e-6, figures={DIFFERENCE: 0.01})
    sweep.add("onnx", 0.090, model="alexnet", cost_usd=4e-6, figures={DIFFERENCE: 0.0})  # less accurate, and slower
    sweep.add("onnx", 0.190, model="resnet50", cost_usd=9e-6, figures={DIFFERENCE: 0.0})
    (front,) = (table for table in sweep.report().tables if table.name == "pareto")
    assert {(row["model"], row["engine"]) for row in front.rows} == {
        ("resnet18", "onnx"), ("resnet18", "quantised"), ("resnet50", "onnx"),
    }  # fmt: skip


def test_cells_that_were_not_measured_are_predicted_with_the_error_of_those_left_out() -> None:
    def true_s(batch: int, memory_mib: int) -> float:
        return 0.004 * batch**0.9 * (2048 / memory_mib) ** 0.8

    cells = {(batch, size): true_s(batch, size) for batch in (1, 4, 32) for size in (512, 2048, 10240)}
    del cells[4, 2048]
    found = predicted(cells)
    assert found is not None
    assert found.error < 1e-6
    assert found.missing[4, 2048] == pytest.approx(true_s(4, 2048))
    assert found.missing[16, 1024] == pytest.approx(true_s(16, 1024))
    assert not found.missing.keys() & cells.keys()
    assert all(512 <= size <= 10240 and 1 <= batch <= 32 for batch, size in found.missing)
    assert predicted({(1, 512): 0.1, (2, 512): 0.2, (4, 512): 0.4}) is None, "a line and its error need four"
    luck = np.random.default_rng(3).lognormal(0, 0.2, len(cells))
    noisy = predicted({cell: time_s * factor for (cell, time_s), factor in zip(cells.items(), luck, strict=True)})
    assert noisy is not None
    assert 0.05 < noisy.error < 0.6


def test_times_are_drawn_as_boxes_and_throughput_as_a_map(store: Store) -> None:
    sweep = Sweep(store)
    for engine, batch in (("onnx", 1), ("onnx", 16), ("other", 1), ("other", 16)):
        sweep.add(engine, 0.01 * batch, batch=batch)
    figures = {figure.name: figure for figure in sweep.report().figures}
    assert figures["inference-boxes"].samples == {"inferences": 4 * SANDBOXES * CALLS}
    heat = figures["throughput-planted"]
    assert heat.categories == ["1", "16"]
    assert [dict(points).keys() for points in heat.series.values()] == [{0.0, 1.0}, {0.0, 1.0}]


def test_ways_to_load_are_compared_with_the_first_inference_that_they_put_work_into(store: Store) -> None:
    sweep = Sweep(store)
    sweep.begin("onnx", 1.0, 0.1)
    sweep.begin("onnx-mapped", 0.05, 0.5)
    report = sweep.report()
    (table,) = (table for table in report.tables if table.name == "loading")
    rows = {row["engine"]: row for row in table.rows}
    assert rows["onnx-mapped"]["load_s"].value == pytest.approx(0.05, rel=0.03)
    assert rows["onnx-mapped"]["both_s"] == pytest.approx(0.55, rel=0.03)
    (gain,) = (finding for finding in report.findings if "loads in" in finding.text)
    assert gain.numbers["load"] == pytest.approx(0.05, rel=0.03)
    assert gain.numbers["low"] < 0.5 < gain.numbers["high"] < 0.53


def test_first_calls_that_their_parts_do_not_explain_are_flagged(store: Store) -> None:
    sweep = Sweep(store)
    sweep.begin("onnx", 1.0, 0.1)
    sweep.begin("onnx", 1.0, 0.1, rest_s=0.1, tokens=7)
    warnings = [finding for finding in sweep.report().findings if "add up to" in finding.text]
    assert [finding.numbers["explained"] for finding in warnings] == [pytest.approx(1.1 / 1.2, rel=0.01)]


def test_cold_share_is_what_a_later_call_does_not_have(store: Store) -> None:
    sweep = Sweep(store)
    sweep.begin("onnx", 0.180, 0.020)
    (share,) = (finding for finding in sweep.report().findings if "is its cold start" in finding.text)
    assert share.numbers["cold_share"] == pytest.approx(0.95, abs=0.01)  # 10 of 200 ms are no part of it


def test_texts_are_one_item_each_and_drawn_by_size(store: Store) -> None:
    sweep = Sweep(store)
    for size in (1000, 10_000):
        sweep.begin("onnx", 1.0, 0.1, text_bytes=size)
    report = sweep.report()
    assert [row["throughput"] for row in report.tables[0].rows] == pytest.approx([100, 100])
    (figure,) = (figure for figure in report.figures if figure.name == "text-size")
    assert list(figure.series.values()) == [[(1000.0, 0.010), (10_000.0, 0.010)]]


def test_memory_of_a_first_call_is_drawn_with_its_phases(store: Store) -> None:
    sweep = Sweep(store)
    sweep.begin("onnx", 1.0, 0.1)
    view = store.view(sweep.writer.run.id)
    first = next(call for call in view.invocations() if call.start_type is StartType.COLD)
    points = {
        "t_s": [0.0, 0.5, 1.05],
        "uss_bytes": [10, 20, 30],
        "phases": [["model_load", 0.2, 1.0], ["inference", 1.0, 1.1]],
    }
    text = json.dumps(points)
    store.add_value(view.run.id, "memory-series.series", None, text=text, sequence=first.sequence)
    (figure,) = (figure for figure in sweep.report().figures if figure.name == "memory")
    assert list(figure.series.values()) == [[(0.0, 10.0), (0.5, 20.0), (1.05, 30.0)]]
    assert list(figure.labels.values()) == [["", "model_load", "inference"]]


def test_engine_that_went_as_an_image_is_named(store: Store) -> None:
    sweep = Sweep(store)
    sweep.add("onnx", 0.04, effective={"package": "zip"})
    sweep.add("openvino", 0.04, effective={"package": "image"})
    texts = [finding.text for finding in sweep.report().findings if "container image" in finding.text]
    assert texts == ["openvino went to fake as a container image"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_run_that_cells_were_taken_from_may_be_damaged(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "runs.db"
    with open_store(path) as store:
        sweep = Sweep(store)
        sweep.add("onnx", 0.02, figures={ORIGINAL: 100.0})
        first = sweep.writer.finish()
        taking = Sweep(store, number=2)
        cell = taking.writer.add([], optimizer="onnx", batch=1, model="planted")
        store.add_value(taking.writer.run.id, REUSED, None, cell_id=cell, text=first.run.id)
        second = taking.writer.finish()
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE cell SET hash = (SELECT min(hash) FROM cell)")
            connection.execute(DAMAGES[damage])
        report = DnnAnalyzer().analyze([store.view(second.run.id)], DnnAnalyzerSettings())
        check_report(report)
    told = [finding.text for finding in report.findings if finding.warning]
    assert [text for text in told if "1 cell taken from run" in text]
    assert not report.tables
