"""`sebsx run benchmark` on this machine: what is asked for is what is measured, stored and shown."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.support import Call, Cli, Write, assert_nothing_left

ECHO = "def handler(event, context):\n    with context.phase('work'):\n        return {'echo': event}\n"


def table(document: Any, name: str) -> Any:
    return next(table["rows"] for table in document["report"]["tables"] if table["name"] == name)


def run_sleep(call: Call, *arguments: str, duration_s: float = 0) -> Any:
    words = ("--size", "test", "-p", f"duration_s={duration_s}", *arguments)
    return call("run", "benchmark", "sleep", *words, "--json").json


def test_cold_and_warm_are_measured_as_asked_by_a_process(sebsx: Cli) -> None:
    document = sebsx.json("run", "benchmark", "sleep", "--size", "test", "-p", "duration_s=0.02", "--repetitions", "6")
    assert document["run"]["status"] == "finished"
    assert [cell["status"] for cell in document["cells"]] == ["finished", "finished"]
    counted = Counter(sebsx.rows("SELECT start_wanted, start_type, status FROM invocations WHERE kind = 'measured'"))
    assert counted == {("cold", "cold", "ok"): 6, ("warm", "warm", "ok"): 6}
    assert [row["ok"] for row in table(document, "latency")] == [6, 6]
    assert all(0.02 <= latency_s < 5 for (latency_s,) in sebsx.rows("SELECT client_latency_s FROM measured"))


@pytest.mark.slow
def test_warm_ups_are_stored_and_do_not_count(sebsx: Cli, call: Call) -> None:
    run_sleep(call, "--start", "warm", "--repetitions", "2", "--warmups", "2", "--concurrency", "3", duration_s=0.05)
    assert sebsx.rows("SELECT kind, count(*) FROM invocations GROUP BY kind ORDER BY kind") == [
        ("measured", 2),
        ("warmup", 6),
    ]
    assert sebsx.rows("SELECT count(*) FROM measured") == [(2,)]


@pytest.mark.slow
def test_each_cold_sample_had_a_sandbox_of_its_own(sebsx: Cli, call: Call) -> None:
    run_sleep(call, "--start", "cold", "--repetitions", "5")
    sandboxes, inits = sebsx.rows("SELECT count(DISTINCT sandbox_id), count(provider_init_s) FROM measured")[0]
    assert (sandboxes, inits) == (5, 5)


@pytest.mark.slow
def test_burst_meets_as_many_sandboxes_as_calls(sebsx: Cli, call: Call) -> None:
    run_sleep(call, "--start", "burst", "--set", "burst_size=4", "--repetitions", "4", duration_s=0.5)
    assert sebsx.rows("SELECT count(DISTINCT sandbox_id) FROM measured") == [(4,)]


@pytest.mark.slow
def test_sequential_calls_begin_cold_and_stay_in_one_sandbox(sebsx: Cli, call: Call) -> None:
    run_sleep(call, "--start", "sequential", "--repetitions", "5")
    starts = sebsx.rows("SELECT start_type FROM measured ORDER BY sequence")
    assert starts == [("cold",), ("warm",), ("warm",), ("warm",), ("warm",)]
    assert sebsx.rows("SELECT count(DISTINCT sandbox_id) FROM measured") == [(1,)]


@pytest.mark.slow
def test_memory_sweep_stores_what_the_platform_applied(sebsx: Cli, call: Call) -> None:
    document = run_sleep(call, "--memory", "128,256", "--start", "warm", "--repetitions", "3")
    assert [row["memory_mib"] for row in table(document, "latency")] == [128, 256]
    assert sebsx.rows("SELECT memory_mib FROM deployment ORDER BY id") == [(128,), (256,)]


@pytest.mark.slow
def test_folder_of_ones_own_runs(sebsx: Cli, call: Call, write_function: Write) -> None:
    folder = write_function("my-echo", ECHO, driver="def payload(p, rng, storage):\n    return {'n': 7}\n")
    assert call("run", "benchmark", str(folder), "--start", "warm", "--repetitions", "3").code == 0
    assert sebsx.rows("SELECT DISTINCT benchmark, status FROM invocations") == [("my-echo", "ok")]
    phases = "SELECT count(*) FROM sample JOIN metric ON metric.id = metric_id WHERE metric.name = 'phase.work_s'"
    assert sebsx.rows(phases)[0][0] >= 3


@pytest.mark.slow
def test_second_run_builds_nothing(sebsx: Cli, call: Call, write_function: Write) -> None:
    folder = str(write_function("cached-echo", ECHO))
    for _ in range(2):
        assert call("run", "benchmark", folder, "--start", "warm", "--repetitions", "1").code == 0
    packages = sebsx.rows("SELECT count(*), min(sha256), min(kind) FROM artifact")
    assert packages == [(1, sebsx.rows("SELECT package_sha256 FROM deployment")[0][0], "package")]
    build_s = [value for (value,) in sebsx.rows("SELECT build_s FROM deployment ORDER BY id")]
    assert build_s[0] > 0
    assert build_s[1] == 0


@pytest.mark.slow
def test_same_seed_gives_the_same_input(sebsx: Cli, call: Call, write_function: Write) -> None:
    driver = "def payload(p, rng, storage):\n    return {'n': rng.random()}\n"
    code = "def handler(event, context):\n    return {'n': event['n']}\n"
    check = "def check(payload, output, storage):\n    return f'drawn {payload[\"n\"]}'\n"
    folder = str(write_function("seeded", code, driver=driver + check))
    for seed in ("5", "5", "6"):
        call("run", "benchmark", folder, "--start", "warm", "--repetitions", "1", "--seed", seed)
    drawn = sebsx.rows("SELECT min(error) FROM invocations WHERE kind = 'measured' GROUP BY run")
    assert len(drawn) == 3
    assert len(set(drawn)) == 2


@pytest.mark.slow
def test_precision_goes_on_past_repetitions_up_to_the_cap(sebsx: Cli, call: Call, write_function: Write) -> None:
    code = (
        "import time\n"
        "calls = 0\n"
        "def handler(event, context):\n"
        "    global calls\n"
        "    calls += 1\n"
        "    time.sleep(0.001 if calls % 2 else 0.03)\n"
        "    return {}\n"
    )
    folder = str(write_function("bimodal", code))
    many = ("--repetitions", "10", "--max-repetitions", "40", "--precision", "0.001")
    document = call("run", "benchmark", folder, "--start", "warm", *many, "--json").json
    assert document["cells"][0]["stop_reason"] == "enough samples"
    assert sebsx.rows("SELECT count(*) FROM measured") == [(40,)]


@pytest.mark.slow
def test_price_of_ones_own_machine_gives_a_cost(sebsx: Cli, call: Call) -> None:
    prices = ("--set", "price_per_gb_s_usd=0.00002", "--set", "price_per_request_usd=0.0000002")
    document = run_sleep(call, "--start", "warm", "--repetitions", "6", "--memory", "1024", *prices, duration_s=0.01)
    costs = sebsx.rows("SELECT cost_usd, provider_billed_s FROM measured")
    assert all(abs(cost_usd - (billed_s * 0.00002 + 0.0000002)) < 1e-12 for cost_usd, billed_s in costs)
    assert table(document, "breakdown")[0]["million_usd"] is not None


def test_plan_counts_and_touches_nothing(sebsx: Cli, call: Call) -> None:
    words = ("plan", "benchmark", "sleep", "--memory", "128,256", "--repetitions", "7")
    plan = call(*words, "--design", "sequential", "--json").json
    assert (plan["design"], plan["deployments"], plan["invocations"], len(plan["cells"])) == ("sequential", 2, 28, 4)
    plan = call(*words, "--json").json  # interleaved, each cell has a deployment of its own
    assert (plan["design"], plan["deployments"], plan["invocations"], len(plan["cells"])) == ("rmit", 4, 28, 4)
    assert not sebsx.store.exists()


def test_default_suite_has_the_six_benchmarks(sebsx: Cli, call: Call) -> None:
    document = call("plan", "benchmark", "--size", "test", "--start", "warm", "--json").json
    names = {cell["factors"]["benchmark"] for cell in document["cells"]}
    assert names == {"sleep", "dynamic-html", "graph-bfs", "compression", "crud-api", "thumbnailer"}


@pytest.mark.slow
def test_runs_and_show_find_the_run_again(sebsx: Cli, call: Call) -> None:
    document = run_sleep(call, "--start", "warm", "--repetitions", "2")
    run_id = document["run"]["id"]
    assert [run["id"] for run in call("runs", "--json").json] == [run_id]
    assert call("show", "last", "--json").json["run"]["id"] == run_id
    assert call("show", run_id[:-4], "--json").json["run"]["id"] == run_id
    assert call("analyze", run_id, "--json").json["tables"]
    assert "finished" in call("show", run_id).stdout


@pytest.mark.slow
def test_nothing_is_left_behind(sebsx: Cli, call: Call) -> None:
    run_sleep(call, "--start", "cold", "--repetitions", "2")
    assert sebsx.rows("SELECT DISTINCT state FROM resource") == [("deleted",)]
    assert_nothing_left(call)
