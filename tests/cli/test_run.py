from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import Cli

ECHO = "def handler(event, context):\n    with context.phase('work'):\n        return {'echo': event}\n"


def rows(cli: Cli, query: str) -> list[Any]:
    with sqlite3.connect(cli.store) as connection:
        return connection.execute(query).fetchall()


def test_cold_and_warm_are_measured_as_asked(sebsx: Cli) -> None:
    document = sebsx.json("run", "benchmark", "sleep", "--size", "test", "--repetitions", "6", "-p", "duration_s=0.02")
    assert document["run"]["status"] == "finished"
    assert [cell["status"] for cell in document["cells"]] == ["finished", "finished"]
    counted = Counter(rows(sebsx, "SELECT start, start_type, kind, status FROM invocations"))
    assert counted == {
        ("cold", "cold", "measured", "ok"): 6,
        ("warm", "warm", "measured", "ok"): 6,
        ("warm", "warm", "warmup", "ok"): counted[("warm", "warm", "warmup", "ok")],
        **({("warm", "cold", "warmup", "ok"): 1} if ("warm", "cold", "warmup", "ok") in counted else {}),
    }
    (row,) = document["report"]["tables"][0]["rows"]
    assert row["n_ok"] == 12
    for latency in rows(sebsx, "SELECT client_latency_s FROM measured"):
        assert 0.02 <= latency[0] < 5


def test_each_cold_sample_had_a_sandbox_of_its_own(sebsx: Cli) -> None:
    sebsx.json(
        "run", "benchmark", "sleep", "--size", "test", "--start", "cold", "--repetitions", "5", "-p", "duration_s=0"
    )
    sandboxes, inits = rows(sebsx, "SELECT count(DISTINCT sandbox_id), count(provider_init_s) FROM measured")[0]
    assert (sandboxes, inits) == (5, 5)


def test_burst_meets_as_many_sandboxes_as_calls(sebsx: Cli) -> None:
    sebsx.json(
        "run", "benchmark", "sleep", "--size", "test", "--start", "burst", "--set", "burst_size=4", "--repetitions", "4",
        "-p", "duration_s=0.5",
    )  # fmt: skip
    assert rows(sebsx, "SELECT count(DISTINCT sandbox_id) FROM measured") == [(4,)]


def test_sequential_calls_begin_cold_and_stay_in_one_sandbox(sebsx: Cli) -> None:
    sebsx.json(
        "run",
        "benchmark",
        "sleep",
        "--size",
        "test",
        "--start",
        "sequential",
        "--repetitions",
        "5",
        "-p",
        "duration_s=0",
    )
    starts = rows(sebsx, "SELECT start_type FROM measured ORDER BY sequence")
    assert starts == [("cold",), ("warm",), ("warm",), ("warm",), ("warm",)]
    assert rows(sebsx, "SELECT count(DISTINCT sandbox_id) FROM measured") == [(1,)]


def test_memory_sweep_stores_what_the_platform_applied(sebsx: Cli) -> None:
    document = sebsx.json(
        "run", "benchmark", "sleep", "--size", "test", "--memory", "128,256", "--start", "warm", "--repetitions", "3",
        "-p", "duration_s=0",
    )  # fmt: skip
    assert [row["memory_mib"] for row in document["report"]["tables"][0]["rows"]] == [128, 256]
    assert rows(sebsx, "SELECT memory_mib FROM deployment ORDER BY id") == [(128,), (256,)]


def test_folder_of_ones_own_runs(sebsx: Cli, write_function: Callable[..., Path]) -> None:
    folder = write_function("my-echo", ECHO, driver="def payload(p, rng, storage):\n    return {'n': 7}\n")
    sebsx.json("run", "benchmark", str(folder), "--size", "default", "--start", "warm", "--repetitions", "3")
    assert rows(sebsx, "SELECT DISTINCT benchmark, status FROM invocations") == [("my-echo", "ok")]
    phases = "SELECT count(*) FROM sample JOIN metric ON metric.id = metric_id WHERE metric.name = 'phase.work_s'"
    assert rows(sebsx, phases)[0][0] >= 3


