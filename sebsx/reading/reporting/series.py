"""The figures that every report has: distributions, latency in the order of time, lateness of the generator."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Column, Figure
from sebsx.reading.reporting import thinning
from sebsx.stats import ecdf_of_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.model.frame import Mask, Numbers, Places
    from sebsx.reading.reporting.measured import MeasuredCondition

MOST_SERIES = 8
MOST_FIGURES = 6
_LATENCY = Column("client.latency_s", "client latency", unit="s")
_SHARE = Column("share", "share of invocations, failed ones included", unit="1")
_SINCE = Column("since_start_s", "time since the run's first measured call", unit="s")
_LATE = Column("lateness_s", "sent later than scheduled", unit="s")
_NOTICEABLE_S = 1e-3  # of lateness: a request takes some time to be made even when nothing waits
UNKNOWN = "not known"

CpuModels = dict[str, dict[str, str]]  # run -> sandbox -> model


def distributions(measured: Sequence[MeasuredCondition]) -> Iterator[Figure]:
    """Yield distributions of the latency: cold and warm, both versions and all memory sizes in one figure."""
    groups: dict[tuple[Any, ...], list[MeasuredCondition]] = defaultdict(list)
    for each in measured:
        if len(each.condition.counted):
            sides = (factor.name for factor in each.condition.run.factors.declared if factor.base)
            apart = {"memory_mib", "start", *sides}
            levels = [(key, value) for key, value in each.condition.identity.items() if key not in apart]
            groups[each.condition.run.id, *levels].append(each)
    for number, group in enumerate(groups.values(), 1):
        for part in range(0, len(group), MOST_SERIES):
            shown = group[part : part + MOST_SERIES]
            more = f"-{number}" * (number > 1) + f"-part-{1 + part // MOST_SERIES}" * (part > 0)
            yield Figure(
                f"latency-ecdf{more}", "ecdf", title="Distribution of the client latency", x=_LATENCY, y=_SHARE,
                series={each.name: ecdf_of_all(each.condition.latency_s, each.condition.unserved) for each in shown},
                log="x", samples={each.name: len(each.condition.counted) for each in shown},
            )  # fmt: skip


def in_time(each: MeasuredCondition, number: int, began_s: float, models: Mapping[str, str]) -> Iterator[Figure]:
    """Yield the latency of one condition in the order of time, by sandbox and by CPU model.

    The figure by CPU model is left out where all sandboxes are of one.
    """
    frame = each.condition.frame
    codes, levels = frame.codes("sandbox_id")
    ok = frame.equals("status", "ok")
    by_model = [models.get(level or "", UNKNOWN) for level in levels]
    yield _coloured(each, f"latency-in-time-{number}", "by sandbox", began_s, _by_sandbox(codes[ok], levels))
    if len({by_model[code] for code in set(codes[ok].tolist())}) > 1:
        names = {code: f"CPU {model}" for code, model in enumerate(by_model)}
        yield _coloured(each, f"latency-by-cpu-{number}", "by CPU model", began_s, names)


def lateness(each: MeasuredCondition, number: int, began_s: float) -> Iterator[Figure]:
    """Yield how much later than scheduled requests were sent, if any of them noticeably."""
    frame = each.condition.frame
    late_s = frame["client_sent_s"] - frame["client_intended_s"]
    if not (late_s > _NOTICEABLE_S).any():
        return
    places = thinning.in_order(late_s)
    points = _points(frame["client_intended_s"] - began_s, late_s, places)
    title = f"Scheduled and sent: lateness of the generator, {each.name}"
    x = Column("scheduled_s", "scheduled, since the run's first measured call", unit="s")
    yield Figure(
        f"lateness-{number}",
        "scatter",
        title=title,
        x=x,
        y=_LATE,
        series={"requests": points},
        samples={"requests": len(frame)},
    )


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


def _coloured(each: MeasuredCondition, name: str, by: str, began_s: float, names: Mapping[int, str]) -> Figure:
    """Return a scatter whose series are groups of sandboxes, and the failures as one of their own."""
    import numpy as np  # heavy

    frame = each.condition.frame
    ok = frame.equals("status", "ok")
    codes, _ = frame.codes("sandbox_id")
    when, latency = frame["client_sent_s"] - began_s, frame["client.latency_s"]
    groups = dict.fromkeys(names.values())
    place = {group: index for index, group in enumerate(groups)}
    belongs = np.array([place[names[code]] for code in range(len(names))], dtype=np.intp)[codes]
    kept = np.zeros(len(frame), dtype=bool)
    for mask, points in ((ok, 1200), (~ok, 300)):
        mine = np.flatnonzero(mask)
        kept[mine[thinning.in_order(latency[mine], points)]] = True
    series: dict[str, Sequence[tuple[float, float]]] = {}
    samples: dict[str, int] = {}
    wanted: list[tuple[str, Mask]] = [(group, ok & (belongs == index)) for group, index in place.items()]
    for group, mask in (*wanted, ("failed", ~ok)):
        if mask.any():
            series[group] = _points(when, latency, np.flatnonzero(mask & kept))
            samples[group] = int(mask.sum())
    return Figure(
        name, "scatter", title=f"Latency in the order of time, {by}: {each.name}", x=_SINCE, y=_LATENCY, series=series,
        log="y", samples=samples,
    )  # fmt: skip


def _by_sandbox(codes: Any, levels: Sequence[str | None]) -> dict[int, str]:
    """Return a group for each sandbox: itself for those that served most, one for all others."""
    counts = Counter(codes.tolist())
    if max(counts.values(), default=0) <= 1:
        return dict.fromkeys(range(len(levels)), "each in a sandbox of its own")
    largest = [code for code, _ in counts.most_common(MOST_SERIES - 2)]
    others = len(counts) - len(largest)
    rest = f"{others} other sandboxes" if others > 0 else "other sandboxes"
    own = {code: f"sandbox {(levels[code] or UNKNOWN)[:12]}" for code in largest}
    if len(set(own.values())) < len(own):  # the beginnings do not tell them apart
        own = {code: f"sandbox {levels[code] or UNKNOWN}" for code in largest}
    return {code: own.get(code, rest) for code in range(len(levels))}


def _points(x: Numbers, y: Numbers, places: Places) -> list[tuple[float, float]]:
    return list(zip(x[places].tolist(), y[places].tolist(), strict=True))
