from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, event

from sebsx.errors import StoreError
from sebsx.store import checkpoints
from sebsx.store.invocations import _insert_samples
from tests.store.conftest import Begun, make_invocation

if TYPE_CHECKING:
    from pathlib import Path

    from sebsx.store.invocations import InvocationStream


def test_streamed_invocations_are_stored_with_a_commit_and_not_before(begun: Begun) -> None:
    stream = begun.store.stream(begun.run_id, begun.deployment, begun.cell)
    for number in (1, 2, 3):
        stream.add([make_invocation(number, samples={"process.cpu_s": number / 4})])
    assert sum(begun.store.counts(begun.run_id).values()) == 0
    stream.commit()
    stored = list(begun.store.view(begun.run_id).invocations())
    assert [each.sequence for each in stored] == [1, 2, 3]
    assert [each.samples for each in stored] == [{"process.cpu_s": number / 4} for number in (1, 2, 3)]
    assert {each.cell_id for each in stored} == {begun.cell}
    stream.close()


def test_samples_are_inserted_by_placeholders_without_numbers() -> None:
    """Python 3.12.0 to 3.12.3 warns of `?1` as of a name that a sequence is given for, at each value."""
    assert re.search(r"\?\d", _insert_samples((7, 8))) is None


def test_invocations_of_different_and_of_many_samples_are_stored_as_they_are(begun: Begun) -> None:
    many = {f"phase.{number}_s": number / 8 for number in range(1000)}  # more than one statement takes
    mixed = [{}, {"process.cpu_s": 1, "phase.b_s": 0.5}, {"phase.b_s": 0.25, "process.cpu_s": 2.0}, many]
    mixed += [{"process.cpu_s": float("inf"), "phase.b_s": 4.0}, dict(reversed(many.items()))]
    begun.add(*(make_invocation(number, samples=samples) for number, samples in enumerate(mixed, 1)))
    stream = begun.store.stream(begun.run_id, begun.deployment, begun.cell)
    stream.add([make_invocation(number, samples=samples) for number, samples in enumerate(mixed, 11)])
    stream.commit()
    stream.close()
    stored = [each.samples for each in begun.store.view(begun.run_id).invocations()]
    mixed[4] = {"phase.b_s": 4.0}
    assert stored == [*mixed, *mixed]


def test_new_members_of_a_family_are_registered_with_one_look_into_the_store(begun: Begun) -> None:
    asked: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", count)
    try:
        begun.add(make_invocation(1, samples={f"phase.{number}_s": 1.0 for number in range(40)}))
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert len([each for each in asked if "metric" in each]) <= 3


def test_stream_goes_on_after_a_commit_and_beside_batches(begun: Begun) -> None:
    stream = begun.store.stream(begun.run_id, begun.deployment, begun.cell)
    stream.add([make_invocation(1)])
    stream.commit()
    begun.add(make_invocation(2))
    stream.add([make_invocation(3)])
    stream.commit()
    stream.commit()
    stream.close()
    assert [each.sequence for each in begun.store.view(begun.run_id).invocations()] == [1, 2, 3]


def test_closing_undoes_what_was_not_committed_and_frees_the_store(begun: Begun) -> None:
    stream = begun.store.stream(begun.run_id, begun.deployment, begun.cell)
    stream.add([make_invocation(1)])
    stream.close()
    stream.close()
    begun.add(make_invocation(2))
    assert [each.sequence for each in begun.store.view(begun.run_id).invocations()] == [2]


@pytest.mark.parametrize("wrong", [{"nobody.registered_s": 1.0}, {"process.cpu_s": "fast"}])
def test_sample_that_cannot_be_stored_is_an_error_and_frees_the_store(begun: Begun, wrong: dict[str, float]) -> None:
    stream = begun.store.stream(begun.run_id, begun.deployment, begun.cell)
    with pytest.raises(StoreError, match=next(iter(wrong))):
        stream.add([make_invocation(1, samples=wrong)])
        stream.commit()
    begun.add(make_invocation(2))
    assert [each.sequence for each in begun.store.view(begun.run_id).invocations()] == [2]
    stream.close()


def test_sequence_used_twice_is_an_error(begun: Begun) -> None:
    stream = begun.store.stream(begun.run_id, begun.deployment, begun.cell)
    stream.add([make_invocation(1)])
    with pytest.raises(StoreError):
        stream.add([make_invocation(1)])
        stream.commit()
    assert sum(begun.store.counts(begun.run_id).values()) == 0
    stream.close()


