"""Stores that were damaged, edited by hand, or may only be read."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sebsx.errors import EXIT_STORE, SebsxError, StoreError, UserError
from sebsx.model import Cell, Execution, Kind, RunStatus
from sebsx.reading.services import Services
from sebsx.store import Store, current_owner, open_store
from tests.store.conftest import RUN, Begun, make_invocation, make_run
from tests.support import Call, Cli


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with something in every table that is read."""
    target = tmp_path / "s.sqlite"
    with open_store(target) as store:
        begun = Begun(store)
        begun.add(*(make_invocation(number, samples={"phase.a_s": 1.0}) for number in range(1, 6)))
        store.design.add_sandbox(begun.deployment, "sb1", {"cpu_model": "EPYC"})
        store.groups.begin_execution(RUN, Execution(kind="workflow", begin_s=1.0, end_s=2.0), cell_id=begun.cell)
        store.groups.begin_phase(RUN, begun.cell, begun.deployment, 0, 1.0)
        store.add_value(RUN, "process.cpu_s", 1.0)
        model = tmp_path / "model.bin"
        model.write_bytes(b"weights")
        store.artifacts.add(RUN, model, role="model")
        with store.ledger(RUN, "local").creating("function", "f"):
            pass
        store.set_baseline("release", RUN)
    return target


