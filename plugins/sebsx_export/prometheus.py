"""OpenMetrics, and the older text format that node_exporter reads from `*.prom` files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

from sebsx.contracts.exporters import EVERYTHING, Exporter, Selection, replacing
from sebsx_export.figures import CHOOSES, read_series, source_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sebsx.contracts.runs import RunView
    from sebsx.model.metrics import Metric
    from sebsx.reading.summaries import Summary
    from sebsx_export.figures import Series

_QUANTILES = {"p50": "0.5", "p90": "0.9", "p99": "0.99"}
_UNITS = {"s": "seconds", "bytes": "bytes", "USD": "usd", "1": "ratio"}
_UNIT_ENDING = re.compile(r"_(s|bytes|usd|1)$")
_LABELS = ("platform", "region", "architecture", "memory_mib", "benchmark", "size", "language", "start", "factors")
_SANDBOXES = (
    "Sandboxes that shared the calls, 0 where unknown; with fewer than six no figure has an interval, and a "
    "difference of a few percent may be that of the sandbox."
)


@dataclass
class _Family:
    """One metric: kind, unit and meaning, and its samples as (ending of the name, labels, number)."""

    kind: str
    unit: str
    meaning: str
    samples: list[tuple[str, Mapping[str, str], str]] = field(default_factory=list)


class OpenMetricsExporter(Exporter):
    """Text of OpenMetrics 1.0: medians and tails as summaries, intervals and counts as gauges, no timestamps.

    Numbers have six digits and labels a fixed order, because GitLab compares both as text.
    """

    name: ClassVar[str] = "openmetrics"
    summary: ClassVar[str] = "figures in OpenMetrics, for GitLab metrics reports and Prometheus"
    suffix: ClassVar[str] = ".metrics.txt"
    chooses: ClassVar[frozenset[str]] = CHOOSES

    def export(self, runs: Sequence[RunView], destination: Path, selection: Selection = EVERYTHING) -> Sequence[Path]:
        """Write the file."""
        lines = [*_lines(_families(runs, selection), classic=False), "# EOF"]
        with replacing(destination) as part:
            part.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return [destination]


class PromExporter(Exporter):
    """What `openmetrics` has in the classic dialect: no units, no `info`, no end mark."""

    name: ClassVar[str] = "prom"
    summary: ClassVar[str] = "figures for the textfile collector of node_exporter (*.prom)"
    suffix: ClassVar[str] = ".prom"
    chooses: ClassVar[frozenset[str]] = CHOOSES

    def export(self, runs: Sequence[RunView], destination: Path, selection: Selection = EVERYTHING) -> Sequence[Path]:
        """Write the file."""
        lines = list(_lines(_families(runs, selection), classic=True))
        with replacing(destination) as part:
            part.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return [destination]


def _families(runs: Sequence[RunView], selection: Selection) -> dict[str, _Family]:
    found: dict[str, _Family] = {}
    for item in read_series(runs, selection):
        labels = {key: item.labels.get(key, "") for key in _LABELS}
        if "run" in item.labels:
            labels = {"run": item.labels["run"], **labels}
        for metric, summaries in groupby(item.summaries, key=lambda summary: summary.metric):
            _add(found, metric, list(summaries), labels, item)
        _counts(found, item, labels)
    info = found.setdefault("sebsx_run", _Family("info", "", "Where the figures come from."))
    info.samples += [("_info", source_of(view).words, "1") for view in runs]
    return found


def _add(
    found: dict[str, _Family], metric: Metric, summaries: Sequence[Summary], labels: Mapping[str, str], series: Series
) -> None:
    """Add the figures of a metric: quantiles as one summary, anything else as a gauge, and intervals as two."""
    unit = _UNITS.get(metric.unit, "")
    base = "sebsx_" + re.sub(r"\W", "_", _UNIT_ENDING.sub("", metric.name))
    ending = f"_{unit}" if unit else ""
    quantiles = [summary for summary in summaries if summary.statistic in _QUANTILES]
    family = _family(found, base + ending, "summary" if quantiles else "gauge", unit, metric)
    for summary in summaries:
        estimate = summary.estimate
        assert estimate.value is not None
        quantile = {"quantile": _QUANTILES[summary.statistic]} if summary in quantiles else {}
        family.samples.append(("", {**labels, **quantile}, _number(estimate.value)))
        for word, end in (("lower", estimate.low), ("upper", estimate.high)):
            if end is not None:
                meaning = f"{word.capitalize()} end of the {estimate.confidence * 100:g} % interval of {summary.name}."
                name = f"{base}_{summary.statistic}_{word}{ending}"
                found.setdefault(name, _Family("gauge", unit, meaning)).samples.append(("", labels, _number(end)))
    if quantiles:
        values = series.condition.values(metric.name)
        family.samples.append(("_count", labels, str(len(values))))
        family.samples.append(("_sum", labels, _number(float(values.sum()))))


def _family(found: dict[str, _Family], name: str, kind: str, unit: str, metric: Metric) -> _Family:
    meaning = metric.meaning or metric.name
    return found.setdefault(name, _Family(kind, unit, f"{meaning[:1].upper()}{meaning[1:]}."))


def _counts(found: dict[str, _Family], series: Series, labels: Mapping[str, str]) -> None:
    """Add how many invocations ended how, and whether the measurement must not be believed."""
    invocations = found.setdefault("sebsx_invocations", _Family("gauge", "", "Measured invocations by status."))
    by_status = {"ok": series.measured - series.failed, **series.condition.failed}
    for status, n in sorted(by_status.items()):
        invocations.samples.append(("", {**labels, "status": status}, str(n)))
    invalid = found.setdefault("sebsx_invalid", _Family("gauge", "", "1 where the measurement must not be believed."))
    invalid.samples.append(("", labels, str(int(bool(series.condition.invalid)))))
    if series.sandboxes is not None:
        sandboxes = found.setdefault("sebsx_sandboxes", _Family("gauge", "", _SANDBOXES))
        sandboxes.samples.append(("", labels, str(series.sandboxes)))


def _lines(families: Mapping[str, _Family], *, classic: bool) -> Iterator[str]:
    for name, family in families.items():
        info = family.kind == "info"
        shown = f"{name}_info" if classic and info else name
        yield f"# HELP {shown} {_escaped(family.meaning)}"
        yield f"# TYPE {shown} {'gauge' if classic and info else family.kind}"
        if family.unit and not classic:
            yield f"# UNIT {shown} {family.unit}"
        for ending, labels, number in family.samples:
            words = ",".join(f'{key}="{_escaped(word)}"' for key, word in labels.items())
            yield f"{name}{ending}{{{words}}} {number}"


def _number(value: float) -> str:
    return f"{value:.6g}"


def _escaped(word: str) -> str:
    return word.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
