"""`sebsx compare` and `sebsx baseline`: exit codes for gates, names for runs, and what is written where."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from click.shell_completion import BashComplete

from sebsx.cli import cli
from sebsx.cli.app import App
from sebsx.model import Design
from sebsx.store import open_store
from sebsx.testing.runs import RunWriter

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Call, Cli

N = 40
BASE = [0.02 + 0.0001 * (place % 7) for place in range(N)]
SLOWER = [1.1 * value for value in BASE]
VERSIONS, FIRST, SECOND, ELSEWHERE, FEW = (f"01JZ{number:022}" for number in range(1, 6))


@pytest.fixture(scope="module")
def some_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interleaved run of two versions of which one is slower; two runs of the same; one on another platform."""
    path = tmp_path_factory.mktemp("runs") / "results.sqlite"
    with open_store(path) as store:
        writer = RunWriter(store, 1, design=Design.RMIT)
        writer.add(BASE, rounds=range(N), version="base")
        writer.add(SLOWER, rounds=range(N), version="new")
        writer.finish()
        for number, platform in ((2, "fake"), (3, "fake"), (4, "other")):
            writer = RunWriter(store, number)
            writer.add(BASE, deployment={"platform": platform})
            writer.finish()
    return path


@pytest.fixture(autouse=True)
def filled(sebsx: Cli, some_runs: Path) -> None:
    """The same runs in a store of the test's own."""
    shutil.copy(some_runs, sebsx.store)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((VERSIONS,), 0),
        ((VERSIONS, "--fail-on", "never"), 0),
        ((VERSIONS, "--fail-on", "regression"), 1),
        ((VERSIONS, "--fail-on", "inconclusive,regression"), 1),
        ((VERSIONS, "--fail-on", "inconclusive"), 0),
        ((VERSIONS, "--fail-on", "regression", "--threshold", "20%"), 0),
        ((VERSIONS, "--fail-on", "regression", "-t", "client.latency_s=0.2"), 0),
        ((VERSIONS, "--fail-on", "regression", "--base", "new"), 0),
        ((FIRST, SECOND, "--apart", "--fail-on", "regression"), 0),
        ((FIRST, SECOND, "--apart", "--fail-on", "regression", "--strict"), 0),
        ((FIRST, FEW, "--apart", "--fail-on", "regression"), 2),  # a gate that decided nothing is no pass
        ((FIRST, FEW, "--apart", "--fail-on", "regression", "--strict"), 1),
        ((FIRST, SECOND, "--fail-on", "regression"), 2),  # drift alone fails such a gate in 1 of 6 cases
        ((FIRST, FEW), 0),
        ((FIRST, SECOND, "--strict"), 2),
        ((FIRST, ELSEWHERE), 2),
        ((FIRST, ELSEWHERE, "--apart", "--fail-on", "regression"), 2),
        ((FIRST, ELSEWHERE, "--fail-on", "incomparable"), 1),
        ((FIRST, ELSEWHERE, "--fail-on", "never"), 0),
        ((FIRST, ELSEWHERE, "--allow", "platform", "--apart", "--fail-on", "regression"), 0),
    ],
)
def test_exit_code_is_what_a_gate_needs(call: Call, sebsx: Cli, words: tuple[str, ...], code: int) -> None:
    if FEW in words:
        with open_store(sebsx.store) as store:
            writer = RunWriter(store, 5)
            writer.add(BASE[:3])
            writer.finish()
    assert call("compare", *words).code == code


def test_a_regression_is_named_in_the_table_and_in_the_one_line(call: Call) -> None:
    said = call("compare", VERSIONS, "--fail-on", "regression")
    said.assert_fails(1, "1 regression in 1 comparison;", "echo 256 MiB warm client.latency_s.p50", "+10.0 %")
    assert "regression" in said.stdout
    assert "40 pairs" in said.stdout


def test_json_has_every_number(call: Call) -> None:
    document = call("compare", VERSIONS, "--json").json
    (row,) = document["rows"]
    assert document["counts"] == {"regression": 1}
    assert row["ratio"]["value"] == pytest.approx(1.1, rel=1e-4)
    assert {"p", "adjusted_p", "cliff", "threshold", "base", "new", "method", "differences"} <= set(row)


def test_separate_runs_are_warned_of_on_the_page(call: Call) -> None:
    assert "separate runs" in call("compare", FIRST, SECOND).stdout


def test_what_differs_is_on_the_page(call: Call) -> None:
    said = call("compare", FIRST, ELSEWHERE)
    said.assert_fails(2, "platform fake -> other", "--allow platform")
    assert "incomparable" in said.stdout


