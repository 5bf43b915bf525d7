"""What a run of the lab stored becomes efficiencies, courses, errors of the simulation, and claims."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sebsx.errors import MissingDependencyError
from sebsx.store import Store
from sebsx.testing.runs import RunWriter
from sebsx_reproduce.comparing import compare
from sebsx_serving import carried, metrics
from sebsx_serving.analyzer import ServingAnalyzer, ServingAnalyzerSettings
from sebsx_serving.experiment import ServingLab
from sebsx_serving.loads import ServingLoad
from sebsx_serving.policies import POLICIES
from sebsx_serving.recipe import HybridScaling
from sebsx_serving.simulation import ServerCosts, simulate
from tests.orchestration import store_in

MIB = 2**20
SERVICE_S = 0.3
SHORT = ServingAnalyzerSettings(simulated_s=40.0)


@pytest.fixture
def store(tmp_path: Path):
    with store_in(tmp_path) as opened:
        yield opened


def planted(store: Store, policy: str = "hybrid", service_s: float = SERVICE_S) -> Any:
    """A run whose modes are known, and whose load was served as a simulation says."""
    writer = RunWriter(store, experiment="serving-lab", factors=ServingLab.factors, metrics=metrics.METRICS)
    speeds = {("threads", "released"): (10.0, 20.0), ("threads", "held"): (10.0, 10.0), ("processes", "held"): (10, 19)}
    for (mode, work), both in speeds.items():
        for workers, speed in zip((1, 2), both, strict=True):
            memory = 100.0 * MIB * (workers if mode == "processes" else 1)
            sample = {metrics.THROUGHPUT: speed, metrics.MEMORY: memory, metrics.LOAD: 0.2, metrics.BOOT: 1.8}
            writer.add([1.0], samples=[sample], part="modes", mode=mode, work=work, workers=workers)
    load = ServingLoad(kind="users", users=20, spawn_rate=2.0, duration_s=20.0)
    course = simulate(POLICIES[policy], load, ServerCosts(service_s=[service_s]), most=2, period_s=5.0, seed=3)
    cell = writer.add([5.0] * 4, part="policies", policy=policy, load="users", most=2, mode="threads", work="released")
    told = {"kind": "users", "duration_s": 20.0, "users": 20, "spawn_rate": 2.0, "think_s": [2.0, 3.0], "rate": 100.0,
            "period_s": 5.0, "seed": 3, "most": 2}  # fmt: skip
    store.add_value(writer.run.id, metrics.BEGUN, None, cell_id=cell, text=json.dumps(told))
    for until_s in (5.0, 10.0, 15.0, 20.0):
        mine = [
            (ended_s - latency_s, latency_s)
            for ended_s, latency_s in zip(course.ended_s, course.latency_s, strict=True)
            if until_s - 5.0 <= ended_s < until_s
        ]
        workers = max(number for at_s, number in course.workers if at_s <= until_s - 5.0)
        period = {
            "until_s": until_s, "due_s": [due for due, _ in mine], "latency_s": [latency for _, latency in mine],
            "service_s": [service_s] * len(mine), "waiting_s": [], "workers": workers, "pss_bytes": 100.0 * MIB,
        }  # fmt: skip
        store.add_value(writer.run.id, metrics.PERIOD, None, cell_id=cell, text=json.dumps(period))
    return writer.finish()


def rows(report: Any) -> dict[str, list[Any]]:
    return {table.name: list(table.rows) for table in report.tables}


@pytest.mark.slow
def test_modes_courses_and_the_error_of_the_simulation_come_back(store: Store) -> None:
    report = ServingAnalyzer().analyze([planted(store)], SHORT)
    found = rows(report)
    efficiency = {(row["mode"], row["work"]): row["efficiency"] for row in found["modes"] if row["workers"] == 2}
    assert efficiency == {
        ("threads", "released"): 1.0, ("threads", "held"): 0.5, ("processes", "held"): 0.95,
    }  # fmt: skip
    (row,) = found["policies"]
    assert (row["workers"], row["memory_bytes"], row["growth"]) == (2, 100 * MIB, 1.0)
    (error,) = found["validation"]
    assert abs(error["p50_error"]) < 0.1  # of what was served as it is simulated, but for the users' thinking
    assert abs(error["throughput_error"]) < 0.1
    assert {row["policy"] for row in found["simulated"]} == set(POLICIES)
    (caption,) = [table.caption for table in report.tables if table.name == "simulated"]
    assert "AWS Fargate that nobody verified" in caption
    released, held = report.answers[:2]
    assert (
        released == "fake: use threads for work that releases the interpreter lock: 2 answer 2.00 times as much as one"
    )
    assert held.startswith("fake: use processes for work that holds the interpreter lock: 2 answer 1.90 times as much")
    assert held.endswith("(threads 1.00 times)")
    published = compare(HybridScaling().expected(), report)
    assert {each.cell.row["claim"]: each.words for each in published}["flat-memory"] == "reproduced"
    assert len(published) == 6


@pytest.mark.slow
def test_claims_are_judged_by_the_simulated_courses(store: Store) -> None:
    simulated = list(carried.carried(planted(store), most=56, duration_s=60.0, period_s=5.0))
    said = {(claim.load, claim.name): claim for claim in carried.claims(simulated)}
    assert said["users", "flat-memory"].confirmed
    assert said["users", "slower-while-growing"].confirmed
    pods = next(each for each in simulated if each.policy == "horizontal" and each.load.kind == "users")
    assert pods.costs.boot_s == pytest.approx(2.0)
    assert pods.growth == pytest.approx(pods.course.workers[-1][1])
    quick = list(carried.carried(planted(store_again(store), service_s=0.001), most=56, duration_s=20.0, period_s=5.0))
    said = {(claim.load, claim.name): claim for claim in carried.claims(quick)}
    assert {claim.confirmed for claim in said.values()} == {None}
    assert {claim.because for claim in said.values()} == {"nothing grew: one worker was enough"}


def store_again(store: Store) -> Store:
    for run in store.runs():
        store.delete_run(run.id)
    return store


def test_modes_that_gain_nothing_or_were_starved_are_not_recommended(store: Store) -> None:
    writer = RunWriter(store, experiment="serving-lab", factors=ServingLab.factors, metrics=metrics.METRICS)
    for work, speed in (("released", 20.0), ("held", 10.4)):
        for workers, mine in ((1, 10.0), (2, speed)):
            sample = {metrics.THROUGHPUT: mine, metrics.MEMORY: 1.0, metrics.LOAD: 0.2, metrics.BOOT: 1.8}
            cell = writer.add([1.0], samples=[sample], part="modes", mode="threads", work=work, workers=workers)
            store.add_value(writer.run.id, "host.starved", float(work == "released"), cell_id=cell)
    assert ServingAnalyzer().analyze([writer.finish()], SHORT).answers == [
        "fake: nothing is recommended for work that releases the interpreter lock; the warnings say why",
        "fake: one worker is enough for work that holds the interpreter lock: 2 threads answer 1.04 times as much",
    ]


def test_without_simpy_the_measured_part_is_told_and_the_rest_named(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_words: Any, **_more: Any) -> Any:
        raise MissingDependencyError("'simpy' is needed and not installed; run: pip install 'sebsx[lab]'")

    view = planted(store)
    monkeypatch.setattr("sebsx_serving.simulation.require", missing)
    report = ServingAnalyzer().analyze([view], SHORT)
    assert set(rows(report)) == {"modes", "policies"}
    (warning,) = [each.text for each in report.findings if "simpy" in each.text]
    assert "pip install 'sebsx[lab]'" in warning
