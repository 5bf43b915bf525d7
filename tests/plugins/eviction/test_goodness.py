"""Laws of eviction are refuted where sandboxes live by another, and not where they live by them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from sebsx_eviction.goodness import REFUTED, p_value
from sebsx_eviction.models import fit_all, survivors
from sebsx_eviction.trials import Trial

IDLES_S = (60, 120, 180, 240, 300, 380, 460, 600, 800, 1100, 1500)
Law = Callable[[random.Random, Sequence[float]], Iterator[bool]]


def living(lifetime_s: Callable[[random.Random], float]) -> Law:
    """A law by which each sandbox lives for a time of its own."""
    return lambda rng, idles_s: (lifetime_s(rng) > idle_s for idle_s in idles_s)


def halving(period_s: float, lapse: float) -> Law:
    def law(rng: random.Random, idles_s: Sequence[float]) -> Iterator[bool]:
        there = int(survivors("halving", period_s, idles_s[0], len(idles_s)))
        return ((place < there) != (rng.random() < lapse) for place in range(len(idles_s)))

    return law


TRUE: Mapping[str, Law] = {
    "fixed": living(lambda _: 390.0),
    "fixed at the edge of a level": living(lambda _: 380.002),
    "fixed with lapses": lambda rng, idles_s: ((idle_s < 390) != (rng.random() < 0.02) for idle_s in idles_s),
    "halving": halving(381.0, 0.0),
    "halving with lapses": halving(381.0, 0.02),
    "exponential": living(lambda rng: rng.expovariate(1 / 380)),
    "none": living(lambda _: 1e9),
}
WRONG: Mapping[str, Law] = {
    "gamma of shape 3": living(lambda rng: rng.gammavariate(3, 380 / 3)),
    "gamma of shape 0.5": living(lambda rng: rng.gammavariate(0.5, 760)),
    "mixture of 60 and 1200 s": living(lambda rng: rng.expovariate(1 / (60 if rng.random() < 0.5 else 1200))),
    "lognormal of sigma 1.5": living(lambda rng: rng.lognormvariate(math.log(300), 1.5)),
    "uniform from 300 to 600 s": living(lambda rng: rng.uniform(300, 600)),
}


def made(law: Law, rng: random.Random, repetitions: int) -> list[Trial]:
    """Trials of eight sandboxes at eleven idle times, which differ by milliseconds."""
    found = []
    for idle_s in IDLES_S * repetitions:
        idles_s = tuple(idle_s + rng.uniform(0, 0.004) for _ in range(8))
        found.append(Trial(len(found), idles_s, tuple(law(rng, idles_s))))
    return found


def refuted(law: Law, runs: int, repetitions: int, seed: int = 1) -> float:
    """Return in which share of runs the nearest law is said not to fit."""
    rng, count = random.Random(seed), 0
    for _ in range(runs):
        trials = made(law, rng, repetitions)
        count += p_value(fit_all(trials)[0], trials) < REFUTED
    return count / runs


@pytest.mark.parametrize("name", ["fixed", "fixed at the edge of a level", "exponential"])
def test_law_by_which_sandboxes_live_is_not_refuted(name: str) -> None:
    assert refuted(TRUE[name], runs=1, repetitions=2) == 0


@pytest.mark.parametrize("name", ["gamma of shape 3", "mixture of 60 and 1200 s"])
def test_law_by_which_they_do_not_live_is_refuted(name: str) -> None:
    assert refuted(WRONG[name], runs=1, repetitions=4) == 1


def test_one_lapse_of_a_rule_that_lets_half_live_is_no_other_law() -> None:
    trials = [Trial(place, (idle_s,) * 8, there(idle_s)) for place, idle_s in enumerate(IDLES_S * 2)]
    one_gone = replace(trials[-5], alive=(*trials[-5].alive[:3], *[False] * 5))  # of four that live for 460 s
    assert one_gone.idle_s[0] == 460
    trials[-5] = one_gone
    best = fit_all(trials)[0]
    assert best.model == "halving"
    assert p_value(best, trials) > 0.2


def there(idle_s: float) -> tuple[bool, ...]:
    """Return who of eight lives by a rule that halves every 381 s."""
    return tuple(place < 8 >> int(idle_s / 381) for place in range(8))


def test_same_trials_get_the_same_answer() -> None:
    trials = made(TRUE["exponential"], random.Random(5), 2)
    best = fit_all(trials)[0]
    assert p_value(best, trials) == p_value(best, trials)


# Parts, so that each ends in minutes and is run alone: `pytest -m soak tests/plugins/eviction -k "gamma and part1"`.
PARTS = pytest.mark.parametrize("part", [1, 2, 3, 4], ids="part{}".format)


@pytest.mark.soak
@PARTS
@pytest.mark.parametrize("name", TRUE)
def test_false_alarms_are_as_many_as_promised(name: str, part: int) -> None:
    # 5 %: more than 6 of 25 would be seen in one of 2000 such tests (binomial).
    found = refuted(TRUE[name], runs=25, repetitions=2, seed=part)
    print(f"{name}, part {part}: refuted {found:.2f} of 25")
    assert found <= 6 / 25


@pytest.mark.soak
@PARTS
@pytest.mark.parametrize("name", WRONG)
def test_other_laws_are_found(name: str, part: int) -> None:
    # A heavy tail is seen only where few are looked at: 5 of 8 were found when this was written.
    found = refuted(WRONG[name], runs=10, repetitions=8, seed=part)
    print(f"{name}, part {part}: refuted {found:.2f} of 10")
    assert found >= (0.2 if name.startswith("lognormal") else 0.6)