def test_records_of_a_provider_are_added_to_stored_invocations(begun: Begun) -> None:
    begun.add(make_invocation(1), make_invocation(2))
    second = list(begun.store.view(begun.run_id).invocations(first=2))
    assert [each.sequence for each in second] == [2]
    second[0].provider_duration_s, second[0].cost_usd = 0.125, 2e-6
    begun.store.update_recorded(second)
    stored = list(begun.store.view(begun.run_id).invocations())
    assert [each.provider_duration_s for each in stored] == [None, 0.125]
    assert [each.cost_usd for each in stored] == [None, 2e-6]


@pytest.mark.slow
def test_log_is_written_back_beside_the_commits_and_begins_again(
    begun: Begun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if begun.store.location.startswith("postgresql"):
        pytest.skip("a server writes its log back itself")
    monkeypatch.setattr(checkpoints, "EVERY_S", 0.0)
    log = tmp_path / "store.sqlite-wal"
    stream = begun.store.stream(begun.run_id, begun.deployment, begun.cell)
    largest = []
    for first in range(1, 6001, 200):
        stream.add([make_invocation(number) for number in range(first, first + 200)])
        stream.commit()
        largest.append(log.stat().st_size)
        wait_until_settled(stream)
    stream.close()
    assert largest[-1] == largest[len(largest) // 2] < 2**20  # pages are used again
    assert sum(begun.store.counts(begun.run_id).values()) == 6000
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as other:
        assert other.execute("PRAGMA quick_check").fetchone() == ("ok",)


def test_log_far_too_long_is_waited_for(begun: Begun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "EVERY_S", 0.0)
    monkeypatch.setattr(checkpoints, "MOST_PAGES", 0)
    stream = begun.store.stream(begun.run_id, begun.deployment, begun.cell)
    for number in range(1, 20):
        stream.add([make_invocation(number)])
        stream.commit()
        if number == 1:
            wait_until_settled(stream)  # how long the log is, is known from here on
        assert not stream.settling
    stream.close()


def test_process_that_was_killed_is_started_again(begun: Begun, monkeypatch: pytest.MonkeyPatch) -> None:
    if begun.store.location.startswith("postgresql"):
        pytest.skip("a server writes its log back itself")
    monkeypatch.setattr(checkpoints, "EVERY_S", 0.0)
    stream = begun.store.stream(begun.run_id, begun.deployment, begun.cell)
    assert stream._checkpoints is not None
    first = stream._checkpoints._process
    assert first is not None
    first.kill()
    for number in range(1, 4):
        stream.add([make_invocation(number)])
        stream.commit()
        wait_until_settled(stream)

    assert stream._checkpoints._process not in (first, None)
    assert first.poll() is not None
    stream.close()


@pytest.mark.slow
def test_no_commit_of_a_stream_writes_the_log_back_and_others_do_again(
    begun: Begun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if begun.store.location.startswith("postgresql"):
        pytest.skip("a server writes its log back itself")
    monkeypatch.setattr(checkpoints, "EVERY_S", 3600.0)
    file = tmp_path / "store.sqlite"
    stream = begun.store.stream(begun.run_id, begun.deployment, begun.cell)
    before = file.stat().st_mtime_ns
    for first in range(1, 20_001, 5000):
        stream.add([make_invocation(number, error="x" * 400) for number in range(first, first + 5000)])
        stream.commit()
    assert file.with_name(file.name + "-wal").stat().st_size > 2000 * 4096
    assert file.stat().st_mtime_ns == before
    stream.close()

    begun.add(*(make_invocation(number) for number in range(20_001, 20_100)))

    assert file.stat().st_mtime_ns > before


def wait_until_settled(stream: InvocationStream) -> None:
    deadline_s = time.monotonic() + 10.0
    while stream.settling and time.monotonic() < deadline_s:
        time.sleep(0.001)


def test_log_that_no_process_can_write_back_costs_one_process_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = checkpoints.Checkpointer(tmp_path / "nowhere" / "store.sqlite")
    started, start = [], keeper._start
    monkeypatch.setattr(keeper, "_start", lambda: started.append(None) or start())
    keeper._due_s = 0.0
    for _ in range(6):
        if keeper._process is not None:
            keeper._process.wait()
        keeper.committed()
    keeper.close()
    assert len(started) <= 1
