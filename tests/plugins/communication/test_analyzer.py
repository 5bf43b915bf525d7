"""What the analyzer says of stored exchanges, held to figures worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.analyzers import Report
from sebsx.model import Cell, CellStatus, RunStatus, Status
from sebsx.model.metrics import CORE_METRICS
from sebsx.store import open_store
from sebsx_communication.analyzer import CommunicationAnalyzer, IntervalSettings
from sebsx_communication.exchanges import EXCHANGE, METRICS, OPERATIONS, RATE
from tests.store.conftest import RUN, add_deployment, make_invocation, make_run

SIZES = (1, 1000, 100_000, 1_000_000)


class Exchanges:
    """A run with exchanges of known times."""

    def __init__(self, path: Path) -> None:
        self.store = open_store(path)
        self.store.start_run(make_run(RUN, experiment="communication"), {}, (*CORE_METRICS, *METRICS))
        self.deployment = add_deployment(self.store, RUN)
        self.sequence = 0

    def cell(self, channel: str, size: int, **factors: Any) -> int:
        known = {
            "platform": "local", "benchmark": "channel-probe", "size": f"{size} B", "channel": channel,
            "message_bytes": size, "memory_mib": 1769, **factors,
        }  # fmt: skip
        return self.store.design.add_cell(RUN, Cell(known, 2))

    def add(
        self,
        channel: str,
        size: int,
        trips_s: Sequence[float],
        *,
        usd: tuple[float, float] | None = None,
        sandboxes: tuple[str, str] = ("a", "b"),
        number: int = 0,
        more: Mapping[str, Any] = {},
        status: Status = Status.OK,
        **factors: Any,
    ) -> None:
        """Store an exchange of a round; `usd`: cost of a second of both functions, and of a message's operations."""
        cell = self.cell(channel, size, **factors)
        producer = {
            "role": "producer", "message_bytes": size, "round_trip_s": trips_s, "messages": len(trips_s),
            "operations": {"put": len(trips_s), "get": 2 * len(trips_s), "poll": len(trips_s)}, "retries": 0, **more,
        }  # fmt: skip
        ends = [{"role": "consumer", "operations": {"put": len(trips_s), "get": len(trips_s)}, "retries": 0}, producer]
        for end, sandbox in zip(ends, sandboxes, strict=True):
            self.sequence += 1
            sent = make_invocation(self.sequence, sandbox_id=sandbox, status=status, round=number)
            self.store.add_invocations(RUN, self.deployment, cell, [sent])
            text = json.dumps({"sequence": self.sequence, **end})
            self.store.add_value(RUN, EXCHANGE, None, deployment_id=self.deployment, cell_id=cell, text=text)
        for metric, value in zip((RATE, OPERATIONS), usd or (), strict=False):
            self.store.add_value(RUN, metric, value, cell_id=cell)
        self.store.design.finish_cell(cell, CellStatus.FINISHED, "1 exchanges")

    def line(self, channel: str, alpha_s: float, beta: float, **more: Any) -> None:
        """Store exchanges of every size on an exact line: a round trip is twice a latency."""
        for size in SIZES:
            self.add(channel, size, [2 * (alpha_s + size / beta)] * 9, **more)

    def report(self) -> Report:
        self.store.finish_run(RUN, RunStatus.FINISHED)
        return CommunicationAnalyzer().analyze([self.store.view(RUN)], IntervalSettings())


@pytest.fixture
def exchanges(tmp_path: Path) -> Iterator[Exchanges]:
    made = Exchanges(tmp_path / "s.sqlite")
    yield made
    made.store.close()


def rows(report: Report, name: str) -> list[Mapping[str, Any]]:
    return next((list(table.rows) for table in report.tables if table.name == name), [])


