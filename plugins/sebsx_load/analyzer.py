"""What a load run says: rates, response and service time, cold starts over time, and whether to believe it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.analyzers import (
    Analyzer,
    Column,
    Estimate,
    Figure,
    Finding,
    IntervalSettings,
    Method,
    Report,
    Table,
    about_runs,
)
from sebsx.model import Kind
from sebsx.model.starts import counting
from sebsx.reading.believed import quantile_of_requests
from sebsx.reading.conditions import Condition, caption, conditions, factors_of, identity_columns, label, level, name_of
from sebsx.reading.lateness import RESPONSE
from sebsx.reading.starved import about_starved
from sebsx.reading.subjects import COLUMNS, about_subjects, in_words, little
from sebsx.reading.units import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.model.frame import Frame, Mask, Numbers

_MORE = ("client_intended_s", "client_done_s", *COLUMNS)
_WIDTHS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
_POINTS = 60

_UNSERVED = "what was not answered is later than all that was"

_RATES = (
    Column("requests", "requests", unit="count", meaning="that were due"),
    Column("ok", "ok", unit="count", meaning="answered well"),
    Column("failed", "failed", unit="count", meaning="answered otherwise, or not at all"),
    Column("dropped", "dropped", unit="count", meaning="not sent, because too many were in flight"),
    Column("offered", "offered/s", meaning="requests due a second"),
    Column("achieved", "achieved/s", meaning="good answers a second"),
    Column(
        "in_flight",
        "in flight",
        meaning="mean number of requests in flight: time of all over the time of the phase",
    ),
    Column("in_flight_max", "most", unit="count", meaning="maximum number of requests in flight"),
    Column("cold", "cold", unit="count", meaning="invocations that started or restored a sandbox"),
)
_TIMES = (
    Column(
        "response_s",
        "response",
        unit="s",
        meaning=f"median since a request was due, with its interval over sandboxes; {_UNSERVED}",
    ),
    Column("response_p90_s", "p90", unit="s", meaning=f"response time; {_UNSERVED}"),
    Column("response_p99_s", "p99", unit="s", meaning=f"response time; {_UNSERVED}"),
    Column(
        "service_s",
        "service",
        unit="s",
        meaning=f"median since a request was sent, with its interval over sandboxes; {_UNSERVED}",
    ),
    Column("service_p90_s", "p90 ", unit="s", meaning=f"service time; {_UNSERVED}"),
    Column("service_p99_s", "p99 ", unit="s", meaning=f"service time; {_UNSERVED}"),
)
# Only where something was not answered.
_ANSWERED = (
    Column("answered_s", "response of answered", unit="s", meaning="median of the requests that had a good answer"),
    Column("answered_p90_s", "p90 of answered", unit="s", meaning="of the requests that had a good answer"),
    Column("answered_p99_s", "p99 of answered", unit="s", meaning="of the requests that had a good answer"),
)
_GENERATOR = (
    Column("lateness_p50_s", "late p50", unit="s", meaning="sent minus intended"),
    Column("lateness_p99_s", "late p99", unit="s", meaning="sent minus intended"),
    Column("lateness_max_s", "late max", unit="s", meaning="sent minus intended"),
    Column("late", "late starts", unit="count", meaning="sent more than 1 ms after their time"),
    Column("runqueue_s", "waited", unit="s", meaning="time that its thread waited for a processor"),
    Column("cpu_share", "busy", unit="1", meaning="of the generator's thread"),
    Column("verdict", "verdict", meaning="whether the generator kept up"),
)


@dataclass(frozen=True)
class _Phase:
    """The last phase of load of one condition; times are since its start.

    Args:
        condition: What was under load.
        frame: Its invocations.
        started_s: Unix time at which the first request was due.
        earlier: Invocations of phases that were interrupted and begun again.
    """

    condition: Condition
    frame: Frame
    started_s: float
    earlier: int

    @property
    def ok(self) -> Mask:
        return self.frame.equals("status", "ok")

    @property
    def dropped(self) -> int:
        return int(self.frame.equals("status", "dropped").sum())

    @property
    def closed(self) -> bool:
        """Whether each request waited for an answer to an earlier one."""
        cell = self.condition.cell
        return bool(cell and (cell.factors.get("shape") or {}).get("users"))

    @property
    def generator(self) -> Mapping[str, float]:
        """The generator's figures by name; none but its start where the phase was cut short."""
        return self.condition.generator

    @property
    def duration_s(self) -> float:
        """From the first request to the last answer."""
        last_s = float(self.frame["client_done_s"].max()) - self.started_s if len(self.frame) else 0.0
        return max(last_s, 1e-9)

    @property
    def offered(self) -> float:
        """Requests that were due a second: n have n - 1 gaps between them; a burst has none, and takes its time."""
        n = len(self.frame)
        span_s = float(self.frame["client_intended_s"].max()) - self.started_s if n else 0.0
        return (n - 1) / span_s if span_s > 0 else n / self.duration_s


