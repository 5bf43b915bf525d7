"""`--fail-if`: a run, what is stored of it, and what it is exported as, held against thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from sebsx.store import open_store
from sebsx.testing.runs import RunWriter

if TYPE_CHECKING:
    from tests.support import Call, Cli

RISING = [place / 1000 for place in range(1, 101)]
SLEEP = ("run", "benchmark", "sleep", "--size", "test", "--start", "warm", "--memory", "256")


@pytest.fixture
def stored(sebsx: Cli) -> Cli:
    with open_store(sebsx.store) as store:
        writer = RunWriter(store)
        writer.add(RISING)
        writer.finish()
    return sebsx


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("p95>1s",), 0, ""),
        (("p95>90ms",), 1, "--fail-if p95>90ms: p95 of client.latency_s of echo 256 MiB warm is 95.1 ms ["),
        (("p95>1s", "median>10ms,errors>1%"), 1, "median of client.latency_s of echo 256 MiB warm is 50.5 ms"),
        (("p99>1s",), 2, "needs at least 299 invocations and there are 100"),
        (("p95>300",), 2, "'300' has no unit; write 300ms"),
    ],
)
@pytest.mark.usefixtures("stored")
def test_analyze_ends_with_the_code_of_the_gate(call: Call, words: tuple[str, ...], code: int, line: str) -> None:
    said = call("analyze", "last", *(part for word in words for part in ("--fail-if", word)))
    if code:
        said.assert_fails(code, line)
    else:
        assert said.code == 0, said.stderr
        assert "kept" in said.stdout


@pytest.mark.usefixtures("stored")
def test_json_says_of_each_threshold_what_became_of_it(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    document = call("analyze", "last", "--json", "--fail-if", "p95>1s", "--fail-if", "errors>1%").json
    latency, errors = document["thresholds"]
    assert (latency["threshold"], latency["limit"], latency["crossed"]) == ("p95>1s", 1.0, False)
    assert latency["estimate"]["value"] == pytest.approx(0.09505)
    assert latency["condition"]["memory_mib"] == 256
    assert (errors["metric"], errors["estimate"]["value"]) == ("errors", 0.0)
    assert call("analyze", "last", "--json").json["thresholds"] == []


def test_thresholds_stand_in_a_settings_file_too(call: Call, stored: Cli) -> None:
    (stored.home / "sebsx.toml").write_text('[core]\nfail_if = ["p95>90ms"]\n')
    call("analyze", "last").assert_fails(1, "--fail-if p95>90ms")


@pytest.mark.usefixtures("stored")
def test_junit_has_a_case_for_each_threshold_and_condition(call: Call, sebsx: Cli) -> None:
    words = ("p95>90ms", "median>1s", "p99>1s")
    assert call("export", "last", "-f", "junit", "-o", "x.xml", *(f"--fail-if={word}" for word in words)).code == 0
    suite = ET.parse(sebsx.home / "x.xml").find("testsuite[@name='thresholds of run 01JZ0000000000000000000001']")
    assert suite is not None
    crossed, kept, unknown = suite.findall("testcase")
    assert crossed.attrib["name"] == "p95>90ms echo 256 MiB warm"
    assert "is 95.1 ms" in crossed.find("failure").attrib["message"]  # type: ignore[union-attr]
    assert [child.tag for child in kept] == ["system-out"]
    assert "needs at least 299" in unknown.find("skipped").attrib["message"]  # type: ignore[union-attr]
    call("export", "last", "-f", "csv", "-o", "x.csv", "--fail-if", "p95>1s").assert_fails(2, "takes no --fail-if")


def test_a_run_that_cannot_answer_is_refused_before_it_begins(call: Call, sebsx: Cli) -> None:
    call(*SLEEP, "--repetitions", "3", "--fail-if", "p95>1s").assert_fails(
        2, "needs at least 59 invocations of each condition and 3 are planned", "--repetitions 59"
    )
    assert not sebsx.count("run")


@pytest.mark.slow
def test_a_run_ends_with_the_gate_and_keeps_it_for_exports(call: Call, sebsx: Cli) -> None:
    said = call(*SLEEP, "--repetitions", "5", "--fail-if", "median>1us", "--fail-if", "errors>0")
    said.assert_fails(1, "--fail-if median>1us: median of client.latency_s of sleep 256 MiB warm is ")
    assert "crossed" in said.stdout
    assert "kept" in said.stdout
    assert call("export", "last", "-f", "junit", "-o", "x.xml").code == 0
    cases = ET.parse(sebsx.home / "x.xml").findall(".//testcase[@classname='thresholds']")
    assert [[child.tag for child in case] for case in cases] == [["failure"], ["system-out"]]


@pytest.mark.slow
def test_run_that_ended_before_its_gate_says_what_it_has_and_why_it_ended(call: Call) -> None:
    limited = ("--memory", "128,256", "--repetitions", "5", "--max-invocations", "2")
    said = call(*SLEEP[:-2], *limited, "--fail-if", "256 median>10s", "--fail-if", "128 median>10s")
    said.assert_fails(1, "what was measured is kept, resume with: sebsx run --resume")
    assert "latency" in said.stdout
