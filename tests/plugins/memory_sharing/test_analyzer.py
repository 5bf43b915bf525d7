"""Planted memory comes back: private and shared parts, savings, a control that shares, published figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sebsx.store import Store
from sebsx.testing.runs import RunWriter
from sebsx_memory import metrics
from sebsx_memory.analyzer import IntervalSettings, MemorySharingAnalyzer
from sebsx_memory.experiment import MemorySharing
from sebsx_memory.recipe import PageMerging
from sebsx_memory.replicas import redundancy
from sebsx_reproduce.comparing import compare
from tests.orchestration import store_in

MIB = 2**20


@pytest.fixture
def store(tmp_path: Path):
    with store_in(tmp_path) as opened:
        yield opened


def add(writer: RunWriter, strategy: str, replicas: int, pss_mib: float, **more: Any) -> None:
    factors = {"model": "resnet50", "model_bytes": 100 * MIB, "weights": "same", "private_bytes": 0, **more}
    cell = writer.add([0.1] * replicas, strategy=strategy, replicas=replicas, **factors)
    figures = {
        metrics.PSS: pss_mib * MIB, metrics.RSS: 150.0 * MIB * replicas, metrics.USS: 10.0 * MIB * replicas,
        metrics.MODEL_PSS: (100.0 if more else 100.0 * replicas) * MIB, metrics.READ: 0.02,
        metrics.FIRST_WRITE: 1e-7 if strategy == "copy" else 4e-6, metrics.IDENTICAL: 0.5, metrics.ZERO: 0.01,
    }  # fmt: skip
    writer.add_executions(cell, [1.0] * 6, kind="replicas", figures=[figures] * 6)


def report_of(store: Store, *cells: tuple[Any, ...], **more: Any):
    writer = RunWriter(store, experiment="memory-sharing", factors=MemorySharing.factors, metrics=metrics.METRICS)
    for cell in cells:
        add(writer, *cell, **more)
    return MemorySharingAnalyzer().analyze([writer.finish()], IntervalSettings())


def test_private_and_shared_memory_are_found_and_savings_are_against_as_many_copies(store: Store) -> None:
    # 40 MiB private in each, 100 MiB shared by all: N * 40 + 100.
    cells = [("copy", n, 140.0 * n) for n in (1, 2, 4)] + [("mapped", n, 40.0 * n + 100) for n in (1, 2, 4)]
    report = report_of(store, *cells)
    (fit,) = [row for row in report.tables[2].rows if row["strategy"] == "mapped"]
    assert fit["private_bytes"] == pytest.approx(40 * MIB)
    assert fit["shared_bytes"] == pytest.approx(100 * MIB)
    saved = {(row["strategy"], row["replicas"]): row["saving"] for row in report.tables[0].rows}
    assert saved["mapped", 1] == pytest.approx(0)
    assert saved["mapped", 4] == pytest.approx(1 - 260 / 560)
    assert saved["copy", 4] is None
    assert "model size 100 MiB" in report.tables[0].caption
    assert report.answers == [
        "fake: 4 replicas of resnet50 take 260 MiB by mapped, 54% less than copies (copy 560 MiB)"
    ]
    assert any("a first write to a page takes 4.00 us (0.10 us in a copy)" in each.text for each in report.findings)


@pytest.mark.parametrize(
    ("cells", "answer"),
    [
        ([("copy", 100.0), ("mapped", 110.0)], "take 100 MiB by copy, and no strategy takes less (mapped 110 MiB)"),
        ([("mapped", 110.0)], "take 110 MiB by mapped; other --strategies show what they would save"),
        ([("mapped", 110.0), ("forked", 90.0)], "take 90.0 MiB by forked (mapped 110 MiB)"),
    ],
)
def test_answer_names_the_strategy_that_takes_least(store: Store, cells: list[tuple[str, float]], answer: str) -> None:
    report = report_of(store, *((strategy, 2, pss_mib) for strategy, pss_mib in cells))
    assert report.answers == [f"fake: 2 replicas of resnet50 {answer}"]


def test_strategy_whose_control_shares_is_not_recommended(store: Store) -> None:
    writer = RunWriter(store, experiment="memory-sharing", factors=MemorySharing.factors, metrics=metrics.METRICS)
    for strategy, pss_mib in (("copy", 280.0), ("mapped", 180.0)):
        add(writer, strategy, 2, pss_mib, weights="same")
    add(writer, "mapped", 2, 180.0, weights="different")
    report = MemorySharingAnalyzer().analyze([writer.finish()], IntervalSettings())
    assert report.answers == [
        "fake: 2 replicas of resnet50 take 280 MiB by copy; other --strategies show what they would save"
    ]


def test_control_that_shares_is_a_reason_not_to_trust_the_strategy(store: Store) -> None:
    (found,) = [each for each in report_of(store, ("mapped", 2, 240.0), weights="different").findings if each.warning]
    assert "seem to share 50.0% of their models" in found.text


def test_published_savings_are_cells_of_the_report(store: Store) -> None:
    recipe = PageMerging()
    report = report_of(store, ("copy", 16, 1000.0), ("ksm-madvise", 16, 750.0))
    assert [each.words for each in compare(recipe.expected(), report)] == ["not measured", "reproduced"]
    assert set(recipe.settings) <= set(MemorySharing.Settings.__dataclass_fields__)


@pytest.mark.parametrize(
    ("replicas", "share"),
    [
        ([b"a" * 8 + b"b" * 8], 0.0),
        ([b"a" * 8 + b"b" * 8] * 4, 0.75),
        ([b"a" * 8 + b"b" * 8, b"a" * 8 + b"c" * 8], 0.25),
        ([b""], 0.0),
    ],
)
def test_redundancy_is_what_is_left_over_when_each_content_is_kept_once(replicas: list[bytes], share: float) -> None:
    assert redundancy(replicas) == share
