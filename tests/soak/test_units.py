"""What docs/methods/statistics.md promises of units, measured: by long simulations and by A/A runs of the product."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from sebsx.stats import Verdict
from tests.running.test_blocks import compare_once
from tests.soak import kills
from tests.stats.test_means import SHAPES, Draw, wrong

UNITS = Path(__file__).parent / "units"
RUNS = 40
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
@pytest.mark.parametrize("benchmark", ["set_order", "chain"])
def test_same_code_is_called_different_as_rarely_as_promised(tmp_path: Path, benchmark: str) -> None:
    cli = kills.make_cli(tmp_path)
    folder = str(UNITS / benchmark)
    excluded = alarms = 0
    for seed in range(RUNS):
        made = cli.say("run", "benchmark", folder, "--against", folder, "--start", "warm", "--seed", str(seed))
        assert made.code == 0, made.stderr
        judged = cli.say("compare", "last", "--metric", "function.duration_s", "--fail-on", "regression")
        alarms += judged.code == 1
        said = json.loads(cli.say("--json", "compare", "last", "--metric", "function.duration_s").stdout)
        (row,) = [row for row in said["rows"] if row["statistic"] == "p50"]
        excluded += not row["ratio"]["low"] <= 1 <= row["ratio"]["high"]
    print(f"{benchmark}: {excluded} intervals of {RUNS} exclude no change, {alarms} gates failed")
    assert excluded / RUNS <= most(0.05, RUNS)
    assert alarms / RUNS <= most(0.05, RUNS)