def test_lines_crossover_and_choices_are_those_of_the_data(exchanges: Exchanges) -> None:
    exchanges.line("tcp", 0.002, 4e6)
    exchanges.line("redis", 0.010, 20e6)
    report = exchanges.report()
    lines = {row["channel"]: row for row in rows(report, "channels")}
    assert lines["tcp"]["alpha_s"].value == pytest.approx(0.002)
    assert lines["tcp"]["beta"].value == pytest.approx(4e6)
    assert lines["redis"]["beta"].value == pytest.approx(20e6)
    assert lines["redis"]["n"] == 36
    (crossing,) = rows(report, "crossovers")
    assert (crossing["small"], crossing["large"], crossing["range"]) == ("tcp", "redis", "within what was measured")
    assert crossing["size"].value == pytest.approx(40_000)  # 8 ms over 0.25 - 0.05 us
    assert [(row["best"], row["chosen"], row["regret"]) for row in rows(report, "choices")] == [
        ("tcp", "tcp", 0), ("tcp", "tcp", 0), ("redis", "redis", 0), ("redis", "redis", 0),
    ]  # fmt: skip
    first = report.findings[0]
    assert first.numbers["tcp"]["up_to_bytes"] == pytest.approx(40_000)
    assert (first.numbers["hits"], first.numbers["choices"]) == (4, 4)
    assert "and is the fastest beyond" in first.text
    (answer,) = report.answers
    small, large = "tcp for 1.00 B (2.00 ms) to 1000 B (2.25 ms)", "redis for 97.7 KiB (15.0 ms) to 977 KiB (60.0 ms)"
    assert answer == f"local: the fastest channel is {small}, {large}"
    figure = report.figures[0]
    assert figure.series["tcp"][0] == pytest.approx((1.0, 0.00200025))
    assert set(figure.series) == {"tcp", "redis", "tcp, model", "redis, model"}
    [file] = report.files
    model = {each["channel"]: each for each in json.loads(file.content or "")["lines"]}
    assert (file.name, model["tcp"]["alpha_s"]) == ("communication-model.json", pytest.approx(0.002))
    assert model["tcp"]["s_per_byte"] == pytest.approx(1 / 4e6)


@pytest.mark.parametrize("renewed", [True, False])
def test_units_are_pairs_of_sandboxes(exchanges: Exchanges, renewed: bool) -> None:
    for number in range(8):
        luck = 1 + 0.1 * (number - 3.5) / 3.5
        sandboxes = (f"a{number}", f"b{number}") if renewed else ("a", "b")
        for size in SIZES:
            trips_s = [2 * luck * (0.002 + size / 4e6)] * 9
            exchanges.add("tcp", size, trips_s, sandboxes=sandboxes, number=number)
    report = exchanges.report()
    (line,) = rows(report, "channels")
    assert line["alpha_s"].value == pytest.approx(0.002)
    assert line["beta"].value == pytest.approx(4e6)
    assert (line["n"], line["sandboxes"]) == (288, 8 if renewed else 1)
    said = "tcp: measured in 1 sandbox: a difference of a few percent may be that of the sandbox"
    assert any(said in finding.text for finding in report.findings) is not renewed
    for estimate in (line["alpha_s"], line["beta"], rows(report, "sizes")[0]["latency_s"]):
        if renewed:
            assert estimate.low < 0.97 * estimate.value
            assert estimate.high > 1.03 * estimate.value
        else:
            assert (estimate.low, estimate.note) == (None, "1 sandbox")


def test_wrong_choice_is_counted_with_what_it_costs_in_time(exchanges: Exchanges) -> None:
    exchanges.line("tcp", 0.002, 4e6)
    for size in SIZES:
        # Off its line at 1000 bytes only: really 1 ms, by the other sizes 10 ms.
        exchanges.add("redis", size, [2 * (0.001 if size == 1000 else 0.010 + size / 20e6)] * 9)
    found = {row["message_bytes"]: row for row in rows(exchanges.report(), "choices")}
    assert (found[1000]["best"], found[1000]["chosen"]) == ("redis", "tcp")
    assert found[1000]["regret"] == pytest.approx(0.00225 / 0.001 - 1)


