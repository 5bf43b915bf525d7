"""A full disk: whatever is written by name is whole or as it was, nothing is left beside it, and one line says why."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sebsx import plugins
from sebsx.errors import EXIT_STORE, EXIT_USAGE, StoreError
from sebsx.store import open_store
from tests.cli.test_store_faults import SLEEP, tiny_disk
from tests.pricing.offers import offer_file
from tests.store.conftest import RUN, Begun
from tests.support import Call

pytestmark = [pytest.mark.root]
MIB = 2**20
WANTS_GIT = "asv"  # orders by commits, of which this run has none


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    with tiny_disk(tmp_path / "disk", "-o", "size=8m") as folder:
        yield folder


def fill(folder: Path) -> Path:
    """Write until nothing more fits; return the file that takes all the room."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * os.sysconf("SC_PAGE_SIZE")):
                pass
        except OSError:
            return filler
    raise AssertionError("the disk has no end")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.mark.slow
def test_older_report_and_exports_stay_whole(call: Call, disk: Path) -> None:
    assert call(*SLEEP, "--repetitions", "3").code == 0
    writing = {
        "page.html": ("report", "last", "-o"),
        **{
            f"export.{name}": ("export", "last", "-f", name, "-o")
            for name in plugins.load().exporters
            if name != WANTS_GIT
        },
    }
    for name, words in writing.items():
        said = call(*words, str(disk / name))
        assert said.code == 0, f"{name}: {said.stderr}"
    filler = fill(disk)
    before = contents(disk)
    for name, words in writing.items():
        said = call(*words, str(disk / name))
        # What fits into the last page of its folder is written, and whole.
        assert said.code in (0, EXIT_USAGE, EXIT_STORE), f"{name}: {said.stderr}"
        if said.code:
            assert name in said.error, said.error
            assert contents(disk) == before, name
        before = contents(disk)
        assert not [path for path in before if ".part" in path], name
    filler.unlink()
    for name, words in writing.items():
        assert call(*words, str(disk / name)).code == 0, name


@pytest.mark.slow
def test_snapshot_that_does_not_fit_leaves_nothing(call: Call, disk: Path) -> None:
    assert call(*SLEEP, "--repetitions", "3").code == 0
    filler = fill(disk)
    call("db", "snapshot", str(disk / "whole.sqlite")).assert_fails(EXIT_STORE, "whole.sqlite")
    assert list(disk.iterdir()) == [filler]
    filler.unlink()
    assert call("db", "snapshot", str(disk / "whole.sqlite")).code == 0


def test_file_that_does_not_fit_is_not_kept_and_leaves_nothing(disk: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.write_bytes(os.urandom(16 * MIB))
    with open_store(disk / "s.sqlite") as store:
        begun = Begun(store)
        with pytest.raises(StoreError, match=r"model' cannot be kept .*: No space left on device"):
            store.artifacts.add(RUN, model, role="model")
        assert store.view(RUN).artifacts() == []
        assert [path for path in (disk / "s.sqlite.artifacts").rglob("*") if path.is_file()] == []
        model.write_bytes(b"small")
        store.artifacts.add(RUN, model, role="model")
        assert [item.bytes for item in begun.store.view(RUN).artifacts()] == [5]


def test_price_book_that_does_not_fit_leaves_the_older_one(
    call: Call, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(disk))
    source = offer_file(tmp_path / "index.json")
    update = ("prices", "update", "aws", "--from", str(source), "--replace")
    first = call(*update)
    assert first.code == 0, first.stderr
    fill(disk)
    before = contents(disk)
    call(*update).assert_fails(EXIT_USAGE, "cannot be written")
    assert contents(disk) == before
