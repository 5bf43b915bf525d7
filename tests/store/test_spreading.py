"""Runs that several processes read: real ones, made by making spans small."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sebsx.errors import StoreError
from sebsx.model import Kind, Status
from sebsx.store import bulk, open_store, spreading
from tests.store.conftest import RUN, Begun, make_invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.model.stored import Page
    from sebsx.store import Store

COUNT = 120
SPAN = 5


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    target = (
        tmp_path / "s ?b=1#%2F.sqlite" if request.param == "sqlite" else request.getfixturevalue("postgresql_target")
    )
    with open_store(target) as opened:
        yield opened


@pytest.fixture
def view(store: Store, monkeypatch: pytest.MonkeyPatch) -> RunView:
    """A run of as many spans as several processes share, with gaps in `sequence` and in the samples."""
    monkeypatch.setattr(bulk, "SPAN_ROWS", SPAN)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    begun = Begun(store)
    begun.add(
        *(
            make_invocation(
                3 * number,
                kind=Kind.WARMUP if number % 10 == 0 else Kind.MEASURED,
                status=Status.TIMEOUT if number % 7 == 0 else Status.OK,
                sandbox_id=f"sandbox-{number // 20}",
                samples={"process.cpu_s": number / 3} if number > COUNT / 2 else {},
            )
            for number in range(1, COUNT + 1)
        )
    )
    return store.view(RUN)


def numbers_of(page: Page) -> tuple[int, list[int], list[float | None]]:
    return os.getpid(), list(page.own["sequence"]), list(page.samples.get("process.cpu_s", ()))


def failing(place: int, page: Page) -> None:
    if place in page.own["sequence"]:
        raise StoreError(f"row {place} is bad")


def dying(page: Page) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def slowly(page: Page) -> None:
    time.sleep(0.2)


@pytest.mark.slow
def test_pages_come_in_order_from_several_processes(view: RunView) -> None:
    found = list(view.map_pages(numbers_of))
    assert len({pid for pid, _, _ in found} - {os.getpid()}) == 3
    assert list(chain.from_iterable(some for _, some, _ in found)) == [3 * number for number in range(1, COUNT + 1)]
    assert [value for _, _, values in found for value in values] == [n / 3 for n in range(COUNT // 2 + 1, COUNT + 1)]


@pytest.mark.slow
def test_few_rows_are_read_by_this_process(view: RunView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "SPAN_ROWS", -(-COUNT // (2 * spreading._LEAST_SPANS - 1)))  # its threshold
    assert {pid for pid, _, _ in view.map_pages(numbers_of)} == {os.getpid()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Kind.MEASURED, None])
def test_frame_is_the_same_however_many_read_it(
    view: RunView, kind: Kind | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ["sandbox_id", "client_done_s", "process.*_s", "phase.*_s"]
    spread = view.frame(kind=kind, more=more)
    monkeypatch.setattr(bulk, "SPAN_ROWS", 10 * COUNT)
    alone = view.frame(kind=kind, more=more)
    assert len(spread) == (COUNT if kind is None else COUNT - COUNT // 10)
    assert spread.names == alone.names
    for name in alone.names:
        np.testing.assert_array_equal(spread[name], alone[name])
    for name in alone.word_names:
        assert spread.words(name) == alone.words(name)


@pytest.mark.slow
def test_error_in_another_process_is_raised_here(view: RunView) -> None:
    with pytest.raises(StoreError, match="row 300 is bad"):
        list(view.map_pages(partial(failing, 300)))


@pytest.mark.slow
def test_process_that_dies_is_told(view: RunView) -> None:
    with pytest.raises(StoreError, match="has ended; is there enough memory"):
        list(view.map_pages(dying))


@pytest.mark.slow
def test_no_process_outlives_a_reader_that_stops(view: RunView, processes_of: Callable[[int], Sequence[int]]) -> None:
    pages = view.map_pages(slowly)
    next(pages)
    assert len(processes_of(os.getpid())) == 3
    pages.close()  # type: ignore[attr-defined]  # it is a generator
    assert processes_of(os.getpid()) == []


@pytest.mark.slow
def test_password_is_in_no_command_line(view: RunView, processes_of: Callable[[int], Sequence[int]]) -> None:
    pages = view.map_pages(slowly)
    next(pages)
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes_of(os.getpid())]
    assert lines
    assert all(line.split(b"\0")[1:] == [b"-P", b"-m", b"sebsx.store", b""] for line in lines)


@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.slow
def test_processes_end_with_the_one_they_read_for(
    view: RunView, signal_: signal.Signals, processes_of: Callable[[int], Sequence[int]]
) -> None:
    program = [sys.executable, "-c", _READ, view._database.target]  # with its password
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == "first page\n"
        readers = processes_of(reader.pid)
        reader.send_signal(signal_)
        _, errors = reader.communicate(timeout=20)
    assert len(readers) == 3
    assert errors.count("Traceback") == (signal_ is signal.SIGINT)  # that of the reader itself
    deadline_s = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in readers):
        assert time.monotonic() < deadline_s, readers
        time.sleep(0.05)


@pytest.fixture
def processes_of() -> Callable[[int], Sequence[int]]:
    """Return the processes that read for another."""

    def found(parent: int) -> Sequence[int]:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
        return [int(pid) for pid in children if b"sebsx.store\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    return found


_READ = """
import os, signal, sys
from sebsx.store import bulk, open_store
from tests.store.test_spreading import SPAN, slowly

signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent may have ignored it
bulk.SPAN_ROWS, os.cpu_count = SPAN, lambda: 3
with open_store(sys.argv[1]) as store:
    for _ in store.view("last").map_pages(slowly):
        print("first page", flush=True)
"""
