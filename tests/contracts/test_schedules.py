from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sebsx.contracts.agenda import Agenda
from sebsx.contracts.schedules import OVER, Arrivals, Closed, Open, Schedule, Stretch, Users, constant, ramp, steps


def test_closed_loop_sends_while_a_user_is_free() -> None:
    schedule = Closed(invocations=10, users=2)
    assert schedule.due_s(1.5, sent=0, done=0) == 1.5
    assert schedule.due_s(1.5, sent=1, done=0) == 1.5
    assert schedule.due_s(1.5, sent=2, done=0) is None
    assert schedule.due_s(1.7, sent=2, done=1) == 1.7
    assert schedule.due_s(9.0, sent=10, done=9) == OVER


def test_arrivals_are_due_when_planned_whatever_was_answered() -> None:
    schedule = Arrivals([0.0, 0.5, 2.0])
    assert schedule.total == 3
    assert schedule.due_s(0.1, sent=1, done=0) == 0.5
    assert schedule.due_s(9.0, sent=2, done=0) == 2.0
    assert schedule.due_s(9.0, sent=3, done=0) == OVER


def test_constant_rate_is_evenly_spaced_from_zero_and_ends_before_its_time() -> None:
    assert list(Open(constant(4, 1.0)).times()) == [0.0, 0.25, 0.5, 0.75]
    assert Open(constant(50, 30)).total == 1500


def test_ramp_reaches_each_arrival_where_its_integral_does() -> None:
    # Rate 0..10 over 10 s: R(t) = t^2 / 2, so that arrival i is due at sqrt(2 i); R(10) = 50.
    times = list(Open(ramp(0, 10, 10, 10)).times())
    assert times == pytest.approx([math.sqrt(2 * i) for i in range(50)])


def test_falling_ramp_mirrors_a_rising_one() -> None:
    # Rate 10..0 over 10 s: R(t) = 10 t - t^2 / 2; R(t) = 18 at t = 2 (20 - 2), 32 at t = 4 (40 - 8).
    times = list(Open(ramp(10, 0, 10, 10)).times())
    assert (times[18], times[32]) == (pytest.approx(2.0), pytest.approx(4.0))
    assert len(times) == 50


def test_ramp_is_held_for_the_rest_of_the_time() -> None:
    # 0..10 over 2 s makes 10 arrivals, then 10/s for 3 s makes 30; the 11th (i = 10) is due just at 2 s.
    times = list(Open(ramp(0, 10, 2, 5)).times())
    assert len(times) == 40
    assert times[10] == pytest.approx(2.0)
    assert times[11] - times[10] == pytest.approx(0.1)


def test_steps_follow_one_another_at_their_own_rates() -> None:
    times = list(Open(steps([1, 0, 2], 2.0)).times())
    assert times == pytest.approx([0.0, 1.0, 4.0, 4.5, 5.0, 5.5])


def test_number_of_requests_is_a_bound() -> None:
    schedule = Open(constant(10, 10), requests=3)
    assert list(schedule.times()) == pytest.approx([0.0, 0.1, 0.2])
    assert (schedule.total, schedule.expected) == (3, 3)


def test_long_schedule_is_computed_one_by_one() -> None:
    schedule = Open(constant(1e6, 1e6))
    assert list(islice(schedule.times(), 2)) == pytest.approx([0.0, 1e-6])


def test_poisson_is_drawn_by_its_seed() -> None:
    one, same, other = (list(Open(constant(100, 5), seed=seed).times()) for seed in (1, 1, 2))
    assert one == same
    assert one != other
    assert one == sorted(one)


def assert_exponential(gaps: list[float]) -> None:
    """Hold gaps against the unit exponential distribution by Kolmogorov and Smirnov.

    P(D sqrt(n) > x) -> 2 exp(-2 x^2), which is 1e-4 at x = 2.225.
    """
    n = len(gaps)
    shares = [1 - math.exp(-gap) for gap in sorted(gaps)]
    largest = max(max((rank + 1) / n - share, share - rank / n) for rank, share in enumerate(shares))
    assert largest * math.sqrt(n) < 2.225


