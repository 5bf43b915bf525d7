"""Markdown: a table for a pull request, an issue or a job's summary."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, ClassVar

from sebsx.contracts.exporters import EVERYTHING, Exporter, Selection, replacing
from sebsx.reading.units import show
from sebsx.system.outside import visible
from sebsx_export.figures import CHOOSES, Series, read_series, source_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sebsx.contracts.runs import RunView
    from sebsx.reading.summaries import Summary

# A comment on GitHub; a job's summary may be sixteen times as long. Read in November 2026:
# https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
LIMIT_CHARACTERS = 65_536
_USUAL = (
    "client.latency_s.p50", "client.latency_s.p90", "client.latency_s.p99", "execution.duration_s.p50",
    "cost_per_million_usd.mean",
)  # fmt: skip


class MarkdownExporter(Exporter):
    """Where the figures come from, then a row per condition; what is invalid or failed is said in its row.

    Latency and cost unless other figures are selected. Fits a comment on GitHub: where there are too many
    conditions those with something to say come first, and the last line says how many are left out.
    """

    name: ClassVar[str] = "markdown"
    summary: ClassVar[str] = "a table for a pull request, an issue or a job's summary"
    suffix: ClassVar[str] = ".md"
    chooses: ClassVar[frozenset[str]] = CHOOSES

    def export(self, runs: Sequence[RunView], destination: Path, selection: Selection = EVERYTHING) -> Sequence[Path]:
        """Write the file."""
        series = read_series(runs, selection)
        found = {item.name: item for one in series for item in one.summaries}
        shown = [
            summary
            for name, summary in found.items()
            if name in _USUAL or (selection != EVERYTHING and summary.metric.name != "errors")
        ]
        head = (
            [*(_about(view) for view in runs), "", *_heading(shown)] if series else [*(_about(view) for view in runs)]
        )
        rows = [_row(item, shown) for item in series]
        with replacing(destination) as part:
            part.write_text(_fitted(head, rows, series), encoding="utf-8")
        return [destination]


def _about(view: RunView) -> str:
    words = ", ".join(f"{key} {_cell(word)}" for key, word in source_of(view).words.items() if key != "run")
    return f"- run `{view.run.id}`: {view.status.value}, {words}"


def _heading(shown: Sequence[Summary]) -> list[str]:
    titles = ["condition", "measured", "failed", *(summary.name for summary in shown), "note"]
    return [_line(titles), _line(["---", "---:", "---:", *("---:" for _ in shown), "---"])]


def _row(series: Series, shown: Sequence[Summary]) -> str:
    figures = {summary.name: show(summary.estimate, summary.metric.unit) for summary in series.summaries}
    cells = (figures.get(summary.name, "-") for summary in shown)
    return _line([f"`{series.name}`", str(series.measured), str(series.failed), *cells, series.note])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(word: str) -> str:
    shown = escape(visible(" ".join(word.split())), quote=False)
    return shown.replace("|", r"\|")


def _fitted(head: Sequence[str], rows: Sequence[str], series: Sequence[Series]) -> str:
    text = "\n".join((*head, *rows)) + "\n"
    if len(text) <= LIMIT_CHARACTERS:
        return text
    first = sorted(range(len(rows)), key=lambda place: not series[place].note)
    room = LIMIT_CHARACTERS - len("\n".join(head)) - 100
    kept = []
    for place in first:
        room -= len(rows[place]) + 1
        if room < 0:
            break
        kept.append(rows[place])
    return "\n".join((*head, *kept, "", f"{len(rows) - len(kept)} more conditions do not fit here.")) + "\n"
