"""Planted sharing in real sandboxes: PSS of shared S and private P is P + S / N; copies share nothing of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.runs import RunView
from sebsx.model import CellStatus
from sebsx_local.backend import LocalPlatform
from sebsx_memory import ksm, metrics
from sebsx_memory.experiment import MemorySharing
from sebsx_memory.settings import SharingSettings
from tests.orchestration import store_in
from tests.plugins.delays import home, run_on

__all__ = ["home"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("home")]
MIB = 2**20
SHARED, PRIVATE = 8 * MIB, 3 * MIB


def figures(view: RunView) -> dict[tuple[str, str, int], Any]:
    cells = {cell.id: cell.factors for cell in view.cells()}
    assert {cell.status for cell in view.cells()} == {CellStatus.FINISHED}, [cell.error for cell in view.cells()]
    return {
        tuple(cells[each.cell_id][name] for name in ("strategy", "weights", "replicas")): each.figures
        for each in view.executions()
        if each.cell_id is not None
    }


def planted(tmp_path: Path, *strategies: str, **more: Any) -> dict[tuple[str, str, int], Any]:
    wanted = {"models": ("8MiB",), "private": "3MiB", "strategies": strategies, "rounds": 1, "hold_s": 0.15, **more}
    with store_in(tmp_path) as store:
        return figures(run_on(LocalPlatform, MemorySharing(), SharingSettings(**wanted), store))


def test_planted_sharing_comes_back_within_two_percent(tmp_path: Path) -> None:
    found = planted(tmp_path, "copy", "mapped", "forked", replicas=(2,))
    for strategy in ("mapped", "forked"):
        held = found[strategy, "same", 2]
        each = (held[metrics.MODEL_PSS] + held[metrics.PRIVATE_PSS]) / 2
        assert each == pytest.approx(PRIVATE + SHARED / 2, rel=0.02)
    copies, control = found["copy", "same", 2], found["copy", "different", 2]
    for each in (copies, control, found["mapped", "different", 2], found["forked", "different", 2]):
        assert each[metrics.MODEL_PSS] == pytest.approx(2 * SHARED, rel=0.02)
    # One of two copies of the model is redundant, and nothing of different ones.
    redundant = copies[metrics.IDENTICAL] * copies[metrics.RSS] - control[metrics.IDENTICAL] * control[metrics.RSS]
    assert redundant == pytest.approx(SHARED, rel=0.05)
    assert found["mapped", "same", 2][metrics.FIRST_WRITE] > copies[metrics.FIRST_WRITE]


@pytest.mark.skipif(bool(ksm.refusal()), reason=ksm.refusal() or "KSM can be used")
def test_merged_pages_are_counted_once_and_different_ones_never(tmp_path: Path) -> None:
    before = {name: (ksm.KNOBS / name).read_text() for name in ("run", "pages_to_scan", "sleep_millisecs")}
    found = planted(tmp_path, "ksm-madvise", replicas=(2,))
    assert found["ksm-madvise", "same", 2][metrics.MODEL_PSS] == pytest.approx(SHARED, rel=0.02)
    assert found["ksm-madvise", "different", 2][metrics.MODEL_PSS] == pytest.approx(2 * SHARED, rel=0.02)
    assert found["ksm-madvise", "same", 2][metrics.MERGE] > 0
    assert before == {name: (ksm.KNOBS / name).read_text() for name in before}
