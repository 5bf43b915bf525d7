"""The figures that every report has: distributions of the latency, and lateness of the generator where it was late."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Column, Figure
from sebsx.reading.reporting import thinning
from sebsx.stats import ecdf_of_all

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.model.frame import Numbers, Places
    from sebsx.reading.reporting.measured import MeasuredCondition

MOST_SERIES = 8
MOST_FIGURES = 6
_LATENCY = Column("client.latency_s", "client latency", unit="s")
_SHARE = Column("share", "share of invocations, failed ones included", unit="1")
_LATE = Column("lateness_s", "sent later than scheduled", unit="s")
_NOTICEABLE_S = 1e-3  # of lateness: a request takes some time to be made even when nothing waits
_POINTS = 600  # of a condition whose requests were late
_MARGIN = 1.05  # beside the ends of an axis that figures share


def distributions(measured: Sequence[MeasuredCondition]) -> Iterator[Figure]:
    """Yield distributions of the latency: cold and warm, both versions and all memory sizes in one figure.

    Of more than can be distinguished, cold and warm are figures of their own; all that belong together have one axis.
    """
    groups: dict[tuple[Any, ...], list[MeasuredCondition]] = defaultdict(list)
    for each in measured:
        if len(each.condition.latency_s):
            sides = (factor.name for factor in each.condition.run.factors.declared if factor.base)
            apart = {"memory_mib", "start", *sides}
            own = [(key, value) for key, value in each.condition.identity.items() if key not in apart]
            groups[("run", each.condition.run.id), *own].append(each)
    shared = set.intersection(*({*map(repr, levels)} for levels in groups)) if groups else set()
    for number, (levels, group) in enumerate(groups.items(), 1):
        parts = list(_parts(group))
        telling = _telling(levels, shared)
        for place, (start, shown) in enumerate(parts, 1):
            more = f"-{number}" * (number > 1) + f"-part-{place}" * (place > 1)
            title = ", ".join(filter(None, ["Distribution of the client latency", telling, start]))
            if len([each for each, _ in parts if each == start]) > 1:
                title += f" ({place} of {len(parts)})"
            yield Figure(
                f"latency-ecdf{more}", "ecdf", title=title, x=_LATENCY, y=_SHARE,
                series={each.name: ecdf_of_all(each.condition.latency_s, each.condition.unserved) for each in shown},
                log="x", samples={each.name: len(each.condition.counted) for each in shown},
                x_range=_range(group) if len(parts) > 1 else None,
            )  # fmt: skip


def _telling(levels: Sequence[tuple[str, Any]], shared: Container[str]) -> str:
    """Return in words the levels of a group that not all groups have."""
    return " ".join(str(value) for pair in levels if repr(pair) not in shared and (value := pair[1]) not in (None, ""))


def _parts(group: Sequence[MeasuredCondition]) -> Iterator[tuple[str, Sequence[MeasuredCondition]]]:
    """Yield as many conditions of a group as one figure holds, with the start type that they share."""
    if len(group) <= MOST_SERIES:
        yield "", group
        return
    by_start: dict[str, list[MeasuredCondition]] = defaultdict(list)
    for each in group:
        by_start[str(each.condition.identity.get("start") or "")].append(each)
    for start, mine in by_start.items():
        for first in range(0, len(mine), MOST_SERIES):
            yield start, mine[first : first + MOST_SERIES]


def _range(group: Sequence[MeasuredCondition]) -> tuple[float, float] | None:
    least = min(float(each.condition.latency_s.min()) for each in group)
    most = max(float(each.condition.latency_s.max()) for each in group)
    return (least / _MARGIN, most * _MARGIN) if 0 < least < most else None


def lateness(measured: Sequence[MeasuredCondition], began_s: Mapping[str, float]) -> Iterator[Figure]:
    """Yield how much later than scheduled requests were sent, of the conditions where any was noticeably late."""
    series: dict[str, list[tuple[float, float]]] = {}
    samples: dict[str, int] = {}
    for each in measured:
        frame = each.condition.frame
        late_s = frame["client_sent_s"] - frame["client_intended_s"]
        if len(series) < MOST_SERIES and (late_s > _NOTICEABLE_S).any():
            due_s = frame["client_intended_s"] - began_s[each.condition.run.id]
            series[each.name] = _points(due_s, late_s, thinning.in_order(late_s, _POINTS))
            samples[each.name] = len(frame)
    if series:
        x = Column("scheduled_s", "scheduled, since the run's first measured call", unit="s")
        title = "Scheduled and sent: lateness of the generator"
        yield Figure("lateness", "scatter", title=title, x=x, y=_LATE, series=series, samples=samples)


def began(measured: Iterable[MeasuredCondition]) -> dict[str, float]:
    """Return when the first measured invocation of each run was sent."""
    found: dict[str, float] = {}
    for each in measured:
        sent_s = each.condition.frame["client_sent_s"]
        if len(sent_s):
            run = each.condition.run.id
            found[run] = min(found.get(run, float("inf")), float(sent_s.min()))
    return found


def cpu_models(view: RunView) -> dict[str, str]:
    """Return the CPU model of each sandbox that told it."""
    return {
        sandbox.sandbox_id: str(sandbox.facts["cpu_model"])
        for sandbox in view.sandboxes()
        if hasattr(sandbox.facts, "get") and sandbox.facts.get("cpu_model")
    }


def _points(x: Numbers, y: Numbers, places: Places) -> list[tuple[float, float]]:
    return list(zip(x[places].tolist(), y[places].tolist(), strict=True))
