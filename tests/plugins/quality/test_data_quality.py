from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sebsx.contracts.analyzers import Finding, Report
from sebsx.model import CellStatus, RunStatus, StartType
from sebsx.store import Store
from sebsx.testing.runs import RunWriter
from sebsx_quality.data_quality import DataQuality
from sebsx_quality.run_checks import RUN_CHECKS

FACTS = {"cpu_model": "a model", "cpu_count": 2, "kernel": "6.1"}
CLIENT = dict.fromkeys(
    ("sebsx", "python", "system", "release", "machine", "cpu_count", "cpu_model", "clock_synchronized"), "known"
)
Analyze = Callable[..., Report]
Damage = Callable[[str], None]


def write(store: Store, number: int = 1, n: int = 20) -> RunWriter:
    """Write a run that no check objects to: 20 invocations, sequences 1 to 20, that took 100 ms each."""
    writer = RunWriter(store, number, environment=CLIENT)
    writer.add([0.1] * n, facts=FACTS, per_sandbox=0)
    return writer


def rows(report: Report) -> dict[str, dict[str, Any]]:
    return {row["check"]: dict(row) for row in report.tables[0].rows}


def objections(report: Report) -> dict[str, Finding]:
    return {finding.numbers["check"]: finding for finding in report.findings if "check" in finding.numbers}


def test_clean_run_has_no_bad_row_and_says_what_it_could_not_look_at(store: Store, analyze: Analyze) -> None:
    write(store).finish()
    report = analyze(DataQuality)
    results = {name: row["result"] for name, row in rows(report).items()}
    assert {name for name, result in results.items() if result not in {"pass", "not checkable"}} == set()
    assert {name for name, result in results.items() if result == "not checkable"} == {
        "mixed-starts", "restored", "cold-once", "start-evidence", "sizes", "options", "starved",
    }  # fmt: skip
    assert rows(report)["order"]["checked"] == 20
    assert objections(report) == {}


