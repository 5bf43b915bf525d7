"""Files kept by their content, on SQLite and PostgreSQL."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from sebsx.errors import StoreError, UserError
from sebsx.model import Artifact
from sebsx.store import Store, open_store
from sebsx.store.blobs import BLOCK_BYTES
from tests.store.conftest import RUN, Begun

SIZES = [0, 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 7]


def content(size: int) -> bytes:
    return hashlib.sha256(str(size).encode()).digest() * (size // 32) + b"x" * (size % 32)


def keep(begun: Begun, path: Path, **others: Any) -> Artifact:
    return begun.store.artifacts.add(RUN, path, role="model", **others)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(content(BLOCK_BYTES + 5))
    return path


def held(store: Store) -> list[str]:
    """Return the files in the folder beside the store, whatever they are."""
    folder = Path(store.location + ".artifacts")
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def age(store: Store) -> None:
    """Make every file of a store two hours older than it is."""
    old = "2020-01-01T00:00:00.000000+00:00"
    with store._database.write() as connection:
        connection.exec_driver_sql(f"UPDATE artifact SET stored_at = '{old}'")
    for path in Path(store.location + ".artifacts").rglob("*"):
        os.utime(path, (1, 1))


@pytest.mark.parametrize("size", SIZES)
def test_file_comes_back_as_it_was_kept(begun: Begun, tmp_path: Path, size: int) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(content(size))
    kept = keep(begun, path, cell_id=begun.cell, deployment_id=begun.deployment, sequence=3)
    path.unlink()
    view = begun.store.view(RUN)
    assert view.artifacts() == [kept]
    assert (kept.sha256, kept.bytes) == (hashlib.sha256(content(size)).hexdigest(), size)
    assert (kept.role, kept.name, kept.cell_id, kept.sequence) == ("model", "data.bin", begun.cell, 3)
    with view.open_artifact(kept) as file:
        assert file.read() == content(size)
    view.copy_artifact(kept, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content(size)


def test_the_same_content_is_held_once_and_used_often(begun: Begun, model: Path) -> None:
    first = keep(begun, model)
    second = begun.store.artifacts.add(RUN, model, role="log", name="again")
    assert first.sha256 == second.sha256
    assert [(each.role, each.name) for each in begun.store.view(RUN).artifacts()] == [
        ("model", "model.onnx"), ("log", "again"),
    ]  # fmt: skip
    with begun.store._database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM artifact").scalar_one() == 1


def test_package_that_was_only_mentioned_is_held_once_it_is_kept(begun: Begun, model: Path) -> None:
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    begun.store.artifacts.mention(digest, "package", 1, model, {"requirements": ["a==1"]})
    with pytest.raises(StoreError, match="does not hold"):
        begun.store.artifacts.open(digest)
    keep(begun, model)
    with begun.store.artifacts.open(digest) as file:
        assert file.read() == model.read_bytes()


@pytest.mark.parametrize("name", ["missing", "."])
def test_file_that_cannot_be_read_is_named(begun: Begun, tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        keep(begun, tmp_path / name)
    assert begun.store.view(RUN).artifacts() == []


def test_sweep_takes_what_nothing_refers_to_and_leaves_what_is_used_or_young(begun: Begun, model: Path) -> None:
    used = keep(begun, model)
    model.write_bytes(b"unused")
    unused = keep(begun, model)
    with begun.store._database.write() as connection:
        connection.exec_driver_sql(f"DELETE FROM artifact_use WHERE sha256 = '{unused.sha256}'")
    assert begun.store.artifacts.sweep() == (0, 0)  # it may be on its way
    age(begun.store)
    assert begun.store.artifacts.sweep() == (1, 6)
    assert begun.store.artifacts.sweep() == (0, 0)
    with begun.store.artifacts.open(used.sha256) as file:
        assert file.read() == content(BLOCK_BYTES + 5)
    with pytest.raises(StoreError, match="does not hold"):
        begun.store.artifacts.open(unused.sha256)


def test_sweep_takes_what_a_killed_process_left(tmp_path: Path, model: Path) -> None:
    with open_store(tmp_path / "s.sqlite") as store:
        kept = keep(Begun(store), model)
        folder = tmp_path / "s.sqlite.artifacts"
        (folder / ".partial-1").write_bytes(b"half")
        (folder / "ab").mkdir(exist_ok=True)
        (folder / "ab" / ("ab" * 32)).write_bytes(b"whole, and named by nobody")
        age(store)
        assert store.artifacts.sweep()[0] == 2
        assert held(store) == [kept.sha256]


def test_damaged_file_is_told_and_not_copied(tmp_path: Path, model: Path) -> None:
    with open_store(tmp_path / "s.sqlite") as store:
        kept = keep(Begun(store), model)
        place = tmp_path / "s.sqlite.artifacts" / kept.sha256[:2] / kept.sha256
        place.write_bytes(b"something else")
        with pytest.raises(StoreError, match="is damaged"):
            store.view(RUN).copy_artifact(kept, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.slow
def test_snapshot_and_export_hold_the_files_in_one_file(begun: Begun, model: Path, tmp_path: Path) -> None:
    kept = keep(begun, model)
    begun.store.snapshot(tmp_path / "snapshot.sqlite")
    begun.store.view(RUN).add_to(tmp_path / "export.sqlite")
    for name in ("snapshot", "export"):
        alone = tmp_path / name
        alone.mkdir()
        (tmp_path / f"{name}.sqlite").rename(alone / "s.sqlite")
        with open_store(alone / "s.sqlite") as copy:
            assert copy.view(RUN).artifacts() == [kept]
            with copy.view(RUN).open_artifact(kept) as file:
                assert file.read() == content(BLOCK_BYTES + 5)
        assert [path.name for path in alone.iterdir()] == ["s.sqlite"]


@pytest.mark.slow
def test_export_leaves_files_of_other_runs(begun: Begun, model: Path, tmp_path: Path) -> None:
    other = Begun(begun.store, RUN[:-1] + "W")
    begun.store.artifacts.add(other.run_id, model, role="model")
    begun.store.view(RUN).add_to(tmp_path / "export.sqlite")
    assert (tmp_path / "export.sqlite").stat().st_size < BLOCK_BYTES


KILLED = """
    import sys
    from pathlib import Path
    from sebsx.store import artifacts, open_store
    from tests.store.conftest import RUN

    whole = artifacts._copied

    def slowly(path, partial):
        found = whole(path, partial)
        print("copied", flush=True)
        sys.stdin.read()
        return found

    artifacts._copied = slowly
    with open_store(sys.argv[1]) as store:
        store.artifacts.add(RUN, Path(sys.argv[2]), role="model")
