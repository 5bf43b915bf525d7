"""One CSV file with one line per invocation."""

from __future__ import annotations

import csv
import re
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from sebsx.contracts.exporters import EVERYTHING, Exporter, Selection, replacing
from sebsx.system.outside import for_spreadsheets
from sebsx_export.rows import COMMON, Provenance, factor_columns, wide_columns, wide_values

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sebsx.contracts.runs import RunView
    from sebsx.model.stored import Page

_NUMBERS = {int, float, type(None)}
_WORDS = {str, type(None)}
_QUOTED = re.compile('[",\r\n]|(?:^|\0)[=+@\t-]')


class CsvExporter(Exporter):
    """The rows of the view `invocations`, failed ones too, run by run and by sequence, a column per factor and sample.

    RFC 4180 with line feeds, UTF-8; a figure that is not there is an empty field; numbers are written so that
    reading them gives the same double; a word that a spreadsheet would take for a formula begins with an apostrophe.
    """

    name: ClassVar[str] = "csv"
    summary: ClassVar[str] = "raw: one line per invocation, with condition, times, cost and samples"
    suffix: ClassVar[str] = ".csv"

    def export(self, runs: Sequence[RunView], destination: Path, selection: Selection = EVERYTHING) -> Sequence[Path]:
        """Write the file; it replaces an older one only when it is complete."""
        own, samples = wide_columns(runs)
        factors = factor_columns(runs)
        with replacing(destination) as part, part.open("wb") as file:
            file.write(f"{line([*COMMON, *factors, *own, *samples])}\n".encode())
            for run in runs:
                file.writelines(run.map_pages(partial(_lines, Provenance.of(run, factors), samples)))
        return [destination]


def _lines(provenance: Provenance, samples: Sequence[str], page: Page) -> bytes:
    """Return the lines of a page."""
    common = [line(values) for values in provenance.of_groups(page)]
    columns = [[common[group] for group in page.groups], *map(fields, wide_values(page, samples))]
    return "".join([f"{','.join(row)}\n" for row in zip(*columns, strict=True)]).encode()


def fields(column: Sequence[Any]) -> list[str]:
    """Return a column as fields of lines; quick where all are numbers, or words that need no quotes."""
    kinds = set(map(type, column))
    if kinds <= _NUMBERS:
        texts = orjson.dumps(column).decode()[1:-1].split(",")  # a third of the time of `repr`; null for no number
        return ["" if text == "null" else text for text in texts] if "null" in texts else texts
    if kinds <= _WORDS:
        text = "\0".join(word or "" for word in column)
        if not _QUOTED.search(text) and text.count("\0") == len(column) - 1:
            return text.split("\0")
    fields = {value: line([value, ""])[:-1] for value in set(column)}
    return [fields[value] for value in column]


def line(values: Sequence[Any]) -> str:
    """Return a line without its end."""
    text = StringIO()
    safe = [for_spreadsheets(value) if isinstance(value, str) else value for value in values]
    csv.writer(text, lineterminator="").writerow(safe)
    return text.getvalue()
