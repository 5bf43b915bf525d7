"""The same warning many times is said once, and how often it came in the end."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# What two warnings may differ in that are one: numbers, what stands in quotation marks, and ids of sandboxes and runs.
_PARTICULARS = re.compile(r"'[^']*'|\b(?=\w*\d)[\w.%-]+")
_SUBJECT = re.compile(r"(?P<subject>[^:]{1,200}): (?P<text>.+)", re.DOTALL)  # `graph-bfs 256 MiB cold: all failed`
_NAMED = 3  # subjects that are named rather than counted


@dataclass
class _Kind:
    text: str
    more: int = 0
    subjects: dict[str, None] = field(default_factory=dict)


class Repeats:
    """Tells a warning that is new from one of a kind that was said, and counts those."""

    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {}

    @property
    def nothing_said(self) -> bool:
        """Whether no warning was said by now."""
        return not self._kinds

    def is_new(self, text: str) -> bool:
        """Return whether nothing of this kind was said yet; else it is counted."""
        found = _SUBJECT.fullmatch(text)
        subject, rest = (found["subject"], found["text"]) if found else ("", text)
        name = _PARTICULARS.sub("", rest)
        if name not in self._kinds:
            self._kinds[name] = _Kind(rest)
            return True
        kind = self._kinds[name]
        kind.more += 1
        if subject:
            kind.subjects[subject] = None
        return False

    def told(self) -> Iterator[str]:
        """Yield a line for each kind that came again, and begin again."""
        for kind in self._kinds.values():
            if kind.more:
                names = list(kind.subjects)
                rest = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
                where = f" ({', '.join([*names[:_NAMED], *rest])})" if names else ""
                yield f"the same {kind.more} more time{'s' * (kind.more > 1)}{where}: {kind.text}"
        self._kinds.clear()


class OnceFilter(logging.Filter):
    """Lets a warning of a log pass once; errors, and what has a traceback, always."""

    def __init__(self, repeats: Repeats) -> None:
        super().__init__()
        self._repeats = repeats

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is said."""
        if record.levelno != logging.WARNING or record.exc_info:
            return True
        return self._repeats.is_new(record.getMessage())