def test_markdown_goes_to_a_file_and_the_table_to_the_terminal(call: Call, sebsx: Cli) -> None:
    said = call("compare", VERSIONS, "--format", "md", "--out", "comparison.md", "--fail-on", "regression")
    assert said.code == 1
    assert (sebsx.home / "comparison.md").read_text().startswith("### sebsx: 1 regression")
    assert "###" not in said.stdout
    assert "regression" in said.stdout


def test_markdown_and_json_go_to_stdout_without_a_file(call: Call) -> None:
    assert call("compare", VERSIONS, "--format", "md").stdout.startswith("### sebsx: ")
    assert json.loads(call("compare", VERSIONS, "--format", "json").stdout)["rows"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((VERSIONS, "--threshold", "5"), "not a share"),
        ((VERSIONS, "--threshold", "x%"), "not a share"),
        ((VERSIONS, "--metric", "client.latncy_s"), "did you mean 'client.latency_s'"),
        ((VERSIONS, "--fail-on", "regresion"), "did you mean 'regression'"),
        ((VERSIONS, "--fail-on", "never,regression"), "leave it out, or the others"),
        ((VERSIONS, "--allow", "regoin"), "did you mean 'region'"),
        ((VERSIONS, FIRST, "--factor", "version"), "within one run"),
        ((VERSIONS, FIRST, SECOND), "takes BASE and NEW"),
        ((FIRST, FIRST), "both sides"),
        ((FIRST,), "no two levels of a factor with a base side"),
        ((FIRST, "nothing"), "not in the store"),
        ((VERSIONS, "--out", "x.txt"), "--format md or json"),
        ((VERSIONS, "-f", "md", "--out", "no/x.md"), "cannot be written"),
        ((VERSIONS, "--alpha", "1"), "must be above 0 and below 1"),
    ],
)
def test_wrong_use_is_one_line(call: Call, words: tuple[str, ...], told: str) -> None:
    call("compare", *words).assert_fails(2, told)


def test_a_baseline_stands_wherever_a_run_is_asked_for(call: Call, sebsx: Cli) -> None:
    assert call("baseline", "set", "main", FIRST, "--json").json["run"] == FIRST
    assert call("compare", "main", SECOND, "--json").json["base"] == f"run {FIRST}"
    assert call("show", "main", "--json").json["run"]["id"] == FIRST
    assert call("analyze", "main").code == 0
    assert call("export", "main", "-f", "csv", "-o", "out.csv").code == 0


def test_setting_a_baseline_again_moves_it(call: Call) -> None:
    call("baseline", "set", "release/1.0", FIRST)
    call("baseline", "set", "release/1.0", "last")
    (only,) = call("baseline", "list", "--json").json
    assert (only["name"], only["run"]) == ("release/1.0", ELSEWHERE)
    call("baseline", "set", "copy", "release/1.0")
    assert [item["name"] for item in call("baseline", "list", "--json").json] == ["copy", "release/1.0"]


def test_a_removed_baseline_is_gone_and_its_run_stays(call: Call) -> None:
    call("baseline", "set", "main", FIRST)
    assert call("baseline", "remove", "main", "--json").json["run"] == FIRST
    call("baseline", "remove", "main").assert_fails(2, "baseline 'main' is not known")
    call("show", "main").assert_fails(2, "run 'main' is not in the store")
    assert call("show", FIRST).code == 0


def test_runs_show_which_are_baselines(call: Call) -> None:
    assert "main" not in call("runs").stdout
    call("baseline", "set", "main", FIRST)
    line = next(line for line in call("runs").stdout.splitlines() if FIRST in line)
    assert "main" in line.split()
    found = {run["id"]: run["baselines"] for run in call("runs", "--json").json}
    assert found[FIRST] == ["main"]
    assert found[SECOND] == []


@pytest.mark.parametrize("name", ["last", "01JZ", "7", "", "a b", "-x", "x" * 101])
def test_a_name_that_could_be_something_else_is_refused(call: Call, name: str) -> None:
    call("baseline", "set", "--", name, FIRST).assert_fails(2, "invalid name")


def complete(line: str) -> list[str]:
    """Return what a shell would be offered; in this process, as `test_help` does it in one of its own."""
    _, *words, begun = line.split(" ")
    return [item.value for item in BashComplete(cli, {"obj": App()}, "sebsx", "").get_completions(words, begun)]


def test_completion_offers_runs_and_baselines(call: Call) -> None:
    call("baseline", "set", "main", FIRST)
    assert complete("sebsx compare ma") == ["main"]
    assert complete("sebsx analyze ma") == complete("sebsx show ma") == ["main"]
    assert complete("sebsx compare main 01JZ") == [ELSEWHERE, SECOND, FIRST, VERSIONS]
    assert complete("sebsx baseline remove m") == ["main"]
    assert complete("sebsx baseline set main la") == ["last"]