def test_cost_of_a_message_is_time_and_operations_and_the_cheap_choice_follows_it(exchanges: Exchanges) -> None:
    # tcp: 0.002 s x 0.004 USD/s = 8e-6 and a byte 0.25 us x 0.004 = 1e-9 USD; storage: 0.01 s -> 4e-5 and 2e-10, 1e-5.
    exchanges.line("tcp", 0.002, 4e6, usd=(0.004, 0.0))
    exchanges.line("storage", 0.010, 20e6, usd=(0.004, 1e-5))
    report = exchanges.report()
    cost = {(row["channel"], row["message_bytes"]): row["message_usd"] for row in rows(report, "sizes")}
    assert cost["tcp", 1000] == pytest.approx(8e-6 + 1e-6)
    assert cost["storage", 1000] == pytest.approx(4e-5 + 2e-7 + 1e-5)
    # Equal at 42e-6 / 0.8e-9 = 52,500 bytes.
    choices = [(row["cheapest"], row["chosen_cheap"], row["regret_cheap"]) for row in rows(report, "choices")]
    assert choices == [("tcp", "tcp", 0)] * 2 + [("storage", "storage", 0)] * 2
    assert any(figure.name == "cost-by-size" for figure in report.figures)


def test_operations_and_polls_are_those_of_one_message(exchanges: Exchanges) -> None:
    exchanges.add("storage", 1, [0.01] * 10)
    (row,) = rows(exchanges.report(), "sizes")
    # 10 messages there and 10 back: 20 puts, 30 gets, of which 10 in vain.
    assert row["operations"] == pytest.approx(50 / 20)
    assert row["polls"] == pytest.approx(10 / 20)
    assert row["latency_s"].value == pytest.approx(0.005)


def test_one_size_is_not_enough_for_a_model(exchanges: Exchanges) -> None:
    exchanges.add("tcp", 1, [0.01])
    report = exchanges.report()
    assert report.findings[0].warning
    assert "not enough data" in report.findings[0].text
    (row,) = rows(report, "channels")
    assert row["alpha_s"].value is None


def test_one_round_trip_of_each_size_gives_a_line_without_interval(exchanges: Exchanges) -> None:
    for size in SIZES:
        exchanges.add("tcp", size, [2 * (0.001 + size / 1e6)])
    (row,) = rows(exchanges.report(), "channels")
    assert (row["alpha_s"].value, row["alpha_s"].low) == (pytest.approx(0.001), None)


@pytest.mark.parametrize("status", [CellStatus.FAILED, CellStatus.UNSUPPORTED])
def test_run_of_nothing_but_failures_says_so(exchanges: Exchanges, status: CellStatus) -> None:
    for size in SIZES:
        exchanges.store.design.finish_cell(exchanges.cell("redis", size), status, "why", "Unreachable: refused")
    report = exchanges.report()
    assert "no message of any channel came back" in report.findings[0].text
    (told,) = [finding for finding in report.findings if "redis" in finding.text]
    assert told.warning
    assert "Unreachable: refused (4 cells: 1 B, 1000 B, 100000 B, 1000000 B)" in told.text
    (row,) = rows(report, "cells")
    assert (row["channel"], row["status"], row["cells"]) == ("redis", status.value, 4)


def test_doubts_are_told(exchanges: Exchanges) -> None:
    for size in SIZES:
        latency_s = 0.001 if size < 1_000_000 else 1.0
        exchanges.add("tcp", size, [2 * latency_s] * 9, sandboxes=("a", "a"), more={"retries": 1})
    texts = [finding.text for finding in exchanges.report().findings if finding.warning]
    assert any("4 messages were sent again" in text for text in texts)
    assert any("4 exchanges had both ends in one sandbox" in text for text in texts)
    assert any("its latency is not alpha + size / beta" in text for text in texts)


