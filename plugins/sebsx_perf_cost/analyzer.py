"""What a perf-cost run says: latency and cost of each condition, cold and warm, and which one to take."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.analyzers import (
    Analyzer,
    Column,
    Figure,
    Finding,
    IntervalSettings,
    Report,
    Table,
    about_emulation,
    about_limits,
    about_runs,
)
from sebsx.model import Design, Kind, StartType, Status
from sebsx.reading.believed import quantile_of, quantile_of_answered
from sebsx.reading.conditions import caption, conditions, identity_columns, labels
from sebsx.reading.saved_prices import SavedPrices
from sebsx.reading.starved import about_starved
from sebsx.reading.subjects import COLUMNS, about_subjects, little
from sebsx.settings import setting
from sebsx.stats import cv, ecdf_of_all
from sebsx_perf_cost.answers import answers
from sebsx_perf_cost.choices import (
    about_choices,
    about_prices,
    choices_figures,
    choices_table,
    memory_figures,
    priced,
    sweeps,
)
from sebsx_perf_cost.estimates import difference_estimate, paired_ratio_estimate, ratio_estimate
from sebsx_perf_cost.methods import methods
from sebsx_perf_cost.parts import (
    CLIENT,
    PARTS,
    PHASES,
    SUBJECT_PARTS,
    Breakdown,
    about_parts,
    breakdown_figure,
    breakdown_row,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.reading.conditions import Condition

_FAILED = "a failed invocation is later than all others"
_LATENCY = (
    Column("ok", "ok", unit="count", meaning="measured invocations that count"),
    Column("failed", "failed", unit="count", meaning="measured invocations that failed"),
    Column("sandboxes", "sandboxes", unit="count", meaning="that served them: the units of the interval"),
    Column("median_s", "median", unit="s", meaning=f"median of the sandboxes' median client latency; {_FAILED}"),
    Column("p90_s", "p90", unit="s", meaning=f"client latency; {_FAILED}"),
    Column("p99_s", "p99", unit="s", meaning=f"client latency; {_FAILED}"),
    Column("cv", "CV", unit="1", meaning="standard deviation over mean of the client latency"),
    Column(
        "between",
        "between",
        unit="1",
        meaning="standard deviation of the logarithm of the latency, from sandbox to sandbox",
    ),
    Column("within", "within", unit="1", meaning="the same within a sandbox; nothing where each served one call"),
)
_ANSWERED = Column("answered_s", "median of answered", unit="s", meaning="client latency of what did not fail")
_METRIC = "client.latency_s"
_NAMED = 3  # conditions that are named rather than counted
_RESOURCES = (
    Column("memory_bytes", "sandbox peak", unit="bytes", meaning="largest peak charged to a sandbox, by the provider"),
    Column("million_usd", "cost per million", unit="USD", meaning="mean cost, times a million"),
)
_OVERHEAD = (
    Column("cold_s", "cold median", unit="s", meaning="client latency"),
    Column("warm_s", "warm median", unit="s", meaning="client latency"),
    Column("ratio", "cold / warm", meaning="median of all ratios of a cold to a warm sandbox"),
    Column("difference_s", "cold - warm", unit="s", meaning="median of all differences of a cold and a warm sandbox"),
)
_OF_VERSIONS = "the new version against its base; new / base is the typical ratio of sandboxes, not that of the medians"
_VERSIONS = (
    Column("base_s", "base median", unit="s", meaning="client latency"),
    Column("new_s", "new median", unit="s", meaning="client latency"),
    Column(
        "ratio",
        "new / base",
        meaning="typical ratio of sandboxes: of pairs that shared rounds where they were interleaved",
    ),
)


@dataclass(frozen=True)
class PerfCostAnalyzerSettings(IntervalSettings):
    """How the report is made."""

    cost_weight: float = setting(
        0.5, help="weight of cost against duration in the balanced choice, 0 to 1", minimum=0, maximum=1
    )
    emulated: bool = setting(False, help="choose between conditions even where the processor was emulated")


class PerfCostAnalyzer(Analyzer[PerfCostAnalyzerSettings]):
    """Latency, its parts and cost per condition; the cheapest, the fastest and the balanced choice."""

    name: ClassVar[str] = "perf-cost"
    summary: ClassVar[str] = "latency, cold-start overhead, cost and the memory size to take"
    columns: ClassVar[Sequence[str]] = ("start_evidence", "phase.*_s", *COLUMNS)
    Settings: ClassVar[type[Any]] = PerfCostAnalyzerSettings

    def analyze(self, runs: Sequence[RunView], settings: PerfCostAnalyzerSettings) -> Report:
        """Return the report over all conditions of all runs."""
        found = conditions(runs, more=self.columns)
        if not found:
            return Report("Performance and cost", tables=(), figures=(), findings=list(about_runs(runs)))
        names = labels(found)
        identity = identity_columns(found)
        parts = [Breakdown(each.counted) for each in found]
        telling = [
            each
            for each in found
            if not (each.unlimited or each.was_starved) and (settings.emulated or not each.emulated)
        ]
        saved = SavedPrices(runs)
        offered = sweeps(telling, saved, settings.confidence)
        choices = [sweep for sweep in map(priced, offered) if sweep is not None]
        latency = Table(
            "latency",
            columns=(*identity, *_latency_columns(found)),
            rows=[_latency(each, settings) for each in found],
            caption=caption(found),
        )
        more = (
            _breakdown(found, parts, identity, saved),
            *_overhead(found, identity, settings),
            *_versions(found, identity, settings),
            *choices_table(choices, identity, settings.cost_weight),
        )
        tables = (latency, *more) if any(len(each.counted) for each in found) else (latency,)
        figures = (
            *choices_figures(choices),
            *memory_figures(offered),
            *_distributions(names, found),
            *breakdown_figure(list(zip(names, found, parts, strict=True))),
        )
        findings = (
            *about_runs(runs),
            *_about_designs(found),
            *_about_versions(runs, found),
            *_about_deployments(runs),
            *about_emulation(runs),
            *about_limits(runs),
            *_about_unserved(names, found),
            *about_starved(names, [each.starved for each in found], "not used for choices and comparisons"),
            *about_subjects(names, found),
            *_about_failures(runs, names, found),
            *(finding for view in runs for finding in _about_samples(view, names, found)),
            *(finding for view in runs for finding in _about_sandboxes(view, names, found)),
            *(
                finding
                for name, each in zip(names, parts, strict=True)
                for finding in about_parts(name, each, settings.confidence)
            ),
            *about_prices(offered, saved),
            *about_choices(choices, settings.cost_weight),
        )
        return Report(
            "Performance and cost", tables=tables, figures=figures, findings=findings, answers=list(answers(found)),
            methods=list(methods(tables)),
        )  # fmt: skip


def _latency_columns(found: Sequence[Condition]) -> tuple[Column, ...]:
    return (*_LATENCY, _ANSWERED) if any(each.unserved for each in found) else _LATENCY


def _latency(found: Condition, settings: PerfCostAnalyzerSettings) -> dict[str, Any]:
    observed = found.observed(_METRIC)
    spread = observed.spread
    return {
        **_identity(found),
        "ok": len(observed),
        "failed": found.unserved,
        "sandboxes": observed.count or None,
        "median_s": quantile_of(found, _METRIC, 0.5, settings.confidence),
        "p90_s": quantile_of(found, _METRIC, 0.9),
        "p99_s": quantile_of(found, _METRIC, 0.99),
        "answered_s": quantile_of_answered(found, _METRIC, 0.5, settings.confidence) if found.unserved else None,
        "cv": cv(observed.values),
        "between": spread.between if spread else None,
        "within": spread.within if spread else None,
    }


def _breakdown(
    found: Sequence[Condition], parts: Sequence[Breakdown], identity: Sequence[Column], saved: SavedPrices
) -> Table:
    rows = [
        {**_identity(each), **breakdown_row(mine), **_resources(each, saved)}
        for each, mine in zip(found, parts, strict=True)
    ]
    named = SUBJECT_PARTS if little(found) is not None else ()
    columns = (*identity, *PARTS, *named, *_RESOURCES, PHASES, CLIENT)
    return Table("breakdown", columns=columns, rows=rows, caption="medians of parts")


def _resources(found: Condition, saved: SavedPrices) -> dict[str, Any]:
    memory = found.counted.known("provider.max_memory_bytes")
    cost = found.counted.known("cost_usd")
    price = saved.of(found)
    estimated = price.million().value if price else None
    return {
        "memory_bytes": int(memory.max()) if len(memory) else None,
        "million_usd": 1e6 * float(cost.mean()) if len(cost) else estimated,
    }


def _identity(found: Condition) -> dict[str, Any]:
    return {**found.identity, "run": found.run.id}


def _paired_by(found: Sequence[Condition], key: str) -> list[dict[Any, Condition]]:
    """Return the conditions whose designs differ in one factor only, by its level."""
    alike: dict[tuple[Any, ...], dict[Any, Condition]] = defaultdict(dict)
    for each in found:
        levels = {**_identity(each), "start": each.wanted}
        word = levels.pop(key, None)
        alike[tuple(levels.items())][word] = each
    return list(alike.values())


def _overhead(
    found: Sequence[Condition], identity: Sequence[Column], settings: PerfCostAnalyzerSettings
) -> Iterator[Table]:
    rows = []
    for starts in _paired_by(found, "start"):
        if "cold" in starts and "warm" in starts:
            sides = starts["cold"], starts["warm"]
            cold, warm = (side.observed(_METRIC) for side in sides)
            cold_s, warm_s = (quantile_of(side, _METRIC, 0.5, settings.confidence) for side in sides)
            rows.append(
                {
                    **_identity(starts["cold"]),
                    "cold_s": cold_s,
                    "warm_s": warm_s,
                    "ratio": ratio_estimate(cold, warm, settings.confidence),
                    "difference_s": difference_estimate(cold, warm, settings.confidence),
                }
            )
    if rows:
        told = any(row["start"] != "cold" for row in rows)  # where it says more than the heads of the columns
        columns = [column for column in identity if told or column.key != "start"]
        yield Table("cold-start", columns=(*columns, *_OVERHEAD), rows=rows, caption="what a cold start costs")


def _versions(
    found: Sequence[Condition], identity: Sequence[Column], settings: PerfCostAnalyzerSettings
) -> Iterator[Table]:
    rows = []
    for versions in _paired_by(found, "version"):
        if "base" in versions and "new" in versions:
            base, new = (versions[side].observed(_METRIC) for side in ("base", "new"))
            paired = paired_ratio_estimate(new, base, settings.confidence)
            rows.append(
                {
                    **_identity(versions["new"]),
                    "base_s": quantile_of(versions["base"], _METRIC, 0.5, settings.confidence),
                    "new_s": quantile_of(versions["new"], _METRIC, 0.5, settings.confidence),
                    "ratio": paired or ratio_estimate(new, base, settings.confidence),
                }
            )
    if rows:
        columns = [column for column in identity if column.key != "version"]
        yield Table("versions", columns=(*columns, *_VERSIONS), rows=rows, caption=_OF_VERSIONS)


def _distributions(names: Sequence[str], found: Sequence[Condition]) -> Iterator[Figure]:
    import numpy as np  # heavy

    curves = {
        name: ecdf_of_all(np.sort(each.latency_s).tolist(), each.unserved)
        for name, each in zip(names, found, strict=True)
        if len(each.latency_s)
    }
    if curves:
        x = Column("client_latency_s", "client latency", unit="s")
        y = Column("share", "share of invocations, failed ones included", unit="1")
        yield Figure(
            "latency-ecdf", "ecdf", title="Distribution of the client latency", x=x, y=y, series=curves,
            samples={name: len(each.counted) for name, each in zip(names, found, strict=True)},
        )  # fmt: skip


def _about_unserved(names: Sequence[str], found: Sequence[Condition]) -> Iterator[Finding]:
    """Yield a warning where the median of the latency lies among invocations that failed: no size is chosen by it."""
    for name, each in zip(names, found, strict=True):
        middle = quantile_of(each, _METRIC)
        if each.unserved and middle.value is None and len(each.counted):
            text = f"{name}: the median latency is {middle.note}; it is left out of choices and comparisons"
            yield Finding(text, numbers={"unserved": each.unserved, "n": len(each.frame)}, warning=True)


def _about_designs(found: Sequence[Condition]) -> Iterator[Finding]:
    """Yield a warning where what is compared was measured at different times."""
    compared: dict[str, dict[tuple[Any, ...], set[str]]] = defaultdict(lambda: defaultdict(set))
    for each in found:
        rest = json.dumps({key: word for key, word in _identity(each).items() if key != "start"}, default=str)
        question = (each.identity["benchmark"], each.identity["size"])
        if each.run.design is Design.SEQUENTIAL:
            compared[each.run.id][question].add(rest)
    for run_id, questions in compared.items():
        several = sorted({benchmark for (benchmark, _), members in questions.items() if len(members) > 1})
        if several:
            text = (
                f"run {run_id} measured the conditions of {', '.join(several)} one after the other (design "
                "sequential): a drift of the platform between them looks like a difference; interleave them with "
                "--design rmit"
            )
            yield Finding(text, numbers={"run": run_id, "design": "sequential"}, warning=True)


def _about_versions(runs: Sequence[RunView], found: Sequence[Condition]) -> Iterator[Finding]:
    """Yield which versions are compared, and whether they were called with the same input."""
    told = set()
    inputs = {
        (view.run.id, value.deployment_id): value.text
        for view in runs
        for value in view.values()
        if value.metric == "client.input"
    }
    for versions in _paired_by(found, "version"):
        if "base" not in versions or "new" not in versions:
            continue
        base, new = versions["base"], versions["new"]
        words = {name: _version(each) for name, each in versions.items()}
        about = (new.run.id, new.identity["benchmark"], *words.values())
        if about not in told:
            told.add(about)
            same = "; both hold the same files" if words["base"] == words["new"] else ""
            text = f"{new.identity['benchmark']} was measured in two versions: base {words['base']}, new {words['new']}"
            yield Finding(text + same, numbers=words)
        digests = {inputs.get((each.run.id, each.deployments[0].id)) for each in (base, new)}
        if len(digests) > 1 and (*about, "inputs") not in told:
            told.add((*about, "inputs"))
            text = (
                f"the two versions of {new.identity['benchmark']} were called with different inputs: they draw their "
                "own, and a difference may be the input's"
            )
            yield Finding(text, numbers={"inputs": len(digests)}, warning=True)


def _version(found: Condition) -> str:
    deployment = found.deployments[0]
    return f"{deployment.benchmark_version} ({deployment.benchmark_sha256[:12]})"


def _about_deployments(runs: Sequence[RunView]) -> Iterator[Finding]:
    seen = set()
    for view in runs:
        for item in view.deployments():
            asked = item.requested["memory_mib"]
            key = (item.platform, item.benchmark, asked, item.memory_mib)
            if asked != item.memory_mib and key not in seen:
                seen.add(key)
                text = f"{item.platform} gave {item.benchmark} {item.memory_mib} MiB where {asked} MiB were asked for"
                yield Finding(text, numbers={"requested_mib": asked, "effective_mib": item.memory_mib}, warning=True)


def _about_failures(runs: Sequence[RunView], names: Sequence[str], found: Sequence[Condition]) -> Iterator[Finding]:
    """Yield a warning for each error, with the conditions that had it; cells that were given up for it told it."""
    views = {view.run.id: view for view in runs}
    alike: dict[tuple[str, str], list[tuple[str, Condition]]] = defaultdict(list)
    for name, each in zip(names, found, strict=True):
        for status in sorted(each.failed):
            error = _example(views[each.run.id], each, status)
            if not (each.cell and error in (each.cell.error or "")):
                alike[status, error].append((name, each))
    for (status, error), those in alike.items():
        count, n = sum(each.failed[status] for _, each in those), sum(len(each.frame) for _, each in those)
        text = f"{_named([name for name, _ in those])}: {count} of {n} ended as {status}, the first with: {error}"
        yield Finding(text, numbers={"status": status, "count": count, "n": n}, warning=True)


def _named(names: Sequence[str]) -> str:
    """Return conditions in words: the first few by their names."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _about_sandboxes(view: RunView, names: Sequence[str], found: Sequence[Condition]) -> Iterator[Finding]:
    """Yield a warning for each number of sandboxes that is too small, with the conditions that had it."""
    alike: dict[tuple[str, int], list[str]] = defaultdict(list)
    for name, each in zip(names, found, strict=True):
        observed = each.observed(_METRIC)
        if each.run.id == view.run.id and observed.caution and not observed.singles:
            alike[observed.caution, observed.count].append(name)
    for (caution, count), those in alike.items():
        yield Finding(f"{_named(those)}: {caution}", numbers={"sandboxes": count}, warning=True)