STEPPED = (
    "INSERT INTO sample (invocation_id, metric_id, value) "
    "SELECT 3, id, -60.0 FROM metric WHERE name = 'function.clock_step_s'"
)
SET_CLOCK = (
    "INSERT INTO run_value (run_id, metric_id, value, stored_at) "
    "SELECT 1, id, 60.0, '2026-01-01T00:00:00+00:00' FROM metric WHERE name = 'client.clock_step_s'"
)
STARVED = (
    "INSERT INTO run_value (run_id, cell_id, metric_id, value, stored_at) "
    "SELECT 1, 1, id, 0.3, '2026-01-01T00:00:00+00:00' FROM metric WHERE name = 'host.starved'"
)
MOVED = (
    "UPDATE invocation SET client_sent_s = client_sent_s + 1e10, client_intended_s = 0, client_connected_s = NULL, "
    "client_first_byte_s = NULL, client_done_s = client_done_s + 1e10 WHERE sequence = 3"
)
RESTORED_IN_PART = (
    "UPDATE cell SET factors = '{\"start\": \"cold\"}'; UPDATE invocation SET start_type = 'cold'; "
    "UPDATE invocation SET start_type = 'restored' WHERE sequence <= 3"
)
# What is done to the run; the check that must object; the sequences that it must name.
DAMAGES = [
    ("UPDATE invocation SET client_done_s = 9e999 WHERE sequence = 7", "numbers", [7]),
    ("UPDATE invocation SET client_sent_s = 9e999, client_done_s = 9e999 WHERE sequence = 8", "numbers", [8]),
    ("UPDATE invocation SET client_done_s = client_sent_s + 90000 WHERE sequence = 3", "plausible", [3]),
    (MOVED, "plausible", [3]),
    ("UPDATE invocation SET provider_billed_s = -1 WHERE sequence = 4", "not-negative", [4]),
    ("UPDATE sample SET value = -1 WHERE invocation_id = 4", "not-negative", [4]),
    ("UPDATE invocation SET client_intended_s = client_sent_s + 1 WHERE sequence = 5", "order", [5]),
    ("UPDATE invocation SET client_first_byte_s = client_done_s + 1 WHERE sequence = 5", "order", [5]),
    ("UPDATE invocation SET client_connected_s = client_first_byte_s + 0.0001 WHERE sequence = 5", "order", [5]),
    ("UPDATE invocation SET provider_init_s = 0.02 WHERE sequence = 6", "client-parts", [6]),
    ("UPDATE invocation SET provider_duration_s = 0.08 WHERE sequence = 6", "function-in-provider", [6]),
    ("UPDATE sample SET value = 0.2 WHERE invocation_id = 9", "phases", [9]),
    ("UPDATE invocation SET provider_billed_s = 0.05 WHERE sequence = 2", "billed", [2]),
    ("UPDATE invocation SET function_finished_s = function_finished_s + 1 WHERE sequence = 2", "clock-steps", [2]),
    (STEPPED, "clock-steps", [3]),
    ("UPDATE invocation SET request_id = 'request-1' WHERE sequence = 2", "request-ids", [1, 2]),
    ("UPDATE invocation SET start_evidence = '{\"function\": \"cold\", \"provider\": \"warm\"}' WHERE sequence = 2",
     "start-evidence", [2]),
    ("UPDATE invocation SET start_type = 'cold' WHERE sequence = 11", "start-type", [11]),
    ("UPDATE invocation SET cost_usd = NULL WHERE sequence = 11", "costs", [11]),
    ("UPDATE invocation SET start_type = 'cold' WHERE sequence IN (11, 12)", "cold-once", [11, 12]),
    ("UPDATE invocation SET cell_id = NULL; UPDATE invocation SET start_type = 'cold' WHERE sequence = 1",
     "mixed-starts", []),
    ("UPDATE invocation SET cell_id = NULL; UPDATE invocation SET start_type = 'restored' WHERE sequence = 1",
     "mixed-starts", []),
    ("UPDATE invocation SET start_type = 'restored' WHERE sequence IN (11, 12)", "cold-once", [11, 12]),
    (RESTORED_IN_PART, "restored", []),
    ("DELETE FROM sample; DELETE FROM invocation WHERE sequence = 10", "record", []),
    ("UPDATE cell SET status = 'running'", "cells-measured", []),
    ("UPDATE cell SET status = 'invalid', stop_reason = 'the generator was late'", "cells-valid", []),
    (STARVED, "starved", []),
    ("UPDATE cell SET factors = '{\"benchmark\": \"other\"}'", "cell-identity", []),
    ("UPDATE cell SET wanted = 30", "samples", []),
    (SET_CLOCK, "client-clock", []),
    ("UPDATE invocation SET status = 'timeout' WHERE sequence <= 2", "failures", []),
    ("UPDATE deployment SET memory_mib = 128", "memory", []),
    ("UPDATE deployment SET options = '{\"vcpu\": 2}'", "options", []),
    ("UPDATE deployment SET effective = '{\"emulated\": true}'", "processor", []),
    ("DELETE FROM sandbox", "sandbox-facts", []),
    ("UPDATE environment SET facts = '{}'", "client-facts", []),
]  # fmt: skip


@pytest.mark.parametrize(("statements", "check", "sequences"), DAMAGES)
def test_damage_is_found_with_its_rows(
    store: Store, damage: Damage, analyze: Analyze, statements: str, check: str, sequences: list[int]
) -> None:
    writer = write(store)
    run_id = writer.finish().run.id
    damage(statements)
    report = analyze(DataQuality)
    assert rows(report)[check]["result"] in {"warn", "fail"}
    found = objections(report)[check]
    assert found.warning
    assert run_id in found.text
    assert found.numbers["sequences"] == sequences
    if sequences:
        assert f"sequences {', '.join(map(str, sequences))}" in found.text
        assert found.numbers["bad"] == len(sequences)


def test_every_check_has_a_damage_that_it_finds(store: Store, analyze: Analyze) -> None:
    write(store).finish()
    apart = {"run-finished", "sizes", "sandbox-ids"}  # tested below
    assert set(rows(analyze(DataQuality))) == {check for _statements, check, _sequences in DAMAGES} | apart


def test_restored_sandboxes_are_right_in_a_cold_cell_and_mixed_ones_are_counted(
    store: Store, damage: Damage, analyze: Analyze
) -> None:
    write(store).finish()
    damage("UPDATE cell SET factors = '{\"start\": \"cold\"}'; UPDATE invocation SET start_type = 'restored'")
    found = rows(analyze(DataQuality))
    assert (found["start-type"]["result"], found["start-type"]["checked"]) == ("pass", 20)
    assert (found["restored"]["result"], found["samples"]["result"]) == ("pass", "pass")
    damage(RESTORED_IN_PART)
    assert "17 cold, 3 restored" in objections(analyze(DataQuality))["restored"].text