def test_second_run_builds_nothing(sebsx: Cli, write_function: Callable[..., Path]) -> None:
    folder = str(write_function("cached-echo", ECHO))
    for _ in range(2):
        sebsx.json("run", "benchmark", folder, "--size", "default", "--start", "warm", "--repetitions", "1")
    build_s = [value for (value,) in rows(sebsx, "SELECT build_s FROM deployment ORDER BY id")]
    assert build_s[0] > 0
    assert build_s[1] == 0


def test_same_seed_gives_the_same_input(sebsx: Cli, write_function: Callable[..., Path]) -> None:
    driver = "def payload(p, rng, storage):\n    return {'n': rng.random()}\n"
    code = "def handler(event, context):\n    return {'n': event['n']}\n"
    check = "def check(payload, output, storage):\n    return f'drawn {payload[\"n\"]}'\n"
    folder = str(write_function("seeded", code, driver=driver + check))
    for seed in ("5", "5", "6"):
        sebsx("run", "benchmark", folder, "--size", "default", "--start", "warm", "--repetitions", "1", "--seed", seed)
    drawn = [
        error for (error,) in rows(sebsx, "SELECT min(error) FROM invocations WHERE kind = 'measured' GROUP BY run_id")
    ]
    assert len(drawn) == 3
    assert len(set(drawn)) == 2


def test_precision_goes_on_past_repetitions_up_to_the_cap(sebsx: Cli, write_function: Callable[..., Path]) -> None:
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
    document = sebsx.json(
        "run", "benchmark", folder, "--size", "default", "--start", "warm", "--repetitions", "10",
        "--max-repetitions", "40", "--precision", "0.001",
    )  # fmt: skip
    assert document["cells"][0]["stop_reason"] == "enough samples"
    assert rows(sebsx, "SELECT count(*) FROM measured") == [(40,)]


def test_price_of_ones_own_machine_gives_a_cost(sebsx: Cli) -> None:
    document = sebsx.json(
        "run", "benchmark", "sleep", "--size", "test", "--start", "warm", "--repetitions", "6", "-p", "duration_s=0.01",
        "--memory", "1024", "--set", "price_per_gb_s_usd=0.0000166667", "--set", "price_per_request_usd=0.0000002",
    )  # fmt: skip
    costs = rows(sebsx, "SELECT cost_usd, provider_billed_s FROM measured")
    for cost_usd, billed_s in costs:
        assert abs(cost_usd - (billed_s * 0.0000166667 + 0.0000002)) < 1e-12
    assert document["report"]["tables"][0]["rows"][0]["cost_per_million_usd"] is not None


def test_plan_counts_and_touches_nothing(sebsx: Cli) -> None:
    document = sebsx.json("plan", "benchmark", "sleep", "--memory", "128,256", "--repetitions", "7")
    assert (document["deployments"], document["invocations"], len(document["cells"])) == (2, 28, 4)
    assert not sebsx.store.exists()


def test_default_suite_has_the_six_benchmarks(sebsx: Cli) -> None:
    document = sebsx.json("plan", "benchmark", "--size", "test", "--start", "warm")
    names = {cell["factors"]["benchmark"] for cell in document["cells"]}
    assert names == {"sleep", "dynamic-html", "graph-bfs", "compression", "crud-api", "thumbnailer"}


def test_runs_and_show_find_the_run_again(sebsx: Cli) -> None:
    document = sebsx.json(
        "run", "benchmark", "sleep", "--size", "test", "--start", "warm", "--repetitions", "2", "-p", "duration_s=0"
    )
    run_id = document["run"]["id"]
    assert [run["id"] for run in sebsx.json("runs")] == [run_id]
    assert sebsx.json("show", "last")["run"]["id"] == run_id
    assert sebsx.json("show", run_id[:-4])["run"]["id"] == run_id
    assert sebsx.json("analyze", run_id)["tables"]
    assert "finished" in sebsx("show", run_id).stdout


def test_nothing_is_left_behind(sebsx: Cli) -> None:
    sebsx.json(
        "run", "benchmark", "sleep", "--size", "test", "--start", "cold", "--repetitions", "2", "-p", "duration_s=0"
    )
    assert rows(sebsx, "SELECT DISTINCT state FROM resource") == [("deleted",)]
    assert sebsx.json("clean", "--dry-run") == []
