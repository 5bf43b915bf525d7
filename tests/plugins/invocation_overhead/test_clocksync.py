"""Alignment of clocks against vectors worked out by hand, and against simulated clocks that are known."""

from __future__ import annotations

import random
from statistics import median

import pytest

from sebsx_invocation_overhead.clocksync import (
    ClockError,
    ClockExchange,
    LinearAlignment,
    Shortest,
    align,
    hull,
    shortest,
    since_minimum,
)

EPOCH = 1.75e9


def exchange(at_s: float, offset_s: float, out_s: float, back_s: float, inside_s: float = 0.001) -> ClockExchange:
    """Return an exchange that begins at a driver's time, with a function clock that is ahead by the offset."""
    received, answered = at_s + out_s, at_s + out_s + inside_s
    return ClockExchange(at_s, received + offset_s, answered + offset_s, answered + back_s)


def simulated(
    count: int,
    span_s: float,
    drift_ppm: float,
    rng: random.Random,
    *,
    offset_s: float = 5.0,
    way_s: float = 0.010,
    asymmetry: float = 0.0,
) -> list[ClockExchange]:
    """Return exchanges over ways of 10 ms with exponential jitter of 2 ms and, in 5 %, ten times of it."""

    def way(base_s: float) -> float:
        return base_s + rng.expovariate(1 / 0.002) * (1 if rng.random() > 0.05 else 10)

    found = []
    for number in range(count):
        sent = EPOCH + span_s * number / (count - 1)
        received = sent + way(way_s * (1 + asymmetry))
        answered = received + 0.0005
        done = answered + way(way_s * (1 - asymmetry))
        ahead = [offset_s + drift_ppm * 1e-6 * (at - EPOCH) for at in (received, answered)]
        found.append(ClockExchange(sent, received + ahead[0], answered + ahead[1], done))
    return found


def worst_error_s(
    alignment: Shortest | LinearAlignment, span_s: float, drift_ppm: float, offset_s: float = 5.0
) -> float:
    times = [span_s * part / 50 for part in range(51)]
    return max(abs(alignment.offset_s(EPOCH + at) - offset_s - drift_ppm * 1e-6 * at) for at in times)


def test_exchange_gives_offset_and_round_trip_worked_out_by_hand() -> None:
    # The driver sends at 100.0; 0.2 s later the function, whose clock is 5 s ahead, says 105.2; it takes 0.1 s and
    # the answer 0.2 s: received at 100.5. Offset ((105.3 - 100.5) + (105.2 - 100.0)) / 2 = 5, round trip 0.4.
    one = ClockExchange(100.0, 105.2, 105.3, 100.5)
    assert one.offset_s == pytest.approx(5.0)
    assert one.rtt_s == pytest.approx(0.4)


@pytest.mark.parametrize("offset_s", [5.0, -5.0, 0.0])
def test_overhead_of_a_shifted_clock_is_the_true_one(offset_s: float) -> None:
    clock = align([exchange(EPOCH, offset_s, 0.002, 0.002)])
    handler_started_f = EPOCH + 1 + 0.2 + offset_s
    assert clock.to_driver_s(handler_started_f) - (EPOCH + 1) == pytest.approx(0.2, abs=1e-6)
    assert clock.uncertainty_s(EPOCH) == pytest.approx(0.002, abs=1e-6)


def test_shortest_round_trip_decides_and_the_error_of_unequal_ways_lies_within_half_of_it() -> None:
    clock = shortest([exchange(EPOCH, 5, 0.050, 0.010), exchange(EPOCH + 1, 5, 0.006, 0.0), exchange(EPOCH, 5, 0.1, 0)])
    assert clock.rtt_s == pytest.approx(0.006, abs=1e-6)
    assert clock.offset_s(EPOCH) == pytest.approx(5.003, abs=1e-6)
    assert clock.uncertainty_s(clock.at) == pytest.approx(0.003, abs=1e-6)
    # 200 ppm over 10 s are 2 ms.
    assert clock.uncertainty_s(clock.at + 10) == pytest.approx(0.005, abs=1e-6)


def test_hull_finds_offset_and_drift_of_symmetric_ways() -> None:
    def drifting(at: float) -> ClockExchange:
        return exchange(EPOCH + at, 5 + 1e-4 * at, 0.010, 0.010, 0.0)

    clock = hull([drifting(at) for at in (0, 10, 20, 30)])
    assert clock.drift_ppm == pytest.approx(100, abs=0.1)
    assert clock.offset_s(EPOCH + 30) == pytest.approx(5.003, abs=2e-6)
    assert clock.uncertainty_s(EPOCH + 15) == pytest.approx(0.010, rel=0.01)
    assert clock.to_driver_s(EPOCH + 20 + 5.002) == pytest.approx(EPOCH + 20, abs=3e-6)