def edit(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        connection.execute(statement)


def read_all(store: Store) -> None:
    """Read everything that commands read."""
    store.runs()
    store.resources()
    store.baselines()
    view = store.view(RUN)
    for read in (view.cells, view.deployments, view.sandboxes, view.values, view.executions, view.phases,
                 view.artifacts, view.metrics, view.counts, view.frame):  # fmt: skip
        read()
    list(view.invocations())
    list(view.map_pages(lambda page: page.own))


@pytest.mark.parametrize(
    ("statement", "column"),
    [
        ("UPDATE run SET status = 'jolly'", "status"),
        ("UPDATE run SET started_at = 'yesterday'", "yesterday"),
        ("UPDATE run SET settings = '[1, 2]'", "settings"),
        ("UPDATE run SET settings = '{'", "JSON"),
        ("UPDATE run SET owner = '7'", "owner"),
        ("UPDATE cell SET factors = '3'", "factors"),
        ("UPDATE cell SET status = 'done'", "status"),
        ("UPDATE deployment SET memory_mib = 'much'", "memory_mib"),
        ("UPDATE deployment SET created_at = x'00ff'", "created_at"),
        ("UPDATE sandbox SET facts = '\"word\"'", "facts"),
        ("UPDATE invocation SET kind = 'other' WHERE sequence = 3", "kind"),
        ("UPDATE invocation SET bytes_in = 'ten' WHERE sequence = 3", "bytes_in"),
        ("UPDATE invocation SET client_done_s = 'late' WHERE sequence = 3", "client_done_s"),
        ("UPDATE invocation SET request_id = x'ff' WHERE sequence = 3", "request_id"),
        ("UPDATE execution SET figures = '5'", "figures"),
        ("UPDATE execution SET begin_s = 'soon'", "begin_s"),
        ("UPDATE phase SET status = 'x'", "status"),
        ("UPDATE resource SET state = 'x'", "state"),
        ("UPDATE baseline SET set_at = 'x'", "'x'"),
        ("UPDATE baseline SET name = x'ff'", "name"),
        ("UPDATE run_value SET text = x'ff'", "text"),
    ],
)
def test_row_that_is_not_what_it_should_be_is_named(path: Path, statement: str, column: str) -> None:
    edit(path, statement)
    with open_store(path, read_only=True) as store:
        with pytest.raises(StoreError, match="damaged") as told:
            read_all(store)
        assert column in str(told.value)
        assert any(column in problem for problem in store.check().problems)


@pytest.mark.parametrize("statement", ["UPDATE run SET environment_id = 99", "UPDATE baseline SET run_id = 99"])
def test_run_whose_rows_are_missing_is_told(path: Path, statement: str) -> None:
    edit(path, statement)
    with open_store(path, read_only=True) as store, pytest.raises(StoreError, match=r"row .* is missing"):
        _ = store.view("release").run


def test_run_whose_json_cannot_be_read_is_named_by_its_id(path: Path) -> None:
    edit(path, "UPDATE run SET settings = '{'")
    with open_store(path, read_only=True) as store, pytest.raises(StoreError, match=r"row 1 \([0-9A-Z]{26}\)"):
        store.runs()


def _owned(pid: str) -> str:
    owner = json.dumps({**current_owner(), "pid": "PID"}).replace('"PID"', pid)
    return f"status = 'running', owner = '{owner}'"


@pytest.mark.parametrize(
    "column",
    [
        "settings = '{'",
        "status = 'jolly'",
        "settings = '[]'",
        "started_at = '2026-01-01T00:00:00'",
        *map(_owned, ['"seven"', "[1]", "-1", "true", "99999999999999999999"]),
    ],
)
def test_damaged_run_keeps_neither_the_list_nor_the_cleaning_of_others(sebsx: Cli, call: Call, column: str) -> None:
    runs = [f"01JZ000000000000000000000{n}" for n in (1, 2)]
    with open_store(sebsx.store) as store:
        for run in runs:
            store.start_run(make_run(run, settings={"experiment": {}, "platforms": {}}), {}, ())
            with store.ledger(run, "local").creating("gateway", f"of-{run}"):
                pass
            store.finish_run(run, RunStatus.FAILED)
    damaged, sound = runs
    edit(sebsx.store, f"UPDATE run SET {column} WHERE ulid = '{damaged}'")
    for words in (("runs",), ("clean",)):
        said = call("--json", *words)
        assert said.code == EXIT_STORE
        assert "table 'run'" in said.error or "where a date should" in said.error
        assert said.error.count("is damaged") == 1
        assert sound in said.stdout
        assert damaged not in said.stdout
    assert sebsx.rows("SELECT name, state FROM resource ORDER BY name") == [
        (f"of-{damaged}", "created"),
        (f"of-{sound}", "deleted"),
    ]


@pytest.mark.parametrize("factors", ['{"benchmark": {}}', '{"size": [1]}', '{"memory_mib": "much"}'])
def test_damaged_cells_keep_no_run_from_the_list(sebsx: Cli, call: Call, factors: str) -> None:
    runs = [f"01JZ000000000000000000000{n}" for n in (1, 2)]
    with open_store(sebsx.store) as store:
        for run in runs:
            store.start_run(make_run(run), {}, ())
            for memory_mib in (128, 256):
                store.design.add_cell(run, Cell({"memory_mib": memory_mib, "size": "test"}, 1))
            store.finish_run(run, RunStatus.FAILED)
    edit(sebsx.store, f"UPDATE cell SET factors = '{factors}' WHERE id = 1")
    said = call("--json", "runs")
    assert said.code == EXIT_STORE
    assert runs[0] in said.error
    assert runs[1] in said.stdout


def test_run_that_is_deleted_while_runs_are_listed_has_nothing(tmp_path: Path) -> None:
    target = tmp_path / "s.sqlite"
    with open_store(target) as store, Services(store_option=str(target)).open_index() as index:
        Begun(store).add(make_invocation(1))
        store.finish_run(RUN, RunStatus.FINISHED)
        sound, _ = index.sound_runs()
        store.delete_run(RUN)
        assert [(index.factors(run.id), index.counts(run.id), index.note(run.id)) for run in sound] == [([], {}, "")]


def test_whole_store_is_found_whole(path: Path) -> None:
    with open_store(path, read_only=True) as store:
        read_all(store)
        store.quick_check()
        found = store.check()
    assert (found.runs, found.files, found.problems) == (1, 1, ())


def test_kept_file_that_was_changed_is_found(path: Path) -> None:
    [file] = (each for each in Path(f"{path}.artifacts").rglob("*") if each.is_file())
    file.write_bytes(b"other weights")
    with open_store(path, read_only=True) as store:
        assert any("not what was stored" in problem for problem in store.check().problems)


def test_row_that_refers_to_nothing_is_found(path: Path) -> None:
    edit(path, "DELETE FROM cell")
    with open_store(path, read_only=True) as store:
        assert any("refers to a row of 'cell'" in problem for problem in store.check().problems)


@pytest.mark.slow
def test_damaged_copies_are_told_or_read_as_they_were(path: Path, tmp_path: Path) -> None:
    """No byte that is changed gives anything but what was stored or an error in words."""
    with open_store(path) as store:
        store.snapshot(tmp_path / "copy.sqlite")
        whole = [each.client_done_s for each in store.view(RUN).invocations()]
    original = (tmp_path / "copy.sqlite").read_bytes()
    rng = random.Random(12)
    told = 0
    for number in range(60):
        content = bytearray(original)
        for _ in range(rng.choice([1, 20, 400])):
            content[rng.randrange(100, len(content))] = rng.randrange(256)
        damaged = tmp_path / f"{number}.sqlite"
        damaged.write_bytes(content)
        try:
            with open_store(damaged, read_only=True) as store:
                store.quick_check()
                read_all(store)
                kinds = {each.kind for each in store.view(RUN).invocations()}
                assert kinds <= set(Kind)
        except SebsxError:
            told += 1
        damaged.unlink()
    assert told > 20
    assert len(whole) == 5


@pytest.mark.parametrize(
    "target", ["sqlite:///:memory:", "sqlite://", "sqlite:///", "sqlite:///file::memory:?uri=true", ":memory:", ""]
)
def test_store_that_would_be_lost_is_refused(target: str) -> None:
    with pytest.raises(UserError, match="outlive"):
        open_store(target)


@pytest.mark.parametrize("read_only", [False, True])
def test_pipe_is_no_store(tmp_path: Path, read_only: bool) -> None:  # a parameter of the test
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreError, match="file but a pipe"):
        open_store(tmp_path / "pipe", read_only=read_only)


def test_store_that_is_opened_to_be_read_is_not_written(path: Path) -> None:
    before = path.read_bytes()
    with open_store(path, read_only=True) as store:
        read_all(store)
        with pytest.raises(StoreError, match="was opened to be read"):
            store.set_baseline("other", RUN)
    assert path.read_bytes() == before


def test_reader_sees_what_a_writer_stores(path: Path) -> None:
    with open_store(path) as writer, open_store(path, read_only=True) as reader:
        writer.set_baseline("other", RUN)
        assert [each.name for each in reader.baselines()] == ["other", "release"]


@pytest.fixture
def read_only_disk(tmp_path: Path, path: Path) -> Iterator[Path]:
    """A file system that nothing can be written to, with the store on it, still in write-ahead mode."""
    if os.getuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        (folder / "s.sqlite").write_bytes(path.read_bytes())
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield folder / "s.sqlite"
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.root
def test_store_where_nothing_can_be_written_is_read(read_only_disk: Path) -> None:
    with open_store(read_only_disk, read_only=True) as store:
        list(store.view("last").invocations())
        assert [run.id for run in store.runs()] == [RUN]
        assert len(store.view("release").frame()) == 5
