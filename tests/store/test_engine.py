from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import inspect
from sqlalchemy.sql.compiler import SQLCompiler

from sebsx.errors import StoreError, UserError
from sebsx.model import PhaseStatus
from sebsx.store import files, migrations, open_store
from sebsx.store.engine import open_database
from sebsx.system.folders import store_file
from tests.store.conftest import RUN, Begun, make_invocation, make_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection


def test_new_store_says_it_was_created_and_an_old_one_that_it_is_current(target: str | Path) -> None:
    with open_store(target) as created:
        assert created.upgrade() == (0, files.NEWEST)
    with open_store(target) as opened:
        assert opened.upgrade() == (files.NEWEST, files.NEWEST)


def test_store_without_a_name_is_in_the_users_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with open_store() as store:
        assert store.location == str(store_file())
    assert store_file() == tmp_path / "sebsx" / "sebsx.sqlite"
    assert store_file().is_file()


def test_sqlite_url_and_path_name_the_same_store(tmp_path: Path) -> None:
    with open_store(tmp_path / "a b.sqlite") as store:
        Begun(store)
    with open_store(f"sqlite:///{tmp_path}/a b.sqlite") as store:
        assert store.location == str(tmp_path / "a b.sqlite")
        assert store.view("last").run.id == RUN


def test_path_with_signs_that_mean_something_in_urls_is_a_path(tmp_path: Path) -> None:
    with open_store(tmp_path / "50%? #1.sqlite") as store:
        Begun(store)
    assert [path.name for path in tmp_path.iterdir()] == ["50%? #1.sqlite"]


def test_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with open_store(tmp_path / "empty") as store:
        Begun(store)
        assert [run.id for run in store.runs()] == [RUN]


