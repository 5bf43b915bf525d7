from __future__ import annotations

import pytest

from sebsx.sandboxes.journal import Log, Record, Records
from sebsx.sandboxes.keepalive import keep_alive, own_seed


def record(duration_s: float | None, init_s: float | None = None) -> Record:
    return Record("ok", "warm", "s", duration_s, init_s, None)


@pytest.mark.parametrize(
    ("duration_s", "init_s", "billed_s"),
    [(0.0101, None, 0.011), (0.003, None, 0.003), (0.01, 0.0203, 0.031), (1e-5, None, 0.001), (None, None, None)],
)
def test_billed_time_is_rounded_up_to_milliseconds(
    duration_s: float | None, init_s: float | None, billed_s: float | None
) -> None:
    assert record(duration_s, init_s).billed_s == billed_s


def test_oldest_records_are_forgotten() -> None:
    records = Records(limit=2)
    for name in ("a", "b", "c"):
        records.add(name, record(1.0))

    assert set(records.get(["a", "b", "c"])) == {"b", "c"}


def test_log_keeps_the_end() -> None:
    log = Log(limit=5)
    for piece in (b"abc", b"defgh", b"ij"):
        log.write(piece)
    assert log.text() == "fghij"

    log.write(b"0123456789")
    assert log.text() == "56789"


def test_log_of_many_small_pieces_stays_bounded() -> None:
    log = Log(limit=100)
    for _ in range(10_000):
        log.write(b"x")

    assert len(log.text()) == 100
    assert len(log._pieces) <= 101


def test_halving_evicts_all_within_a_few_periods() -> None:
    policy, idle, seen = keep_alive("halving", 1.0, 0), 10, []
    while idle:
        idle -= policy.evictions(idle)
        seen.append(idle)

    assert seen == [5, 2, 1, 0]  # floor(10 * 2^-k)


def test_functions_draw_lifetimes_of_their_own_from_one_seed() -> None:
    seeds = [own_seed(seed, place) for seed in (0, 1) for place in range(50)]
    assert len(set(seeds)) == 100
    assert own_seed(1, 3) == own_seed(1, 3)


def test_exponential_lifetimes_are_seeded_and_have_the_mean() -> None:
    first, same, other = (keep_alive("exponential", 2.0, seed) for seed in (1, 1, 2))
    draws = [first.lifetime_s() or 0.0 for _ in range(4000)]

    assert draws == [same.lifetime_s() for _ in range(4000)]
    assert draws[0] != other.lifetime_s()
    # The mean of 4000 draws of mean 2 has a standard error of 2 / sqrt(4000) = 0.032; five of them are allowed.
    assert abs(sum(draws) / 4000 - 2.0) < 0.16