def test_memory_sizes_are_not_mixed(exchanges: Exchanges) -> None:
    for memory_mib, alpha_s in ((512, 0.004), (2048, 0.001)):
        for size in SIZES:
            exchanges.add("tcp", size, [2 * (alpha_s + size / 1e7)] * 9, memory_mib=memory_mib)
    report = exchanges.report()
    assert {row["memory_mib"]: row["alpha_s"].value for row in rows(report, "channels")} == pytest.approx(
        {512: 0.004, 2048: 0.001}
    )
    assert report.findings[0].text.startswith("local 512 MiB: tcp takes")


def test_what_was_measured_before_a_failure_counts(exchanges: Exchanges) -> None:
    exchanges.add("tcp", 1, [0.002] * 3, more={"operations": {}}, status=Status.FUNCTION_ERROR)
    exchanges.add("tcp", 1000, [0.004] * 3)
    assert [row["n"] for row in rows(exchanges.report(), "sizes")] == [3, 3]


def test_line_and_choice_pass_over_what_was_starved(exchanges: Exchanges) -> None:
    exchanges.line("tcp", 0.002, 4e6)
    exchanges.add("redis", 1, [0.0001] * 9)
    exchanges.add("tcp", 10_000, [9.0] * 9, number=1)
    for cell in exchanges.store.view(RUN).cells():
        if cell.factors["channel"] == "redis" or cell.factors["message_bytes"] == 10_000:
            exchanges.store.add_value(RUN, "host.starved", 0.9, cell_id=cell.id)
    report = exchanges.report()
    lines = {row["channel"]: row for row in rows(report, "channels")}
    assert lines["tcp"]["alpha_s"].value == pytest.approx(0.002)
    assert lines["tcp"]["deviation"] == pytest.approx(0.0, abs=1e-9)
    assert report.answers == ["local: messages were sent by tcp for 1.00 B (2.00 ms) to 977 KiB (252 ms)"]
    starved = [finding.text for finding in report.findings if "left out of lines and choices" in finding.text]
    assert [text.partition(" was ")[0] for text in starved] == ["local redis of 1.00 B", "local tcp of 9.77 KiB"]


def test_nothing_is_answered_where_all_was_starved(exchanges: Exchanges) -> None:
    exchanges.line("tcp", 0.002, 4e6)
    for cell in exchanges.store.view(RUN).cells():
        exchanges.store.add_value(RUN, "host.starved", 0.9, cell_id=cell.id)
    report = exchanges.report()
    assert report.answers == ["local: the machine was too busy to tell how long a message takes"]
    assert "fewer than two sizes of message that were not starved" in report.findings[0].text


def test_message_that_was_sent_again_or_lost_is_later_than_all(exchanges: Exchanges) -> None:
    exchanges.line("tcp", 0.002, 4e6)
    for size in SIZES:
        exchanges.add("redis", size, [0.0002] * 9, more={"retried_s": [1.0] * 9})
        exchanges.add("storage", size, [0.0002], more={"operations": {}}, status=Status.FUNCTION_ERROR)
    report = exchanges.report()
    found = {(row["channel"], row["message_bytes"]): row["latency_s"] for row in rows(report, "sizes")}
    assert (found["redis", 1].value, found["redis", 1].note) == (None, "not reached: 50 % failed")
    assert (found["storage", 1].value, found["storage", 1].note) == (None, "not reached: 50 % failed")
    assert report.answers == ["local: messages were sent by tcp for 1.00 B (2.00 ms) to 977 KiB (252 ms)"]
    assert rows(report, "choices") == []


def test_nothing_is_answered_where_most_was_unanswered(exchanges: Exchanges) -> None:
    exchanges.add("tcp", 1, [0.002] * 3, more={"retried_s": [1.0] * 4})
    assert exchanges.report().answers == [
        "local: most messages were not answered in time, so that none tells how long they take"
    ]
