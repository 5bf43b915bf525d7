"""Both ends of an exchange as they are shipped, in threads of the test, with faults in between."""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import sebsx_communication
from sebsx.testing.bare import BareContext, BareStorage, BareTable
from tests.plugins.communication.conftest import ShapingProxy, free_port, redis_keys

SHIPPED = Path(sebsx_communication.__file__).parent / "shipped"


class Objects(BareStorage):
    """Says that an object is missing as platforms do; the uploads that `lose` chooses never arrive."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.lose: Callable[[str], bool] = lambda key: False

    def download(self, key: str) -> bytes:
        try:
            return super().download(key)
        except FileNotFoundError:
            raise LookupError(key) from None

    def upload(self, key: str, data: bytes) -> None:
        if self.lose(key):
            return
        target = self._path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f".{threading.get_ident()}")
        partial.write_bytes(data)
        partial.rename(target)


class Sandbox(BareContext):
    """A context that keeps samples, as the runtime's does."""

    def __init__(self, storage: Objects, table: BareTable) -> None:
        super().__init__("test", 1024, 60.0, storage, table)
        self.samples: dict[str, Any] = {}


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The function as in a package: channels beside it."""
    monkeypatch.syspath_prepend(str(SHIPPED / "probe" / "python"))
    names = [name for name in sys.modules if name.split(".")[0] in ("function", "sebsx_channels")]
    for name in names:
        monkeypatch.delitem(sys.modules, name)
    package = importlib.import_module("sebsx_channels")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(SHIPPED / "channels")])
    yield importlib.import_module("function")
    for name in [name for name in sys.modules if name.split(".")[0] in ("function", "sebsx_channels")]:
        del sys.modules[name]


@pytest.fixture
def talk(function: Any, tmp_path: Path) -> Iterator[Any]:
    """Runs both ends and returns their contexts and outcomes; `talk.objects` and `talk.table` are between them."""
    objects, table = Objects(str(tmp_path)), BareTable()
    pool = ThreadPoolExecutor(2)

    def run(channel: str, **event: Any) -> SimpleNamespace:
        asked = {
            "channel": channel, "session": "s", "message_bytes": 1000, "round_trips": 10, "warmups": 1,
            "stream_messages": 5, "stream_bytes": 10**6, "budget_s": 5.0, "timeout_s": 0.2, "retries": 2,
            "start_s": 2.0, "parameters": {"poll_s": 0.001, "timeout_s": 0.2, "meet_s": 2.0}, **event,
        }  # fmt: skip
        roles = ("consumer", "producer")
        contexts = {role: Sandbox(objects, table) for role in roles}
        futures: dict[str, Future[Any]] = {
            role: pool.submit(function.handler, {**asked, "role": role}, contexts[role]) for role in roles
        }
        ends: dict[str, Any] = {role: future.exception(30) or future.result() for role, future in futures.items()}
        told = {role: context.samples["communication.exchange"] for role, context in contexts.items()}
        samples = {role: context.samples for role, context in contexts.items()}
        return SimpleNamespace(**ends, told=told, samples=samples)

    run.objects, run.table = objects, table  # type: ignore[attr-defined]
    yield run
    pool.shutdown()


@pytest.mark.parametrize("channel", ["storage", "table", "tcp"])
def test_every_message_comes_back_and_the_stream_arrives(talk: Any, channel: str) -> None:
    found = talk(channel)
    assert found.producer == {
        "role": "producer", "round_trips": 10, "corrupt": 0, "median_s": found.producer["median_s"],
    }  # fmt: skip
    assert found.consumer == {"role": "consumer", "messages": 12, "streamed_bytes": 5000}
    told = found.told["producer"]
    assert len(told["round_trip_s"]) == 10
    assert len(told["first_s"]) == 1
    assert told["retried_s"] == []
    assert told["stream"]["messages"] == 5
    assert found.samples["producer"]["communication.latency_s"] == found.producer["median_s"] / 2
    assert found.samples["producer"]["communication.bandwidth"] == 5 * 1000 / told["stream"]["time_s"]


def test_operations_are_counted_for_the_messages_that_were_answered(talk: Any) -> None:
    found = talk("storage")
    for end in found.told.values():
        assert end["messages"] == 12  # a warm-up, ten that count, and the empty one that ends them
        assert end["operations"]["put"] == 12
        assert end["operations"]["get"] == 12 + end["operations"].get("poll", 0)


def test_redis_is_used_and_left_empty(talk: Any, redis: int) -> None:
    parameters = {"address": f"127.0.0.1:{redis}", "timeout_s": 0.2}
    found = talk("redis", parameters=parameters, message_bytes=100_000)
    assert found.producer["round_trips"] == 10
    assert found.consumer["streamed_bytes"] == 500_000
    assert found.told["producer"]["operations"] == {"push": 12, "pop": 12}
    assert redis_keys(redis) == []


def test_time_is_up_before_all_round_trips(talk: Any) -> None:
    found = talk("table", round_trips=10**6, budget_s=0.2)
    assert 1 <= found.producer["round_trips"] < 10**6
    assert found.consumer["messages"] == found.producer["round_trips"] + 2


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["producer-4", "consumer-4", "producer-13"])
def test_lost_message_is_sent_again_and_its_time_does_not_count(talk: Any, lost: str) -> None:
    left = [lost]

    def lose(key: str) -> bool:
        if left and key.endswith(lost):
            left.clear()
            return True
        return False

    talk.objects.lose = lose
    found = talk("storage", budget_s=0.5)
    assert not left
    assert found.producer["round_trips"] == 10
    assert max(found.told["producer"]["round_trip_s"]) < 0.2
    assert sum(end["retries"] for end in found.told.values()) >= 1
    in_stream = lost == "producer-13"
    assert ("communication.bandwidth" in found.samples["producer"]) is not in_stream
    assert [time_s >= 0.2 for time_s in found.told["producer"]["retried_s"]] == ([] if in_stream else [True])
    assert found.consumer["streamed_bytes"] == 5000


@pytest.mark.slow
def test_consumer_that_dies_ends_the_producer_within_its_waits(talk: Any) -> None:
    talk.objects.lose = lambda key: "consumer-" in key and int(key.rpartition("-")[2]) > 5
    started_s = time.monotonic()
    found = talk("storage")
    assert time.monotonic() - started_s < 10
    assert type(found.producer).__name__ == "Lost"
    assert len(found.told["producer"]["round_trip_s"]) == 4  # the first of five was the warm-up
    assert found.told["producer"]["retries"] == 2


def test_peer_that_closes_is_told(talk: Any, function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def consume(end: Any, event: Any, found: Any) -> Any:
        end.receive(1, 2.0)
        raise RuntimeError("the sandbox went")

    monkeypatch.setattr(function, "_consume", consume)
    found = talk("tcp")
    assert isinstance(found.producer, ConnectionError)
    assert isinstance(found.consumer, RuntimeError)


def test_refusing_redis_is_unreachable(talk: Any) -> None:
    found = talk("redis", parameters={"address": f"127.0.0.1:{free_port()}"})
    assert {type(found.producer).__name__, type(found.consumer).__name__} == {"Unreachable"}
    assert "refused" in str(found.producer)


@pytest.mark.slow
def test_sandbox_that_cannot_be_reached_is_unreachable_on_both_ends(talk: Any) -> None:
    parameters = {"connect": f"127.0.0.1:{free_port()}", "meet_s": 1.0}
    found = talk("tcp", parameters=parameters)
    assert {type(found.producer).__name__, type(found.consumer).__name__} == {"Unreachable"}


def test_stranger_who_connects_first_is_turned_away(talk: Any) -> None:
    port = free_port()
    stop = threading.Event()

    def intrude() -> None:
        import socket

        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), 1) as connection:
                    connection.sendall(b"x" * 32)
                    time.sleep(0.01)
            except OSError:
                time.sleep(0.001)

    thread = threading.Thread(target=intrude)
    thread.start()
    try:
        found = talk("tcp", parameters={"listen": f"127.0.0.1:{port}", "meet_s": 5.0})
    finally:
        stop.set()
        thread.join()
    assert found.producer["round_trips"] == 10


@pytest.mark.slow
def test_redis_that_goes_silent_does_not_hang_anybody(
    talk: Any, redis: int, shaped: Callable[..., ShapingProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("sebsx_channels.redis")
    monkeypatch.setattr(module, "GRACE_S", 0.3)
    proxy = shaped(redis, 0.0, 1e9, swallow_after=5000)
    started_s = time.monotonic()
    found = talk("redis", parameters={"address": proxy.address, "timeout_s": 0.2}, start_s=0.4)
    assert time.monotonic() - started_s < 10
    assert isinstance(found.producer, OSError)  # the socket's time-out
    assert 1 <= len(found.told["producer"]["round_trip_s"]) < 10
