"""One CSV file with one line per invocation."""

from __future__ import annotations

import csv
from contextlib import suppress
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.errors import UserError
from sebsx.exporters import Exporter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sebsx.store.reader import RunView


class CsvExporter(Exporter):
    """The rows of the view `invocations`, failed ones too, run by run and by sequence.

    RFC 4180 with line feeds, UTF-8; a figure that is not there is an empty field; numbers are written so that
    reading them gives the same double.
    """

    name: ClassVar[str] = "csv"
    summary: ClassVar[str] = "one line per invocation, with configuration, times and cost"
    suffix: ClassVar[str] = ".csv"

    def export(self, runs: Sequence[RunView], destination: Path) -> Sequence[Path]:
        """Write the file; it replaces an older one only when it is complete.

        Raises:
            UserError: If there is no run, or the file cannot be written.
        """
        if not runs:
            raise UserError("there is no run to export; 'sebsx runs' lists those that are stored")
        part = destination.with_name(destination.name + ".part")
        try:
            with part.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                names = runs[0].row_columns()
                writer.writerow(names)
                for run in runs:
                    writer.writerows([_cell(row[name]) for name in names] for row in run.rows(columns=names))
            part.replace(destination)
        except OSError as error:
            raise UserError(f"{str(destination)!r} cannot be written: {error.strerror}") from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        return [destination]


def _cell(value: Any) -> Any:
    """Return what is written for a value: nothing for one that is missing or no number."""
    return "" if value is None or (isinstance(value, float) and not isfinite(value)) else value
