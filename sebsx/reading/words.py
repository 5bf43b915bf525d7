"""What tables, reports and messages call things: each word means one thing everywhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sebsx.contracts.analyzers import Report

COMMAND, PAGE = "sebsx list words", "docs/glossary.md"
# Held by the page, which says more of each.
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
    "not reached": "A quantile that lies among failed calls, which count as later than all others.",
    "between and within": "How much latency varies from sandbox to sandbox, and inside one sandbox.",
    "effective": "As the platform reports it back, in contrast to what was asked for.",
}
_FORMS = {"between and within": r"between|within", "sandbox": r"sandbox(es)?", "start type": r"start types?|^starts?$"}


_PATTERNS = {word: re.compile(rf"\b({_FORMS.get(word, f'{word}s?')})\b", re.MULTILINE) for word in WORDS}


def used(reports: Iterable[Report]) -> list[str]:
    """Return the words that some reports use."""
    text = "\n".join(text for report in reports for text in _texts(report))
    return [word for word, pattern in _PATTERNS.items() if pattern.search(text)]


def found(text: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Yield each word that a text uses, with the place where it stands first."""
    for word, pattern in _PATTERNS.items():
        if match := pattern.search(text):
            yield word, match


def _texts(report: Report) -> Iterator[str]:
    """Yield what people read in a report beside its numbers."""
    yield from report.answers
    yield from (finding.text for finding in report.findings)
    for table in report.tables:
        yield from (table.name, table.caption)
        yield from (text for column in table.columns for text in (column.title, column.meaning))
        yield from (value.note for row in table.rows for value in row.values() if isinstance(value, Estimate))
