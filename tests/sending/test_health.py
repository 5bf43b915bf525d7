from __future__ import annotations

import random
from dataclasses import replace

import pytest

from sebsx.contracts.calls import Health
from sebsx.sending.health import Histogram


def health(
    lateness_p99_s: float = 0.0, latency_p50_s: float = 0.01, cpu_share: float = 0.1, limits: tuple[str, ...] = ()
) -> Health:
    failed = 3 if limits else 0
    return Health(
        sent=100,
        dropped=0,
        client_errors=failed,
        limits=limits,
        late=0,
        lateness_p50_s=0.0,
        lateness_p99_s=lateness_p99_s,
        lateness_max_s=lateness_p99_s,
        cpu_share=cpu_share,
        latency_p50_s=latency_p50_s,
        in_flight_max=1,
        duration_s=1.0,
    )


def test_quantiles_of_a_histogram_are_right_to_a_percent() -> None:
    rng = random.Random(1)
    values = sorted(rng.lognormvariate(-6, 2) for _ in range(10_000))
    histogram = Histogram()
    for value in values:
        histogram.add([value])
    for q in (0.01, 0.5, 0.9, 0.99):
        assert histogram.quantile(q) == pytest.approx(values[int(q * 10_000) - 1], rel=0.011)
    assert (histogram.n, histogram.largest) == (10_000, values[-1])


def test_empty_histogram_and_zero_durations_are_zero() -> None:
    histogram = Histogram()
    assert histogram.quantile(0.99) == 0
    histogram.add([0.0, -1e-9])
    assert histogram.quantile(0.5) == 0


@pytest.mark.parametrize(
    ("lateness_s", "latency_s", "late"),
    [
        (0.0049, 0.001, False),  # 5 ms are always allowed
        (0.0051, 0.001, True),
        (0.009, 0.2, False),  # 5 % of 200 ms are 10 ms
        (0.011, 0.2, True),
    ],
)
def test_generator_is_late_above_both_bounds(lateness_s: float, latency_s: float, late: bool) -> None:
    verdict = health(lateness_s, latency_s).verdict
    assert ("was late" in verdict) is late
    assert bool(verdict) is late


def test_what_this_machine_could_not_send_makes_a_phase_invalid_and_names_the_limit() -> None:
    assert health(limits=("open files",)).verdict == (
        "3 requests failed on this machine, not on the platform: it has no more open files"
    )


def test_generator_is_saturated_above_four_fifths() -> None:
    assert health(cpu_share=0.8).verdict == ""
    assert health(cpu_share=0.81).verdict == "the generator was saturated: its thread was busy 81% of the time"


def test_verdict_of_a_late_generator_names_what_forbade_its_priority() -> None:
    late = health(lateness_p99_s=1.0)
    assert "priority" not in late.verdict
    assert "(it had no priority: not permitted; see sebsx doctor)" in replace(late, ordinary="not permitted").verdict
    assert replace(health(), ordinary="not permitted").verdict == ""
