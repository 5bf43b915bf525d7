"""What exporters of figures write: series with stable names, cold and warm apart, and where they come from."""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from sebsx.contracts.exporters import EVERYTHING, Selection
from sebsx.errors import UnknownNameError, UserError
from sebsx.model.starts import COUNTED
from sebsx.reading.blocks import caution
from sebsx.reading.conditions import Condition, conditions
from sebsx.reading.estimates import TOO_SMALL
from sebsx.reading.summaries import ANSWERED, ERRORS, summaries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.reading.summaries import Summary

logger = logging.getLogger(__name__)

CHOOSES = frozenset({"metric", "statistic"})

_PLACE = ("platform", "region", "architecture")
_KNOWN = (*_PLACE, "memory_mib", "benchmark", "size", "language", "start")
_SHOWN = 3  # examples in a warning


@dataclass(frozen=True)
class Source:
    """Where figures come from: what every exporter says of a run."""

    run: str
    started_at: str
    experiment: str
    design: str
    commit: str | None
    dirty: bool
    sebsx: str | None

    @property
    def words(self) -> dict[str, str]:
        """All of it that is known, as words, in a fixed order."""
        known = {
            "run": self.run, "started_at": self.started_at, "experiment": self.experiment, "design": self.design,
            "commit": self.commit, "dirty": "true" if self.dirty else None, "sebsx": self.sebsx,
        }  # fmt: skip
        return {key: value for key, value in known.items() if value}


@dataclass(frozen=True)
class Series:
    """One condition as exporters write it.

    Args:
        name: `platform/region/architecture/memory/benchmark[size,language]/start`, the same in every export; begins
            with the run where several of the exported runs measured it.
        labels: The parts of the name by what they are; `run` is among them only if it begins the name.
        condition: Its invocations.
        summaries: The figures wanted; those that cannot be said are left out, and all where it is invalid.
        source: The run.
        refused: What the others cannot say, and why: quantiles that lie among what was not answered, or that the load
            generator made itself.
    """

    name: str
    labels: Mapping[str, str]
    condition: Condition
    summaries: Sequence[Summary]
    source: Source
    refused: Sequence[str] = ()

    @property
    def place(self) -> str:
        """Where it ran: `platform/region/architecture/memory`."""
        return _place(self.labels)

    @property
    def benchmark(self) -> str:
        """What ran: `benchmark[size,language,...]`."""
        return _benchmark(self.labels)

    @property
    def start(self) -> str:
        """`cold`, `warm`, or the start wanted and the one it had: `burst-cold`."""
        return self.labels["start"]

    @property
    def measured(self) -> int:
        """Measured invocations, failed ones too."""
        return len(self.condition.frame)

    @property
    def failed(self) -> int:
        """Measured invocations that failed."""
        return sum(self.condition.failed.values())

    @property
    def note(self) -> str:
        """What a reader has to know; empty if nothing."""
        invalid = f"invalid: {self.condition.invalid}" if self.condition.invalid else ""
        failed = ", ".join(f"{n} {status}" for status, n in sorted(self.condition.failed.items()))
        emulated = "emulated processor" if self.condition.emulated else ""
        words = (
            invalid, failed and f"failed: {failed}", *self.refused, self.condition.mixture, emulated, self.caution
        )  # fmt: skip
        return "; ".join(word for word in words if word)

    @property
    def sandboxes(self) -> int | None:
        """The fewest sandboxes that a figure came from, 0 where unknown; None where each observation is a unit."""
        return min((it.estimate.blocks for it in self.summaries if it.estimate.blocks is not None), default=None)

    @property
    def caution(self) -> str:
        """What must be said where figures came from fewer than six sandboxes; else empty."""
        return "" if self.sandboxes is None else caution(self.sandboxes)


def source_of(view: RunView) -> Source:
    """Return where the figures of a run come from."""
    git = view.environment.get("git") or {}
    return Source(
        run=view.run.id,
        started_at=view.run.started_at.isoformat(),
        experiment=view.run.experiment,
        design=view.run.design.value,
        commit=git.get("commit"),
        dirty=bool(git.get("dirty")),
        sebsx=view.environment.get("sebsx"),
    )


def read_series(
    runs: Sequence[RunView],
    selection: Selection = EVERYTHING,
    *,
    confidence: float = 0.95,
    more: Sequence[str] = (),
    history: bool = False,
) -> list[Series]:
    """Return the series of some runs, run by run in the order of their designs.

    Args:
        runs: The runs.
        selection: Metrics and statistics wanted.
        confidence: Of the intervals.
        more: Columns wanted besides; see `RunView.frame`.
        history: Whether runs that measured the same are points of one series rather than series of their own.

    Raises:
        UserError: If there is no run, or nothing of the name that was selected.
    """
    if not runs:
        raise UserError("no run to export; 'sebsx runs' lists those that are stored")
    sources = {view.run.id: source_of(view) for view in runs}
    series = [
        Series(_name(labels), labels, part, _known(said), sources[part.run.id], _refused(part, said, selection))
        for condition in conditions(runs, more)
        for part, says in _apart(condition)
        for labels, said in [(_labels(part), _said(part, condition, confidence, says))]
    ]
    if not history:
        series = _told_apart(series)
    _check(selection, series)
    series = [replace(item, summaries=_wanted(item, selection)) for item in series]
    _warn(series)
    return series


def unit_word(unit: str) -> str:
    """Return a unit as other tools show it; a share has none of its own."""
    return "share" if unit == "1" else unit


