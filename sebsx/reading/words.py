"""What tables, reports and messages call things: each word means one thing everywhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sebsx.contracts.analyzers import Report

# Held by docs/glossary.md, which says more of each.
WORDS = {
    "cell": "One combination of everything that a run varies: benchmark, platform, memory, start type, version.",
    "round": "One pass over all cells of a design, in random order, each measured once.",
    "start type": "How an invocation met its sandbox: cold, warm or restored.",
    "sandbox": "What runs one instance of a function: a process, a container, a micro virtual machine.",
    "restored": "Started from a snapshot of an initialised function rather than by loading it.",
    "front": "The choices that nothing beats: no other one is both faster and cheaper (the Pareto front).",
    "knee": "The choice of the front with the best compromise between cost and duration.",
    "block": "A stretch of invocations that are treated as one observation.",
    "starved": "Its function got less of the processor than it was due, because this machine had other work.",
    "unserved": "Failed, timed out or never answered.",
    "between and within": "How much latency varies from sandbox to sandbox, and inside one sandbox.",
    "effective": "As the platform reports it back, in contrast to what was asked for.",
}
_FORMS = {"between and within": r"between|within", "sandbox": r"sandbox(es)?", "start type": r"start( type)?s?"}


def explained(reports: Iterable[Report]) -> Iterator[str]:
    """Yield a sentence for each word that some reports use."""
    used = " ".join(text for report in reports for text in _texts(report))
    for word, meaning in WORDS.items():
        if re.search(rf"\b({_FORMS.get(word, f'{word}s?')})\b", used):
            yield f"{word[0].upper()}{word[1:]}: {meaning[0].lower()}{meaning[1:]}"


def _texts(report: Report) -> Iterator[str]:
    """Yield what people read in a report beside its numbers."""
    yield from report.answers
    yield from (finding.text for finding in report.findings)
    for table in report.tables:
        yield from (table.name, table.caption)
        yield from (text for column in table.columns for text in (column.title, column.meaning))
