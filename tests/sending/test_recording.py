from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from sebsx.contracts.schedules import Open, constant
from sebsx.errors import StoreError
from sebsx.model import DROPPED, Deployment, Invocation, Kind, Reply, Status
from sebsx.model.clock import client_clock
from sebsx.model.metrics import CORE_METRICS
from sebsx.running.evidence import Starts
from sebsx.running.recording import _BACKLOG, Recording
from sebsx.running.samples import Names
from sebsx.sending.client import HttpClient, Outgoing
from sebsx.store import Store, open_store
from sebsx.testing.contexts import context_for
from sebsx.testing.fakes import FakePlatform, FakeSettings
from tests.store.conftest import RUN, add_deployment, make_cell, make_config, make_run

BODY = b'{"sebsx": {"v": 1, "sandbox": "a", "call": 2, "duration_s": 0.01}, "output": {"n": 1}}'

PLATFORM = FakePlatform(FakeSettings(), context_for(FakePlatform, Path("unused")))


def reply(number: int, late_s: float = 0.0, body: bytes = BODY, error: str | None = None) -> Reply:
    return Reply(
        f"r{number}",
        intended_s=1000.0,
        sent_s=1000.0 + late_s,
        connected_s=1000.0,
        first_byte_s=1000.1,
        done_s=1000.5,
        http_status=None if error else 200,
        headers={},
        body=body,
        bytes_out=2,
        error=error,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "s.sqlite") as opened:
        opened.start_run(make_run(RUN), {}, CORE_METRICS)
        yield opened


@pytest.fixture
def told() -> list[Invocation]:
    return []


@pytest.fixture
def recording(store: Store, tmp_path: Path, told: list[Invocation]) -> Iterator[Recording]:
    stream = store.stream(RUN, add_deployment(store, RUN), store.design.add_cell(RUN, make_cell("", 1)))
    yield Recording(
        stream, PLATFORM, Deployment("fn", make_config(), effective={}),
        lambda output: None if output == {"n": 1} else "wrong", Starts(), Names(()),
        kind=Kind.MEASURED, sequence=1, batch=0,
        on_commit=lambda stored, _extras: told.extend(stored),
    )  # fmt: skip
    stream.close()


def count(store: Store) -> int:
    return sum(store.counts(RUN).values())


@pytest.mark.slow
def test_memory_does_not_grow_without_gaps(recording: Recording, store: Store) -> None:
    for number in range(_BACKLOG + 500):
        recording.add(reply(number))
        assert len(recording._backlog) <= _BACKLOG
    recording.close()
    assert count(store) == _BACKLOG + 500


