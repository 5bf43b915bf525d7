"""`--collect` from the command line to the rows of the store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

from tests.support import Cli

CODE = """
import time
def handler(event, context):
    with context.phase("fill"):
        data = bytearray(32 << 20)
        data[::4096] = b"x" * len(data[::4096])
        time.sleep(0.2)
    return {"n": len(data)}
"""


def test_chosen_collectors_measure_and_others_do_not(sebsx: Cli, write_function: Callable[..., Path]) -> None:
    folder = write_function("filler", CODE)
    document = sebsx.json(
        "run", "benchmark", str(folder), "--collect", "saaf,cgroup,memory-series", "--start", "warm",
        "--repetitions", "2", "--memory", "512",
    )  # fmt: skip
    assert document["run"]["settings"]["collectors"] == ["saaf", "cgroup", "memory-series"]
    with sqlite3.connect(sebsx.store) as connection:
        sources = connection.execute("SELECT DISTINCT source FROM sample JOIN metric ON metric.id = metric_id")
        assert {source for (source,) in sources} == {"saaf", "cgroup", "memory-series", "phase", "function"}
        (facts,) = connection.execute("SELECT facts FROM sandbox").fetchone()
        series = connection.execute(
            "SELECT text FROM run_value JOIN metric ON metric.id = metric_id WHERE name = 'memory-series.series'"
        ).fetchall()
        sequences = connection.execute("SELECT sequence FROM invocation ORDER BY sequence").fetchall()
    facts = json.loads(facts)
    assert facts["saaf"]["newcontainer"] == 1
    assert "cgroup" in facts
    assert "collectors_absent" not in facts
    documents = [json.loads(text) for (text,) in series]
    assert [(document["sequence"],) for document in documents] == sequences
    for document in documents:
        assert max(document["uss_bytes"]) - document["uss_bytes"][0] > 28 * 2**20 or document["sequence"] > 1
        assert document["phases"][0][0] == "fill"


def test_unknown_collector_suggests_the_nearest(sebsx: Cli) -> None:
    done = sebsx("run", "benchmark", "sleep", "--collect", "saff")
    assert done.returncode == 2
    assert "collector 'saff' is not known; did you mean 'saaf'?" in done.stderr
