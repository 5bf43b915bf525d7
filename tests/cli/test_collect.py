"""`--collect` from the command line to the rows of the store."""

from __future__ import annotations

import json

import pytest

from tests.support import Call, Cli, Write

CODE = """
import time
def handler(event, context):
    with context.phase("fill"):
        data = bytearray(32 << 20)
        data[::4096] = b"x" * len(data[::4096])
        time.sleep(0.2)
    return {"n": len(data)}
"""


@pytest.mark.slow
def test_chosen_collectors_measure_and_others_do_not(sebsx: Cli, call: Call, write_function: Write) -> None:
    folder = write_function("filler", CODE)
    words = ("--collect", "saaf,cgroup,memory-series", "--start", "warm", "--repetitions", "2", "--memory", "512")
    document = call("run", "benchmark", str(folder), *words, "--json").json
    assert document["run"]["settings"]["collectors"] == ["saaf", "cgroup", "memory-series"]
    sources = sebsx.rows("SELECT DISTINCT source FROM sample JOIN metric ON metric.id = metric_id")
    assert {source for (source,) in sources} == {"saaf", "cgroup", "memory-series", "phase", "function"}
    ((facts,),) = sebsx.rows("SELECT facts FROM sandbox")
    series = sebsx.rows(
        "SELECT text FROM run_value JOIN metric ON metric.id = metric_id WHERE name = 'memory-series.series'"
    )
    sequences = sebsx.rows("SELECT sequence FROM invocation ORDER BY sequence")
    facts = json.loads(facts)
    assert facts["saaf"]["newcontainer"] == 1
    assert "cgroup" in facts
    assert "collectors_absent" not in facts
    documents = [json.loads(text) for (text,) in series]
    assert [(document["sequence"],) for document in documents] == sequences
    for document in documents:
        assert max(document["uss_bytes"]) - document["uss_bytes"][0] > 28 * 2**20 or document["sequence"] > 1
        assert document["phases"][0][0] == "fill"


def test_unknown_collector_suggests_the_nearest(call: Call) -> None:
    said = call("run", "benchmark", "sleep", "--collect", "saff")
    said.assert_fails(2, "collector 'saff' is not known; did you mean 'saaf'?")
