"""The simulator against what is known: when workers double, how long a queue makes wait, what a cold start costs."""

from __future__ import annotations

import random
from dataclasses import dataclass
from math import factorial

import pytest

from sebsx_serving.courses import latency_of, reached_s
from sebsx_serving.loads import ServingLoad
from sebsx_serving.policies import POLICIES, Bare, Horizontal, Hybrid, Observed, observed
from sebsx_serving.simulation import Course, ServerCosts, simulate

FLOOD = ServingLoad(kind="ramp", rate=60.0, duration_s=60.0)


def test_hybrid_workers_double_every_five_seconds_until_there_is_a_processor_for_each() -> None:
    course = simulate(Hybrid(), FLOOD, ServerCosts(service_s=[5.0]), most=56)
    assert course.workers == [(0, 1), (5, 2), (10, 4), (15, 8), (20, 16), (25, 32), (30, 56)]
    # 5 x 1 + 5 x 2 + .. + 5 x 32 + 30 x 56 worker seconds
    assert course.worker_s == pytest.approx(5 * (1 + 2 + 4 + 8 + 16 + 32) + 30 * 56)


def test_hybrid_workers_stay_where_latency_is_low() -> None:
    quiet = ServingLoad(kind="ramp", rate=1.0, duration_s=60.0)
    assert simulate(Hybrid(), quiet, ServerCosts(service_s=[0.1]), most=56).workers == [(0, 1)]


def test_pods_are_busy_with_what_has_not_ended_yet() -> None:
    course = simulate(Horizontal(), FLOOD, ServerCosts(service_s=[5.0]), most=8, period_s=1.0)
    assert course.workers[:2] == [(0, 1), (3, 2)]  # the first request comes after 1.4 s, none has ended at 3 s


def test_requests_that_still_wait_are_later_than_all_that_were_answered() -> None:
    course = simulate(Bare(), FLOOD, ServerCosts(service_s=[0.1]), most=1)
    asked = sum(due_s < FLOOD.duration_s for due_s in FLOOD.times_s)
    assert course.unanswered == asked - len(course.latency_s)
    median, tail = latency_of(course, 0.5), latency_of(course, 0.99)
    assert (median.value, tail.value) == (None, None)
    assert tail.note == f"not reached: {100 * course.unanswered / asked:.3g} % failed"
    assert reached_s(tail) == float("inf")
    few = Course(1.0, ended_s=[0.1] * 20, latency_s=[0.1] * 20)
    assert (latency_of(few, 0.5).value, latency_of(few, 0.99).note, reached_s(latency_of(few, 0.99))) == (
        0.1, "n too small", None,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Poisson(ServingLoad):
    """Arrivals of a Poisson process."""

    @property
    def times_s(self) -> list[float]:
        rng, now, times = random.Random(7), 0.0, []
        while (now := now + rng.expovariate(self.rate)) < self.duration_s:
            times.append(now)
        return times


@pytest.mark.slow
@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (8, 6.0)])
def test_waiting_in_a_queue_with_many_servers_is_that_of_erlang(servers: int, load: float) -> None:
    rng = random.Random(11)
    service_s = [rng.expovariate(1.0) for _ in range(20_000)]
    mean_s = sum(service_s) / len(service_s)
    rate = load / mean_s
    arrivals = Poisson(kind="ramp", rate=rate, duration_s=8_000 / rate)
    course = simulate(Bare(), arrivals, ServerCosts(service_s=service_s), most=servers)
    # Erlang C: the share that waits, and the mean wait.
    last = load**servers / factorial(servers) * servers / (servers - load)
    waits = last / (sum(load**k / factorial(k) for k in range(servers)) + last)
    expected_s = waits * mean_s / (servers - load)
    found = [latency_s - mean_s for latency_s in course.latency_s[1000:]]
    batches = [sum(found[at : at + 500]) / 500 for at in range(0, len(found) - 499, 500)]
    middle = sum(batches) / len(batches)
    error = (sum((each - middle) ** 2 for each in batches) / (len(batches) - 1) / len(batches)) ** 0.5
    assert middle == pytest.approx(expected_s, abs=3.5 * error)
    assert 3.5 * error < expected_s  # narrow enough to tell


def test_requests_that_find_no_idle_sandbox_wait_for_a_new_one() -> None:
    once = ServingLoad(kind="users", users=3, spawn_rate=100.0, think_s=(10.0, 10.0), duration_s=5.0)
    course = simulate(
        POLICIES["concurrency"], once, ServerCosts(service_s=[0.5], boot_s=1.0, base_bytes=10.0), most=1000
    )
    assert [number for _, number in course.workers] == [0, 1, 2, 3]
    assert course.latency_s == pytest.approx([1.5] * 3)
    assert course.memory[-1][1] == 30.0


def test_pods_are_as_many_as_keep_them_busy_and_at_most_double() -> None:
    policy = Horizontal()
    assert policy.next(10, Observed(p99_s=9.0, busy=0.85), 56) == 10  # within a tenth of the target
    assert policy.next(10, Observed(p99_s=0.1, busy=1.0), 56) == 13  # ceil(10 x 1.0 / 0.8)
    assert policy.next(50, Observed(p99_s=0.1, busy=1.0), 56) == 56
    assert policy.next(1, Observed(p99_s=None, busy=1.0), 56) == 2


def test_requests_that_still_wait_count_for_what_a_period_showed() -> None:
    seen = observed([0.1] * 50, [4.0] * 50, busy_s=3.0, workers_s=4.0)
    assert (seen.p99_s, seen.busy) == (4.0, 0.75)
    assert observed([], [], 0.0, 0.0) == Observed(p99_s=None, busy=0.0)


def test_ramp_is_due_where_the_area_below_it_is_a_whole_number() -> None:
    times = ServingLoad(kind="ramp", rate=100.0, duration_s=60.0).times_s
    assert len(times) == 3000
    assert times[-1] == pytest.approx(60.0)
    assert times[749] == pytest.approx(30.0)  # a quarter of all by half of the time
