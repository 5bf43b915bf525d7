"""A store that cannot be used: exit code 5 and one line that says why, and what was stored stays stored."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from sebsx.store import files
from tests.support import Call, Cli, assert_nothing_left

STORE = 5
SLEEP = ("run", "benchmark", "sleep", "--size", "test", "--start", "warm", "-p", "duration_s=0")


@contextmanager
def tiny_disk(folder: Path, *options: str) -> Iterator[Path]:
    """A file system of its own; needs root."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def write_table(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_file_that_is_no_database_is_refused_and_kept(sebsx: Cli, call: Call) -> None:
    sebsx.store.write_text("dear diary, " * 50, encoding="utf-8")
    for words in (SLEEP, ["runs"], ["clean"], ["db", "upgrade"]):
        call(*words).assert_fails(STORE, str(sebsx.store), "is not an SQLite database", "--store")
    assert sebsx.store.read_text(encoding="utf-8") == "dear diary, " * 50


def test_database_of_something_else_is_refused_and_kept(sebsx: Cli, call: Call) -> None:
    write_table(sebsx.store, "CREATE TABLE bookmarks (url TEXT)", "INSERT INTO bookmarks VALUES ('https://sebsx')")
    call(*SLEEP).assert_fails(STORE, str(sebsx.store), "something else", "--store")
    assert sebsx.rows("SELECT name FROM sqlite_master") == [("bookmarks",)]
    assert sebsx.rows("SELECT url FROM bookmarks") == [("https://sebsx",)]


def test_store_of_a_newer_version_is_refused_and_kept(sebsx: Cli, call: Call) -> None:
    assert call("runs").code == 0
    write_table(sebsx.store, "UPDATE schema_info SET version = 999")
    call(*SLEEP).assert_fails(STORE, str(sebsx.store), "999", "newer")
    assert sebsx.rows("SELECT version FROM schema_info") == [(999,)]


def test_folder_instead_of_a_file_is_refused(sebsx: Cli, call: Call) -> None:
    sebsx.store.mkdir()
    call(*SLEEP).assert_fails(STORE, str(sebsx.store))


def test_file_as_folder_of_the_store_is_refused(sebsx: Cli, call: Call) -> None:
    (sebsx.home / "file").touch()
    call("--store", "file/results.sqlite", *SLEEP).assert_fails(STORE, "file/results.sqlite", "--store")


def test_server_that_does_not_answer_is_named_without_its_password(call: Call) -> None:
    said = call("--store", "postgresql+psycopg://me:secret-word@127.0.0.1:1/results", "runs")
    said.assert_fails(STORE, "127.0.0.1:1/results", "cannot be reached", "check that it runs")
    assert "secret-word" not in said.stderr


@pytest.mark.slow
def test_store_locked_by_another_program_is_told(sebsx: Cli, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("runs").code == 0
    monkeypatch.setattr(files, "BUSY_TIMEOUT_S", 0.3)  # 15 s otherwise
    with closing(sqlite3.connect(sebsx.store, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        call(*SLEEP).assert_fails(STORE, str(sebsx.store), "another program holds it", "wait")
        other.execute("ROLLBACK")
    assert call(*SLEEP, "--repetitions", "1").code == 0


@pytest.mark.slow
@pytest.mark.root
def test_read_only_disk_is_told_and_stored_runs_are_kept(call: Call, tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "disk") as disk:
        store = ("--store", str(disk / "results.sqlite"))
        assert call(*store, *SLEEP, "--repetitions", "1").code == 0
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        call(*store, *SLEEP).assert_fails(STORE, "results.sqlite", "may be read and written")
        call("--store", str(disk / "new.sqlite"), *SLEEP).assert_fails(STORE, "new.sqlite")
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert [run["status"] for run in call(*store, "--json", "runs").json] == ["finished"]


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere; there the test above holds it")
def test_folder_without_the_right_to_write_is_told(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o500)
    call("--store", str(folder / "results.sqlite"), *SLEEP).assert_fails(STORE, "results.sqlite")


@pytest.mark.root
@pytest.mark.slow
def test_full_disk_in_the_middle_of_a_run_keeps_what_was_stored(sebsx: Cli, call: Call, tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "disk", "-o", "size=600k") as disk:
        sebsx.store = disk / "results.sqlite"
        words = ("--store", str(sebsx.store))
        said = sebsx.say(*words, *SLEEP, "--repetitions", "100000", "--set", "max_time_s=60")
        said.assert_fails(STORE, "results.sqlite", "disk is full", "free some space")
        count, newest = sebsx.rows("SELECT count(*), max(sequence) FROM invocation")[0]
        assert 10 < count == newest  # whole batches, and none is missing in between
        assert sebsx.rows("PRAGMA integrity_check") == [("ok",)]
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert call(*words, "clean").code == 0
        assert_nothing_left(lambda *more: call(*words, *more))
        # Whether the last word still fitted on the disk is luck.
        assert {run["status"] for run in call(*words, "--json", "runs").json} <= {"interrupted", "failed"}


@pytest.mark.slow
def test_two_runs_at_once_share_a_store(sebsx: Cli) -> None:
    started = [sebsx.start(*SLEEP, "--repetitions", "300", "--json") for _ in range(2)]
    for process in started:
        _, stderr = process.communicate(timeout=90)
        assert process.returncode == 0, stderr
    counted = sebsx.rows("SELECT run, count(*) FROM invocations WHERE kind = 'measured' GROUP BY run")
    assert [count for _, count in counted] == [300, 300]
    assert sebsx.rows("SELECT status FROM run") == [("finished",), ("finished",)]
