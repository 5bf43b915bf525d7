from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sebsx.contracts.analyzers import Estimate, Report
from sebsx.store import Store
from sebsx.testing.runs import RunWriter
from sebsx_quality.series import explained_by, outlier_share, thinned, warm_up_of
from sebsx_quality.stability import Stability

Analyze = Callable[..., Report]
Damage = Callable[[str], None]


def noise(n: int, *, around_s: float = 0.1, spread: float = 0.02, seed: int = 1) -> list[float]:
    rng = random.Random(seed)
    return [around_s * (1 + rng.uniform(-spread, spread)) for _ in range(n)]


def row(report: Report, place: int = 0) -> Any:
    return report.tables[0].rows[place]


def texts(report: Report) -> str:
    return "\n".join(finding.text for finding in report.findings)


def test_level_series_is_stable_and_says_how_much_it_varies(store: Store, analyze: Analyze) -> None:
    writer = RunWriter(store)
    writer.add(noise(200))
    writer.finish()
    found = row(analyze(Stability))
    assert (found["verdict"], found["changes"], found["modes"], found["outliers"]) == ("stable", 0, 1, 0)
    assert found["cv"] == pytest.approx(0.02 / 3**0.5, rel=0.1)  # evenly spread over +-2 %
    assert found["span_s"] == 199


def test_drift_is_found_with_its_size_and_interval(store: Store, analyze: Analyze) -> None:
    writer = RunWriter(store)
    values = noise(200)
    writer.add([value * (0.9 + 0.2 * place / 199) for place, value in enumerate(values)])
    writer.finish()
    report = analyze(Stability)
    drift = row(report)["drift"]
    assert "drifts" in row(report)["verdict"]
    assert drift.value == pytest.approx(0.2, abs=0.02)  # from 0.9 to 1.1 of the median
    assert drift.low < drift.value < drift.high
    assert "became slower by" in texts(report)


@pytest.mark.slow
def test_drift_for_an_hour_is_told_only_where_it_was_measured_so_long(store: Store, analyze: Analyze) -> None:
    writer = RunWriter(store)
    writer.add([0.1 + 1e-6 * place for place in range(7201)])  # a second apart: two hours
    writer.add([0.1 + 1e-6 * place for place in range(100)], memory_mib=512)
    writer.finish()
    long, short = (row(analyze(Stability), place) for place in (0, 1))
    assert long["per_hour"].value == pytest.approx(long["drift"].value / 2, rel=1e-3)
    assert short["per_hour"] is None


def test_jump_is_found_where_it_is_with_both_levels(store: Store, analyze: Analyze) -> None:
    writer = RunWriter(store)
    writer.add([*noise(60), *noise(60, around_s=0.15, seed=2)])
    writer.finish()
    report = analyze(Stability)
    (change,) = next(table for table in report.tables if table.name == "changes").rows
    assert (change["sequence"], change["at_s"]) == (61, pytest.approx(60, abs=0.1))
    assert change["ratio"] == pytest.approx(1.5, rel=0.02)
    assert "jumps" in row(report)["verdict"]


@pytest.mark.slow
def test_noise_alone_is_no_finding(store: Store, analyze: Analyze) -> None:
    writer = RunWriter(store)
    for number in range(20):
        writer.add(noise(60, spread=0.3, seed=number), step=number)
    writer.finish()
    report = analyze(Stability)
    assert {found["verdict"] for found in report.tables[0].rows} <= {"stable", "nothing found"}
    assert [finding.text for finding in report.findings if finding.warning] == []


def test_few_samples_are_not_enough_data_and_not_stable(store: Store, analyze: Analyze) -> None:
    writer = RunWriter(store)
    writer.add([0.1] * 9)
    writer.finish()
    report = analyze(Stability)
    assert row(report)["verdict"] == "not enough data"
    assert row(report)["drift"] == Estimate(None, n=9, note="not enough data")
    assert "1 of 1 conditions have fewer than 10 samples" in texts(report)
    assert report.figures == []


def test_wide_drift_interval_is_not_called_stable(store: Store, analyze: Analyze) -> None:
    writer = RunWriter(store)
    writer.add(noise(12, spread=0.5))
    writer.finish()
    assert row(analyze(Stability))["verdict"] == "nothing found"


def two_processors(store: Store) -> list[int]:
    """Write 100 calls in 10 sandboxes, and return whose each is; odd ones take half as long again, on another CPU."""
    writer = RunWriter(store)
    order = random.Random(3)
    numbers = [number % 10 for number in range(100)]
    order.shuffle(numbers)
    values = noise(100)
    cell = writer.add([value * (1.5 if number % 2 else 1.0) for value, number in zip(values, numbers, strict=True)])
    assert cell == 1
    for number in range(10):
        store.design.add_sandbox(1, f"box-{number}", {"cpu_model": "new" if number % 2 else "old"})
    writer.finish()
    return numbers


