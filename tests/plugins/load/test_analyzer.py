from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sebsx.contracts.analyzers import Estimate, Report, Table
from sebsx.model import CellStatus, RunStatus, StartType, Status
from sebsx.reading.lateness import RESPONSE, Punctuality
from sebsx.store import open_store
from sebsx_load.analyzer import IntervalSettings, LoadAnalyzer
from tests.store.conftest import METRICS, RUN, add_deployment, make_cell, make_invocation, make_run


class Phase:
    """A run with one phase of load."""

    def __init__(self, path: Path) -> None:
        self.store = open_store(path)
        self.store.start_run(make_run(RUN, experiment="load"), {}, METRICS)
        self.deployment = add_deployment(self.store, RUN)
        self.cell = self.store.design.add_cell(RUN, make_cell("", 400, load="10/s"))

    def fill(
        self,
        n: int,
        *,
        gap_s: float = 0.1,
        late_s: float = 0.0,
        service_s: float = 0.02,
        dropped: int = 1,
        late: Collection[int] | None = None,
        shape: Mapping[str, Any] | None = None,
        sandboxes: int = 10,
    ) -> None:
        """Store requests due every `gap_s` from 1000 s on; one cold, one restored,
        the third failed, the fourth and so many dropped. Sandboxes take turns."""
        if shape:
            self.cell = self.store.design.add_cell(RUN, make_cell("", n, load="users", shape=shape))
        odd = {2: Status.FUNCTION_ERROR, **dict.fromkeys(range(3, 3 + dropped), Status.DROPPED)}

        def delay(number: int) -> float:
            return late_s if late is None or number in late else 0.0

        self.store.add_invocations(
            RUN,
            self.deployment,
            self.cell,
            [
                make_invocation(
                    number + 1,
                    status=odd.get(number, Status.OK),
                    sandbox_id=f"sandbox-{number % sandboxes}",
                    start_type=(StartType.COLD, StartType.RESTORED, StartType.WARM)[min(number, 2)],
                    client_intended_s=1000 + gap_s * number,
                    client_sent_s=1000 + gap_s * number + delay(number),
                    client_done_s=1000
                    + gap_s * number
                    + delay(number)
                    + (0.0 if 3 <= number < 3 + dropped else service_s),
                )
                for number in range(n)
            ],
        )
        self.store.add_value(RUN, "generator.started_s", 999.0, cell_id=self.cell)
        self.store.add_value(RUN, "generator.lateness_p99_s", late_s, cell_id=self.cell)
        self.store.add_value(RUN, "generator.in_flight_max", 1, cell_id=self.cell)

    def analyze(self, status: CellStatus = CellStatus.FINISHED, reason: str = "the load ended") -> Report:
        self.store.design.finish_cell(self.cell, status, reason)
        self.store.finish_run(RUN, RunStatus.FINISHED)
        return LoadAnalyzer().analyze([self.store.view(RUN)], IntervalSettings())


@pytest.fixture
def phase(tmp_path: Path) -> Iterator[Phase]:
    made = Phase(tmp_path / "s.sqlite")
    yield made
    made.store.close()


def table(report: Report, name: str) -> Table:
    return next(table for table in report.tables if table.name == name)


def test_rates_are_those_of_the_requests(phase: Phase) -> None:
    phase.fill(401)
    (row,) = table(phase.analyze(), "load").rows
    # 401 requests have 400 gaps of 0.1 s; 399 good answers until 40 + 0.02 s after the start.
    assert (row["requests"], row["ok"], row["failed"], row["dropped"], row["cold"]) == (401, 399, 1, 1, 2)
    assert row["offered"] == pytest.approx(10.0)
    assert row["achieved"] == pytest.approx(399 / 40.02)
    # Little's law: 400 requests of 0.02 s each in 40.02 s.
    assert row["in_flight"] == pytest.approx(400 * 0.02 / 40.02)
    assert row["in_flight_max"] == 1