@pytest.mark.parametrize("seed", range(5))
def test_poisson_gaps_are_exponential(seed: int) -> None:
    times = list(Open(constant(200, 20), seed=seed).times())
    gaps = [after - before for before, after in pairwise(times)]
    assert_exponential([200 * gap for gap in gaps])
    assert len(times) == pytest.approx(4000, abs=5 * math.sqrt(4000))


def test_poisson_ramp_is_a_unit_process_on_the_scale_of_its_integral() -> None:
    # Time rescaling: the levels R(t_i) of a Poisson process of rate R' are those of a process of rate 1.
    times = list(Open(ramp(0, 100, 40, 40), seed=3).times())
    levels = [100 / 40 * time**2 / 2 for time in times]
    gaps = [after - before for before, after in zip([0.0, *levels], levels, strict=False)]
    assert_exponential(gaps)


def test_time_of_an_arrival_inverts_the_cumulative_rate() -> None:
    for stretch in (
        Stretch(7, start_rate=3, end_rate=3),
        Stretch(7, start_rate=0, end_rate=5),
        Stretch(7, start_rate=5, end_rate=0),
        Stretch(7, start_rate=2, end_rate=9),
    ):
        for share in (0.0, 0.1, 0.5, 0.999):
            time = stretch.time_of(share * stretch.arrivals)
            slope = (stretch.end_rate - stretch.start_rate) / stretch.duration_s
            assert stretch.start_rate * time + slope * time**2 / 2 == pytest.approx(share * stretch.arrivals)


def simulate(schedule: Schedule, service_s: Callable[[int], float], until_s: float = 1e9) -> list[float]:
    """Return when requests are sent by a client without delay to a server that takes so long for each."""
    pace, now_s, sent, done = schedule.begin(), 0.0, 0, 0
    answers: list[float] = []
    times: list[float] = []
    while now_s < until_s:
        due_s = pace.due_s(now_s, sent, done)
        next_answer_s = min(answers, default=math.inf)
        if due_s is not None and due_s <= now_s:
            times.append(now_s)
            answers.append(now_s + service_s(sent))
            sent += 1
        elif (OVER if due_s is None else due_s) < next_answer_s:
            assert due_s is not None
            now_s = due_s
        elif answers:
            now_s = next_answer_s
            answers.remove(now_s)
            done += 1
            pace.answered(now_s)
        else:
            break
    return times


def test_users_send_wait_think_and_send_again() -> None:
    # Two users at once, 1 s of service, 2 s of thinking: both send at 0, 3, 6.
    schedule = Users(2, think_s=(2, 2), duration_s=9)
    assert simulate(schedule, lambda _: 1.0) == [0, 0, 3, 3, 6, 6]


def test_users_are_spawned_one_after_the_other() -> None:
    # 2 a second: users begin at 0, 0.5, 1; each sends again 10 s after it did.
    times = simulate(Users(3, spawn_rate=2, think_s=(9, 9), duration_s=11), lambda _: 1.0)
    assert times == [0, 0.5, 1, 10, 10.5]


def test_thinking_is_uniform_and_drawn_by_the_seed() -> None:
    one, same, other = (
        simulate(Users(1, think_s=(1, 3), requests=200, seed=seed), lambda _: 0.0) for seed in (5, 5, 6)
    )
    assert one == same
    assert one != other
    gaps = [after - before for before, after in pairwise(one)]
    assert 1 <= min(gaps) < 1.1
    assert 2.9 < max(gaps) <= 3
    assert sum(gaps) / len(gaps) == pytest.approx(2, abs=5 * (2 / math.sqrt(12)) / math.sqrt(len(gaps)))


def test_users_end_with_their_requests_or_time_and_begin_afresh() -> None:
    schedule = Users(2, requests=5)
    assert len(simulate(schedule, lambda _: 1.0)) == 5
    assert len(simulate(schedule, lambda _: 1.0)) == 5
    # A user who is still waiting at the end sends no more.
    assert simulate(Users(1, duration_s=2.5), lambda _: 1.0) == [0, 1, 2]


