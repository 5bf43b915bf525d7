"""Time and cost of a plan by what the same cells took before."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from sebsx.pricing.planning import estimate
from sebsx.running.earlier import Earlier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.scene import Scene
    from sebsx.model import Cell
    from sebsx_perf_cost.experiment import PerfCostSettings


def as_measured(cells: Sequence[Cell], scene: Scene, settings: PerfCostSettings) -> tuple[list[Cell], list[str]]:
    """Return cells with the time and cost that follow from earlier runs, where there are any, and a note for each run.

    Args:
        cells: As they are guessed.
        scene: Whose results are looked through.
        settings: Of the experiment.
    """
    earlier = Earlier(scene.results, "perf-cost")
    found, runs = [], Counter[str]()
    for cell in cells:
        took = earlier.of(cell)
        if took is None:
            found.append(cell)
            continue
        runs[took.run_id] += 1
        call_s = took.latency_s if took.call_s is None else took.call_s
        # What a call takes beside its function is its start where it was cold, and free of charge where it was not.
        init_s = max(0.0, took.latency_s - call_s) if cell.factors["start"] == "cold" else 0.0
        platform = scene.platforms[cell.factors["platform"]]
        calls = settings.repetitions + settings.warming(platform, cell.factors["start"])
        cost = estimate(
            platform,
            cell.factors,
            calls,
            call_s,
            init_s=init_s,
            provision=cell.provision,
        )
        found.append(replace(cell, duration_s=calls * took.latency_s, cost_usd=cost.expected_usd))
    notes = [
        f"time and cost of {count} of {len(cells)} cells follow from what their calls took in run {run_id}"
        for run_id, count in runs.items()
    ]
    return found, notes