_QUANTILES = Method(
    of="response and service times under load",
    unit="the request, and of the interval the sandbox",
    interval="the interval is that of the share below, whose variance is that among sandboxes (Woodruff 1952), and "
    "what was dropped, failed or timed out is later than all others",
    silent="what another rate, or a load of users who wait for answers, would meet",
    page="docs/methods/load.md",
)


class LoadAnalyzer(Analyzer[IntervalSettings]):
    """Rates, response time and service time per condition, over time, with the generator's health."""

    name: ClassVar[str] = "load"
    summary: ClassVar[str] = "rates, response and service time under load, and the generator's health"
    Settings: ClassVar[type[Any]] = IntervalSettings

    def analyze(self, runs: Sequence[RunView], settings: IntervalSettings) -> Report:
        """Return the report over all conditions of all runs."""
        phases = [phase for view in runs for phase in _phases(view)]
        among = [phase.condition for phase in phases]
        identity = [column for column in identity_columns(among) if column.key != "start"] if phases else []

        def rows(of: Any) -> list[dict[str, Any]]:
            return [
                {**{column.key: level(each.condition, column.key) for column in identity}, **of(each)}
                for each in phases
            ]

        times = (*_TIMES, *(_ANSWERED if any(each.condition.unserved for each in phases) else ()))
        tables = (
            Table("load", columns=(*identity, *_RATES), rows=rows(_rates), caption=caption(among)),
            Table("times", columns=(*identity, *times), rows=rows(lambda each: _times(each, settings.confidence))),
            Table(
                "generator",
                columns=(*identity, *_GENERATOR),
                rows=rows(_generator),
                caption="the load generator itself",
            ),
        )
        names = [label(each, among) for each in among]
        starved = about_starved(
            names, [each.starved for each in among], "the times are this machine's as much as the platform's"
        )
        findings = [*about_runs(runs), *_about_phases(phases, among), *starved, *about_subjects(names, among)]
        figures = _figures(phases, among)
        answers = [_answer(phase, among, settings.confidence) for phase in phases]
        return Report(
            "Load", tables=tables if phases else (), figures=figures, findings=findings, answers=answers,
            methods=[_QUANTILES],
        )  # fmt: skip


def _phases(view: RunView) -> Iterator[_Phase]:
    for condition in conditions([view], _MORE):
        cell = condition.cell
        earlier = sum(n for (kind, _, _), n in view.counts(cell.id).items() if kind is Kind.BROKEN_OFF) if cell else 0
        intended = condition.frame["client_intended_s"]
        started_s = float(intended.min()) if len(intended) else 0.0
        yield _Phase(condition, condition.frame, started_s, earlier)


