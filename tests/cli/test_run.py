from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import Cli

ECHO = "def handler(event, context):\n    with context.phase('work'):\n        return {'echo': event}\n"


def rows(cli: Cli, query: str) -> list[Any]:
    with sqlite3.connect(cli.store) as connection:
        return connection.execute(query).fetchall()


def table(document: Any, name: str) -> Any:
    return next(table["rows"] for table in document["report"]["tables"] if table["name"] == name)


def run_sleep(cli: Cli, *arguments: str, duration_s: float = 0) -> Any:
    return cli.json("run", "benchmark", "sleep", "--size", "test", "-p", f"duration_s={duration_s}", *arguments)


def test_cold_and_warm_are_measured_as_asked(sebsx: Cli) -> None:
    document = run_sleep(sebsx, "--repetitions", "6", duration_s=0.02)
    assert document["run"]["status"] == "finished"
    assert [cell["status"] for cell in document["cells"]] == ["finished", "finished"]
    counted = Counter(rows(sebsx, "SELECT start_wanted, start_type, status FROM invocations WHERE kind = 'measured'"))
    assert counted == {("cold", "cold", "ok"): 6, ("warm", "warm", "ok"): 6}
    assert [row["ok"] for row in table(document, "latency")] == [6, 6]
    assert all(0.02 <= latency_s < 5 for (latency_s,) in rows(sebsx, "SELECT client_latency_s FROM measured"))


def test_warm_ups_are_stored_and_do_not_count(sebsx: Cli) -> None:
    run_sleep(sebsx, "--start", "warm", "--repetitions", "2", "--warmups", "2", "--concurrency", "3", duration_s=0.05)
    assert rows(sebsx, "SELECT kind, count(*) FROM invocations GROUP BY kind ORDER BY kind") == [
        ("measured", 2),
        ("warmup", 6),
    ]
    assert rows(sebsx, "SELECT count(*) FROM measured") == [(2,)]


def test_each_cold_sample_had_a_sandbox_of_its_own(sebsx: Cli) -> None:
    run_sleep(sebsx, "--start", "cold", "--repetitions", "5")
    sandboxes, inits = rows(sebsx, "SELECT count(DISTINCT sandbox_id), count(provider_init_s) FROM measured")[0]
    assert (sandboxes, inits) == (5, 5)


def test_burst_meets_as_many_sandboxes_as_calls(sebsx: Cli) -> None:
    run_sleep(sebsx, "--start", "burst", "--set", "burst_size=4", "--repetitions", "4", duration_s=0.5)
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
    document = run_sleep(sebsx, "--memory", "128,256", "--start", "warm", "--repetitions", "3")
    assert [row["memory_mib"] for row in table(document, "latency")] == [128, 256]
    assert rows(sebsx, "SELECT memory_mib FROM deployment ORDER BY id") == [(128,), (256,)]


def test_folder_of_ones_own_runs(sebsx: Cli, write_function: Callable[..., Path]) -> None:
    folder = write_function("my-echo", ECHO, driver="def payload(p, rng, storage):\n    return {'n': 7}\n")
    sebsx.json("run", "benchmark", str(folder), "--start", "warm", "--repetitions", "3")
    assert rows(sebsx, "SELECT DISTINCT benchmark, status FROM invocations") == [("my-echo", "ok")]
    phases = "SELECT count(*) FROM sample JOIN metric ON metric.id = metric_id WHERE metric.name = 'phase.work_s'"
    assert rows(sebsx, phases)[0][0] >= 3


def test_second_run_builds_nothing(sebsx: Cli, write_function: Callable[..., Path]) -> None:
    folder = str(write_function("cached-echo", ECHO))
    for _ in range(2):
        sebsx.json("run", "benchmark", folder, "--start", "warm", "--repetitions", "1")
    packages = rows(sebsx, "SELECT count(*), min(sha256), min(kind) FROM artifact")
    assert packages == [(1, rows(sebsx, "SELECT package_sha256 FROM deployment")[0][0], "package")]
    build_s = [value for (value,) in rows(sebsx, "SELECT build_s FROM deployment ORDER BY id")]
    assert build_s[0] > 0
    assert build_s[1] == 0


def test_same_seed_gives_the_same_input(sebsx: Cli, write_function: Callable[..., Path]) -> None:
    driver = "def payload(p, rng, storage):\n    return {'n': rng.random()}\n"
    code = "def handler(event, context):\n    return {'n': event['n']}\n"
    check = "def check(payload, output, storage):\n    return f'drawn {payload[\"n\"]}'\n"
    folder = str(write_function("seeded", code, driver=driver + check))
    for seed in ("5", "5", "6"):
        sebsx("run", "benchmark", folder, "--start", "warm", "--repetitions", "1", "--seed", seed)
    drawn = rows(sebsx, "SELECT min(error) FROM invocations WHERE kind = 'measured' GROUP BY run")
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
        "run", "benchmark", folder, "--start", "warm", "--repetitions", "10",
        "--max-repetitions", "40", "--precision", "0.001",
    )  # fmt: skip
    assert document["cells"][0]["stop_reason"] == "enough samples"
    assert rows(sebsx, "SELECT count(*) FROM measured") == [(40,)]


def test_price_of_ones_own_machine_gives_a_cost(sebsx: Cli) -> None:
    prices = ("--set", "price_per_gb_s_usd=0.00002", "--set", "price_per_request_usd=0.0000002")
    document = run_sleep(sebsx, "--start", "warm", "--repetitions", "6", "--memory", "1024", *prices, duration_s=0.01)
    costs = rows(sebsx, "SELECT cost_usd, provider_billed_s FROM measured")
    assert all(abs(cost_usd - (billed_s * 0.00002 + 0.0000002)) < 1e-12 for cost_usd, billed_s in costs)
    assert table(document, "breakdown")[0]["million_usd"] is not None


def test_plan_counts_and_touches_nothing(sebsx: Cli) -> None:
    words = ("plan", "benchmark", "sleep", "--memory", "128,256", "--repetitions", "7")
    plan = sebsx.json(*words, "--design", "sequential")
    assert (plan["design"], plan["deployments"], plan["invocations"], len(plan["cells"])) == ("sequential", 2, 28, 4)
    plan = sebsx.json(*words)  # interleaved, each cell has a deployment of its own
    assert (plan["design"], plan["deployments"], plan["invocations"], len(plan["cells"])) == ("rmit", 4, 28, 4)
    assert not sebsx.store.exists()


def test_default_suite_has_the_six_benchmarks(sebsx: Cli) -> None:
    document = sebsx.json("plan", "benchmark", "--size", "test", "--start", "warm")
    names = {cell["factors"]["benchmark"] for cell in document["cells"]}
    assert names == {"sleep", "dynamic-html", "graph-bfs", "compression", "crud-api", "thumbnailer"}


def test_runs_and_show_find_the_run_again(sebsx: Cli) -> None:
    document = run_sleep(sebsx, "--start", "warm", "--repetitions", "2")
    run_id = document["run"]["id"]
    assert [run["id"] for run in sebsx.json("runs")] == [run_id]
    assert sebsx.json("show", "last")["run"]["id"] == run_id
    assert sebsx.json("show", run_id[:-4])["run"]["id"] == run_id
    assert sebsx.json("analyze", run_id)["tables"]
    assert "finished" in sebsx("show", run_id).stdout


def test_nothing_is_left_behind(sebsx: Cli) -> None:
    run_sleep(sebsx, "--start", "cold", "--repetitions", "2")
    assert rows(sebsx, "SELECT DISTINCT state FROM resource") == [("deleted",)]
    assert sebsx.json("clean", "--dry-run") == []
