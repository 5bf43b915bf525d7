"""Records that come late are read as they come, and what is doubtful is not believed."""

from __future__ import annotations

from collections.abc import Iterator

from sebsx.clouds import fresh
from sebsx.clouds.records import LateRecords
from sebsx.contracts.naming import NamingRule
from sebsx.model import FunctionConfig, ProviderRecord


class Log(LateRecords):
    """Hands out what a test put into it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[tuple[float, ProviderRecord | None]] = []
        self.asked: list[float] = []

    def lines(self, function: str, since_s: float) -> Iterator[tuple[float, ProviderRecord | None]]:
        self.asked.append(since_s)
        yield from (line for line in self.written if line[0] >= since_s)


def record(name: str, duration_s: float = 1.0) -> ProviderRecord:
    return ProviderRecord(name, duration_s=duration_s)


def test_log_is_read_on_from_a_little_before_the_newest_line() -> None:
    log = Log()
    log.written = [(1000.0, record("a")), (1001.0, None)]
    assert log.read("f", {"a", "b"}) == {"a": record("a")}
    log.written.append((900.0, record("b")))  # out of order
    assert log.read("f", {"a", "b"}) == {"a": record("a"), "b": record("b")}
    assert log.read("f", {"a"}) == {"a": record("a")}
    assert log.asked == [0.0, 881.0]


def test_records_of_one_request_that_differ_are_not_believed() -> None:
    log = Log()
    log.written = [(1.0, record("a")), (2.0, record("a", 9.0)), (3.0, record("a")), (4.0, record("b"))]
    assert log.read("f", {"a", "b"}) == {"b": record("b")}
    assert log.end("f")


def test_end_tells_whether_records_are_still_to_come() -> None:
    log = Log()
    assert not log.end("never-asked")
    log.read("f", {"a"})
    assert log.end("f")
    assert not log.end("f")


def test_names_and_nonces_are_never_the_same() -> None:
    config = FunctionConfig("sebsx-run-" + "x" * 80, memory_mib=128, timeout_s=1.0, architecture="x86_64")
    names = {fresh.function_name(config, NamingRule(longest=49)) for _ in range(1000)}
    assert len(names) == 1000
    assert {len(name) for name in names} == {49}
    assert len({fresh.nonce() for _ in range(1000)}) == 1000
