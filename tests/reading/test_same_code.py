"""What identical code shows, of stored runs in which it is known how far apart the sides are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sebsx.model import Design, Factor, RunStatus
from sebsx.model.metrics import CORE_METRICS
from sebsx.reading.comparison import ComparisonReport, compare_runs
from sebsx.reading.comparison.same_code import LEAST_TRIALS, SameCode, newest, same_code
from sebsx.stats import Verdict
from sebsx.store import Store, open_store
from sebsx.testing.runs import RunWriter

MACHINE = {"cpu_model": "AMD EPYC 9B14", "cpu_count": 8}
FACTORS = (Factor(name="version", implies=("benchmark", "folder"), base="base"), Factor(name="trial"))
LATENCY = next(metric for metric in CORE_METRICS if metric.name == "client.latency_s")
SAME = {"base": "a" * 64, "new": "a" * 64}
CHANGED = {"base": "a" * 64, "new": "b" * 64}
SANDBOXES = 12


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.sqlite") as opened:
        yield opened


def world(
    store: Store,
    *,
    between: float = 0.004,
    functions: float = 0.0,
    factor: float = 1.0,
    trials: int = LEAST_TRIALS,
    codes: dict[str, str] = SAME,
    machine: dict[str, Any] = MACHINE,
    number: int = 1,
    **more: Any,
) -> RunWriter:
    """Write comparisons in turns; `between` is how much sandboxes differ, `functions` how much deployments do."""
    rng = np.random.default_rng(number)
    writer = RunWriter(
        store, number, experiment="selftest", design=Design.RMIT, environment=machine, factors=FACTORS,
        started_s=1_764_400_000.0 + number,
    )  # fmt: skip
    for trial in range(trials):
        rounds = range(trial * SANDBOXES, (trial + 1) * SANDBOXES)
        drift = rng.normal(0, 0.1, SANDBOXES)
        for version, digest in codes.items():
            luck = rng.normal(0, functions) + rng.normal(0, between, SANDBOXES) + drift
            values = 0.02 * np.exp(luck) * (factor if version == "new" else 1.0)
            writer.add(
                values.tolist(), rounds=rounds, version=version, trial=trial, benchmark_sha256=digest, **more
            )  # fmt: skip
    return writer


def shown(writer: RunWriter) -> SameCode:
    (found,) = same_code(writer.finish(), [LATENCY])
    return found


@pytest.mark.slow
def test_calm_machine_shows_nothing(store: Store) -> None:
    found = shown(world(store, trials=20))
    assert len(found.trials) == 20
    assert found.within < 0.01
    assert (found.alarms, found.unsure) == (0, False)
    assert found.words.startswith("on this machine identical code differs by up to ")
    assert found.words.endswith(" % in 95 % of 20 trials (client.latency_s on fake, selftest of 29 Nov 2025)")


@pytest.mark.slow
def test_sandboxes_that_differ_make_identical_code_differ_but_no_interval_wrong(store: Store) -> None:
    found = shown(world(store, between=0.05, trials=20))
    assert 0.02 < found.within < 0.08
    assert not found.unsure


@pytest.mark.slow
def test_noise_of_the_machine_that_no_sandbox_evens_out_is_seen(store: Store) -> None:
    found = shown(world(store, functions=0.04, trials=20))
    assert found.different >= 15
    assert found.unsure
    assert found.alarms > 2


@pytest.mark.slow
def test_within_is_the_nineteenth_of_twenty(store: Store) -> None:
    found = shown(world(store, between=0.03, trials=20))
    sizes = sorted(trial.size for trial in found.trials)
    assert found.within == sizes[18]
    few = shown(world(store, trials=3, number=2))
    assert few.within == max(trial.size for trial in few.trials)
    assert few.largest.endswith("in all of 3 trials")


def test_other_code_or_one_side_or_one_after_the_other_is_no_trial(store: Store) -> None:
    assert same_code(world(store, codes=CHANGED, trials=2).finish(), [LATENCY]) == []
    assert same_code(world(store, codes={"base": "a" * 64}, trials=2, number=2).finish(), [LATENCY]) == []
    writer = RunWriter(store, 3, factors=FACTORS)
    writer.add([0.1] * 12, version="base", benchmark_sha256="a")
    writer.add([0.1] * 12, version="new", benchmark_sha256="a")
    assert same_code(writer.finish(), [LATENCY]) == []


def test_what_was_interrupted_keeps_its_trials(store: Store) -> None:
    writer = world(store)
    rounds = range(1000, 1003)
    writer.add([0.02] * 3, rounds=rounds, version="base", trial=99, benchmark_sha256="a" * 64)
    (found,) = same_code(writer.finish(RunStatus.INTERRUPTED), [LATENCY])
    assert len(found.trials) == LEAST_TRIALS


def compared(store: Store, factor: float) -> ComparisonReport:
    view = world(store, trials=1, factor=factor, codes=CHANGED, number=9).finish()
    return compare_runs([view], trials=newest(store, [view]))


def test_change_that_identical_code_shows_as_well_is_said_to_be_none_of_the_codes(store: Store) -> None:
    noise = shown(world(store, functions=0.05))
    report = compared(store, 1.055)
    (row,) = report.rows
    assert row.verdict is Verdict.REGRESSION
    assert row.doubt == f"no larger than what identical code shows on this machine ({noise.largest})"
    findings = [finding.text for finding in report.to_report().findings]
    assert noise.words in findings
    assert any(text.startswith("regression: ") and text.endswith(row.doubt) for text in findings)
    assert noise.words in report.to_markdown()
    assert row.doubt in report.to_markdown()
    assert report.document()["same_code"][0]["within"] == noise.within


def test_larger_change_stands_beside_the_sentence_without_doubt(store: Store) -> None:
    noise = shown(world(store))
    report = compared(store, 1.2)
    assert (report.rows[0].verdict, report.rows[0].doubt) == (Verdict.REGRESSION, "")
    assert [one.words for one in report.same_code] == [noise.words]


@pytest.mark.slow
def test_newest_of_the_machine_and_the_platform_is_taken(store: Store) -> None:
    world(store, number=1).finish()
    wanted = world(store, number=2).finish()
    world(store, trials=LEAST_TRIALS - 1, number=3).finish()
    world(store, number=4, machine={**MACHINE, "cpu_count": 2}).finish()
    elsewhere = {"deployment": {"platform": "elsewhere"}}
    world(store, number=5, **elsewhere).finish()
    view = world(store, trials=1, codes=CHANGED, number=9).finish()
    found = newest(store, [view])
    assert found is not None
    assert found.run.id == wanted.run.id
    assert newest(store, [world(store, trials=1, number=10, machine={"cpu_count": 64}).finish()]) is None


def test_run_does_not_stand_beside_itself(store: Store) -> None:
    view = world(store).finish()
    assert newest(store, [view]) is None