@pytest.mark.parametrize(
    ("column", "blind"),
    [
        ("provider_duration_s", ["function-in-provider", "billed"]),
        ("provider_billed_s", ["billed"]),
        ("function_started_s", ["clock-steps"]),
        ("cost_usd", ["costs"]),
        ("sandbox_id", ["sandbox-ids", "sandbox-facts"]),
    ],
)
def test_check_does_not_pass_where_its_data_is_missing(
    store: Store, damage: Damage, analyze: Analyze, column: str, blind: list[str]
) -> None:
    write(store).finish()
    damage(f"UPDATE invocation SET {column} = NULL")
    report = analyze(DataQuality)
    for check in blind:
        row = rows(report)[check]
        assert (row["result"], row["checked"]) == ("not checkable", 0)
        assert row["note"]


def test_size_that_takes_less_time_for_more_work_is_found(store: Store, analyze: Analyze) -> None:
    writer = RunWriter(store)
    for size, steps, base_s in (("small", 10, 0.2), ("medium", 100, 0.1), ("large", 1000, 0.3)):
        deployment = {"size": size, "parameters": {"steps": steps, "mode": "a"}}
        writer.add([base_s + number * 1e-4 for number in range(10)], deployment=deployment)
    writer.finish()
    row = rows(analyze(DataQuality))["sizes"]
    assert (row["result"], row["checked"], row["bad"]) == ("warn", 3, 1)
    assert "medium (steps=100,mode=a) takes" in objections(analyze(DataQuality))["sizes"].text


def test_sandbox_of_two_deployments_is_found(store: Store, analyze: Analyze) -> None:
    writer = RunWriter(store)
    writer.add([0.1] * 3, memory_mib=256, changes={"sandbox_id": "one"})
    writer.add([0.1] * 3, memory_mib=512, changes={"sandbox_id": "one"})
    writer.finish()
    assert objections(analyze(DataQuality))["sandbox-ids"].numbers["bad"] == 6


def test_unfinished_run_is_found(store: Store, analyze: Analyze) -> None:
    write(store).finish(RunStatus.INTERRUPTED)
    assert objections(analyze(DataQuality))["run-finished"].numbers["bad"] == 1


def test_cell_that_failed_is_named_with_its_reason(store: Store, analyze: Analyze) -> None:
    writer = write(store)
    cell = writer.add([0.1], start=StartType.COLD)
    store.design.finish_cell(cell, CellStatus.FAILED, "10 invocations failed", "out of quota")
    writer.finish()
    assert "cell 1 (echo 256 MiB cold): failed: out of quota" in objections(analyze(DataQuality))[
        "cells-measured"
    ].text  # fmt: skip


def test_only_the_first_rows_are_named_and_the_rest_counted(store: Store, damage: Damage, analyze: Analyze) -> None:
    write(store).finish()
    damage("UPDATE invocation SET provider_billed_s = -1")
    finding = objections(analyze(DataQuality))["not-negative"]
    assert "20 of 20 invocations" in finding.text
    assert "sequences 1, 2, 3, 4, 5, ... in cell 0 (echo 256 MiB warm)" in finding.text


def test_runs_add_up_and_each_finding_names_its_run(store: Store, damage: Damage, analyze: Analyze) -> None:
    write(store, 1).finish()
    second = write(store, 2).finish().run.id
    damage("UPDATE invocation SET provider_billed_s = -1 WHERE run_id = 2 AND sequence = 1")
    report = analyze(DataQuality)
    row = rows(report)["not-negative"]
    assert (row["checked"], row["bad"], row["result"]) == (40, 1, "fail")
    assert second in objections(report)["not-negative"].text


def test_run_that_a_check_cannot_look_at_is_named_beside_one_it_can(
    store: Store, damage: Damage, analyze: Analyze
) -> None:
    first = write(store, 1).finish().run.id
    write(store, 2).finish()
    damage("UPDATE invocation SET provider_billed_s = NULL WHERE run_id = 1")
    row = rows(analyze(DataQuality))["billed"]
    assert (row["result"], row["checked"]) == ("pass", 20)
    assert f"not checkable in run {first}" in row["note"]


def test_every_check_of_a_run_says_what_to_do() -> None:
    assert all(check.advice and check.title and check.missing for check, _look in RUN_CHECKS)
