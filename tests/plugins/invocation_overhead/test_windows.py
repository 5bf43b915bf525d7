"""What counts of a window, on invocations whose times are worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sebsx.model import Invocation, Kind, StartType, Status
from sebsx.model.metrics import Metric
from sebsx.reading.believed import quantile_of_units
from sebsx.store import open_store
from sebsx_invocation_overhead.analyzer import IntervalSettings, InvocationOverheadAnalyzer
from sebsx_invocation_overhead.series import SizeCell, SizeSeries, observed
from sebsx_invocation_overhead.windows import RECEIVED, REPLIED, STEPPED, judge, judge_all
from tests.store.conftest import METRICS, RUN, add_deployment, make_cell, make_run

EPOCH = 1.75e9


def call(
    sequence: int,
    at_s: float,
    outbound_s: float,
    return_s: float,
    *,
    offset_s: float = 5.0,
    kind: Kind = Kind.WARMUP,
    sandbox: str = "a",
    start: StartType = StartType.WARM,
    status: Status = Status.OK,
    connect_s: float = 0.0,
    window: int = 0,
) -> Invocation:
    """Return a call of a handler that takes 1 ms, sent at a time since the epoch."""
    sent = EPOCH + at_s
    began = sent + connect_s + outbound_s
    done = began + 0.001 + return_s
    readings = {RECEIVED: began + offset_s, REPLIED: began + 0.001 + offset_s}
    return Invocation(
        sequence=sequence, batch=0, kind=kind, request_id=f"r{sequence}", status=status,
        start_type=start, start_evidence="{}", sandbox_id=sandbox, error=None,
        client_intended_s=sent, client_sent_s=sent, client_connected_s=sent + connect_s, client_first_byte_s=done,
        client_done_s=done,
        bytes_out=1024, round=window, samples=readings if status is Status.OK else {},
    )  # fmt: skip


def measured(sequence: int, at_s: float, outbound_s: float, return_s: float = 0.003, **more: object) -> Invocation:
    return call(sequence, at_s, outbound_s, return_s, kind=Kind.MEASURED, **more)  # type: ignore[arg-type]  # a call's


BEFORE = [call(1, 0.0, 0.003, 0.003), call(2, 0.1, 0.002, 0.002)]
AFTER = [call(8, 1.0, 0.002, 0.002), call(9, 1.1, 0.004, 0.004)]


@pytest.mark.parametrize("offset_s", [5.0, -5.0])
def test_overhead_is_the_true_one_for_a_clock_that_is_5_s_off(offset_s: float) -> None:
    around = [call(each.sequence, each.client_sent_s - EPOCH, 0.002, 0.002, offset_s=offset_s)
              for each in (*BEFORE, *AFTER)]  # fmt: skip
    window = judge([*around, measured(5, 0.5, 0.2, offset_s=offset_s)], StartType.WARM)
    (sample,) = window.samples
    assert sample.outbound_s == pytest.approx(0.2, abs=1e-5)  # an offset with the wrong sign makes 10.2 of it
    assert sample.return_s == pytest.approx(0.003, abs=1e-5)
    # Half of the shortest round trip, and 200 ppm of at most a second and its half.
    assert 0.002 <= sample.uncertainty_s <= 0.002 + 2e-4 * 1.3
    assert sample.payload_bytes == 1024


def test_time_to_connect_is_no_overhead() -> None:
    window = judge([*BEFORE, measured(5, 0.5, 0.2, connect_s=0.07), *AFTER], StartType.WARM)
    assert window.samples[0].outbound_s == pytest.approx(0.2, abs=1e-5)


def test_cold_sample_is_aligned_by_what_follows_it() -> None:
    cold = measured(0, -1.0, 0.4, start=StartType.COLD)
    assert judge([cold, *AFTER], StartType.COLD).samples[0].outbound_s == pytest.approx(0.4, abs=1e-5)
    assert judge([cold], StartType.COLD).discarded == {"the sandbox ended before its clock was aligned": 1}


def test_restored_sandbox_is_a_cold_sample_and_no_warm_one() -> None:
    restored = measured(0, -1.0, 0.4, start=StartType.RESTORED)
    assert len(judge([restored, *AFTER], StartType.COLD).samples) == 1
    between = measured(5, 0.5, 0.2, start=StartType.RESTORED)
    assert judge([*BEFORE, between, *AFTER], StartType.WARM).discarded == {"start was restored": 1}


def test_cell_of_restored_sandboxes_says_so(tmp_path: Path) -> None:
    with open_store(tmp_path / "s.sqlite") as store:
        store.start_run(make_run(), {}, [*METRICS, Metric(RECEIVED, "s"), Metric(REPLIED, "s")])
        cell = store.design.add_cell(RUN, make_cell("cold"))
        calls = [measured(1, -1.0, 0.4, start=StartType.RESTORED), *AFTER]
        store.add_invocations(RUN, add_deployment(store, RUN), cell, calls)
        report = InvocationOverheadAnalyzer().analyze([store.view(RUN)], IntervalSettings())
    assert [(row["start"], row["n"]) for row in report.tables[0].rows] == [("restored", 1)]


@pytest.mark.parametrize("starved", [(1,), (0, 1, 2)])
def test_line_and_answer_pass_over_sizes_that_were_starved(tmp_path: Path, starved: tuple[int, ...]) -> None:
    with open_store(tmp_path / "s.sqlite") as store:
        store.start_run(make_run(), {}, [*METRICS, Metric(RECEIVED, "s"), Metric(REPLIED, "s")])
        deployment, sequence = add_deployment(store, RUN), 0
        for place, (size, outbound_s) in enumerate(((1024, 0.010), (2048, 0.300), (1024**2, 0.020))):
            cell = store.design.add_cell(RUN, make_cell("warm", sweep="payload", bytes=size))
            for number in range(8):
                sandbox, calls = f"{place}-{number}", []
                for made, at_s in ((call, 0.0), (call, 0.1), (measured, 0.5), (call, 1.0), (call, 1.1)):
                    sequence += 1
                    took_s = outbound_s if made is measured else 0.002
                    calls.append(
                        replace(
                            made(sequence, at_s + 10 * number, took_s, 0.003, sandbox=sandbox, window=number),
                            bytes_out=size,
                        )
                    )
                store.add_invocations(RUN, deployment, cell, calls)
            if place in starved:
                store.add_value(RUN, "host.starved", 0.9, cell_id=cell)
        report = InvocationOverheadAnalyzer().analyze([store.view(RUN)], IntervalSettings())
    (fit,) = report.tables[1].rows
    told = [finding.text for finding in report.findings if "left out of lines and answers" in finding.text]
    if starved == (1,):
        assert fit["slope_s"].value == pytest.approx(0.010 * 1024 / 1023, rel=1e-3)
        assert told[0].startswith("payload warm of 2.00 KiB was starved: 90 % of the calls")
        assert "10.0 ms warm" in report.answers[0]
    else:
        assert fit["slope_s"].note == "too few samples or sizes that were not starved and mostly answered"
        assert report.answers[0].endswith(": all sizes were starved of the processor")
    assert len(told) == 1


@pytest.mark.parametrize(("failed", "median_s"), [(3, 0.2), (5, None)])
def test_call_that_was_not_answered_is_later_than_all(failed: int, median_s: float | None) -> None:
    windows = [judge([*BEFORE, measured(5, 0.5, 0.2), *AFTER], StartType.WARM) for _ in range(4)]
    broken = [replace(measured(9, 0.6, 0.2), status=Status.TIMEOUT) for _ in range(failed)]
    window = judge([*BEFORE, *broken, *AFTER], StartType.WARM)
    for each in windows:
        window.add(each)
    cell = SizeCell({}, "payload", "warm", 1, window, 0.0)
    found = quantile_of_units(observed(cell)).value
    assert found == (None if median_s is None else pytest.approx(median_s))
    assert SizeSeries({}, "payload", "warm", [cell]).usable == ([] if median_s is None else [cell])


def test_warm_sample_needs_exchanges_before_and_after() -> None:
    for around in (BEFORE, AFTER):
        window = judge([*around, measured(5, 0.5, 0.2)], StartType.WARM)
        assert not window.samples
        assert window.discarded == {"the sandbox ended before its clock was aligned": 1}


def test_exchanges_of_another_sandbox_do_not_align() -> None:
    others = [call(8, 1.0, 0.002, 0.002, sandbox="b", offset_s=9.0)]
    window = judge([*BEFORE, measured(5, 0.5, 0.2), *others], StartType.WARM)
    assert not window.samples
    assert window.lost == 1
    kept = judge([*BEFORE, measured(5, 0.5, 0.2), *others, *AFTER], StartType.WARM)
    assert kept.samples[0].outbound_s == pytest.approx(0.2, abs=1e-5)
    assert kept.lost == 1


def test_clock_that_was_set_in_between_discards_the_window() -> None:
    after = [call(8, 1.0, 0.002, 0.002, offset_s=5.5)]
    assert judge([*BEFORE, measured(5, 0.5, 0.2), *after], StartType.WARM).discarded == {STEPPED: 1}


def test_sample_that_contradicts_the_clocks_around_it_is_discarded() -> None:
    # The clock is set back by 0.5 s and again forward: the handler seems to begin 0.3 s before the request was sent.
    window = judge([*BEFORE, measured(5, 0.5, 0.2, offset_s=4.5), *AFTER], StartType.WARM)
    assert window.discarded == {STEPPED: 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"start": StartType.COLD}, "start was cold"),
        ({"status": Status.TIMEOUT}, "ended as timeout"),
    ],
)
def test_what_does_not_count_is_counted_with_its_reason(changes: dict[str, object], reason: str) -> None:
    window = judge([*BEFORE, measured(5, 0.5, 0.2, **changes), *AFTER], StartType.WARM)
    assert window.discarded == {reason: 1}


def test_call_without_readings_has_no_overhead() -> None:
    blind = measured(5, 0.5, 0.2)
    blind.samples = {}
    assert judge([*BEFORE, blind, *AFTER], StartType.WARM).discarded == {"no reading of the function's clock": 1}


def test_lost_exchange_is_counted_and_the_others_serve() -> None:
    lost = call(3, 0.2, 0.002, 0.002, status=Status.TIMEOUT)
    window = judge([*BEFORE, lost, measured(5, 0.5, 0.2), *AFTER], StartType.WARM)
    assert (window.lost, len(window.samples)) == (1, 1)


def test_windows_of_a_cell_are_judged_apart() -> None:
    # Between the windows the clock was set: within each of them it is steady.
    first = [*BEFORE, measured(5, 0.5, 0.2), *AFTER]
    second = [
        call(each.sequence + 10, each.client_sent_s - EPOCH + 5, 0.002, 0.002, offset_s=7.0, kind=each.kind, window=1)
        for each in first
    ]
    total = judge_all([*first, *second], StartType.WARM)
    assert [sample.sequence for sample in total.samples] == [5, 15]
    assert len(total.alignments) == 2
    assert not total.discarded


def test_fewest_exchanges_after_the_shortest_are_told() -> None:
    after = [call(8, 1.0, 0.0025, 0.0025), call(9, 1.1, 0.004, 0.004)]
    assert judge([*BEFORE, measured(5, 0.5, 0.2), *after], StartType.WARM).settled == 2
