"""What docs/methods/statistics.md promises of units, measured: by long simulations and by A/A runs of the product."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from sebsx.stats import Verdict
from tests.plugins.communication.test_model import missed_by_model
from tests.running.test_blocks import compare_once
from tests.soak import kills
from tests.stats.test_lines import missed_by_lines
from tests.stats.test_means import SHAPES, Draw, wrong
from tests.stats.test_unserved import missed_by_load

UNITS = Path(__file__).parent / "units"
EXPERIMENTS = 2000


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
@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("n", [10, 30])
@pytest.mark.parametrize("shape", SHAPES)
def test_means_are_nominal_by_simulation(shape: Draw, n: int, pairs: bool) -> None:
    experiments = 1000
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
    alpha, beta = missed_by_model(blocks, 300)
    print(f"channels of {blocks} blocks: alpha {alpha:.4f} beta {beta:.4f}")
    assert max(alpha, beta) <= most(0.05, 300)


@pytest.mark.soak
@pytest.mark.parametrize("between", [0.0, 0.05, 0.2])
def test_median_of_a_load_is_nominal_by_simulation(between: float) -> None:
    refused, missed, apart = missed_by_load(between, EXPERIMENTS)
    print(f"load, {between} between: missed {missed:.4f} refused {refused:.4f}, calls as units {apart:.4f}")
    assert missed <= most(0.05, EXPERIMENTS)
    assert refused <= 0.02


@pytest.mark.soak
@pytest.mark.parametrize("part", [1, 2])
@pytest.mark.parametrize("benchmark", ["set_order", "chain"])
def test_same_code_is_called_different_as_rarely_as_promised(tmp_path: Path, benchmark: str, part: int) -> None:
    """Twenty comparisons of the product, or as many as eight minutes hold: a slow machine makes fewer."""
    cli = kills.make_cli(tmp_path)
    words = ("selftest", "--benchmark", str(UNITS / benchmark), "--max-time", "480", "--seed", str(part))
    said = json.loads(cli.say("--json", *words).stdout)
    (found,) = [one for one in said["same_code"] if one["metric"] == "function.duration_s"]
    trials, different, alarms = (found[name] for name in ("trials", "different", "alarms"))
    print(f"{benchmark}: {different} of {trials} intervals exclude no change, {alarms} gates failed; {found['words']}")
    assert different / trials <= most(0.05, trials)
    assert alarms / trials <= most(0.05, trials)
