"""A file in the metric format of Bencher."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.exporters import EVERYTHING, Exporter, Selection, replacing
from sebsx_export.figures import CHOOSES, json_text, read_series

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sebsx.contracts.runs import RunView
    from sebsx.reading.summaries import Summary
    from sebsx_export.figures import Series

# Source: Bencher's documentation of benchmark names and measure slugs, read in November 2026.
_NAME_LIMIT, _SLUG_LIMIT = 1024, 64
_LATENCY = "client.latency_s.p50"  # Bencher's own measure `latency`, which is in nanoseconds
_NS = 1e9


class BencherExporter(Exporter):
    """Benchmark, then measure, then value with its interval.

    The median client latency is Bencher's own measure `latency`, in nanoseconds; every other measure has our name,
    which holds the unit: `client-response-s-p50`. `sandboxes` is how many shared the calls.
    """

    name: ClassVar[str] = "bencher"
    summary: ClassVar[str] = "figures in the Bencher Metric Format (bencher run --adapter json)"
    suffix: ClassVar[str] = ".bmf.json"
    chooses: ClassVar[frozenset[str]] = CHOOSES

    def export(self, runs: Sequence[RunView], destination: Path, selection: Selection = EVERYTHING) -> Sequence[Path]:
        """Write the file; a condition without a figure is left out."""
        series = read_series(runs, selection)
        document = {
            _limited(item.name, _NAME_LIMIT): {**dict(map(_measure, item.summaries)), **_sandboxes(item)}
            for item in series
            if item.summaries
        }
        with replacing(destination) as part:
            part.write_text(json_text(document), encoding="utf-8")
        return [destination]


def _sandboxes(series: Series) -> dict[str, dict[str, Any]]:
    """Return how many sandboxes shared the calls: with fewer than six a small difference may be theirs."""
    return {} if series.sandboxes is None else {"sandboxes": {"value": series.sandboxes}}


def _measure(summary: Summary) -> tuple[str, dict[str, Any]]:
    own = summary.name == _LATENCY
    slug = "latency" if own else re.sub(r"[^a-z0-9]+", "-", summary.name.lower()).strip("-")
    estimate = summary.estimate
    values = {"value": estimate.value, "lower_value": estimate.low, "upper_value": estimate.high}
    factor = _NS if own else 1.0
    return _limited(slug, _SLUG_LIMIT), {key: value * factor for key, value in values.items() if value is not None}


def _limited(word: str, limit: int) -> str:
    """Return a word that fits, still telling it from others: too long a one ends with its hash."""
    return word if len(word) <= limit else f"{word[: limit - 9]}-{sha256(word.encode()).hexdigest()[:8]}"