def test_slow_answers_slow_a_closed_loop_but_not_an_open_one() -> None:
    assert len(simulate(Users(1, duration_s=10), lambda _: 5.0)) == 2
    assert len(simulate(Open(constant(1, 10)), lambda _: 5.0)) == 10


TIMES = st.lists(st.floats(0, 100), max_size=40).map(lambda times: Arrivals(sorted(times)))
STRETCHES = st.lists(
    st.builds(Stretch, st.floats(0.1, 3), start_rate=st.floats(1, 20), end_rate=st.floats(1, 20)),
    min_size=1,
    max_size=3,
)
OPENS = st.builds(
    Open, STRETCHES.map(tuple), seed=st.none() | st.integers(0, 9), requests=st.none() | st.integers(1, 30)
)


def sent_at(schedule: Schedule) -> list[float]:
    """Return when an open loop sends."""
    pace, times_s = schedule.begin(), []
    while (due_s := pace.due_s(0.0, len(times_s), 0)) != OVER:
        assert due_s is not None
        times_s.append(due_s)
    return times_s


@pytest.mark.slow
@given(schedule=TIMES | OPENS, count=st.integers(1, 5))
def test_parts_of_an_open_loop_send_what_the_whole_sends(schedule: Schedule, count: int) -> None:
    parts = schedule.split(count)
    assert len(parts) == count
    assert sorted(due_s for part in parts for due_s in sent_at(part)) == sent_at(schedule)
    if schedule.total is not None:
        assert sum(part.total or 0 for part in parts) == schedule.total


@given(invocations=st.integers(0, 200), users=st.integers(1, 20), count=st.integers(1, 7))
def test_parts_of_a_closed_loop_have_its_users_and_its_requests(invocations: int, users: int, count: int) -> None:
    parts = Closed(invocations, users=users).split(count)
    assert (len(parts), sum(part.users for part in parts)) == (count, users)
    assert sum(part.invocations for part in parts) == invocations
    assert all(part.users or not part.invocations for part in parts)


@pytest.mark.slow
@given(
    users=st.integers(1, 30),
    rate=st.none() | st.floats(0.5, 10),
    requests=st.none() | st.integers(1, 50),
    count=st.integers(1, 6),
)
def test_parts_of_a_crowd_bring_its_users_when_they_come(
    users: int, rate: float | None, requests: int | None, count: int
) -> None:
    whole = Users(users, spawn_rate=rate, think_s=(1.0, 2.0), duration_s=None, requests=None, seed=7)
    comings = sorted(due_s for part in whole.split(count) for due_s in _comings(part))
    assert comings == pytest.approx(_comings(whole))
    shares = Users(users, spawn_rate=rate, requests=requests).split(count)
    assert requests is None or sum(part.requests or 0 for part in shares) == requests
    assert len({part.seed for part in shares}) == count


def _comings(schedule: Users) -> list[float]:
    """Return when each user sends for the first time, while nobody is answered."""
    pace, times_s = schedule.begin(), []
    while (due_s := pace.due_s(0.0, len(times_s), 0)) is not None and due_s != OVER:
        times_s.append(due_s)
    return times_s


def test_what_is_decided_on_the_way_cannot_be_divided() -> None:
    with pytest.raises(TypeError, match="cannot be divided"):
        Agenda().split(2)


@pytest.mark.parametrize(
    ("schedule", "overlaps"),
    [
        (Closed(5), False), (Closed(5, users=2), True), (Closed(1, users=2), False), (Arrivals([0.0]), False),
        (Arrivals([0.0, 9.0]), True), (Open(constant(1, 9)), True), (Users(1), False), (Users(2), True),
    ],
)  # fmt: skip
def test_schedules_know_whether_calls_may_overlap(schedule: Schedule, overlaps: bool) -> None:
    assert schedule.overlaps is overlaps
