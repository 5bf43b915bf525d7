"""The list of runs is read by plain SQL: as the schema says, without SQLAlchemy, and wherever a store lies."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from sebsx.model.metrics import CORE_METRICS
from sebsx.reading.services import Services
from sebsx.store import columns, files, index, migrations, open_store, schema
from tests.store.conftest import RUN, Begun, make_invocation, make_run

LIST = """
import sys
from sebsx.reading.services import Services
with Services(store_option=sys.argv[1]).open_index() as index:
    assert [run.id for run in index.runs()] == [sys.argv[2]]
assert "sqlalchemy" not in sys.modules
"""


def test_columns_hold_what_the_schema_says() -> None:
    for table, known in index.COLUMNS.items():
        of_schema = schema.metadata.tables[table]
        assert {name: columns.allowed(of_schema, name) for name in known} == known


def test_version_is_that_of_the_last_step() -> None:
    assert 1 + len(migrations.UPGRADES) == files.NEWEST


def test_list_of_a_file_is_read_without_sqlalchemy(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with open_store(path) as store:
        store.start_run(make_run(), {}, CORE_METRICS)
    subprocess.run([sys.executable, "-c", LIST, str(path), RUN], check=True)


def test_index_says_the_same_of_an_open_store(target: str | Path) -> None:
    with open_store(target) as store:
        begun = Begun(store)
        begun.add(make_invocation(1), make_invocation(2))
        store.set_baseline("main", RUN)
        store.set_note(RUN, "first")
        store.set_note(RUN, "second")
        with Services(store_option=str(target)).open_index() as read:
            for each in (read, store.index):
                assert each.runs() == store.runs() == [store.view(RUN).run]
                assert each.factors(RUN) == [cell.factors for cell in store.view(RUN).cells()]
                assert each.counts(RUN) == store.view(RUN).counts()
                assert each.note(RUN) == "second"
                assert each.baselines() == store.baselines()


@pytest.mark.parametrize("content", [None, b"", b"no database at all, but long enough to be looked at"])
def test_file_that_is_no_store_is_left_to_who_opens_one(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "store.sqlite"
    if content is not None:
        path.write_bytes(content)
    with index.open_file(path) as found:
        assert found is None


def test_file_that_is_locked_is_left_to_who_waits_for_it(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    open_store(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with index.open_file(path) as found:
            assert found is None
    with index.open_file(path) as found:
        assert found is not None
