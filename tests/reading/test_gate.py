"""Thresholds of a gate: how they are read, and what becomes of them; the numbers are worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sebsx.errors import ThresholdError, UserError
from sebsx.model import Cell, Plan, StartType, Status
from sebsx.model.metrics import CORE_METRICS
from sebsx.reading import gate
from sebsx.reading.thresholds import Threshold
from sebsx.store import open_store
from sebsx.testing.runs import RunWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sebsx.reading.gate import Judgement
    from sebsx.store import Store

METRICS = {metric.name: metric for metric in CORE_METRICS}
# 100 latencies of 1 to 100 ms: the median is 50.5 ms, p95 is 95.05 ms.
RISING = [place / 1000 for place in range(1, 101)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "results.sqlite") as opened:
        yield opened


def told(
    store: Store, latencies_s: Sequence[float], *texts: str, failing: int = 0, cost: float | None = 1e-6
) -> list[Judgement]:
    """Return what becomes of thresholds where calls took so long, and so many more failed."""
    writer = RunWriter(store)
    writer.add(latencies_s, changes={"cost_usd": cost})
    if failing:
        writer.add([1.0] * failing, changes={"status": Status.TIMEOUT, "start_type": StartType.UNKNOWN})
    return gate.judged(texts, [writer.finish()], METRICS)


@pytest.mark.parametrize(
    ("text", "metric", "q", "above", "limit"),
    [
        ("p95>300ms", "client.latency_s", 0.95, True, 0.3),
        ("p99.9 > 2 s", "client.latency_s", 0.999, True, 2.0),
        ("median<1s", "client.latency_s", 0.5, False, 1.0),
        ("p50>0", "client.latency_s", 0.5, True, 0.0),
        ("function.duration_s>1m", "function.duration_s", 0.5, True, 60.0),
        ("client.response_s.p99.9>1s", "client.response_s", 0.999, True, 1.0),
        ("phase.read_s.p90>5ms", "phase.read_s", 0.9, True, 0.005),
        ("provider.max_memory_bytes>128MiB", "provider.max_memory_bytes", 0.5, True, 128 * 2**20),
        ("errors>1%", "errors", None, True, 0.01),
        ("errors>0", "errors", None, True, 0.0),
        ("cost>$2.50", "cost_per_million_usd", None, True, 2.5),
        ("cost_per_million_usd > 2.5 USD", "cost_per_million_usd", None, True, 2.5),
    ],
)
def test_a_threshold_is_read_with_its_unit(text: str, metric: str, q: float | None, above: bool, limit: float) -> None:
    read = Threshold.parse(text, METRICS)
    assert (read.metric.name, read.q, read.above) == (metric, q, above)
    assert read.limit == pytest.approx(limit)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("p95", "not a threshold (e.g. p95>300ms"),
        ("p95>=300ms", "not a threshold"),
        ("p95>", "not a threshold"),
        ("p95>300", "'300' has no unit; write 300ms"),
        ("p95>300 parsecs", "not a duration"),
        ("provider.max_memory_bytes>5", "write 5MiB"),
        ("errors>1", "not a share (e.g. 1% or 0.01)"),
        ("errors>-1%", "not a number of 0 or more"),
        ("cost>much", "not an amount of USD"),
        ("p100>1s", "not a quantile"),
        ("latency>1s", "is not known"),
        ("function.duration>1s", "did you mean 'function.duration_s'?"),
        ("client.way>1", "is not known"),
    ],
)
def test_what_is_no_threshold_is_named_with_what_helps(text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        Threshold.parse(text, METRICS)
    assert words in str(caught.value)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("text", "crossed"),
    [
        ("p95>95ms", True),
        ("p95>96ms", False),
        ("p95<96ms", True),
        ("median>50ms", True),
        ("median>51ms", False),
        ("errors>0", False),
        ("cost>0.99", True),
        ("cost>1.01", False),
        ("warm p95>95ms", True),
        ("echo 256 warm p95>96ms", False),
    ],
)
def test_a_threshold_is_crossed_by_what_lies_beyond_it(store: Store, text: str, crossed: bool) -> None:
    (judged,) = told(store, RISING, text)
    assert judged.crossed is crossed


def test_what_was_not_answered_is_later_than_all_that_was(store: Store) -> None:
    late, kept, share = told(store, RISING, "p95>10s", "median>80ms", "errors>9%", failing=10)
    assert (late.crossed, kept.crossed, share.crossed) == (True, False, True)
    assert (late.estimate.unserved, kept.estimate.unserved) == (pytest.approx(10 / 110), None)
    assert late.sentence == "p95 of client.latency_s of echo 256 MiB warm not reached: 9.09 % failed"
    assert kept.value.startswith("55.5 ms")  # of 110, of which 10 are late: between the 55th and the 56th


@pytest.mark.parametrize(("text", "needed"), [("p95>1ms", 59), ("p99>1ms", 299), ("median>1ms", 5), ("p5<1ms", 59)])
def test_a_quantile_of_too_few_samples_is_refused_with_how_many_it_takes(store: Store, text: str, needed: int) -> None:
    judged = told(store, (RISING * 3)[: needed - 1], text)
    assert judged[0].crossed is None
    with pytest.raises(UserError, match=f"needs at least {needed} invocations and there are {needed - 1}; take more"):
        gate.raise_for(judged, [text])


def test_no_price_is_no_pass(store: Store) -> None:
    judged = told(store, RISING, "cost>1", cost=None)
    with pytest.raises(UserError, match="no price is known; name one with --price-as"):
        gate.raise_for(judged, ["cost>1"])


def test_nothing_measured_is_no_pass(store: Store) -> None:
    with pytest.raises(UserError, match="nothing was measured"):
        gate.raise_for(gate.judged(["p95>1s"], [RunWriter(store).finish()], METRICS), ["p95>1s"])


def test_the_worst_is_named_and_the_others_are_counted(store: Store) -> None:
    writer = RunWriter(store)
    for memory_mib, factor in ((256, 4.0), (512, 2.0), (1024, 0.5)):
        writer.add([factor * value for value in RISING], memory_mib=memory_mib)
    texts = ["p95>100ms"]
    with pytest.raises(ThresholdError) as caught:
        gate.raise_for(gate.judged(texts, [writer.finish()], METRICS), texts)
    text = str(caught.value)
    assert text.startswith("--fail-if p95>100ms: p95 of client.latency_s of echo 256 MiB warm is 380 ms [")
    assert text.endswith("; p95>100ms is crossed by 2 of 3 conditions")


def test_a_word_that_names_no_condition_is_told_with_the_nearest(store: Store) -> None:
    with pytest.raises(UserError, match="'wram' is not known; did you mean 'warm'"):
        told(store, RISING, "wram p95>1s")


def test_a_plan_of_too_few_invocations_is_refused_before_anything_runs() -> None:
    cells = tuple(Cell({"benchmark": "echo", "start": start}, n) for start, n in (("cold", 20), ("warm", 60)))
    plan = Plan(cells, deployments=1)
    gate.check(["warm p95>1s", "errors>1%", "restored warm median>1s"], plan, METRICS)
    with pytest.raises(UserError, match="needs at least 59 invocations of each condition and 20 are planned"):
        gate.check(["p95>1s"], plan, METRICS)
    with pytest.raises(UserError, match="'wram' is not known; did you mean 'warm'"):
        gate.check(["wram p95>1s"], plan, METRICS)