def test_answer_counts_what_was_served_and_what_was_not(phase: Phase) -> None:
    phase.fill(401)
    (said,) = phase.analyze().answers
    assert said.startswith("sleep on local 256 MiB: 399 of 401 requests were answered well, 10 due a second; ")
    assert "; median response 20.0 ms [" in said
    assert said.endswith("; 1 were not sent")


def test_response_time_holds_the_lateness_and_service_time_does_not(phase: Phase) -> None:
    phase.fill(401, late_s=0.0005)  # 2.5 % of the 20 ms: of no matter
    (row,) = table(phase.analyze(), "times").rows
    assert row["response_s"].value == pytest.approx(0.0205)
    assert row["service_s"].value == pytest.approx(0.02)
    assert row["response_p99_s"].value == pytest.approx(0.0205)
    assert row["response_s"].low is not None


def test_one_sandbox_under_load_has_no_interval_and_says_so(phase: Phase) -> None:
    phase.fill(401, sandboxes=1)
    report = phase.analyze()
    (row,) = table(report, "times").rows
    assert row["response_s"].value == pytest.approx(0.02)
    assert (row["response_s"].low, row["response_s"].note, row["response_s"].blocks) == (None, "1 sandbox", 1)
    said = "measured in 1 sandbox: a difference of a few percent may be that of the sandbox"
    assert any(said in finding.text for finding in report.findings)


def test_phase_whose_calls_were_starved_says_whose_times_it_has(phase: Phase) -> None:
    phase.fill(40)
    phase.store.add_value(RUN, "host.starved", 0.3, cell_id=phase.cell)
    (found,) = [finding for finding in phase.analyze().findings if "starved" in finding.text]
    assert "30 % of the calls had less than 0.8 of the processor time" in found.text
    assert "this machine's as much as the platform's" in found.text


def test_quantiles_of_late_requests_are_refused_down_to_the_share_of_those(phase: Phase) -> None:
    # 5 % of the requests left 5 ms late, a quarter of the service time: p99 may be theirs, p90 is not.
    phase.fill(400, late_s=0.005, late=range(0, 400, 20))
    (row,) = table(phase.analyze(), "times").rows
    assert row["response_p90_s"].value == pytest.approx(0.02)
    assert row["response_p99_s"].value is None
    assert row["response_p99_s"].note.startswith("the generator was late: 5 % of the requests by more than 1.")
    assert row["service_p99_s"].value == pytest.approx(0.02)


def test_lateness_is_judged_against_the_latency_that_is_reported(phase: Phase) -> None:
    # 5 ms late every time: nothing where the function takes a second, five times the truth where it takes one ms.
    phase.fill(400, late_s=0.005, service_s=1.0)
    (row,) = table(phase.analyze(), "times").rows
    assert row["response_p99_s"].value == pytest.approx(1.005)


def test_median_is_refused_where_all_requests_were_late(phase: Phase) -> None:
    phase.fill(400, late_s=0.005, service_s=0.001)
    (row,) = table(phase.analyze(), "times").rows
    assert [row[key].value for key in ("response_s", "response_p90_s", "response_p99_s")] == [None] * 3


def test_thread_that_waited_for_a_processor_spoils_the_way_back_too(phase: Phase) -> None:
    phase.fill(400)
    # 3 % of 40 s, 10 ms at a time: half a service time for 3 % of the answers.
    for name, value in (("duration_s", 40.0), ("runqueue_s", 1.2), ("turns", 120)):
        phase.store.add_value(RUN, f"generator.{name}", value, cell_id=phase.cell)
    (row,) = table(phase.analyze(), "times").rows
    assert row["service_p90_s"].value == pytest.approx(0.02)
    assert row["service_p99_s"].note == "the generator waited for a processor 3 % of the time"


