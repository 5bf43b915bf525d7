"""What a run found, in one sentence for each benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sebsx.model import StartType, Status
from sebsx.reading.conditions import conditions
from sebsx.store import Store, open_store
from sebsx.testing.runs import RunWriter
from sebsx_perf_cost.answers import answers


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "s.sqlite") as opened:
        yield opened


def said(run: RunWriter) -> list[str]:
    return list(answers(conditions([run.finish()])))


def test_fastest_and_slowest_are_named_warm_before_cold(store: Store) -> None:
    run = RunWriter(store)
    run.add([0.2] * 12, memory_mib=128, start=StartType.COLD)
    run.add([0.05] * 12, memory_mib=512, start=StartType.COLD)
    run.add([0.01] * 12, memory_mib=128)
    assert said(run) == ["echo on fake: warm 10.0 ms at 128 MiB; cold 50.0 ms at 512 MiB, up to 200 ms at 128 MiB"]


@pytest.mark.parametrize(
    ("subject_s", "said_of_it"), [(0.0333, "; the named work is 37 % of the handler's time"), (0.0721, "")]
)
def test_named_work_stands_beside_the_total_where_it_is_under_four_fifths(
    store: Store, subject_s: float, said_of_it: str
) -> None:
    run = RunWriter(store)
    run.add([0.1] * 12, changes={"samples": {"function.subject_s": subject_s}})  # of 90 ms in the handler
    (sentence,) = answers(conditions([run.finish()], more=["function.subject_s"]))
    assert sentence == f"echo on fake: warm 100 ms at 256 MiB{said_of_it}"


def test_what_cannot_be_told_apart_is_not_called_fastest(store: Store) -> None:
    run = RunWriter(store)
    for memory_mib in (128, 256):
        run.add([0.1 + 0.01 * step for step in range(12)], memory_mib=memory_mib)
    assert said(run) == ["echo on fake: warm 155 ms to 155 ms, the 2 configurations cannot be distinguished"]


def test_each_benchmark_has_a_sentence_and_failures_are_counted(store: Store) -> None:
    run = RunWriter(store)
    run.add([0.1] * 12)
    run.add([0.1] * 4, deployment={"benchmark": "other"}, changes={"status": Status.FUNCTION_ERROR})
    assert said(run) == [
        "echo on fake: warm 100 ms at 256 MiB",
        "other on fake: 4 of 4 invocations failed",
    ]