def test_hull_is_no_surer_beyond_the_window_than_the_drift_that_is_possible() -> None:
    clock = hull([exchange(EPOCH + at, 5, 0.010, 0.010) for at in (0, 10)])
    # Lines from +10 ms to -10 ms fit: 2 ms a second, so 20 s after the window's middle it is 40 ms.
    assert clock.uncertainty_s(EPOCH + 25) == pytest.approx(0.040, rel=0.02)


def test_short_windows_take_the_shortest_exchange_and_long_ones_the_hull() -> None:
    rng = random.Random(1)
    assert align(simulated(20, 5, 20, rng)).method == "min-rtt"
    assert align(simulated(20, 60, 20, rng)).method == "hull"


@pytest.mark.parametrize(
    ("count", "span_s", "drift_ppm", "of_shortest_us", "of_hull_us"),
    [(20, 5, 20, 174, 210), (100, 60, 20, 835, 39), (300, 1800, 20, 25181, 14), (100, 60, 100, 4228, 39)],
)
def test_errors_have_the_published_orders_of_magnitude(
    count: int, span_s: float, drift_ppm: float, of_shortest_us: float, of_hull_us: float
) -> None:
    rng = random.Random(2)
    errors: dict[str, list[float]] = {"shortest": [], "hull": []}
    for _ in range(40):
        exchanges = simulated(count, span_s, drift_ppm, rng)
        errors["shortest"].append(worst_error_s(shortest(exchanges), span_s, drift_ppm))
        errors["hull"].append(worst_error_s(hull(exchanges), span_s, drift_ppm))
    assert of_shortest_us / 2 < median(errors["shortest"]) * 1e6 < of_shortest_us * 2
    assert of_hull_us / 2 < median(errors["hull"]) * 1e6 < of_hull_us * 2


@pytest.mark.parametrize(("count", "span_s"), [(20, 5.0), (100, 60.0)])
def test_uncertainty_covers_the_truth_in_95_of_100_trials_whatever_the_asymmetry(count: int, span_s: float) -> None:
    rng = random.Random(5)
    covered, needed = 0, 0
    for _ in range(200):
        drift_ppm, asymmetry = rng.uniform(-100, 100), rng.uniform(-0.95, 0.95)
        clock = align(simulated(count, span_s, drift_ppm, rng, asymmetry=asymmetry))
        at_s = rng.uniform(0, span_s)
        error_s = abs(clock.offset_s(EPOCH + at_s) - 5.0 - drift_ppm * 1e-6 * at_s)
        covered += error_s <= clock.uncertainty_s(EPOCH + at_s)
        needed += error_s > 0.001  # ways this unequal make errors that an uncertainty of jitter alone would miss
        assert clock.uncertainty_s(EPOCH + at_s) < 0.020  # and it is not sure because it says nothing
    assert covered >= 190
    assert needed >= 100


def test_clock_that_was_set_is_told() -> None:
    steady = [exchange(EPOCH + at, 5, 0.010, 0.010) for at in range(5)]
    stepped = [exchange(EPOCH + at, 5.5, 0.010, 0.010) for at in range(5, 10)]
    with pytest.raises(ClockError, match="the clock was set"):
        align(steady + stepped)
    with pytest.raises(ClockError, match="the clock was set"):
        hull([exchange(EPOCH + 10 * at, 5 + (at > 4), 0.01, 0.01) for at in range(10)])
    with pytest.raises(ClockError, match="took -0"):
        align([ClockExchange(EPOCH, EPOCH + 0.01, EPOCH + 1.0, EPOCH + 0.1)])


def test_what_says_nothing_is_refused() -> None:
    with pytest.raises(ClockError, match="no exchange"):
        align([])
    with pytest.raises(ClockError, match="two different times"):
        hull([exchange(EPOCH, 5, 0.01, 0.01)])


def test_exchanges_since_the_shortest_are_counted() -> None:
    ways = [0.03, 0.02, 0.01, 0.02, 0.015, 0.04]
    assert since_minimum([exchange(EPOCH, 0, way, way) for way in ways[:1]]) == 0
    assert since_minimum([exchange(EPOCH, 0, way, way) for way in ways]) == 3
    assert since_minimum([]) == 0
