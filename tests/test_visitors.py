"""Four visitors with the commands of README and docs, in an empty home: what each is told.

A command is one of the page that it is said to be of, made small by options behind it.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support import Call, Cli, Said

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
HANDLER = "import time\n\ndef handler(event, context):\n    time.sleep({seconds})\n    return {{'label': 'cat'}}\n"


@pytest.fixture
def visit(call: Call) -> Callable[..., Said]:
    """Return a way to type a command that a page shows, with options behind it."""

    def typed(page: str, command: str, *smaller: str) -> Said:
        assert command in (ROOT / page).read_text(encoding="utf-8"), f"{page} does not show: {command}"
        program, *words = shlex.split(command)
        assert program == "sebsx"
        return call(*words, *smaller)

    return typed


def test_engineer_with_a_memory_size_to_defend(visit: Callable[..., Said], call: Call, sebsx: Cli) -> None:
    small = ("--size", "test", "--start", "warm", "--repetitions", "6")
    sweep = "run benchmark graph-bfs --memory 256,512,1024 --price-as aws:us-east-1"
    planned = call("plan", *shlex.split(sweep)[1:], *small).stdout
    assert "3 cells" in planned
    assert "costs $" in planned
    said = visit("README.md", f"sebsx {sweep}", *small)
    assert said.code == 0, said.stderr
    answer = said.stdout.strip().splitlines()[-1]
    assert answer.startswith("graph-bfs on local: warm ")
    unlimited = "the processor did not follow memory" in said.stdout  # who may make no control groups
    starved = "starved" in said.stdout
    assert unlimited or starved or ("cheapest" in said.stdout and "fastest" in said.stdout)
    assert "aws us-east-1" in said.stdout or unlimited or starved
    assert visit("README.md", "sebsx report last", "-o", "for-the-boss.html").code == 0
    page = (sebsx.home / "for-the-boss.html").read_text(encoding="utf-8")
    assert "graph-bfs on local: 3 memory sizes" in page
    assert call("analyze", "last", "--fail-if", "errors>0", "--fail-if", "median>1m").code == 0


def test_student_with_an_eviction_curve(visit: Callable[..., Said], sebsx: Cli) -> None:
    page = "docs/methods/eviction.md"
    planned = visit(page, "sebsx plan experiment eviction --platform local --preset paper")
    assert planned.code == 0, planned.stderr
    said = visit(
        page, "sebsx run experiment eviction --platform local -s keep_alive_s=2 --idle 0.5,1.5,2.5,4 --repetitions 1"
    )
    assert said.code == 0, said.stderr
    found = re.search(r"idle sandboxes live .* s \[(.*), (.*)\] after their last call", said.stdout.splitlines()[-1])
    assert found is not None, said.stdout
    low_s, high_s = map(float, found.groups())
    assert low_s <= 2 <= high_s  # what the platform was told
    exported = visit("README.md", "sebsx export last --format csv", "-o", "raw.csv")
    assert exported.code == 0, exported.stderr
    head, *rows = (sebsx.home / "raw.csv").read_text(encoding="utf-8").splitlines()
    assert "start_type" in head
    assert len(rows) >= 8


def test_owner_of_a_pipeline(visit: Callable[..., Said], call: Call, sebsx: Cli) -> None:
    for side, seconds in (("base", 0.004), ("new", 0.02)):
        assert call("new", f"{side}/greet").code == 0
        (sebsx.home / side / "greet" / "python" / "function.py").write_text(HANDLER.format(seconds=seconds))
    said = visit(
        "docs/performance-gate.md",
        "sebsx run benchmark new/greet --against base/greet --design rmit --start warm --repetitions 60",
        "--repetitions", "10", "--detect", "0", "--sandboxes", "10", "--fail-if", "errors>0",
    )  # fmt: skip
    assert said.code == 0, said.stderr
    gate = visit("docs/performance-gate.md", "sebsx compare last --metric function.duration_s --fail-on regression")
    gate.assert_fails(1, "1 regression in 1 comparison", "greet", "function.duration_s")
    assert call("export", "last", "-f", "junit", "-o", "gate.xml").code == 0
    cases = ET.parse(sebsx.home / "gate.xml").findall(".//testcase[@classname='thresholds']")
    assert len(cases) == 2  # both versions answered every call


def test_ml_engineer(visit: Callable[..., Said], call: Call, sebsx: Cli) -> None:
    assert "needs      storage" in call("show", "benchmark", "image-recognition").stdout
    assert visit("README.md", "sebsx new my-function").code == 0
    function = sebsx.home / "my-function" / "python" / "function.py"
    function.write_text(HANDLER.format(seconds=0.001).replace("import time", "import time\nimport onnx_of_mine"))
    run = "sebsx run benchmark ./my-function --payload my-function/event.json"
    failed = visit("docs/write-a-benchmark.md", run, "--start", "cold")
    assert failed.code == 6
    assert "No module named 'onnx_of_mine'" in failed.error
    assert call("show", "last").stdout.count("No module named 'onnx_of_mine'") <= 3
    function.write_text("import time\n\ntime.sleep(0.3)  # loads the model\n" + HANDLER.format(seconds=0.001))
    said = visit("docs/write-a-benchmark.md", run, "--start", "cold,warm", "--repetitions", "6")
    assert said.code == 0, said.stderr
    assert said.stdout.strip().splitlines()[-1].startswith("my-function on local: warm ")
    document = call("analyze", "last", "--json").json
    (row,) = next(table for table in document["tables"] if table["name"] == "cold-start")["rows"]
    assert row["difference_s"]["value"] > 0.25  # what a cold start costs is the model
