"""How samples are spread over sandboxes, and that the pilot finds enough without seeing the difference."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sebsx.running.blocks import PILOT, Blocks, Spreading
from sebsx.stats import Verdict, block_medians, compare_samples, verdict


@pytest.mark.parametrize(
    ("samples", "told", "users", "expected"),
    [
        (30, 0, 1, (10, 3)),
        (8, 0, 1, (8, 1)),
        (5, 0, 1, (1, 5)),  # no six to be had
        (60, 20, 1, (20, 3)),
        (4, 20, 1, (4, 1)),
        (30, 0, 8, (10, 8)),  # each user has a call in every sandbox of its own
    ],
)
def test_samples_are_spread_over_ten_sandboxes_unless_told(
    samples: int, told: int, users: int, expected: tuple[int, int]
) -> None:
    found = Spreading.of(samples, told, users)
    assert (found.sandboxes, found.calls) == expected
    assert found.most_samples == found.samples == expected[0] * expected[1]


def test_budget_of_a_comparison_is_ten_calls_of_sixty_sandboxes() -> None:
    assert Spreading.of(30, detect=0.1).most_samples == 600


def compare_once(rng: np.random.Generator, between: float, factor: float) -> tuple[Verdict, bool, int]:
    """Return verdict, whether the interval excludes no change, and the sandboxes of one comparison of two versions."""
    blocks = Blocks(Spreading.of(30, detect=0.1), [(0, 1)])
    sides: tuple[list[float], list[float]] = ([], [])
    numbers: list[int] = []
    while len(sides[0]) < blocks.samples:
        blocks.begin()
        drift, calls = rng.normal(0, 0.1), blocks.calls
        luck = rng.normal(0, between, 2)
        latencies = [np.exp(drift + luck[side] + rng.normal(0, 0.03, calls)) * factor**side for side in (0, 1)]
        for side in (0, 1):
            sides[side].extend(latencies[side])
        numbers += [len(set(numbers))] * calls
        assert blocks.took(calls)
        blocks.end([side.tolist() for side in latencies], block_s=0.05, call_s=0.02)
    base, new = (block_medians(side, numbers) for side in sides)
    found = compare_samples(base, new, pairs=True)
    return verdict(found), found.certain, len(base)


@pytest.mark.slow
@pytest.mark.parametrize("between", [0.0, 0.02, 0.05, 0.1])
def test_default_finds_ten_percent_and_keeps_its_level(between: float) -> None:
    """150 experiments each; the bounds are three standard errors from 95 % and 5 %."""
    rng = np.random.default_rng(round(1000 * between))
    found = [compare_once(rng, between, 1.1) for _ in range(150)]
    same = [compare_once(rng, between, 1.0) for _ in range(150)]
    assert sum(said is Verdict.REGRESSION for said, _, _ in found) / 150 >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 150)
    assert sum(certain for _, certain, _ in same) / 150 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)
    assert all(PILOT <= count <= 60 for _, _, count in found + same)


def test_design_does_not_see_which_side_is_slower() -> None:
    """What it decides follows from the sizes of the log ratios alone, so that the test of their signs is exact."""
    rng = np.random.default_rng(7)
    ratios = rng.lognormal(0, 0.1, 60)
    wanted = []
    for flips in (np.ones(60), -np.ones(60), rng.choice([-1, 1], 60)):
        blocks = Blocks(Spreading.of(30, detect=0.1), [(0, 1)])
        for ratio, flip in zip(ratios, flips, strict=True):
            blocks.begin()
            blocks.end([[1.0], [ratio**flip]])
            if blocks.samples <= blocks.calls * len(blocks._done):
                break
        wanted.append(blocks.wanted)
    assert len(set(wanted)) == 1


def test_calls_of_a_sandbox_follow_from_what_a_new_one_costs() -> None:
    rng = np.random.default_rng(1)
    chosen = []
    for block_s in (0.001, 1.0):
        blocks = Blocks(Spreading.of(30, detect=0.1), [(0, 1)])
        for _ in range(PILOT):
            luck = rng.normal(0, 0.05, 2)
            blocks.begin()
            blocks.end([np.exp(one + rng.normal(0, 0.02, 3)).tolist() for one in luck], block_s=block_s, call_s=0.02)
        chosen.append(blocks.calls)
    assert chosen[0] == 1
    assert 2 <= chosen[1] <= 10
