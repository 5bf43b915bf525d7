"""Every analyzer on data that no good run has: a report, or one line that says why there is none; never a traceback."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sebsx import plugins
from sebsx.errors import SebsxError
from sebsx.model import StartType, Status
from sebsx.store import Store, open_store
from sebsx.testing.contracts.analyzers import check_report
from sebsx.testing.runs import RunWriter
from tests import large_runs
from tests.support import BUILT_IN, Cli

pytestmark = pytest.mark.slow  # two hundred reports

ANALYZERS = plugins.load(BUILT_IN).analyzers
FAILED = {"status": Status.TIMEOUT, "start_type": StartType.UNKNOWN, "function_duration_s": None, "sandbox_id": None}


def empty(writer: RunWriter) -> None:
    pass


def one_sample(writer: RunWriter) -> None:
    writer.add([0.1])


def all_failed(writer: RunWriter) -> None:
    writer.add([0.1] * 20, changes=FAILED)


def cold_starts_of_something_else(writer: RunWriter) -> None:
    writer.add([0.1] * 20, start=StartType.COLD)


def mixed_starts(writer: RunWriter) -> None:
    writer.add([0.1] * 20, start=StartType.COLD, changes={"start_type": StartType.WARM})
    writer.add([0.1] * 20, start=StartType.WARM)


def no_time_at_all(writer: RunWriter) -> None:
    writer.add([0.0] * 60)


def all_the_same(writer: RunWriter) -> None:
    writer.add([0.1] * 60)


def negative(writer: RunWriter) -> None:
    writer.add([-0.1] * 60)


def cell_without_invocations(writer: RunWriter) -> None:
    writer.add([])


def only_the_client_spoke(writer: RunWriter) -> None:
    nothing = dict.fromkeys(
        ("function_duration_s", "provider_duration_s", "provider_billed_s", "sandbox_id", "cost_usd")
    )
    writer.add([0.1] * 30, changes=nothing)


SHAPES = [
    empty, one_sample, all_failed, cold_starts_of_something_else, mixed_starts, no_time_at_all, all_the_same, negative,
    cell_without_invocations, only_the_client_spoke,
]  # fmt: skip

# What a broken disk, an editor or another program may leave in a file that still opens.
DAMAGES = {
    "infinite": "UPDATE invocation SET client_done_s = 9e999 WHERE sequence = 5",
    "infinite sample": "UPDATE sample SET value = -9e999 WHERE invocation_id = 5",
    "nan": "UPDATE invocation SET client_sent_s = 9e999, client_done_s = 9e999 WHERE sequence = 5",  # inf - inf
    "all infinite": "UPDATE invocation SET client_done_s = 9e999, function_duration_s = 9e999",
    "words": "UPDATE invocation SET client_sent_s = 'yesterday' WHERE sequence = 5",
    "evidence": "UPDATE invocation SET start_evidence = '[1, not json'",
    "evidence of another kind": "UPDATE invocation SET start_evidence = '[1, {}]'",
    "no cells": "UPDATE invocation SET cell_id = NULL; DELETE FROM cell",
    "no factors": "UPDATE cell SET factors = '{}'",
    "no facts": "UPDATE environment SET facts = '{}'; UPDATE sandbox SET facts = '{}'",
    "no settings": "UPDATE run SET settings = '{}'",
    "nothing read back": "UPDATE deployment SET effective = '{}', region = NULL, package_sha256 = NULL",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path) as opened:
        yield opened


def assert_report_or_one_line(analyzer: str, store: Store) -> None:
    cls = ANALYZERS[analyzer]
    try:
        report = cls().analyze([store.view(run.id) for run in store.runs()], cls.Settings())
    except SebsxError as exc:
        line = str(exc)
    else:
        check_report(report)
        line = report.findings[0].text if report.findings else report.title
    assert line.strip()
    assert "\n" not in line


@pytest.mark.parametrize("write", SHAPES, ids=lambda write: write.__name__)
@pytest.mark.parametrize("analyzer", sorted(ANALYZERS))
def test_odd_run_gives_a_report(store: Store, analyzer: str, write: Callable[[RunWriter], None]) -> None:
    writer = RunWriter(store)
    write(writer)
    writer.finish()
    assert_report_or_one_line(analyzer, store)


@pytest.mark.parametrize("damage", sorted(DAMAGES))
@pytest.mark.parametrize("analyzer", sorted(ANALYZERS))
def test_damaged_run_gives_a_report_or_one_line(store: Store, path: Path, analyzer: str, damage: str) -> None:
    writer = RunWriter(store)
    writer.add([0.1 + 1e-4 * number for number in range(60)], facts={"cpu_model": "a model"})
    writer.finish()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(DAMAGES[damage])
    assert_report_or_one_line(analyzer, store)


@pytest.mark.parametrize("analyzer", sorted(ANALYZERS))
def test_good_and_empty_run_together_give_a_report(store: Store, analyzer: str) -> None:
    writer = RunWriter(store, 1)
    writer.add([0.1 + 1e-4 * number for number in range(60)])
    writer.finish()
    RunWriter(store, 2).finish()
    assert_report_or_one_line(analyzer, store)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("many") / "runs.db"
    large_runs.write(path, cells=10_000, per_cell=6)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("analyzer", sorted(name for name, cls in ANALYZERS.items() if cls.standard))
def test_ten_thousand_conditions_are_analyzed_in_seconds(many: Path, analyzer: str) -> None:
    with open_store(many) as store:
        begun_s = time.process_time()
        assert_report_or_one_line(analyzer, store)
        assert time.process_time() - begun_s < 20


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE orders (id INTEGER)")


def no_database(path: Path) -> None:
    path.write_text("latency,cost\n1,2\n")


def truncated(path: Path) -> None:
    large_runs.write(path, cells=2, per_cell=2000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scrambled(path: Path) -> None:
    large_runs.write(path, cells=2, per_cell=2000)
    content = bytearray(path.read_bytes())
    content[8192:] = bytes(reversed(content[8192:]))
    path.write_bytes(content)


@pytest.mark.parametrize("spoil", [foreign, no_database, truncated, scrambled], ids=lambda spoil: spoil.__name__)
def test_file_that_is_no_good_store_is_refused_in_one_line(
    sebsx: Cli, tmp_path: Path, spoil: Callable[[Path], Any]
) -> None:
    path = tmp_path / "spoilt.db"
    spoil(path)
    said = sebsx.say("--store", str(path), "analyze", "last", "-a", "data-quality")
    said.assert_fails(5, str(path))
