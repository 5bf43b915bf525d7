"""Interleaved runs on this machine, as a user starts them: drift, versions, and processes that are killed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import Call, Cli, assert_nothing_left, wait_until

pytestmark = pytest.mark.slow  # whole runs

Write = Callable[..., Path]
SWEEP = ("--memory", "128,256,512")
WARM = ("--start", "warm")


def rounds(cli: Cli, level: str) -> dict[int, list[Any]]:
    """Return for each round the levels of a factor in the order in which they were measured."""
    found: dict[int, list[Any]] = defaultdict(list)
    query = (
        f"SELECT i.round, json_extract(c.factors, '$.{level}') FROM invocation i JOIN cell c ON c.id = i.cell_id "
        "WHERE i.kind = 'measured' ORDER BY i.sequence"
    )
    for number, word in cli.rows(query):
        found[number].append(word)
    return found


def texts(document: Any) -> str:
    return "\n".join(finding["text"] for finding in document["report"]["findings"])


def test_memory_sweep_is_interleaved_and_says_so(sebsx: Cli) -> None:
    words = ("benchmark", "sleep", "--size", "test", *SWEEP, "--start", "cold,warm", "--repetitions", "3")
    assert "rmit design: 6 cells, 6 deployments" in sebsx("plan", *words).stdout
    document = sebsx.json("run", *words, "--seed", "7")
    assert document["run"]["design"] == "rmit"
    assert "one after the other" not in texts(document)
    everything = {(128, 2), (256, 2), (512, 2)}
    assert [set(Counter(order).items()) for order in rounds(sebsx, "memory_mib").values()] == [everything] * 3
    kinds = sebsx.rows("SELECT DISTINCT c.start_wanted, i.start_type FROM invocation i JOIN cell c ON c.id = i.cell_id "
                       "WHERE i.kind = 'measured' ORDER BY 1")  # fmt: skip
    assert kinds == [("cold", "cold"), ("warm", "warm")]
    shown = sebsx("show", "last").stdout
    assert "design      rmit" in shown


def test_sequential_sweep_is_warned_of(sebsx: Cli) -> None:
    words = ("run", "benchmark", "sleep", "--size", "test", "--memory", "128,256", *WARM, "--repetitions", "2")
    document = sebsx.json(*words, "--design", "sequential")
    assert document["run"]["design"] == "sequential"
    assert "measured the conditions of sleep one after the other" in texts(document)
    assert "design      sequential" in sebsx("show", "last").stdout


def test_settings_of_the_analyzer_are_heard(sebsx: Cli) -> None:
    words = ("run", "benchmark", "sleep", "--size", "test", *WARM, "--repetitions", "8")
    found = [
        sebsx.json(*words, "-s", "analyzer.perf-cost.confidence=0.8", "-s", "keep_alive_s=60")["report"],
        sebsx.json("analyze", "last", "-s", "confidence=0.7"),
        sebsx.json("analyze", "last"),
    ]
    assert [report["tables"][0]["rows"][0]["median_s"]["confidence"] for report in found] == [0.8, 0.7, 0.95]


def test_unknown_design_is_refused(call: Call) -> None:
    call("run", "benchmark", "sleep", "--design", "duet").assert_fails(2, "design", "rmit", "sequential")


def test_against_two_benchmarks_is_refused(call: Call) -> None:
    call("plan", "benchmark", "sleep", "graph-bfs", "--against", "sleep").assert_fails(2, "against takes exactly one")


def test_base_that_is_no_folder_is_refused(call: Call) -> None:
    call("plan", "benchmark", "sleep", "--against", "./nowhere").assert_fails(2, "nowhere", "does not exist")


@pytest.mark.slow
def test_killed_interleaved_run_goes_on_with_whole_rounds(sebsx: Cli, call: Call) -> None:
    words = ("run", "benchmark", "sleep", "--size", "test", *SWEEP, *WARM, "--repetitions", "40")
    process = sebsx.start(*words)
    wait_until(lambda: sebsx.count() >= 20, process)
    process.kill()
    process.communicate()
    assert call("clean").code == 0
    kept = sebsx.rows("SELECT sequence, round, cell_id, sandbox_id FROM invocation ORDER BY sequence")
    run_id = call("runs", "--json").json[0]["id"]
    assert call("run", "--resume", run_id).code == 0
    after = sebsx.rows("SELECT sequence, round, cell_id, sandbox_id FROM invocation ORDER BY sequence")
    assert after[: len(kept)] == kept
    assert len({sequence for sequence, *_ in after}) == len(after)
    found = rounds(sebsx, "memory_mib")
    whole = [number for number, order in found.items() if sorted(order) == [128, 256, 512]]
    cut = [order for number, order in found.items() if number not in whole]
    assert len(whole) == 40
    assert len(cut) <= 1
    assert all(len(set(order)) == len(order) for order in cut)
    assert sebsx.rows("SELECT status, stop_reason FROM cell") == [("finished", "enough samples")] * 3
    assert_nothing_left(call)


DRIFTING = """
import pathlib
import time