"""


@pytest.mark.slow
def test_killed_while_a_file_is_kept_nothing_refers_to_it(tmp_path: Path, model: Path) -> None:
    target = tmp_path / "s.sqlite"
    with open_store(target) as store:
        Begun(store)
        command = [sys.executable, "-c", textwrap.dedent(KILLED), str(target), str(model)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        ) as writer:
            assert writer.stdout is not None
            assert next(writer.stdout) == "copied\n"
            writer.send_signal(signal.SIGKILL)
        assert store.view(RUN).artifacts() == []
        assert len(held(store)) == 1  # the copy, under its temporary name
        age(store)
        assert store.artifacts.sweep()[0] == 1
        assert held(store) == []


MEASURED = """
    import resource, sys
    from pathlib import Path
    from sebsx.store import open_store
    from tests.store.conftest import RUN

    with open_store(sys.argv[1]) as store:
        store.view(RUN).cells()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        kept = store.artifacts.add(RUN, Path(sys.argv[2]), role="dataset")
        with store.artifacts.open(kept.sha256) as file:
            while file.read(1 << 20):
                pass
        store.snapshot(Path(sys.argv[3]))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_large_file_does_not_pass_through_memory(target: str | Path, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(160 << 20)  # a hole: it takes no room where it lies
    with open_store(target) as store:
        Begun(store)
    command = [sys.executable, "-c", textwrap.dedent(MEASURED), str(target), str(large), str(tmp_path / "copy.sqlite")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True)
    assert int(done.stdout) < 96 << 10  # KiB: some blocks of a transaction, and the cache of the database
