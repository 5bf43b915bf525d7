"""Files for github-action-benchmark: one where smaller is better, one where bigger is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.exporters import EVERYTHING, Exporter, Selection, replacing
from sebsx.model.metrics import Better
from sebsx_export.figures import CHOOSES, Series, json_text, read_series, unit_word

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sebsx.contracts.runs import RunView
    from sebsx.reading.summaries import Summary

_FILES = {Better.LOWER: "smaller", Better.HIGHER: "bigger"}


class GithubExporter(Exporter):
    """`NAME-smaller.json` for `tool: customSmallerIsBetter`, and `NAME-bigger.json` where a figure wants it.

    The action knows one direction per file, matches points by exact name and shows `range` and `extra` as they are.
    """

    name: ClassVar[str] = "github"
    summary: ClassVar[str] = "figures for github-action-benchmark (NAME-smaller.json, NAME-bigger.json)"
    suffix: ClassVar[str] = ".json"
    chooses: ClassVar[frozenset[str]] = CHOOSES

    def export(self, runs: Sequence[RunView], destination: Path, selection: Selection = EVERYTHING) -> Sequence[Path]:
        """Write the files; an older one that would now be empty is removed."""
        series = read_series(runs, selection)
        written = []
        for better, word in _FILES.items():
            entries = [
                _entry(item, summary)
                for item in series
                for summary in item.summaries
                if summary.metric.better is better
            ]
            path = destination.with_name(f"{destination.name.removesuffix('.json')}-{word}.json")
            with replacing(path) as part:
                part.write_text(json_text(entries), encoding="utf-8")
            if entries or better is Better.LOWER:
                written.append(path)
            else:
                path.unlink()
        return written


def _entry(series: Series, summary: Summary) -> dict[str, Any]:
    estimate = summary.estimate
    assert estimate.value is not None
    extra = {
        "n": estimate.n, "measured": series.measured, "failed": series.failed, "note": series.note,
        **series.source.words,
    }  # fmt: skip
    entry = {
        "name": f"{series.name}/{summary.metric.name}/{summary.statistic}",
        "unit": unit_word(summary.metric.unit),
        "value": estimate.value,
    }
    if estimate.low is not None and estimate.high is not None:
        # The action scales a range only if it reads exactly so. The interval is not symmetric; it is in extra.
        entry["range"] = f"± {max(estimate.value - estimate.low, estimate.high - estimate.value):.6g}"
        extra = {f"ci{estimate.confidence * 100:g}": f"[{estimate.low!r}, {estimate.high!r}]", **extra}
    return {**entry, "extra": "\n".join(f"{key}={word}" for key, word in extra.items() if word != "")}
