"""What docs/methods/statistics.md promises of units, measured: by long simulations and by A/A runs of the product."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sebsx.contracts.analyzers import Estimate
from sebsx.model.starved import USED, is_starved
from sebsx.reading.lateness import RESPONSE, Punctuality
from sebsx.running.starvation import used_share
from sebsx.sandboxes.launcher import cpu_share, unearned
from sebsx.stats import (
    Comparison,
    Verdict,
    block_medians,
    compare_samples,
    mean_interval,
    order_statistic_interval,
    samples_for_difference,
    verdict,
)
from tests.plugins.communication.test_model import missed_by_model
from tests.running.test_blocks import compare_once
from tests.sandboxes.test_unearned import first_call
from tests.soak import gates, kills
from tests.stats.test_lines import missed_by_lines
from tests.stats.test_means import SHAPES, Draw, wrong
from tests.stats.test_unserved import missed_by_load


def draws(n: int) -> int:
    """Return how many experiments of `n` are simulated: fewer where it is only asked whether jobs start."""
    return math.ceil(n * float(os.environ.get("SOAK_DRAWS", "1")))


EXPERIMENTS = draws(2000)


def most(share: float, n: int) -> float:
    """Return the share that chance does not exceed: three standard errors above."""
    return share + 3 * math.sqrt(share * (1 - share) / n)


@pytest.mark.soak
@pytest.mark.parametrize("between", [0.0, 0.01, 0.02, 0.05, 0.075, 0.1])
def test_levels_and_power_are_nominal_by_simulation(between: float) -> None:
    rng = np.random.default_rng(20261130)
    same = [compare_once(rng, between, 1.0) for _ in range(EXPERIMENTS)]
    slower = [compare_once(rng, between, 1.1) for _ in range(EXPERIMENTS)]
    excluded = sum(certain for _, certain, _ in same) / EXPERIMENTS
    alarms = sum(said in {Verdict.REGRESSION, Verdict.IMPROVEMENT} for said, _, _ in same) / EXPERIMENTS
    found = sum(said is Verdict.REGRESSION for said, _, _ in slower) / EXPERIMENTS
    sandboxes = np.mean([count for _, _, count in slower])
    print(f"between {between:.3f}: excluded {excluded:.4f} alarms {alarms:.4f} found {found:.4f} of {sandboxes:.1f}")
    assert excluded <= most(0.05, EXPERIMENTS)
    assert alarms <= most(0.05, EXPERIMENTS)
    assert 1 - found <= most(0.05, EXPERIMENTS)


@pytest.mark.soak
@pytest.mark.parametrize("between", [0.0, 0.02, 0.05, 0.1])
def test_interval_of_a_median_is_nominal_by_simulation(between: float) -> None:
    rng, experiments, missed = np.random.default_rng(20261130), draws(1000), 0
    blocks = np.repeat(np.arange(12), 5)
    for _ in range(experiments):
        calls = np.exp(np.repeat(rng.normal(0, between, 12), 5) + rng.normal(0, 0.05, 60))
        interval = order_statistic_interval(block_medians(calls, blocks))
        missed += not interval.low <= 1 <= interval.high  # the platform's median
    print(f"median, {between} between: missed {missed / experiments:.4f}")
    assert missed / experiments <= most(0.05, experiments)


@pytest.mark.soak
@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("n", [10, 30])
@pytest.mark.parametrize("shape", SHAPES)
def test_means_are_nominal_by_simulation(shape: Draw, n: int, pairs: bool) -> None:
    experiments = draws(1000)
    different, _ = wrong(shape, n, experiments, pairs=pairs)
    _, missed = wrong(shape, n, experiments, pairs=pairs, factor=1.5)
    print(f"{shape.__name__} n={n} pairs={pairs}: different {different:.4f} missed {missed:.4f}")
    assert max(different, missed) <= most(0.05, experiments)


@pytest.mark.soak
@pytest.mark.parametrize("blocks", [6, 12])
def test_lines_are_nominal_by_simulation(blocks: int) -> None:
    missed = missed_by_lines(blocks, EXPERIMENTS)
    print(f"lines of {blocks} blocks: intercept {missed[0]:.4f} slope {missed[1]:.4f}")
    assert missed.max() <= most(0.05, EXPERIMENTS)


@pytest.mark.soak
@pytest.mark.parametrize("blocks", [6, 10])
def test_alpha_and_beta_are_nominal_by_simulation(blocks: int) -> None:
    alpha, beta = missed_by_model(blocks, draws(300))
    print(f"channels of {blocks} blocks: alpha {alpha:.4f} beta {beta:.4f}")
    assert max(alpha, beta) <= most(0.05, draws(300))


@pytest.mark.soak
@pytest.mark.parametrize("between", [0.0, 0.05, 0.2])
def test_median_of_a_load_is_nominal_by_simulation(between: float) -> None:
    refused, missed, apart = missed_by_load(between, EXPERIMENTS)
    print(f"load, {between} between: missed {missed:.4f} refused {refused:.4f}, calls as units {apart:.4f}")
    assert missed <= most(0.05, EXPERIMENTS)
    assert refused <= 0.02


@pytest.mark.soak
@pytest.mark.parametrize("pairs", [False, True])
def test_advice_tells_that_nothing_changed_as_often_as_promised_by_simulation(*, pairs: bool) -> None:
    rng, experiments = np.random.default_rng(20261130), draws(1000)
    advised = [_compared(rng, 20, pairs=pairs).needed or 0 for _ in range(draws(200))]
    n = round(float(np.median(advised)))  # one advice is as uncertain as the twenty values that it stands on
    found = sum(verdict(_compared(rng, n, pairs=pairs)) is Verdict.EQUIVALENT for _ in range(experiments)) / experiments
    print(f"advice, pairs={pairs}: {n} units, equivalent {found:.4f}")
    assert 1 - found <= most(0.2, experiments)


@pytest.mark.soak
@pytest.mark.parametrize("power", [0.8, 0.95])
@pytest.mark.parametrize("pairs", [False, True])
def test_difference_planned_for_is_found_as_often_as_promised_by_simulation(*, pairs: bool, power: float) -> None:
    rng, experiments = np.random.default_rng(20261130), draws(4000)  # so many that 77.9 % are not taken for 80
    n = samples_for_difference(0.1, 1.1, threshold=0.05, power=power, pairs=pairs)
    said = [verdict(_compared(rng, n, pairs=pairs, factor=1.1)) for _ in range(experiments)]
    found = said.count(Verdict.REGRESSION) / experiments
    print(f"planned, pairs={pairs} power={power}: {n} units, found {found:.4f}")
    assert 1 - found <= most(1 - power, experiments)


@pytest.mark.soak
@pytest.mark.parametrize("pairs", [False, True])
def test_unanswered_calls_are_no_difference_where_both_sides_have_them_by_simulation(*, pairs: bool) -> None:
    rng, experiments, n = np.random.default_rng(20261130), draws(1000), 30

    def side() -> NDArray[np.float64]:
        return np.where(rng.random(n) < 0.2, np.inf, rng.lognormal(0, 0.1, n))

    found = [compare_samples(side(), side(), threshold=0.05, pairs=pairs) for _ in range(experiments)]
    excluded = sum(each.certain for each in found) / experiments
    changed = sum(verdict(each) not in {Verdict.EQUIVALENT, Verdict.INCONCLUSIVE} for each in found) / experiments
    print(f"unanswered, pairs={pairs}: excluded {excluded:.4f} changed {changed:.4f}")
    assert max(excluded, changed) <= most(0.05, experiments)


@pytest.mark.soak
@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_late_generator_makes_no_quantile_longer_that_is_told_by_simulation(q: float) -> None:
    rng, experiments, n = np.random.default_rng(20261130), draws(1000), 2000
    told, wrong = 0, 0.0
    for _ in range(experiments):
        service_s = rng.lognormal(math.log(0.001), 0.3, n)  # 5 ms late on average, up to twice as many as may be
        late_s = np.where(rng.random(n) < rng.uniform(0, min(1.0, 2 * (1 - q))), rng.exponential(0.005, n), 0.0)
        response_s = float(np.quantile(service_s + late_s, q))
        generator = Punctuality(lateness_s=late_s, answered_s=service_s, late_s=late_s)
        if generator.believed(Estimate(response_s, n=n), q, RESPONSE).value is not None:
            told += 1
            wrong = max(wrong, response_s - max(1e-4, 0.05 * response_s) - float(np.quantile(service_s, q)))
    print(f"late generator, p{100 * q:g}: told {told / experiments:.4f}, too long by {max(wrong, 0.0) * 1e3:.4f} ms")
    assert wrong <= 2e-5  # what lies between two order statistics
    assert told


@pytest.mark.soak
@pytest.mark.parametrize("had", [0.5, 0.7, 0.79, 0.81, 0.9, 1.0])
def test_call_that_others_kept_from_its_processor_is_marked_by_simulation(had: float) -> None:
    rng, experiments = np.random.default_rng(20261130), draws(1000)
    marked = 0
    for _ in range(experiments):
        duration_s, vcpu = rng.uniform(0.1, 1.0), rng.choice([0.25, 0.5, 1.0])
        due_s = vcpu * duration_s  # and it would run all the time: what its quota takes is not lost
        samples = {"function.cpu_s": had * due_s, "function.runqueue_s": duration_s - had * due_s}
        used = used_share(samples, duration_s, vcpu)
        marked += is_starved({USED: 1.0 if used is None else used})
    print(f"busy host, {had:g} of what was due: marked {marked / experiments:.4f}")
    assert marked == (experiments if had < 0.8 else 0)


@pytest.mark.soak
@pytest.mark.parametrize("n", [29, 60, 200])
def test_interval_of_a_mean_with_one_cold_start_in_ten_by_simulation(n: int) -> None:
    rng, experiments = np.random.default_rng(20261130), draws(1000)
    truth, covered = math.exp(0.1**2 / 2) * (1 + 0.1 * 4), 0  # one in ten costs five times as much
    for _ in range(experiments):
        values = rng.lognormal(0, 0.1, n)
        interval = mean_interval(np.where(rng.random(n) < 0.1, 5 * values, values))
        covered += interval.low <= truth <= interval.high
    print(f"mean of {n}: covered {covered / experiments:.4f}")
    assert 1 - covered / experiments <= most(0.06, experiments)


@pytest.mark.soak
@pytest.mark.parametrize("memory_mib", [128, 256, 512, 1024, 1280, 1408, 1536])
def test_first_call_has_its_share_by_simulation(memory_mib: int) -> None:
    share = cpu_share(memory_mib)
    before, after = (first_call(share, 0.004, one) for one in (None, unearned(share, 0.004)))
    print(f"first call, {memory_mib} MiB: {before:.3f} of its time with a full quota, {after:.3f} as it is")
    assert abs(after - 1) <= 0.1


def _compared(rng: np.random.Generator, n: int, *, pairs: bool, factor: float = 1.0) -> Comparison:
    """Return a comparison of units that differ by 10 % and, on one side, by a factor."""
    return compare_samples(rng.lognormal(0, 0.1, n), factor * rng.lognormal(0, 0.1, n), threshold=0.05, pairs=pairs)


@pytest.mark.soak
@pytest.mark.parametrize("name", gates.JOBS)
def test_gate_calls_the_same_code_different_as_rarely_as_promised(tmp_path: Path, name: str) -> None:
    """Runs of the product: 2 to 8 minutes on two calm processors, up to 45 beside others' work."""
    job = gates.JOBS[name]
    found = gates.tally(list(gates.gates(kills.make_cli(tmp_path), job, job.runs, seed=1)))
    print(f"{name}: {found}")
    assert found.judged >= job.runs / 2, "too busy a machine: most runs were refused"
    assert found.alarms / found.judged <= most(job.alarms, found.judged)
    if job.excluded is not None:
        assert found.excluded / found.judged <= most(job.excluded, found.judged)