def json_text(document: Any) -> str:
    """Return a document as JSON that every parser takes: no NaN, the same bytes each time."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _apart(condition: Condition) -> Iterator[tuple[Condition, Callable[[Summary], bool]]]:
    """Yield a condition by the start that its invocations had, and which of its summaries hold.

    Where the design asks for neither cold nor warm, both are in it: its parts have the figures. Failures have no start,
    nor have groups of invocations: both stay with the whole, which has nothing else.
    """
    if condition.wanted in COUNTED:
        yield condition, lambda summary: True
        return
    word = condition.wanted or "any"
    whole = {ERRORS.name, *condition.figures}
    yield replace(condition, identity={**condition.identity, "start": word}), lambda it: it.metric.name in whole
    ok = condition.frame.equals("status", "ok")
    for start in sorted(map(str, condition.frame.where(ok).tally("start_type"))):
        frame = condition.frame.where(ok & condition.frame.equals("start_type", start))
        identity = {**condition.identity, "start": f"{word}-{start}"}
        yield replace(condition, identity=identity, frame=frame, figures={}), lambda it: it.metric != ERRORS


def _said(part: Condition, whole: Condition, confidence: float, says: Callable[[Summary], bool]) -> list[Summary]:
    """Return the summaries of a part.

    Quantiles of times are named after the answered ones where the failures stay with the whole.
    """
    if part.invalid:
        return []
    left_out = whole.unserved > part.unserved
    return [
        replace(summary, statistic=f"{summary.statistic}{ANSWERED}") if left_out and _of_client(summary) else summary
        for summary in summaries(part, confidence)
        if says(summary)
    ]


def _known(said: Sequence[Summary]) -> list[Summary]:
    """Return the summaries that are numbers."""
    return [it for it in said if it.estimate.value is not None and isfinite(it.estimate.value)]


def _refused(part: Condition, said: Sequence[Summary], selection: Selection) -> list[str]:
    """Return why selected ones are not numbers though there are samples enough: a sentence for each reason."""
    if not len(part.counted):
        return []  # that all failed is said already
    reasons: dict[str, list[str]] = {}
    for it in said:
        chosen = it.metric.name in (selection.metrics or (it.metric.name,))
        if it.estimate.value is None and it.estimate.note not in ("", TOO_SMALL) and chosen:
            reasons.setdefault(it.estimate.note, []).append(it.name)
    return [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]


def _of_client(summary: Summary) -> bool:
    return summary.metric.name.startswith("client.")


def _wanted(series: Series, selection: Selection) -> list[Summary]:
    return [
        summary
        for summary in series.summaries
        if summary.metric.name in (selection.metrics or (summary.metric.name,))
        and summary.statistic in (selection.statistics or (summary.statistic,))
    ]


def _told_apart(series: Sequence[Series]) -> list[Series]:
    """Return series with names of their own: where several runs measured the same, the run comes first."""
    shared = Counter(item.name for item in series)
    found = []
    for item in series:
        labels = {"run": item.source.run, **item.labels} if shared[item.name] > 1 else item.labels
        found.append(replace(item, labels=labels, name=_name(labels)))
    return found


def _labels(part: Condition) -> dict[str, str]:
    identity = part.identity
    known = {key: str(identity[key]) for key in _KNOWN if identity.get(key) not in (None, "")}
    factors = [f"{key}={value}" for key, value in identity.items() if key not in _KNOWN and value not in (None, "")]
    unknown = dict.fromkeys((*_PLACE, "memory_mib", "start"), "-")  # as behind a URL
    labels = {**unknown, **known, **({"factors": ",".join(factors)} if factors else {})}
    return {key: labels[key] for key in (*_KNOWN, "factors") if key in labels}


def _name(labels: Mapping[str, str]) -> str:
    return "/".join((_place(labels), _safe(_benchmark(labels)), _safe(labels["start"])))


def _place(labels: Mapping[str, str]) -> str:
    words = [labels[key] for key in ("run", *_PLACE) if key in labels]
    memory_mib = labels["memory_mib"]
    return "/".join(map(_safe, (*words, memory_mib if memory_mib == "-" else f"{memory_mib}MiB")))


def _benchmark(labels: Mapping[str, str]) -> str:
    words = [labels[key] for key in ("size", "language", "factors") if key in labels]
    return f"{labels['benchmark']}[{','.join(words)}]" if words else labels["benchmark"]


def _safe(word: str) -> str:
    return word.replace("/", "_")


def _check(selection: Selection, series: Sequence[Series]) -> None:
    said = [summary for item in series for summary in item.summaries]
    kinds = (
        ("metric", selection.metrics, {summary.metric.name for summary in said}),
        ("statistic", selection.statistics, {summary.statistic for summary in said}),
    )
    for kind, wanted, known in kinds:
        for name in wanted if known else ():
            if name not in known:
                raise UnknownNameError(kind, name, sorted(known), f"--{kind}", of="these runs")


def _warn(series: Sequence[Series]) -> None:
    invalid = [f"{item.name} ({item.condition.invalid})" for item in series if item.condition.invalid]
    if invalid:
        more = f" and {len(invalid) - _SHOWN} more" if len(invalid) > _SHOWN else ""
        logger.warning("no figures of conditions that are invalid: %s%s", ", ".join(invalid[:_SHOWN]), more)
    elif not any(item.summaries for item in series):
        logger.warning("these runs hold no measured figure, so the export has none")
    refused = [item for item in series if item.refused]
    if refused:
        more = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
        logger.warning("left out of %s%s: %s", refused[0].name, more, "; ".join(refused[0].refused))
    few = [item for item in series if item.caution]
    if few:
        more = f" and {len(few) - 1} more" if len(few) > 1 else ""
        logger.warning("%s%s: %s", few[0].name, more, few[0].caution)