@pytest.mark.parametrize("content", [b"not a database, just text\n", b"SQLite format 3\0" + b"garbage" * 100])
def test_file_that_is_no_database_is_refused_untouched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"notes\.txt.*SQLite database"):
        open_store(path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_foreign_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "foreign.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE run (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"of something else; name another file with --store"):
        open_store(path)
    assert path.read_bytes() == before


def test_newer_store_is_refused_and_both_versions_named(target: str | Path) -> None:
    open_store(target).close()
    database = open_database(target)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE schema_info SET version = 99")
    database.close()
    with pytest.raises(StoreError, match=rf"has version 99.*up to version {files.NEWEST}; update sebsx"):
        open_store(target)


def _add_column(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE run ADD COLUMN mood TEXT")


def _fail(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE run ADD COLUMN temper TEXT")
    connection.exec_driver_sql("SELECT no_such_column FROM run")


def _columns(target: str | Path) -> set[str]:
    database = open_database(target)
    with database.read() as connection:
        names = {column["name"] for column in inspect(connection).get_columns("run")}
    database.close()
    return names


def test_older_store_is_upgraded_and_keeps_its_rows(target: str | Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(target) as store:
        Begun(store).add(make_invocation(1))
    monkeypatch.setattr(migrations, "UPGRADES", (*migrations.UPGRADES, _add_column))
    monkeypatch.setattr(files, "NEWEST", files.NEWEST + 1)
    with open_store(target) as store:
        assert store.upgrade() == (files.NEWEST - 1, files.NEWEST)
        assert store.view(RUN).column("client.latency_s") == [0.25]
    assert "mood" in _columns(target)


def test_upgrade_that_fails_leaves_the_store_as_it_was(target: str | Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(target) as store:
        Begun(store).add(make_invocation(1))
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "UPGRADES", (*migrations.UPGRADES, _add_column, _fail))
        patch.setattr(files, "NEWEST", files.NEWEST + 2)
        with pytest.raises(StoreError, match="no_such_column"):
            open_store(target)
    with open_store(target) as store:
        assert store.upgrade() == (files.NEWEST, files.NEWEST)
        assert store.view(RUN).column("client.latency_s") == [0.25]
    assert not {"mood", "temper"} & _columns(target)


def test_many_programs_may_create_one_store_at_once(target: str | Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(open_store, [target] * 4))
    Begun(stores[0])
    assert [store.view("last").run.id for store in stores] == [RUN] * 4
    for store in stores:
        store.close()


@pytest.mark.parametrize("target", ["", ":memory:"])
def test_store_that_would_not_outlive_the_program_is_refused(target: str) -> None:
    with pytest.raises(UserError, match="give a path"):
        open_store(target)


def test_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with open_store("~/mine/s.sqlite") as store:
        assert store.location == str(tmp_path / "mine" / "s.sqlite")


@pytest.mark.parametrize("url", ["mysql://u:hidden-word@h/d", "nonsense://u:hidden-word@h", "://"])
def test_url_of_another_kind_is_refused_and_shows_no_password(url: str) -> None:
    with pytest.raises(UserError, match="postgresql\\+psycopg://") as caught:
        open_store(url)
    assert "hidden-word" not in str(caught.value)


def test_locked_store_says_that_another_program_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BUSY_TIMEOUT_S", 0.1)
    with open_store(tmp_path / "s.sqlite") as store:
        begun = Begun(store)
        other = sqlite3.connect(tmp_path / "s.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program holds it"):
            begun.add(make_invocation(1))
        other.execute("ROLLBACK")
        other.close()
        begun.add(make_invocation(1))
        assert store.next_sequence(RUN) == 2


@pytest.mark.postgresql
def test_locked_server_says_that_another_program_holds_it(
    postgresql_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BUSY_TIMEOUT_S", 1.0)
    with open_store(postgresql_target) as store, open_store(postgresql_target) as other:
        begun = Begun(store)
        with other._database.write(), pytest.raises(StoreError, match="another program holds it"):
            begun.add(make_invocation(1))
        begun.add(make_invocation(1))


@pytest.mark.slow
def test_writer_waits_for_another_that_ends(target: str | Path) -> None:
    with open_store(target) as store, open_store(target) as other, ThreadPoolExecutor(1) as pool:
        begun = Begun(store)
        with other._database.write():
            waiting = pool.submit(begun.add, make_invocation(1))
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
        waiting.result(timeout=30)
        assert store.next_sequence(RUN) == 2


def test_reader_sees_what_is_committed_while_another_writes(target: str | Path) -> None:
    with open_store(target) as store, open_store(target) as other:
        begun = Begun(store)
        begun.add(make_invocation(1))
        with store._database.write() as connection:
            connection.exec_driver_sql("UPDATE invocation SET client_done_s = 0")
            assert other.view(RUN).column("client.latency_s") == [0.25]
            connection.rollback()


def test_a_long_read_does_not_stop_a_writer(target: str | Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BUSY_TIMEOUT_S", 1.0)
    with open_store(target) as store, open_store(target) as other:
        begun = Begun(store)
        with other._database.read() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM invocation").scalar() == 0
            begun.add(make_invocation(1))
            assert connection.exec_driver_sql("SELECT count(*) FROM run").scalar() == 1
        assert other.view(RUN).column("client.latency_s") == [0.25]


def test_server_that_does_not_answer_is_told_without_the_password() -> None:
    with pytest.raises(StoreError, match="server cannot be reached") as caught:
        open_store("postgresql+psycopg://sebsx:hidden-word@127.0.0.1:1/sebsx?connect_timeout=5")
    assert "hidden-word" not in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)


@pytest.mark.postgresql
def test_location_of_a_server_shows_no_password(postgresql_target: str) -> None:
    with open_store(postgresql_target) as store:
        assert "hidden-word" not in store.location
        assert "127.0.0.1" in store.location


@pytest.mark.postgresql
def test_missing_database_on_a_server_is_named(postgresql: str) -> None:
    with pytest.raises(StoreError, match='database "nowhere" does not exist'):
        open_store(postgresql.replace("/postgres", "/nowhere"))


@pytest.mark.postgresql
def test_server_with_tables_of_somebody_else_is_left_alone(postgresql_target: str) -> None:
    address = postgresql_target.replace("+psycopg", "")
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE run (x int)")
    with pytest.raises(StoreError, match='"run" already exists'):
        open_store(postgresql_target)
    with psycopg.connect(address) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()
    assert tables == [("run",)]


def test_path_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="--store"):
        open_store(tmp_path / "file" / "s.sqlite")


def test_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="directory"):
        open_store(tmp_path)


def test_read_only_store_can_be_read_and_says_why_it_cannot_be_written(tmp_path: Path) -> None:
    with open_store(tmp_path / "s.sqlite") as store:
        Begun(store).add(make_invocation(1))
        store.snapshot(tmp_path / "copy.sqlite")
    database = open_database(tmp_path / "copy.sqlite")
    with database.outside_transaction() as connection:  # root may write any file, so the connection is made read-only
        connection.exec_driver_sql("PRAGMA query_only=ON")
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM invocation").scalar() == 1
    with (
        pytest.raises(StoreError, match="it is read-only; make file and folder writable"),
        database.write() as connection,
    ):
        connection.exec_driver_sql("DELETE FROM sample")
    database.close()


def test_damaged_store_says_how_to_save_it(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with open_store(path) as store:
        Begun(store).add(*(make_invocation(number, error="x" * 200) for number in range(1, 500)))
    content = bytearray(path.read_bytes())
    content[20 * 4096 :] = b"\xff" * (len(content) - 20 * 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"the file is damaged.*\.recover"):
        open_store(path)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one MiB."""
    if os.getuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def _fill(begun: Begun) -> int:
    """Add batches until the disk is full and return how many were stored."""
    for batch in range(1000):
        first = batch * 20 + 1
        try:
            begun.add(*(make_invocation(number, error="x" * 1000) for number in range(first, first + 20)))
        except StoreError as error:
            assert "disk is full" in str(error)  # noqa: PT017  # the loop ends by this error
            return batch
    raise AssertionError("the disk was never full")


@pytest.mark.root
def test_full_disk_says_so_and_loses_nothing_committed(tiny_disk: Path) -> None:
    with open_store(tiny_disk / "s.sqlite") as store:
        begun = Begun(store)
        batches = _fill(begun)
        assert batches > 0
        assert len(list(store.view(RUN).invocations())) == batches * 20
    with sqlite3.connect(tiny_disk / "s.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_full_database_says_so_and_loses_nothing_committed(tmp_path: Path) -> None:
    with open_store(tmp_path / "s.sqlite") as store:
        begun = Begun(store)
        with store._database.outside_transaction() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count=200")
        batches = _fill(begun)
        assert batches > 0
        assert store.next_sequence(RUN) == batches * 20 + 1


WRITER = """
    import sys
    from sebsx.store import open_store
    from tests.store.conftest import Begun, make_invocation, make_run

    with open_store(sys.argv[1]) as store:
        begun = Begun(store)
        for batch in range(100000):
            first = batch * 50 + 1
            begun.add(*(make_invocation(n, batch=batch, samples={"phase.a_s": 1.0}) for n in range(first, first + 50)))
            print(batch, flush=True)
"""


@pytest.mark.slow
def test_killed_writer_loses_no_committed_batch(target: str | Path) -> None:
    command: list[Any] = [sys.executable, "-c", textwrap.dedent(WRITER), str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as writer:
        assert writer.stdout is not None
        told = [int(next(writer.stdout)) for _ in range(5)][-1]
        writer.send_signal(signal.SIGKILL)
        told = max([told, *map(int, writer.stdout.read().split())])
    with open_store(target) as store:
        view = store.view("last")
        assert view.status == "interrupted"
        found = list(view.invocations())
        assert len(found) % 50 == 0  # whole batches only
        assert found[-1].batch >= told
        assert [item.sequence for item in found] == list(range(1, len(found) + 1))
        assert all(item.samples == {"phase.a_s": 1.0} for item in found)


def _schema(path: Path) -> dict[str, object]:
    """Return columns of each table, and the text of everything else; columns may come in another order."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        return {
            name: {row[1:] for row in connection.execute(f"PRAGMA table_info({name})")}
            if kind == "table"
            else " ".join(sql.split())
            for kind, name, sql in rows
        }


MEASURED_V2 = """
CREATE VIEW measured AS SELECT * FROM invocations WHERE kind = 'measured' AND status = 'ok'
  AND (start_wanted IS NULL OR start_wanted NOT IN ('cold', 'warm') OR start_type = start_wanted)
"""


def test_store_of_version_2_counts_restored_starts_once_it_is_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    _old_store(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(f"DROP VIEW measured; {MEASURED_V2}; UPDATE schema_info SET version = 2")
        assert connection.execute("SELECT count(*) FROM measured WHERE cell_id = 1").fetchone() == (1,)
    with open_store(path) as old:
        assert old.upgrade() == (2, files.NEWEST)
        rows = [(row["sequence"], row["start_type"]) for row in old.view(RUN).rows("measured") if row["cell_id"] == 1]
        assert rows == [(1, "cold"), (2, "restored")]


def test_store_of_version_1_becomes_what_a_new_one_is(tmp_path: Path) -> None:
    """Fails when the schema is changed without a step that upgrades the stores people have."""
    with closing(sqlite3.connect(tmp_path / "old.sqlite")) as connection, connection:
        connection.executescript(Path(__file__).with_name("schema_v1.sql").read_text(encoding="utf-8"))
        connection.execute("INSERT INTO schema_info VALUES (1, '0.1.0', '2026-01-01T00:00:00.000000+00:00')")
    with open_store(tmp_path / "old.sqlite") as old, open_store(tmp_path / "new.sqlite"):
        assert old.upgrade() == (1, files.NEWEST)
        Begun(old).add(make_invocation(1))
    assert _schema(tmp_path / "old.sqlite") == _schema(tmp_path / "new.sqlite")


def _old_store(target: str | Path) -> None:
    """Make a store as the commit before version 4 wrote it, on either database."""
    folder = Path(__file__).parent
    dump = (folder / "store_v3.sql").read_text(encoding="utf-8")
    if isinstance(target, Path):
        with closing(sqlite3.connect(target)) as connection:
            connection.executescript(dump)
        return
    rows = [line for line in dump.splitlines() if line.startswith("INSERT INTO")]
    with psycopg.connect(target.replace("+psycopg", ""), autocommit=True) as server:
        server.execute((folder / "schema_v3_postgresql.sql").read_text(encoding="utf-8"))  # type: ignore[call-overload]
        server.execute("SET session_replication_role = replica")  # rows refer to rows that follow
        for row in rows:
            server.execute(row)  # type: ignore[call-overload]
        for table in ("environment", "metric", "run", "cell", "deployment", "sandbox", "invocation", "run_value"):
            server.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"  # type: ignore[call-overload]
            )


def test_store_of_version_3_is_upgraded_with_all_that_it_holds(target: str | Path) -> None:
    _old_store(target)
    with open_store(target) as store:
        assert store.upgrade() == (3, files.NEWEST)
        view = store.view("release")
        assert [item.sequence for item in view.invocations()] == [1, 2, 3, 4, 5, 6]
        assert {(item.attempts, item.polls, item.execution, item.client) for item in view.invocations()} == {
            (1, 0, None, None)
        }
        assert [row["sequence"] for row in view.rows("measured")] == [1, 2, 4, 5, 6]
        assert view.deployments()[0].options == {}
        assert (view.executions(), view.clients()) == ([], [])
        [phase] = view.phases()
        assert (phase.batch, phase.attempt, phase.status, phase.begin_s) == (1, 1, PhaseStatus.RUNNING, 990.0)
        Begun(store, RUN[:-1] + "W").add(make_invocation(1))


def test_phase_that_an_older_sebsx_left_is_broken_off_when_it_is_begun_again(target: str | Path) -> None:
    _old_store(target)
    with open_store(target) as store:
        [old] = store.view(RUN).phases()
        new = store.groups.begin_phase(RUN, old.cell_id, old.deployment_id, store.next_batch(RUN), 2000.0)
        store.groups.finish_phase(new, 2010.0)
        assert [row["sequence"] for row in store.view(RUN).rows("measured")] == [1, 2]
        phases = store.view(RUN).phases()
        assert [(each.attempt, each.status) for each in phases] == [
            (1, PhaseStatus.BROKEN_OFF), (2, PhaseStatus.FINISHED),
        ]  # fmt: skip


def test_phase_that_an_older_sebsx_pooled_with_its_successor_is_taken_out(target: str | Path) -> None:
    _old_store(target)
    again = (
        "INSERT INTO run_value (run_id, cell_id, metric_id, value, stored_at) "
        "SELECT run_id, cell_id, {metric}, {value}, stored_at FROM run_value WHERE cell_id = 2 ORDER BY id LIMIT 1"
    )
    statements = [
        again.format(metric="metric_id", value=2000.0),
        again.format(metric="(SELECT id FROM metric WHERE name = 'generator.duration_s')", value=10.0),
        "UPDATE invocation SET client_intended_s = 2001.0 WHERE sequence = 6",
    ]
    if isinstance(target, Path):
        with closing(sqlite3.connect(target)) as connection, connection:
            connection.executescript(";".join(statements))
    else:
        with psycopg.connect(target.replace("+psycopg", ""), autocommit=True) as server:
            for statement in statements:
                server.execute(statement)  # type: ignore[call-overload]
    with open_store(target) as store:
        assert [row["sequence"] for row in store.view(RUN).rows("measured")] == [1, 2, 6]


def test_upgraded_store_is_what_a_new_one_is(tmp_path: Path) -> None:
    _old_store(tmp_path / "old.sqlite")
    for name in ("old.sqlite", "new.sqlite"):
        open_store(tmp_path / name).close()
    assert _schema(tmp_path / "old.sqlite") == _schema(tmp_path / "new.sqlite")


def test_statement_is_compiled_once_for_all_stores_of_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(tmp_path / "first") as first, open_store(tmp_path / "second") as second:
        for store in (first, second):
            store.start_run(make_run(), {}, ())
            assert [run.id for run in store.runs()] == [RUN]
            for kind in ("visit_select", "visit_insert"):
                monkeypatch.setattr(SQLCompiler, kind, lambda *_, **__: pytest.fail("compiled again"))


@pytest.mark.parametrize(
    "target", ["postgresql+psycopg://[::bad", "postgresql://host:many/db", "~nobody-at-all/r.sqlite"]
)
def test_place_that_cannot_be_read_is_the_users_mistake(target):
    with pytest.raises(UserError, match=r"cannot be read|is not known"), open_store(target):
        pass


@pytest.mark.slow
def test_writer_finds_the_gaps_that_another_leaves(tmp_path: Path) -> None:
    """Another program holds the lock nearly always, as a run under load does, for longer than anybody waits."""
    path, held, over = tmp_path / "results.sqlite", threading.Event(), threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=60.0)) as connection:
            while not over.is_set():
                connection.execute("BEGIN IMMEDIATE")
                held.set()
                time.sleep(0.1)
                connection.execute("COMMIT")
                time.sleep(0.001)

    with open_store(path) as store:
        begun, holder = Begun(store), threading.Thread(target=hold)
        holder.start()
        try:
            assert held.wait(60.0)
            before_s = time.monotonic()
            for number in range(1, 5):
                begun.add(make_invocation(number))
            waited_s = time.monotonic() - before_s
        finally:
            over.set()
            holder.join()
    assert waited_s < 4.0  # four holds take less than a second


def test_store_that_is_opened_twice_keeps_its_log_from_other_programs(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM run').fetchall(); c.close()"
    with open_store(path) as store:
        begun = Begun(store)
        with open_store(path):
            subprocess.run([sys.executable, "-c", code, str(path)], check=True)  # would be the last one to have it open
        begun.add(make_invocation(1))
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as another:
            assert another.execute("SELECT count(*) FROM invocation").fetchone() == (1,)
        assert path.with_name("results.sqlite-wal").exists()
