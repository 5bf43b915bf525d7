"""A results folder of airspeed velocity (asv)."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.exporters import EVERYTHING, FOLDER_MARK, Exporter, Selection, replacing
from sebsx.errors import UserError
from sebsx.reading.believed import quantile_of
from sebsx_export.figures import CHOOSES, Series, json_text, read_series, unit_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sebsx.contracts.runs import RunView
    from sebsx.reading.summaries import Summary

logger = logging.getLogger(__name__)

_ENVIRONMENT = "sebsx"
_CONFIDENCE = 0.99  # of the intervals by which asv weighs points when it looks for steps
_COLUMNS = (
    "result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b", "stats_q_25",
    "stats_q_75", "stats_number", "stats_repeat", "samples", "profile",
)  # fmt: skip


class AsvExporter(Exporter):
    """Each place (platform, region, architecture, memory) is a machine, each figure a benchmark, each run a commit.

    Times are of asv's type `time`, anything else is tracked with its unit. Where several runs are of one commit, the
    newest stands; the date of a commit is that of its run. What is invalid, or all failed, is null: asv's word for it.
    """

    name: ClassVar[str] = "asv"
    summary: ClassVar[str] = "a results folder for asv publish and asv compare; runs are commits"
    suffix: ClassVar[str] = ".asv"
    chooses: ClassVar[frozenset[str]] = CHOOSES

    def export(self, runs: Sequence[RunView], destination: Path, selection: Selection = EVERYTHING) -> Sequence[Path]:
        """Write the folder.

        Raises:
            UserError: If a run knows no commit, which asv orders results by.
        """
        series = read_series(runs, selection, confidence=_CONFIDENCE, history=True)
        newest: dict[tuple[str, str], list[Series]] = {}
        for item in sorted(series, key=lambda item: (item.source.started_at, item.source.run)):
            mine = newest.setdefault((_machine(item), _commit(item)), [])
            older = {other.source.run for other in mine} - {item.source.run}
            if older:
                logger.warning("run %s is left out: a newer one is of the same commit", ", ".join(older))
                mine.clear()
            mine.append(item)
        benchmarks = {_benchmark(item, summary): summary for item in series for summary in item.summaries}
        files = {
            FOLDER_MARK: "".join(f"{view.run.id} {view.run.started_at.isoformat()}\n" for view in runs),
            "benchmarks.json": json_text(
                {"version": 2, **{name: _about(name, benchmarks[name]) for name in benchmarks}}
            ),
        }
        by_prefix: dict[str, set[str]] = defaultdict(set)
        for item in series:
            by_prefix[_prefix(item)].update(_benchmark(item, summary) for summary in item.summaries)
        for (machine, commit), items in newest.items():
            files[f"{machine}/machine.json"] = json_text({**_facts(items[0]), "version": 1})
            files[f"{machine}/{commit[:8]}-{_ENVIRONMENT}.json"] = json_text(_results(commit, items, by_prefix))
        with replacing(destination) as part:
            for name, text in files.items():
                path = part / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        return [destination / name for name in files]


def _machine(series: Series) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", series.place.replace("/", "-"))


def _commit(series: Series) -> str:
    if not series.source.commit:
        raise UserError(
            f"run {series.source.run} knows no git commit, by which asv orders results; run sebsx in a git repository, "
            "or export with -f otava, which orders by time"
        )
    return series.source.commit


def _prefix(series: Series) -> str:
    return f"{series.benchmark}.{series.start}."


def _benchmark(series: Series, summary: Summary) -> str:
    return _prefix(series) + summary.name


def _about(name: str, summary: Summary) -> dict[str, Any]:
    is_time = summary.metric.unit == "s"
    return {
        "code": "", "name": name, "pretty_name": name, "type": "time" if is_time else "track",
        "unit": "seconds" if is_time else unit_word(summary.metric.unit), "version": "1", "param_names": [],
        "params": [], "timeout": 60,
    }  # fmt: skip


def _facts(series: Series) -> dict[str, str]:
    labels = series.labels
    return {
        "machine": _machine(series), "arch": labels["architecture"], "cpu": "", "num_cpu": "",
        "os": f"{labels['platform']} {labels['region']}", "ram": f"{labels['memory_mib']}MiB",
    }  # fmt: skip


def _results(commit: str, items: Sequence[Series], known: Mapping[str, set[str]]) -> dict[str, Any]:
    started_ms = int(items[0].condition.run.started_at.timestamp() * 1000)
    results: dict[str, list[Any]] = {}
    for item in items:
        said = {_benchmark(item, summary): summary for summary in item.summaries}
        for name in sorted({*said, *known[_prefix(item)]}):
            results[name] = _result(item, said.get(name), started_ms)
    return {
        "version": 2, "commit_hash": commit, "env_name": _ENVIRONMENT, "date": started_ms,
        "params": {**_facts(items[0]), "python": ""}, "python": "", "requirements": {}, "env_vars": {},
        "durations": {}, "result_columns": list(_COLUMNS), "results": results, "sebsx": dict(items[0].source.words),
    }  # fmt: skip


def _result(series: Series, summary: Summary | None, started_ms: int) -> list[Any]:
    """Return a row of `_COLUMNS`; every statistic is a list with one entry for each combination of parameters."""
    if summary is None:
        return [[None], [], "1", started_ms, 0]
    estimate = summary.estimate
    row = [[estimate.value], [], "1", started_ms, 0]
    if summary.statistic != "p50":  # asv takes statistics for those of a median, and wants all of them or none
        return row
    q25, q75 = _quartiles(series, summary)
    return [*row, [estimate.low], [estimate.high], [q25], [q75], [1], [estimate.n], None, None]


def _quartiles(series: Series, summary: Summary) -> tuple[float | None, float | None]:
    name = summary.metric.name
    return quantile_of(series.condition, name, 0.25).value, quantile_of(series.condition, name, 0.75).value