def _about_samples(view: RunView, names: Sequence[str], found: Sequence[Condition]) -> Iterator[Finding]:
    for name, each in zip(names, found, strict=True):
        if each.run.id != view.run.id:
            continue
        n = len(each.frame)
        if each.wrong_start:
            text = f"{name}: {each.wrong_start} of {n} were not {each.wanted} and are not counted"
            yield Finding(text, numbers={"wrong_start": each.wrong_start, "n": n}, warning=True)
        if each.mixture:
            text = f"{name}: the sample mixes {each.mixture}, which take different times: read them apart by start_type"
            yield Finding(text, numbers={"mixture": each.mixture}, warning=True)
        disagreeing = sum(count for told, count in each.frame.tally("start_evidence").items() if _disagrees(told))
        if disagreeing:
            text = f"{name}: function and provider disagree on the start of {disagreeing} of {n}"
            yield Finding(text, numbers={"disagreeing": disagreeing, "n": n}, warning=True)


def _example(view: RunView, found: Condition, status: str) -> str:
    """Return the reason of the first invocation of a condition that ended so, in one line."""
    mine = {deployment.id for deployment in found.deployments}
    cell_id = found.cell.id if found.cell else None
    stored = view.invocations(cell_id=cell_id, kind=Kind.MEASURED, status=Status(status))
    first = next((call.error for call in stored if call.deployment_id in mine), None)
    return (first or "no reason given").splitlines()[0][:200]


def _disagrees(evidence: str | None) -> bool:
    try:
        told = json.loads(evidence or "")
        return {told.get("function"), told.get("provider")} == {StartType.COLD, StartType.WARM}
    except (ValueError, AttributeError, TypeError):
        return False