def test_two_modes_are_explained_by_the_processor(store: Store, damage: Damage, analyze: Analyze) -> None:
    numbers = two_processors(store)
    damage(";".join(
        f"UPDATE invocation SET sandbox_id = 'box-{number}' WHERE sequence = {sequence}"
        for sequence, number in enumerate(numbers, 1)
    ))  # fmt: skip
    report = analyze(Stability)
    found = row(report)
    assert found["modes"] == 2
    # Ranks 1-50 against 51-100: H = 99 * (between / total) = 99 * 0.75007 -> (74.26 - 1) / 98
    assert found["by_cpu"] == pytest.approx(0.7475, abs=0.001)
    assert "CPU models explain 75% of the spread" in texts(report)
    strata = next(table for table in report.tables if table.name == "cpu-models").rows
    assert [(item["cpu_model"], item["sandboxes"], item["n"]) for item in strata] == [("new", 5, 50), ("old", 5, 50)]
    assert strata[0]["median_s"].value == pytest.approx(0.15, rel=0.02)
    assert set(report.figures[0].series) == {"new", "old"}


def test_first_calls_of_each_sandbox_that_are_slow_are_told_and_kept(
    store: Store, damage: Damage, analyze: Analyze
) -> None:
    writer = RunWriter(store)
    values = noise(200)
    for place in range(200):
        values[place] *= 2 if place % 40 < 4 else 1  # five sandboxes of 40 calls, the first 4 slow
    writer.add(values)
    writer.finish()
    damage("UPDATE invocation SET sandbox_id = 'box-' || ((sequence - 1) / 40)")
    report = analyze(Stability)
    assert row(report)["warm_up"] == pytest.approx(2, rel=0.03)
    assert row(report)["n"] == 200
    assert "warms up" in row(report)["verdict"]


def test_infinite_values_are_left_out_and_said_to_be(store: Store, damage: Damage, analyze: Analyze) -> None:
    writer = RunWriter(store)
    writer.add(noise(50))
    writer.finish()
    damage("UPDATE invocation SET client_done_s = 9e999 WHERE sequence = 7")
    report = analyze(Stability)
    assert row(report)["n"] == 49
    assert "1 values are infinite or not positive and were left out" in texts(report)


def test_figures_show_the_least_stable_first_and_say_what_is_not_drawn(store: Store, analyze: Analyze) -> None:
    writer = RunWriter(store)
    writer.add(noise(60))
    writer.add([*noise(60), *noise(60, around_s=0.3)], memory_mib=512)
    writer.add([*noise(60), *noise(60, around_s=0.2)], memory_mib=256)
    writer.finish()
    report = analyze(Stability, figures=1)
    assert [figure.title for figure in report.figures] == ["echo 512 MiB warm: client.latency_s over time"]
    assert "the 1 least stable of 2 conditions that are not stable are drawn" in texts(report)
    assert len(analyze(Stability).figures) == 2  # nothing was found in the third


def test_least_stable_condition_is_drawn_where_nothing_is_found(store: Store, analyze: Analyze) -> None:
    writer = RunWriter(store)
    writer.add(noise(60))
    writer.add(noise(60), memory_mib=512)
    writer.finish()
    assert len(analyze(Stability).figures) == 1


def test_thinning_keeps_the_extremes_and_the_order() -> None:
    times = np.arange(10_000.0)
    values = np.ones(10_000)
    values[1234], values[8765] = 50.0, 0.01
    points = thinned(times, values, 100)
    assert len(points) <= 100
    assert {(1234.0, 50.0), (8765.0, 0.01)} <= set(points)
    assert points == sorted(points)


def test_share_between_groups_is_that_of_kruskal_wallis() -> None:
    # Ranks 1..5, 6..10, 11..15: H = 12/(15*16) * (15^2 + 40^2 + 65^2)/5 - 3*16 = 12.5; (12.5 - 3 + 1) / (15 - 3)
    values = np.arange(1.0, 16.0)
    found = explained_by(values, [np.arange(5), np.arange(5, 10), np.arange(10, 15)])
    assert found is not None
    assert (found.share, found.groups, found.n) == (pytest.approx(0.875), 3, 15)
    assert found.p == pytest.approx(np.exp(-12.5 / 2))  # chi-squared with two degrees of freedom


def test_groups_too_small_to_compare_are_not_compared() -> None:
    values = np.arange(1.0, 11.0)
    assert explained_by(values, [np.arange(6), np.arange(6, 10)]) is None
    assert explained_by(np.ones(10), [np.arange(5), np.arange(5, 10)]).share == 0  # type: ignore[union-attr]


def test_outliers_lie_beyond_three_interquartile_ranges() -> None:
    assert outlier_share(np.array([*range(1, 100), 1000.0])) == pytest.approx(0.01)
    assert outlier_share(np.arange(19.0)) is None


def test_warm_up_needs_sandboxes_with_many_calls() -> None:
    assert warm_up_of(np.ones(30), [np.arange(10), np.arange(10, 30)]) is None
