"""What a run stored of its loads, as courses over time, and what a simulation is fed with."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from sebsx.reading.believed import quantile_of_units
from sebsx.reading.blocks import Observations
from sebsx_serving import metrics
from sebsx_serving.loads import ServingLoad
from sebsx_serving.policies import CONCURRENCY
from sebsx_serving.simulation import Course, ServerCosts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.analyzers import Estimate
    from sebsx.contracts.runs import RunView
    from sebsx.model.frame import Frame
    from sebsx.model.stored import StoredCell


@dataclass(frozen=True, kw_only=True)
class ServedLoad:
    """A load that was served for real.

    Args:
        cell: Its cell.
        policy: Name of the policy.
        load: What came.
        most: Cap on the workers.
        period_s: From one look of the policy to the next.
        seed: Of the load.
        course: What happened.
        service_s: Times of its inferences.
    """

    cell: StoredCell
    policy: str
    load: ServingLoad
    most: int
    period_s: float
    seed: int
    course: Course
    service_s: Sequence[float]

    @property
    def crowded(self) -> bool:
        """Whether there were more workers than processors for them."""
        return max((number for _, number in self.course.workers), default=0) > self.most


def summary(course: Course, begin_s: float = 0.0, end_s: float = float("inf")) -> dict[str, float | None]:
    """Return the throughput, number and mean latency of the requests that were answered within a time."""
    chosen = [
        latency_s
        for ended_s, latency_s in zip(course.ended_s, course.latency_s, strict=True)
        if begin_s <= ended_s < end_s
    ]
    span_s = min(end_s, course.duration_s) - begin_s
    return {
        "throughput": len(chosen) / span_s if span_s > 0 else None,
        "n": len(chosen),
        "mean_s": fmean(chosen) if chosen else None,
    }


def latency_of(course: Course, q: float) -> Estimate:
    """Return a quantile of the latency of all requests, without an interval: they wait for each other."""
    asked = Observations.each(course.latency_s, unserved=course.unanswered)
    return replace(quantile_of_units(asked, q), low=None, high=None)


def reached_s(latency: Estimate) -> float | None:
    """Return a quantile as what it is ordered by: infinite among what was not answered, None of too few requests."""
    return math.inf if latency.unserved else latency.value


def served_of(view: RunView) -> list[ServedLoad]:
    """Return the loads of a run that were served to some length, in the order of its cells."""
    begun, periods = _words(view)
    frame = view.frame(more=("client_intended_s", "client_done_s", "sandbox_id", metrics.SERVICE, metrics.MEMORY))
    found = []
    for cell in view.cells():
        told = begun.get(cell.id)
        if told is None:
            continue
        load = ServingLoad(
            kind=told["kind"], duration_s=told["duration_s"], users=told["users"], spawn_rate=told["spawn_rate"],
            think_s=tuple(told["think_s"]), rate=told["rate"],
        )  # fmt: skip
        policy = cell.factors["policy"]
        mine = frame.where(frame["cell_id"] == cell.id)
        if policy == CONCURRENCY:
            course, service_s = _of_calls(mine, load)
        else:
            course, service_s = _of_periods(periods.get(cell.id, []), load)
        if course.latency_s:
            found.append(
                ServedLoad(
                    cell=cell, policy=policy, load=load, most=told["most"], period_s=told["period_s"],
                    seed=told["seed"], course=course, service_s=service_s,
                )
            )  # fmt: skip
    return found


def costs_of(view: RunView, service_s: Sequence[float]) -> ServerCosts:
    """Return what a simulation of a run is fed with: its service times, and medians of starts and memory."""
    frame = view.frame(more=(metrics.MEMORY, metrics.LOAD, metrics.BOOT))
    cells = {cell.id: cell.factors for cell in view.cells()}

    def middle(metric: str, **levels: Any) -> float | None:
        if metric not in frame:
            return None
        fitting = [cell for cell, factors in cells.items() if all(factors.get(k) == v for k, v in levels.items())]
        values = [
            float(value)
            for value, cell in zip(frame[metric], frame["cell_id"], strict=True)
            if value == value and cell in fitting  # NaN is what a call did not measure
        ]
        return median(values) if values else None

    most = max((factors.get("workers", 1) for factors in cells.values()), default=1)
    one = middle(metrics.MEMORY, mode="threads", workers=1) or middle(metrics.MEMORY, policy=CONCURRENCY) or 0.0
    all_bytes = middle(metrics.MEMORY, mode="threads", workers=most)
    boot_s, load_s = middle(metrics.BOOT, mode="processes") or 0.0, middle(metrics.LOAD) or 0.0
    return ServerCosts(
        service_s=service_s,
        thread_s=0.0,
        boot_s=boot_s + load_s,
        base_bytes=one,
        thread_bytes=max(0.0, (all_bytes - one) / (most - 1)) if all_bytes is not None and most > 1 else 0.0,
    )


def _words(view: RunView) -> tuple[dict[int, Mapping[str, Any]], dict[int, list[Mapping[str, Any]]]]:
    """Return what was stored of each cell's load (the last time it was begun), and its periods since then."""
    begun: dict[int, Mapping[str, Any]] = {}
    periods: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for value in view.values():
        if value.cell_id is None or not value.text:
            continue
        if value.metric == metrics.BEGUN:
            begun[value.cell_id] = json.loads(value.text)
            periods[value.cell_id].clear()  # of a load that was cut short
        elif value.metric == metrics.PERIOD:
            periods[value.cell_id].append(json.loads(value.text))
    return begun, periods


def _of_periods(periods: Sequence[Mapping[str, Any]], load: ServingLoad) -> tuple[Course, list[float]]:
    course, service_s, began_s = Course(load.duration_s), [], 0.0
    for period in periods:
        if not course.workers or course.workers[-1][1] != period["workers"]:
            course.workers.append((began_s, period["workers"]))
        if period["pss_bytes"] is not None:
            course.memory.append((period["until_s"], period["pss_bytes"]))
        course.latency_s += period["latency_s"]
        course.ended_s += [due + latency for due, latency in zip(period["due_s"], period["latency_s"], strict=True)]
        service_s += period["service_s"]
        began_s = period["until_s"]
        course.unanswered = len(period["waiting_s"])
    course.duration_s = began_s or load.duration_s
    return course, service_s


def _of_calls(frame: Frame, load: ServingLoad) -> tuple[Course, list[float]]:
    """Return the course of calls that a platform placed on sandboxes by itself."""
    course = Course(load.duration_s)
    good = frame.where(frame.equals("status", "ok"))
    if not len(good) or metrics.SERVICE not in good:
        return course, []
    zero = float(frame["client_intended_s"].min())
    order = sorted(range(len(good)), key=lambda row: good["client_done_s"][row])
    codes, _ = good.codes("sandbox_id")
    seen: dict[int, float] = {}
    for row in order:
        ended_s = float(good["client_done_s"][row]) - zero
        if ended_s >= load.duration_s:
            continue
        course.ended_s.append(ended_s)
        course.latency_s.append(float(good["client_done_s"][row] - good["client_intended_s"][row]))
        if int(codes[row]) not in seen:
            course.workers.append((ended_s, len(seen) + 1))
        if metrics.MEMORY in good and good[metrics.MEMORY][row] == good[metrics.MEMORY][row]:
            seen[int(codes[row])] = float(good[metrics.MEMORY][row])
            course.memory.append((ended_s, sum(seen.values())))
        else:
            seen.setdefault(int(codes[row]), 0.0)
    course.unanswered = len(frame) - len(course.latency_s)
    return course, [float(each) for each in good[metrics.SERVICE]]