def test_memory_is_bounded_by_the_size_of_answers_too(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sebsx.running.recording._BACKLOG_BYTES", 10 * len(BODY))
    for number in range(40):
        recording.add(reply(number))
        assert len(recording._backlog) <= 10
    recording.close()


def test_many_answers_are_committed_without_a_gap(
    recording: Recording, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sebsx.running.recording.time", SimpleNamespace(monotonic=lambda: 1000.0))
    for number in range(300):
        recording.add(reply(number))
    while count(store) == 0:
        assert recording.idle(0.0001)
    assert count(store) == 256


@pytest.mark.slow
def test_gaps_are_used_for_one_answer_each_and_then_for_a_commit(recording: Recording, store: Store) -> None:
    for number in range(3):
        recording.add(reply(number))
    assert [recording.idle(0.1) for _ in range(4)] == [True, True, True, False]
    assert count(store) == 0
    until_s = time.monotonic() + 5
    while not recording.idle(0.1):
        assert time.monotonic() < until_s
        time.sleep(0.01)
    assert count(store) == 3


def test_commit_waits_for_a_gap_but_not_for_long(
    recording: Recording, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = time.monotonic()
    clock = SimpleNamespace(monotonic=lambda: now_s)
    monkeypatch.setattr("sebsx.running.recording.time", clock)
    recording.add(reply(1))
    assert recording.idle(0.0001)
    now_s += 0.3
    recording.add(reply(2))
    assert recording.idle(0.0001)  # stored meanwhile
    assert not recording.idle(0.0001)
    assert count(store) == 0
    now_s += 0.3
    assert recording.idle(0.0001)
    assert count(store) == 2


def test_plugins_hear_of_what_is_safe(recording: Recording, store: Store, told: list[Invocation]) -> None:
    recording.add(reply(1))
    recording.idle(0.1)
    assert told == []
    recording.close()
    assert [each.request_id for each in told] == ["r1"]
    assert count(store) == 1


def test_nothing_is_told_or_stored_after_the_disk_was_full(
    recording: Recording, store: Store, told: list[Invocation]
) -> None:
    with store._database.outside_transaction() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=120")
    heavy = BODY[:-1] + b', "pad": 1, "error": {"type": "E", "message": "' + b"x" * 2000 + b'"}}'
    with pytest.raises(StoreError, match="disk is full"):
        for number in range(5000):
            recording.add(reply(number, body=heavy))
            if number % 40 == 39:
                recording.commit()
    with store._database.outside_transaction() as connection:  # the disk has room again
        connection.exec_driver_sql("PRAGMA max_page_count=100000")
    recording.close()
    stored = [each.request_id for each in store.view(RUN).invocations()]
    assert stored
    assert [each.request_id for each in told] == stored
    assert [each.sequence for each in store.view(RUN).invocations()] == list(range(1, len(stored) + 1))


def test_plugin_that_fails_at_an_answer_takes_no_other_along(
    recording: Recording, store: Store, told: list[Invocation], monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(output: object) -> str | None:
        if output == {"n": 3}:
            raise ZeroDivisionError
        return None

    monkeypatch.setattr(recording, "_check", check)
    for number in range(1, 7):
        recording.add(reply(number, body=BODY.replace(b'{"n": 1}', b'{"n": %d}' % number)))

    with pytest.raises(ZeroDivisionError):
        recording.close()

    assert [(each.sequence, each.request_id) for each in store.view(RUN).invocations()] == [(1, "r1"), (2, "r2")]
    assert [each.request_id for each in told] == ["r1", "r2"]


def test_statuses_lateness_and_drops_are_counted(recording: Recording) -> None:
    recording.add(reply(1, late_s=0.004))
    recording.add(reply(2, body=b'{"output": 5}'))
    recording.add(reply(3, error=DROPPED, body=b""))
    recording.add(reply(4, error="timeout", body=b""))
    recording.close()
    assert recording.statuses == {Status.OK: 1, Status.WRONG_OUTPUT: 1, Status.DROPPED: 1, Status.TIMEOUT: 1}
    health = recording.health(10.0, 1.0, 2)
    assert (health.sent, health.dropped, health.late, health.cpu_share) == (3, 1, 1, 0.1)
    assert health.lateness_max_s == pytest.approx(0.004, abs=1e-6)
    assert health.latency_p50_s == pytest.approx(0.496, rel=0.011)


def test_answer_that_is_plain_json_counts_without_an_envelope(
    store: Store, tmp_path: Path, told: list[Invocation]
) -> None:
    stream = store.stream(RUN, add_deployment(store, RUN), None)
    recording = Recording(
        stream, PLATFORM, Deployment("fn", make_config(), effective={}), lambda _output: None, Starts(), Names(()),
        kind=Kind.MEASURED, sequence=1, batch=0, on_commit=lambda stored, _extras: told.extend(stored),
    )  # fmt: skip
    recording.add(reply(1, body=b'{"result": 3}'))
    recording.close()
    assert [(each.status, each.start_type) for each in told] == [("ok", "unknown")]


@pytest.mark.slow
def test_generator_that_is_held_up_is_late_in_response_time_only(recording: Recording, store: Store, url: str) -> None:
    # 20 requests due every 20 ms; making the fifth holds the generator for 0.3 s: it leaves 0.3 s after its time, the
    # sixth 0.28 s, and so on; each is answered as fast as ever.
    def request(number: int) -> Outgoing:
        if number == 4:
            until_s = client_clock().now() + 0.3
            while client_clock().now() < until_s:
                time.sleep(0.01)
        return Outgoing(url, BODY, f"r{number}")

    with HttpClient() as client:
        for answer in client.drive(Open(constant(50, 0.4)), request, idle=recording.idle):
            recording.add(answer)
    recording.close()
    stored = {each.request_id: each for each in store.view(RUN).invocations()}
    assert len(stored) == 20
    for number in range(4, 12):
        each = stored[f"r{number}"]
        assert each.client_done_s - each.client_intended_s >= 0.3 - 0.02 * (number - 4)
    service = sorted(each.latency_s for each in stored.values())
    assert service[10] < 0.1
    assert "the generator was late" in recording.health(1.0, 0.1, 1).verdict
