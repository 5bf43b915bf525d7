"""Calls grouped by their sandboxes, and sandboxes of two sides paired by the rounds that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from sebsx.model import Design
from sebsx.reading.blocks import Observations, paired
from sebsx.reading.comparison import Options, compare_runs
from sebsx.reading.conditions import conditions
from sebsx.reading.estimates import median_estimate, tail_estimate
from sebsx.reading.summaries import summaries
from sebsx.stats import Verdict
from sebsx.store import Store, open_store
from sebsx.testing.runs import RunWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SENTENCE = "measured in 1 sandbox: a difference of a few percent may be that of the sandbox"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.sqlite") as opened:
        yield opened


def observed(values: Sequence[float], sandboxes: Sequence[int], rounds: Sequence[int] | None = None) -> Observations:
    numbers = np.asarray(range(len(values)) if rounds is None else rounds, dtype=float)
    return Observations(np.asarray(values, dtype=float), np.asarray(sandboxes, dtype=np.int32), rounds=numbers)


def test_estimate_is_the_median_over_sandboxes_with_their_interval() -> None:
    values = observed([*range(1, 8), 10, 20, 30], [0, 1, 2, 3, 4, 5, 6, 6, 6, 6])
    # The sandboxes have 1, 2, 3, 4, 5, 6 and the median of 7, 10, 20 and 30; seven cover 95 % from rank 1 to 7.
    found = median_estimate(values)
    assert (found.value, found.low, found.high, found.n, found.blocks) == (4.0, 1.0, 15.0, 10, 7)


@pytest.mark.parametrize(("sandboxes", "note"), [([0] * 30, "1 sandbox"), ([0, 1, 2] * 10, "3 sandboxes")])
def test_few_sandboxes_give_no_interval_and_say_so(sandboxes: list[int], note: str) -> None:
    found = median_estimate(observed(range(1, 31), sandboxes))
    assert (found.low, found.high, found.note) == (None, None, note)
    assert found.value is not None


def test_calls_of_sandboxes_of_their_own_are_units() -> None:
    values = np.arange(1.0, 31.0)
    assert median_estimate(observed(values, range(30))) == median_estimate(values)
    assert tail_estimate(observed(values, range(30)), 0.9) == tail_estimate(values, 0.9)


def test_tail_of_shared_sandboxes_has_no_interval() -> None:
    values = np.arange(1.0, 301.0)
    found = tail_estimate(observed(values, [place % 10 for place in range(300)]), 0.9)
    assert (found.value, found.low, found.high) == (tail_estimate(values, 0.9).value, None, None)


def test_sandboxes_are_paired_by_the_rounds_they_share() -> None:
    base = observed([1, 2, 3, 4, 5, 6], [7, 7, 7, 8, 8, 9], range(6))
    new = observed([10, 20, 30, 40, 50], [3, 3, 3, 4, 4], range(5))
    old, young = paired(base, new)
    # The last round is of one side only.
    assert old.medians.tolist() == [2.0, 4.5]
    assert young.medians.tolist() == [20.0, 45.0]


def test_sandbox_that_outlives_its_partner_makes_one_block_of_both() -> None:
    base = observed([1, 2, 3, 4], [0, 0, 1, 1], range(4))
    new = observed([1, 2, 3, 4], [5, 5, 5, 6], range(4))
    assert [len(side.medians) for side in paired(base, new)] == [1, 1]


def test_sandboxes_that_serve_one_round_together_are_one_block() -> None:
    base = observed([1, 2, 3, 4], [0, 1, 2, 3], [0, 0, 1, 1])
    new = observed([1, 2, 3, 4], [0, 1, 2, 3], [0, 0, 1, 1])
    assert [side.medians.tolist() for side in paired(base, new)] == [[1.5, 3.5], [1.5, 3.5]]


def versions(store: Store, per_sandbox: int, factor: float = 1.0, number: int = 1, **changes: object) -> RunWriter:
    rng = np.random.default_rng(3)
    writer = RunWriter(store, number, design=Design.RMIT, settings={"sandboxes": 0})
    for version, by in (("base", 1.0), ("new", factor)):
        values = (0.02 * by * rng.lognormal(0, 0.01, 60)).tolist()
        writer.add(values, rounds=range(60), per_sandbox=per_sandbox, version=version, changes=changes)
    return writer


def test_one_sandbox_a_side_decides_nothing_and_says_why(store: Store) -> None:
    report = compare_runs([versions(store, 0, 1.1).finish()])
    (row,) = report.rows
    assert row.verdict is Verdict.INCONCLUSIVE
    assert row.reason.startswith(SENTENCE)
    assert row.ratio.value == pytest.approx(1.1, rel=0.01)
    assert (row.ratio.low, row.p, report.judged) == (None, None, False)


def test_blocks_decide_and_are_counted(store: Store) -> None:
    (row,) = compare_runs([versions(store, 6, 1.1).finish()]).rows
    assert (row.verdict, row.cells()["n"]) == (Verdict.REGRESSION, "10 pairs")
    assert (row.base.n, row.base.blocks) == (60, 10)


def test_sandbox_may_be_allowed_to_be_what_differs(store: Store) -> None:
    report = compare_runs([versions(store, 0, 1.1).finish()], options=Options(allow=frozenset({"sandbox"})))
    assert (report.rows[0].verdict, report.rows[0].cells()["n"]) == (Verdict.REGRESSION, "60 pairs")
    assert any("calls are taken as units" in text for text in report.warnings)


def test_sandboxes_that_nobody_told_give_no_interval(store: Store) -> None:
    view = versions(store, 1, 1.1, sandbox_id=None).finish()
    (row,) = compare_runs([view]).rows
    assert row.verdict is Verdict.INCONCLUSIVE
    assert row.reason.startswith("measured in unknown sandboxes")
    found = {one.name: one.estimate for one in summaries(conditions([view])[0])}
    assert (found["client.latency_s.p50"].low, found["client.latency_s.p50"].note) == (None, "sandboxes unknown")


def test_two_runs_are_compared_by_their_sandboxes(store: Store) -> None:
    views = [versions(store, 6, 1.1, number).finish() for number in (1, 2)]
    report = compare_runs(views[:1], views[1:])
    assert {row.cells()["n"] for row in report.rows} == {"60 in 10 sandboxes"}