FIRST_CALL = pathlib.Path({origin!r})

def handler(event, context):
    if not FIRST_CALL.exists():
        FIRST_CALL.write_text(str(time.time()))
    elapsed_s = time.time() - float(FIRST_CALL.read_text())
    time.sleep(0.005 * (1 + 2 * elapsed_s))  # 5 ms at first, and 10 ms more with every second, whoever is called
    return {{}}
"""


@pytest.mark.slow
def test_drift_looks_like_a_difference_unless_interleaved(sebsx: Cli, write_function: Write, tmp_path: Path) -> None:
    folder = write_function("drifting", "")
    words = ("run", "benchmark", str(folder), "--memory", "128,512", *WARM, "--repetitions", "24")
    found = {}
    for design in ("sequential", "rmit"):
        (folder / "python" / "function.py").write_text(DRIFTING.format(origin=str(tmp_path / design)), encoding="utf-8")
        document = sebsx.json(*words, "--design", design)
        (table,) = [table for table in document["report"]["tables"] if table["name"] == "latency"]
        found[design] = [row["median_s"] for row in table["rows"]]
    first, last = found["sequential"]
    assert last["low"] > first["high"]  # told apart, and wrongly so
    first, last = found["rmit"]
    assert last["low"] < first["high"]
    assert first["low"] < last["high"]
    assert 0.9 < last["value"] / first["value"] < 1.1


@pytest.mark.soak  # tests/test_performance_gate.py finds such a version
def test_version_that_is_a_tenth_slower_is_found(sebsx: Cli, write_function: Write) -> None:
    folders = []
    for place, sleep_s in (("main", 0.030), ("branch", 0.033)):
        root = write_function(
            place, f"import time\n\ndef handler(event, context):\n    time.sleep({sleep_s})\n    return {{}}\n"
        )
        manifest = root / "benchmark.toml"
        manifest.write_text(manifest.read_text().replace(f'name = "{place}"', 'name = "mine"'), encoding="utf-8")
        folders.append(str(root))
    base, new = folders
    document = sebsx.json("run", "benchmark", new, "--against", base, *WARM, "--repetitions", "40")
    (table,) = [table for table in document["report"]["tables"] if table["name"] == "versions"]
    ratio = table["rows"][0]["ratio"]
    assert 6 <= ratio["n"] <= 60  # sandboxes of each side, as many as the pilot asked for
    assert 1.0 < ratio["low"] <= ratio["value"] <= ratio["high"]
    assert ratio["value"] == pytest.approx(1.1, abs=0.05)
    assert "mine was measured in two versions" in texts(document)
    assert {cell["factors"]["version"] for cell in document["cells"]} == {"base", "new"}
    assert {cell["factors"]["benchmark"] for cell in document["cells"]} == {"mine"}
    assert "version" in sebsx("show", "last").stdout
    assert len(set(sebsx.rows("SELECT benchmark_sha256 FROM deployment"))) == 2