def test_lateness_of_few_is_seen_in_the_quantile_that_it_made_longer() -> None:
    service_s = np.geomspace(0.001, 0.02, 1000)
    late_s = np.where(np.arange(1000) % 11 == 0, 0.02, 0.0)  # 9.1 %: fewer than lie above the p90
    generator = Punctuality(lateness_s=late_s, answered_s=service_s, late_s=late_s)
    response_s = float(np.quantile(service_s + late_s, 0.9))  # nearly the slowest of the punctual ones
    said = generator.believed(Estimate(response_s), 0.9, RESPONSE)
    assert said.value is None
    assert said.note == "the generator was late, which made 4.6 ms of it"
    assert generator.believed(Estimate(response_s), 0.9, "client.latency_s").value == response_s


def test_closed_loop_says_what_it_cannot_show(phase: Phase) -> None:
    phase.fill(40, shape={"users": 2})
    assert [one for one in phase.analyze().findings if "a closed loop asks less of what answers slowly" in one.text]


def test_tail_of_a_small_sample_is_refused(phase: Phase) -> None:
    phase.fill(100)
    (row,) = table(phase.analyze(), "times").rows
    assert row["response_p99_s"].value is None
    assert row["response_p99_s"].note == "n too small"
    assert row["response_p90_s"].value == pytest.approx(0.02)


def test_quantile_that_reaches_what_was_dropped_is_not_reached(phase: Phase) -> None:
    phase.fill(400, dropped=111)  # and one failed: 112 of 400 are 28 %
    report = phase.analyze()
    (row,) = table(report, "times").rows
    assert row["response_s"].value == pytest.approx(0.02)
    for key in ("response_p90_s", "response_p99_s", "service_p90_s", "service_p99_s"):
        assert (row[key].value, row[key].note) == (None, "not reached: 28 % failed")
    assert row["answered_p90_s"].value == pytest.approx(0.02)
    assert table(report, "generator").rows[0]["verdict"] == "kept up, but 27.8 % were dropped by its cap"


def test_tail_of_an_invalid_phase_is_refused_with_the_reason(phase: Phase) -> None:
    phase.fill(401)
    report = phase.analyze(CellStatus.INVALID, "the generator was late: 1 % left more than 9 ms after their time")
    (row,) = table(report, "times").rows
    for key in ("response_p99_s", "service_p99_s"):
        assert (row[key].value, row[key].note) == (None, "the generator was late")
    assert any(finding.warning and "1 % left more than 9 ms" in finding.text for finding in report.findings)
    (health,) = table(report, "generator").rows
    assert health["verdict"] == "the generator was late"


def test_figures_show_rates_latency_and_cold_starts_over_time(phase: Phase) -> None:
    phase.fill(401)
    figures = {figure.name: figure for figure in phase.analyze().figures}
    # 40.02 s in bins of 1 s: ten requests are due in each of the first 40, the last one is due at 40 s.
    offered = figures["rate-over-time"].series["offered"]
    assert offered[0] == (0.5, pytest.approx(10.0))
    assert [round(y) for _, y in offered] == [10] * 40 + [1]
    achieved = figures["rate-over-time"].series["achieved"]
    assert round(achieved[0][1]) == 8  # one failed, one was dropped
    assert sum(y for _, y in achieved) == pytest.approx(399)
    assert [y for _, y in figures["latency-over-time"].series["response"]] == pytest.approx([0.02] * 41)
    assert [y for _, y in figures["cold-over-time"].series["cold"]][:2] == [2, 0]


def test_phase_without_an_end_says_so(phase: Phase) -> None:
    phase.store.add_invocations(RUN, phase.deployment, phase.cell, [make_invocation(1)])
    (health,) = table(phase.analyze(), "generator").rows
    assert health["verdict"] == "unknown: cut short"


def test_no_runs_make_a_report_that_says_so() -> None:
    report = LoadAnalyzer().analyze([], IntervalSettings())
    assert [finding.text for finding in report.findings] == ["there is no run to analyze"]
