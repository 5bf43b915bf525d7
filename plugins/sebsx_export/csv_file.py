"""One CSV file with one line per invocation."""

from __future__ import annotations

import csv
from io import StringIO
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.exporters import EVERYTHING, Exporter, Selection, replacing
from sebsx_export.rows import WideRows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sebsx.store.reader import RunView


class CsvExporter(Exporter):
    """The rows of the view `invocations`, failed ones too, run by run and by sequence, with a column per sample.

    RFC 4180 with line feeds, UTF-8; a figure that is not there is an empty field; numbers are written so that
    reading them gives the same double.
    """

    name: ClassVar[str] = "csv"
    summary: ClassVar[str] = "raw: one line per invocation, with configuration, times, cost and samples"
    suffix: ClassVar[str] = ".csv"

    def export(self, runs: Sequence[RunView], destination: Path, selection: Selection = EVERYTHING) -> Sequence[Path]:
        """Write the file; it replaces an older one only when it is complete."""
        rows = WideRows(runs)
        with replacing(destination) as part, part.open("w", encoding="utf-8", newline="") as file:
            file.write(_lines([rows.columns]))
            for page in rows.pages():
                text = _lines(page)
                file.write(_lines(_cleaned(page)) if "inf" in text or "nan" in text else text)
        return [destination]


def _lines(rows: Sequence[Sequence[Any]]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _cleaned(page: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Return rows without what is no number: looked at only where a page may hold some, for it costs time."""
    return [[None if isinstance(value, float) and not isfinite(value) else value for value in row] for row in page]