def _rates(phase: _Phase) -> dict[str, Any]:
    n, ok, dropped = len(phase.frame), int(phase.ok.sum()), phase.dropped
    known = phase.frame["client.latency_s"]
    return {
        "requests": n,
        "ok": ok,
        "failed": n - ok - dropped,
        "dropped": dropped,
        "offered": phase.offered,
        "achieved": ok / phase.duration_s,
        "in_flight": float(known.sum()) / phase.duration_s,
        "in_flight_max": phase.generator.get("in_flight_max"),
        "cold": int(counting(phase.frame, "cold").sum()),
    }


def _times(phase: _Phase, confidence: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    due, sent = (phase.condition.observed(metric) for metric in (RESPONSE, "client.latency_s"))
    for name, times in (
        ("response", due),
        ("service", sent),
        *((("answered", due.answered),) if due.unserved else ()),
    ):
        metric = "client.latency_s" if times is sent else RESPONSE
        for key, q in ((f"{name}_s", 0.5), (f"{name}_p90_s", 0.9), (f"{name}_p99_s", 0.99)):
            found[key] = quantile_of_requests(phase.condition, metric, times, q, confidence)
        if why := phase.condition.invalid:  # whatever its tail is, it may be the generator's
            n = len(times) + times.unserved
            found[f"{name}_p99_s"] = Estimate(None, n=n, note=why.partition(":")[0])
    return found


def _generator(phase: _Phase) -> dict[str, Any]:
    found = {column.key: phase.generator.get(column.key) for column in _GENERATOR[:-1]}
    if "lateness_p99_s" not in phase.generator:
        return {**found, "verdict": "unknown: cut short"}
    kept = (
        f"kept up, but {100 * phase.dropped / len(phase.frame):.3g} % were dropped by its cap"
        if phase.dropped
        else "kept up"
    )
    return {**found, "verdict": phase.condition.invalid.partition(":")[0] or kept}


def _about_phases(phases: Sequence[_Phase], among: Sequence[Condition]) -> Iterator[Finding]:
    for phase in phases:
        name = label(phase.condition, among)
        n = len(phase.frame)
        if phase.closed:
            text = (
                f"{name}: a closed loop asks less of what answers slowly; its times cannot show how long requests wait "
                "that come whether or not earlier ones were answered (measure that with --rate)"
            )
            yield Finding(text, numbers={"closed": True}, warning=True)
        if phase.earlier:
            text = f"{name}: {phase.earlier} invocations of an interrupted phase before this one are left out"
            yield Finding(text, numbers={"earlier": phase.earlier}, warning=True)
        for status, count in sorted(phase.frame.tally("status").items(), key=str):
            if status != "ok":
                text = f"{name}: {count} of {n} ended as {status}"
                yield Finding(text, numbers={"status": status, "count": count, "n": n}, warning=True)
        times = phase.condition.observed("client.response_s")
        if times.caution and not times.singles:
            yield Finding(f"{name}: {times.caution}", numbers={"sandboxes": times.count}, warning=True)
        cold = int(counting(phase.frame, "cold").sum())
        if cold:
            yield Finding(f"{name}: {cold} of {n} invocations started a sandbox", numbers={"cold": cold, "n": n})


def _answer(phase: _Phase, among: Sequence[Condition], confidence: float) -> str:
    """Return in one sentence what a condition served, and how fast."""
    rates, times = _rates(phase), _times(phase, confidence)
    levels = {
        column.key: level(phase.condition, column.key)
        for column in identity_columns(among)
        if column.key not in ("benchmark", "platform", "start")
    }
    identity = phase.condition.identity
    place = name_of({"platform": identity.get("platform"), **levels}, factors_of(among))
    rate = f"{show(rates['achieved'])} a second" if phase.closed else f"{show(rates['offered'])} due a second"
    served = f"{rates['ok']} of {rates['requests']} requests were answered well, {rate}"
    median = f"median response {show(times['response_s'], 's')}"
    tail = times["response_p99_s"]
    said = [served, median if tail.value is None else f"{median}, p99 {show(tail.value, 's')}"]
    if rates["dropped"]:
        said.append(f"{rates['dropped']} were not sent")
    if (share := little([phase.condition])) is not None:
        said.append(in_words(share))
    if phase.condition.invalid:
        said.append(f"do not rely on it: {phase.condition.invalid.partition(':')[0]}")
    return f"{identity.get('benchmark')} on {place}: {'; '.join(said)}"


def _figures(phases: Sequence[_Phase], among: Sequence[Condition]) -> list[Figure]:
    shown = [(label(phase.condition, among), phase) for phase in phases if phase.ok.any()]
    if not shown:
        return []
    import numpy as np  # heavy

    time = Column("time_s", "time since the start", unit="s")
    latency: dict[str, list[tuple[float, float]]] = {}
    rates: dict[str, list[tuple[float, float]]] = {}
    cold: dict[str, list[tuple[float, float]]] = {}
    samples: dict[str, int] = {}
    for name, phase in shown:
        width_s = _width(phase.duration_s)
        frame, good = phase.frame, phase.frame.where(phase.ok)
        started_s = phase.started_s
        due, done = frame["client_intended_s"] - started_s, good["client_done_s"] - started_s
        response, service = (
            np.where(phase.ok, frame[name], np.inf) for name in ("client.response_s", "client.latency_s")
        )
        prefix = f"{name} " if len(shown) > 1 else ""
        latency[f"{prefix}response"] = _medians(due, response, width_s)
        latency[f"{prefix}service"] = _medians(due, service, width_s)
        rates[f"{prefix}offered"] = _counts(due, width_s, phase.duration_s, 1 / width_s)
        rates[f"{prefix}achieved"] = _counts(done, width_s, phase.duration_s, 1 / width_s)
        starts = due[counting(frame, "cold")]
        cold[f"{prefix}cold"] = _counts(starts, width_s, phase.duration_s, 1.0)
        asked = dict.fromkeys((f"{prefix}response", f"{prefix}service", f"{prefix}offered"), len(frame))
        samples |= {**asked, f"{prefix}achieved": len(good), f"{prefix}cold": len(starts)}
    median, rate = Column("median_s", "median", unit="s"), Column("rate", "requests a second")
    count = Column("cold", "cold starts", unit="count")
    drawn = (
        ("latency-over-time", "Response and service time over time", median, latency),
        ("rate-over-time", "Offered and achieved rate over time", rate, rates),
        ("cold-over-time", "Cold starts over time", count, cold),
    )
    return [
        Figure(name, "line", title=title, x=time, y=y, series=series, samples={each: samples[each] for each in series})
        for name, title, y, series in drawn
    ]


def _width(duration_s: float) -> float:
    """Return a round width of which few enough fit into the phase."""
    return next((width for width in _WIDTHS_S if duration_s <= width * _POINTS), duration_s / _POINTS)


def _medians(at: Numbers, values: Numbers, width_s: float) -> list[tuple[float, float]]:
    """Return the median of the values of each bin, at the bin's middle, where it is finite: unanswered ones are not."""
    import numpy as np  # heavy

    bins = np.floor(at / width_s).astype(np.int64)
    order = np.argsort(bins, kind="stable")
    places, starts = np.unique(bins[order], return_index=True)
    groups = np.split(values[order], starts[1:])
    medians = [float(np.median(group)) for group in groups]
    found = zip(places.tolist(), medians, strict=True)
    return [((place + 0.5) * width_s, median) for place, median in found if np.isfinite(median)]


def _counts(at: Numbers, width_s: float, duration_s: float, factor: float) -> list[tuple[float, float]]:
    """Return how many fall into each bin, empty ones too, times a factor; the last bin may be cut short."""
    import numpy as np  # heavy

    bins = max(1, int(np.ceil(duration_s / width_s)))
    counts = np.bincount(np.clip(np.floor(at / width_s), 0, bins - 1).astype(np.int64), minlength=bins)
    return [((place + 0.5) * width_s, float(count) * factor) for place, count in enumerate(counts)]
