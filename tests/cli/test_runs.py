"""`sebsx runs`: what each run measured, which are meant, and what is done with one as a whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from sebsx.cli import listing
from sebsx.model import RunStatus
from sebsx.store import deleting, open_store, schema
from sebsx.testing.runs import RunWriter
from tests.support import Call, Cli

FIRST, SECOND, THIRD = (f"01JZ{number:022}" for number in (1, 2, 3))
DAY_S = 86_400.0


@pytest.fixture
def three(sebsx: Cli) -> Cli:
    """Two runs of one campaign, a day apart, and one of another benchmark that failed."""
    with open_store(sebsx.store) as store:
        first = RunWriter(store, 1, started_s=1_750_000_000.0)
        first.add([0.1] * 6, memory_mib=128)
        first.add([0.1] * 4, memory_mib=512)
        first.finish()
        second = RunWriter(store, 2, started_s=1_750_000_000.0 + DAY_S)
        second.add([0.1] * 3, facts={"cpu": "x"})
        second.finish()
        third = RunWriter(store, 3, started_s=1_750_000_000.0 + 2 * DAY_S)
        third.add([0.1] * 2, deployment={"benchmark": "other"})
        third.finish(RunStatus.FAILED)
    for run in (FIRST, SECOND):
        with closing(sqlite3.connect(sebsx.store)) as connection, connection:
            connection.execute("UPDATE run SET campaign = 'nightly' WHERE ulid = ?", (run,))
    return sebsx


def ids(call: Call, *words: str) -> list[str]:
    return [run["id"] for run in call("runs", *words, "--json").json]


def test_list_says_what_was_measured_and_how_it_ended(three: Cli, call: Call) -> None:
    newest, _, oldest = call("runs", "--json").json
    assert (newest["benchmarks"], newest["status"], newest["ok"]) == (["other"], "failed", 2)
    assert (oldest["memory_mib"], oldest["ok"], oldest["failed"]) == ([128, 512], 10, 0)
    shown = call("runs").stdout
    assert "128, 512" in shown
    assert "failed 0" in shown


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--benchmark", "other"), [THIRD]),
        (("--platform", "fake"), [THIRD, SECOND, FIRST]),
        (("--platform", "aws"), []),
        (("--campaign", "nightly"), [SECOND, FIRST]),
        (("--status", "failed"), [THIRD]),
        (("--since", "2025-06-16"), [THIRD, SECOND]),
        (("--since", "24h"), []),
        (("-n", "1"), [THIRD]),
        (("-n", "1", "--all"), [THIRD, SECOND, FIRST]),
    ],
)
def test_filters_choose(three: Cli, call: Call, words: tuple[str, ...], found: list[str]) -> None:
    assert ids(call, *words) == found


def test_filter_that_nothing_passes_says_so(three: Cli, call: Call) -> None:
    assert "sebsx runs lists all" in call("runs", "--benchmark", "nothing").stdout
    call("runs", "--since", "yesterday").assert_fails(2, "'yesterday'", "24h")


def test_newest_thirty_are_shown_and_the_rest_is_announced(sebsx: Cli, call: Call) -> None:
    with open_store(sebsx.store) as store:
        for number in range(1, 33):
            RunWriter(store, number).finish()
    said = call("runs")
    assert f"01JZ{32:022}" in said.stdout
    assert f"01JZ{2:022}" not in said.stdout
    assert "--all" in said.stderr


def test_run_without_a_benchmark_is_listed_with_its_experiment(sebsx: Cli, call: Call) -> None:
    with open_store(sebsx.store) as store:
        RunWriter(store, 1).finish()
    (run,) = call("runs", "--json").json
    assert run["benchmarks"] == []
    assert f"({run['experiment']})" in call("runs").stdout


@pytest.mark.slow
def test_campaign_names_runs_wherever_one_is_asked_for(three: Cli, call: Call) -> None:
    assert call("show", "--campaign", "nightly", "--json").json["run"]["id"] == SECOND
    assert call("analyze", "--campaign", "nightly").code == 0
    assert call("report", "--campaign", "nightly", "--json").json["runs"] == [FIRST, SECOND]
    compared = call("compare", "--campaign", "nightly", "--fail-on", "never").stdout
    assert FIRST[-6:] in compared or SECOND[-6:] in compared
    with open_store(three.store) as store:
        for run in (FIRST, THIRD):
            with store.ledger(run, "local").creating("function", f"f-{run}"):
                pass
    cleaned = call("clean", "--dry-run", "--campaign", "nightly", "--json").json
    assert [item["run"] for item in cleaned] == [FIRST]
    assert [item["run"] for item in call("clean", "--dry-run", "--run", "last", "--json").json] == [THIRD]
    assert call("baseline", "set", "main", "--campaign", "nightly", "--json").json["run"] == SECOND
    assert call("runs", "note", "newest of them", "--campaign", "nightly", "--json").json["run"] == SECOND
    call("runs", "note", "--campaign", "nightly").assert_fails(2, "TEXT")
    fetched = call("records", "--campaign", "nightli")
    fetched.assert_fails(2, "'nightli'", "nightly")
    call("show", "--campaign", "nightli").assert_fails(2, "'nightli'", "nightly")
    call("show", "last", "--campaign", "nightly").assert_fails(2, "leave out 'last'")
    call("show").assert_fails(2, "name a run")


def test_note_is_listed_shown_and_taken_back(three: Cli, call: Call) -> None:
    assert call("runs", "note", FIRST, "before the update").code == 0
    assert call("runs", "note", FIRST, "after the update").code == 0
    assert "after the update" in call("runs").stdout
    assert "after the update" in call("show", FIRST).stdout
    call("runs", "note", FIRST, "")
    assert "update" not in call("runs").stdout


@pytest.mark.slow
def test_deleted_run_leaves_nothing_and_no_other_is_touched(three: Cli, call: Call) -> None:
    call("baseline", "set", "main", SECOND)
    call("runs", "note", SECOND, "to go")
    call("runs", "delete", SECOND).assert_fails(2, "--yes")
    assert call("runs", "delete", SECOND, "--yes").code == 0
    assert ids(call) == [THIRD, FIRST]
    assert call("baseline", "list", "--json").json == []
    assert call("db", "check").code == 0
    runs = {"invocation", "cell", "deployment", "run_value", "resource", "baseline"}
    for table in runs:
        assert three.rows(f"SELECT count(*) FROM {table} WHERE run_id = 2") == [(0,)], table
    assert three.rows("SELECT count(*) FROM sandbox") == [(0,)]
    assert three.count("invocation") == 12


def test_every_table_of_a_run_is_emptied() -> None:
    """A table that a later version adds must not be forgotten."""
    emptied = {*deleting._OF_A_RUN, schema.deployment, schema.cell}  # what is held here
    assert {table for table in schema.metadata.tables.values() if "run_id" in table.c} == emptied


def test_run_with_resources_left_is_kept(three: Cli, call: Call) -> None:
    with open_store(three.store) as store:
        with store.ledger(FIRST, "local").creating("function", "f-1"):
            pass
        assert len(store.resources(FIRST)) == 1
    call("runs", "delete", FIRST, "--yes").assert_fails(2, f"sebsx clean --run {FIRST}")


def test_every_way_to_end_can_be_asked_for() -> None:
    assert set(listing._STATUSES) == set(RunStatus)


def test_records_of_a_platform_without_any_are_one_sentence(call: Call, sebsx: Cli) -> None:
    with open_store(sebsx.store) as store:
        writer = RunWriter(store)
        for memory_mib in (256, 512):
            writer.add([0.1], memory_mib=memory_mib, deployment={"platform": "url"})
        writer.finish()
    said = call("records", "last")
    assert said.code == 0, said.stderr
    assert len(said.stdout.splitlines()) == 1
    assert "(2 functions)" in said.stdout
    assert [row["reason"] != "" for row in call("records", "last", "--json").json] == [True, True]
