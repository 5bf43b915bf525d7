"""Functions that misbehave in every way: the run ends in order, what happened is stored, nothing is left."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support import Call, Cli, Said, Write, assert_nothing_left

HANDLER = "def handler(event, context):\n"

# name, code, status, what the stored error must hold
FAULTY = [
    ("syntax-error", "def handler(event, context)\n    return {}\n", "function_error", ["SyntaxError", "function.py"]),
    ("missing-module", "import nowhere\n" + HANDLER + "    return {}\n", "function_error", ["named 'nowhere'"]),
    ("no-handler", "def handle(event, context):\n    return {}\n", "function_error", ["handler"]),
    ("raises", HANDLER + "    raise LookupError('nothing')\n", "function_error", ["LookupError: nothing"]),
    ("no-json", HANDLER + "    return {'x': object()}\n", "function_error", ["OutputNotJson"]),
    ("nan", HANDLER + "    return {'x': float('nan')}\n", "function_error", ["OutputNotJson"]),
    ("recursion", HANDLER + "    return handler(event, context)\n", "function_error", ["RecursionError"]),
    ("sys-exit", "import sys\n" + HANDLER + "    sys.exit(3)\n", "function_error", ["3"]),
    ("exit-at-import", "import sys\nsys.exit(3)\n" + HANDLER + "    return {}\n", "function_error", ["3"]),
    ("os-exit", "import os\n" + HANDLER + "    os._exit(4)\n", "function_error", ["4"]),
    ("signal", "import os\n" + HANDLER + "    os.kill(os.getpid(), 9)\n", "function_error", ["SIGKILL"]),
    ("too-much", HANDLER + "    return {'x': 'y' * (7 * 2**20)}\n", "function_error", ["ResponseTooLarge"]),
]  # fmt: skip

# name, code: bad manners that do no harm
HARMLESS = [
    ("prints", HANDLER + "    for _ in range(50):\n        print('x' * 2**20)\n    return {}\n"),
    ("closes-stdout", "import os, sys\n" + HANDLER
     + "    if not sys.stdout.closed:\n        sys.stdout.close()\n        os.close(2)\n    return {}\n"),
    ("changes-folder", "import os\n" + HANDLER + "    os.chdir('/')\n    return {}\n"),
    ("threads", "import threading, time\n" + HANDLER
     + "    threading.Thread(target=time.sleep, args=(999,)).start()\n    return {}\n"),
    ("deletes-itself", "import os\n" + HANDLER
     + "    if os.path.exists(__file__):\n        os.remove(__file__)\n    return {}\n"),
]  # fmt: skip


def run(call: Call, *folders: Path, start: str = "warm", more: Sequence[str] = ()) -> Said:
    words = ["--start", start, "--repetitions", "2", "--set", "max_failures=2", *more]
    return call("run", "benchmark", *map(str, folders), *words)


@pytest.mark.slow
def test_every_fault_of_a_function_is_a_stored_result(sebsx: Cli, call: Call, write_function: Write) -> None:
    folders = [write_function(name, code) for name, code, _, _ in FAULTY]
    run(call, *folders, start="cold").assert_fails(6, f"{len(FAULTY)} of {len(FAULTY)} cells failed")
    for name, _, status, words in FAULTY:
        stored = sebsx.rows(f"SELECT status, error FROM invocations WHERE benchmark = '{name}'")
        assert [found for found, _ in stored] == [status, status], name
        missing = [word for word in words for _, error in stored if word not in error]
        assert not missing, stored
    assert set(sebsx.rows("SELECT status, stop_reason FROM cell")) == {("failed", "2 invocations failed")}
    assert sebsx.rows("SELECT DISTINCT state FROM resource") == [("deleted",)]


@pytest.mark.slow
def test_bad_manners_do_no_harm(sebsx: Cli, call: Call, write_function: Write) -> None:
    folders = [write_function(name, code) for name, code in HARMLESS]
    assert run(call, *folders).code == 0
    counted = sebsx.rows("SELECT benchmark, count(*) FROM measured WHERE status = 'ok' GROUP BY benchmark")
    assert counted == sorted((name, 2) for name, _ in HARMLESS)


@pytest.mark.slow
def test_function_that_never_returns_times_out(sebsx: Cli, call: Call, write_function: Write) -> None:
    folder = write_function("endless", HANDLER + "    while True:\n        pass\n")
    run(call, folder, more=["--timeout", "0.5"]).assert_fails(6, "1 of 1 cells failed", "2 invocations", "timeout")
    assert sebsx.rows("SELECT DISTINCT status FROM invocation") == [("timeout",)]
    assert all(0.45 <= latency_s < 30 for (latency_s,) in sebsx.rows("SELECT client_latency_s FROM invocations"))


@pytest.mark.slow
@pytest.mark.root
def test_function_that_eats_memory_is_out_of_memory(sebsx: Cli, call: Call, write_function: Write) -> None:
    code = HANDLER + "    eaten = []\n    while True:\n        eaten.append(bytearray(b'x') * 2**20)\n"
    said = run(call, write_function("hungry", code), more=["--memory", "64", "--set", "limits=cgroup"])
    said.assert_fails(6, "1 of 1 cells failed", "out_of_memory")
    assert sebsx.rows("SELECT DISTINCT status FROM invocation") == [("out_of_memory",)]


@pytest.mark.slow
def test_children_that_outlive_the_function_are_ended(
    sebsx: Cli, call: Call, write_function: Write, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    code = (
        "import os, time\n"
        "def handler(event, context):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        os.setsid()\n"
        "        time.sleep(999)\n"
        "        os._exit(0)\n"
        f"    with open({str(pids)!r}, 'a') as file:\n"
        "        file.write(f'{child}\\n')\n"
        "    return {}\n"
    )
    assert run(call, write_function("forking", code)).code == 0
    started = [int(line) for line in pids.read_text(encoding="utf-8").split()]
    assert len(started) == 3  # a warm-up and two measured
    assert [pid for pid in started if runs(pid)] == []
    assert_nothing_left(call)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
def test_one_faulty_function_does_not_keep_the_others(sebsx: Cli, call: Call, write_function: Write) -> None:
    bad = write_function("bad", HANDLER + "    raise ValueError\n")
    good = write_function("good", HANDLER + "    return {}\n")
    done = run(call, bad, good)
    done.assert_fails(1, "1 of 2 cells failed", "ValueError")
    assert sebsx.rows("SELECT status FROM cell ORDER BY id") == [("failed",), ("finished",)]
    counted = sebsx.rows("SELECT benchmark, status, count(*) FROM invocations WHERE kind = 'measured' GROUP BY 1, 2")
    assert sorted(counted) == [("bad", "function_error", 2), ("good", "ok", 2)]
