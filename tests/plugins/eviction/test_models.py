"""Models of eviction against rules that are known: published vectors, simulated sandboxes, and sums by hand."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest

from sebsx_eviction.experiment import bisect, bisection_steps
from sebsx_eviction.models import ModelFit, fit_all, survival_steps, survivors
from sebsx_eviction.trials import Trial
from sebsx_eviction.warming import by_rule

LADDER_S = (1.0, 60, 120, 240, 360, 379, 400, 480, 600, 720, 759, 780, 900, 1080, 1139, 1160, 1300, 1450, 1600)
SANDBOXES = (1, 2, 4, 8, 12, 16, 20)


def trial(idle_s: float, d_init: int, warm: int, number: int = 0) -> Trial:
    return Trial(number, (idle_s,) * d_init, tuple(place < warm for place in range(d_init)))


def trials_by(
    rule: Callable[[float, int], int], idles_s: Sequence[float] = LADDER_S, sandboxes: Sequence[int] = SANDBOXES
) -> list[Trial]:
    return [trial(idle_s, d_init, rule(idle_s, d_init)) for idle_s in idles_s for d_init in sandboxes]


def exponential(mean_s: float, rng: random.Random, idles_s: Sequence[float], sandboxes: Sequence[int]) -> list[Trial]:
    def rule(idle_s: float, d_init: int) -> int:
        return sum(rng.expovariate(1 / mean_s) > idle_s for _ in range(d_init))

    return trials_by(rule, idles_s, sandboxes)


def fit_of(trials: Sequence[Trial], model: str) -> ModelFit:
    return next(fit for fit in fit_all(trials) if fit.model == model)


def test_halving_gives_the_published_numbers_of_survivors() -> None:
    # SeBS, Middleware 2021, section 6.6: D_warm = D_init * 2^-floor(dT / P) with P = 380 s.
    assert [survivors("halving", 380, idle_s, 8) for idle_s in (379, 380, 760, 1140, 1520)] == [8, 4, 2, 1, 0]
    assert survivors("halving", 0.1, 0.3, 8) == 1  # 0.3 / 0.1 is 2.9999999999999996


def test_other_rules_give_the_survivors_of_their_definition() -> None:
    assert [survivors("fixed", 20, idle_s, 5) for idle_s in (0, 19.9, 20, 90)] == [5, 5, 0, 0]
    assert survivors("exponential", 10, 10, 4) == pytest.approx(4 / math.e)
    assert survivors("none", None, 1e9, 3) == 3


@pytest.mark.slow
@pytest.mark.parametrize("model", ["halving", "fixed"])
def test_rule_with_a_period_of_380_s_is_recovered_between_its_neighbours(model: str) -> None:
    best, *others = fit_all(trials_by(lambda idle_s, d_init: int(survivors(model, 380, idle_s, d_init))))
    assert best.model == model
    assert best.low_s is not None
    assert best.high_s is not None
    assert best.low_s <= 380 <= best.high_s
    # Fixed: between the idle times of 379 and 400 s. Halving is closer: thrice the period lies between 1139 and 1160.
    assert (best.low_s, best.high_s) == pytest.approx((379, 400) if model == "fixed" else (1139 / 3, 1160 / 3))
    assert best.r2 == 1
    assert best.lapse == 0
    assert all(other.aic > best.aic + 100 for other in others)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_halving_is_recovered_from_sandboxes_that_stray(seed: int) -> None:
    rng = random.Random(seed)

    def rule(idle_s: float, d_init: int) -> int:
        there = int(survivors("halving", 380, idle_s, d_init))
        return sum((place < there) != (rng.random() < 0.02) for place in range(d_init))

    best = fit_all(trials_by(rule))[0]
    assert best.model == "halving"
    assert best.low_s is not None
    assert best.high_s is not None
    assert best.low_s <= 380 <= best.high_s
    assert 0.005 < best.lapse < 0.06


@pytest.mark.slow
def test_exponential_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = random.Random(3)
    covered = right = 0
    runs = 60
    for _ in range(runs):
        best = fit_all(exponential(380.0, rng, LADDER_S, (1, 2, 4, 8)))[0]
        right += best.model == "exponential"
        covered += best.low_s is not None and best.high_s is not None and best.low_s <= 380 <= best.high_s
    assert right == runs
    # 95 %: fewer than 52 of 60 would be seen in one of 500 such tests (binomial).
    assert covered >= 52


@pytest.mark.slow
def test_sandboxes_that_never_go_are_said_to_stay() -> None:
    best, second, *_ = fit_all(trials_by(lambda _, d_init: d_init))
    assert (best.model, best.parameter_s, best.r2) == ("none", None, None)
    assert (second.model, second.low_s, second.high_s) == ("fixed", 1600, None)
    # One parameter more is all that is between them.
    assert second.aic - best.aic == pytest.approx(2)


def test_sandboxes_that_are_always_gone_bound_the_time_from_above_only() -> None:
    best = fit_all(trials_by(lambda *_: 0, (10.0, 20.0), (2, 4)))[0]
    assert best.model == "fixed"
    assert (best.low_s, best.high_s) == (None, 10.0)
    assert by_rule(best, 1, 0.99, 20.0) is None


def test_single_sandboxes_do_not_tell_fixed_from_halving() -> None:
    trials = trials_by(lambda idle_s, _: int(idle_s < 380), sandboxes=(1,))
    fixed, halving = fit_of(trials, "fixed"), fit_of(trials, "halving")
    assert halving.aic == pytest.approx(fixed.aic)
    assert fit_all(trials)[0].model == "fixed"  # the simpler comes first


def test_likelihood_of_fixed_counts_the_odd_ones() -> None:
    # 19 sandboxes as told and one not: the likelihood is greatest at a lapse rate of 1 / 20.
    trials = [trial(1.0, 10, 10), trial(3.0, 10, 1)]
    fixed = fit_of(trials, "fixed")
    exact = 19 * math.log(0.95) + math.log(0.05)
    assert fixed.log_likelihood == pytest.approx(exact, abs=0.05)
    assert fixed.aic == pytest.approx(2 * 2 - 2 * exact, abs=0.1)
    assert (fixed.low_s, fixed.high_s) == (1.0, 3.0)


def test_likelihood_of_halving_is_spread_over_the_sets_of_that_size() -> None:
    # 2 of 4 are as told, which 2 is not: one of 6 sets.
    halving = fit_of([trial(1.0, 4, 4), trial(3.0, 4, 2)], "halving")
    assert halving.log_likelihood == pytest.approx(-math.log(6), abs=1e-3)


def test_upper_end_allows_for_what_calls_took_beyond_their_function() -> None:
    trials = [
        Trial(0, (1.0,) * 4, (True,) * 4, overhead_s=0.25),
        Trial(1, (3.0,) * 4, (False,) * 4, overhead_s=0.25),
    ]
    fixed = fit_of(trials, "fixed")
    assert (fixed.low_s, fixed.high_s) == (1.0, 3.25)


def test_void_and_cut_trials_say_nothing() -> None:
    assert fit_all([Trial(0, problem="lost"), Trial(1, cut=True)]) == []
    assert survival_steps([Trial(0, cut=True)]) == []


def test_survival_without_a_model_pools_what_goes_up() -> None:
    # By hand (pool adjacent violators): 1, 1 | 0, 1 -> 1/2 | 0.
    looks = [(1.0, True), (2.0, True), (3.0, False), (4.0, True), (5.0, False)]
    trials = [Trial(place, (idle_s,), (alive,)) for place, (idle_s, alive) in enumerate(looks)]
    assert survival_steps(trials) == [(1, 1), (2, 1), (3, 0.5), (4, 0.5), (5, 0)]


def test_sandboxes_of_one_idle_time_are_one_point_whatever_the_order_of_milliseconds() -> None:
    # 1 of 8 lives, and was looked at first: by time alone all others would come after it, and the curve end at 0.
    early = Trial(0, tuple(13.0 + 0.001 * place for place in range(8)), (True,) + (False,) * 7)
    late = Trial(1, tuple(13.02 + 0.001 * place for place in range(8)), (False,) * 7 + (True,))
    assert survival_steps([early]) == [(pytest.approx(13.0035), 1 / 8)]
    assert survival_steps([early, late]) == [(pytest.approx(13.0135), 1 / 8)]
    assert [share for _, share in survival_steps([trial(1.0, 8, 8), early, trial(20.0, 8, 0)])] == [1, 1 / 8, 0]


def test_bisection_halves_its_bracket_on_a_logarithmic_scale() -> None:
    assert bisect(1.0, 1600.0, 0.05, 2, []) == [40.0, 40.0]
    kept = trial(40.0, 2, 2)
    assert bisect(1.0, 1600.0, 0.05, 1, [kept]) == [pytest.approx(math.sqrt(40 * 1600))]
    gone = trial(253.0, 2, 0)
    assert bisect(1.0, 1600.0, 0.05, 1, [kept, gone]) == [pytest.approx(math.sqrt(40 * 253))]
    assert bisect(1.0, 1600.0, 0.05, 1, [trial(250.0, 2, 2), gone]) == []


@pytest.mark.parametrize("live_s", [0.5, 3.0, 380.0, 5000.0])
def test_bisection_ends_within_its_steps_wherever_the_time_lies(live_s: float) -> None:
    trials: list[Trial] = []
    steps = 0
    while idles_s := bisect(1.0, 1600.0, 0.05, 3, trials):
        trials += [trial(idle_s, 4, 4 if idle_s < live_s else 0) for idle_s in idles_s]
        steps += 1
    assert steps <= bisection_steps(1.0, 1600.0, 0.05) == 8
    if 1 < live_s < 1600:
        best = fit_all(trials)[0]
        assert best.low_s is not None
        assert best.high_s is not None
        assert best.low_s <= live_s <= best.high_s <= best.low_s * 1.05
