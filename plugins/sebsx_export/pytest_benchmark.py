"""A file as pytest-benchmark saves it, which several services read too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.exporters import EVERYTHING, Exporter, Selection, replacing
from sebsx.errors import UserError
from sebsx.reading.believed import quantile_of
from sebsx.reading.estimates import TOO_SMALL
from sebsx_export.figures import Series, json_text, read_series

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sebsx.contracts.runs import RunView
    from sebsx.model.frame import Numbers

_VERSION = "5.0.0"  # of pytest-benchmark, whose layout this is
_METRIC = "client.latency_s"
_LARGEST = 0.75  # the largest quantile of the format: its box ends there


class PytestBenchmarkExporter(Exporter):
    """One benchmark per condition with every sample that counts, in seconds: client latency, or `--metric`.

    A condition without such a sample, or an invalid one, stands under `left_out`, with the reason.
    """

    name: ClassVar[str] = "pytest-benchmark"
    summary: ClassVar[str] = "samples and their statistics as pytest-benchmark saves them"
    suffix: ClassVar[str] = ".benchmark.json"
    chooses: ClassVar[frozenset[str]] = frozenset({"metric"})

    def export(self, runs: Sequence[RunView], destination: Path, selection: Selection = EVERYTHING) -> Sequence[Path]:
        """Write the file.

        Raises:
            UserError: If a metric is selected that is not in seconds.
        """
        metrics = selection.metrics or (_METRIC,)
        if wrong := [name for name in metrics if not name.endswith("_s")]:
            raise UserError(f"metric {wrong[0]!r} is not in seconds, as pytest-benchmark wants it; export it as 'csv'")
        series = read_series(runs, Selection(metrics=metrics) if selection.metrics else EVERYTHING)
        found = [(item, metric, item.condition.values(metric)) for item in series for metric in metrics]
        refused = {(item.name, metric): _refused(item, metric) for item, metric, values in found if len(values)}
        kept = [entry for entry in found if refused.get((entry[0].name, entry[1])) == ""]
        names = {entry[0].name for entry in kept}
        first = series[0].source if series else None
        started_at = runs[0].run.started_at.isoformat()
        document = {
            "machine_info": _machine(runs[0]),
            "commit_info": {
                "id": (first and first.commit) or "unknown", "time": started_at, "author_time": started_at,
                "dirty": bool(first and first.dirty), "project": "sebsx", "branch": "unknown",
            },
            "benchmarks": [_benchmark(*entry, several=len(metrics) > 1) for entry in kept],
            "datetime": started_at,
            "version": _VERSION,
            "left_out": [
                _left_out(item, next(filter(None, (refused.get((item.name, metric)) for metric in metrics)), ""))
                for item in series
                if item.name not in names
            ],
            "runs": [run.run.id for run in runs],
        }  # fmt: skip
        with replacing(destination) as part:
            part.write_text(json_text(document), encoding="utf-8")
        return [destination]


def _machine(view: RunView) -> dict[str, Any]:
    facts = view.environment
    return {
        "node": "client", "processor": str(facts.get("cpu_model", "")), "machine": str(facts.get("machine", "")),
        "python_implementation": str(facts.get("implementation", "")), "python_version": str(facts.get("python", "")),
        "system": str(facts.get("system", "")), "release": str(facts.get("release", "")),
    }  # fmt: skip


def _benchmark(series: Series, metric: str, values: Numbers, *, several: bool) -> dict[str, Any]:
    name = f"{series.benchmark}[{series.start}]" + (f"/{metric}" if several else "")
    return {
        "group": series.place,
        "name": name,
        "fullname": f"{series.place}/{name}",
        "params": dict(series.labels),
        "param": series.name,
        "extra_info": {
            "metric": metric, "unit": "s", "measured": series.measured, "failed": series.failed, "note": series.note,
            **series.source.words,
        },
        "options": {
            "disable_gc": False, "timer": "perf_counter", "min_rounds": 1, "max_time": 0.0, "min_time": 0.0,
            "warmup": False,
        },
        "stats": statistics(values),
    }  # fmt: skip


def _refused(series: Series, metric: str) -> str:
    """Return why the statistics that this format has of every sample would mislead; empty where they do not.

    It can name neither the quantiles that were refused nor those of the answered ones alone.
    """
    if series.condition.invalid:
        return series.note
    for q in (0.5, _LARGEST):
        found = quantile_of(series.condition, metric, q)
        if found.value is None and found.note != TOO_SMALL:
            return found.note
    return ""


def _left_out(series: Series, reason: str) -> dict[str, Any]:
    return {
        "name": series.name, "reason": reason or series.note or "no sample", "measured": series.measured,
        "failed": series.failed, **series.source.words,
    }  # fmt: skip


def statistics(values: Numbers) -> dict[str, Any]:
    """Return what pytest-benchmark's `Stats` says of some seconds, and the seconds themselves.

    Quartiles by its rule: Tukey's for an even number of samples, else the mean of both methods.
    """
    import numpy as np  # heavy

    ordered = np.sort(values)
    n = len(ordered)
    total, mean = float(ordered.sum()), float(ordered.mean())
    stddev = float(ordered.std(ddof=1)) if n > 1 else 0.0
    q1, q3 = _quartiles(ordered)
    iqr = q3 - q1
    inside = ordered[(ordered >= q1 - 1.5 * iqr) & (ordered <= q3 + 1.5 * iqr)]
    outliers = n - len(inside)
    far = int(((ordered < mean - stddev) | (ordered > mean + stddev)).sum())
    return {
        "min": float(ordered[0]), "max": float(ordered[-1]), "mean": mean, "stddev": stddev, "rounds": n,
        "median": float(np.median(ordered)), "iqr": iqr, "q1": q1, "q3": q3, "iqr_outliers": outliers,
        "stddev_outliers": far, "outliers": f"{far};{outliers}", "ld15iqr": float(inside[0]),
        "hd15iqr": float(inside[-1]), "ops": n / total if total else 0.0, "total": total, "data": values.tolist(),
        "iterations": 1,
    }  # fmt: skip


def _quartiles(ordered: Numbers) -> tuple[float, float]:
    import numpy as np  # heavy

    n, rest = divmod(len(ordered), 4)
    if len(ordered) == 1:
        return float(ordered[0]), float(ordered[0])
    if rest % 2 == 0:
        half = len(ordered) // 2
        return float(np.median(ordered[:half])), float(np.median(ordered[half:]))
    if rest == 1:
        low, high = (n - 1, 0.25), (3 * n, 0.75)
    else:
        low, high = (n, 0.75), (3 * n + 1, 0.25)
    first, second = (
        weight * float(ordered[place]) + (1 - weight) * float(ordered[place + 1]) for place, weight in (low, high)
    )
    return first, second
