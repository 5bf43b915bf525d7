"""One SQLite file with the runs chosen, their figures and a view for dashboards."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.exporters import DATABASE_MARK, EVERYTHING, Exporter, Selection, replacing
from sebsx.errors import UserError
from sebsx_export.figures import CHOOSES, Series, read_series

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sebsx.contracts.runs import RunView

_TABLES = """
CREATE TABLE figure (
    run TEXT NOT NULL, started_at TEXT NOT NULL, git_commit TEXT, series TEXT NOT NULL, labels TEXT NOT NULL,
    measured INTEGER NOT NULL, failed INTEGER NOT NULL, invalid TEXT NOT NULL,
    metric TEXT, statistic TEXT, unit TEXT, value REAL, lower REAL, upper REAL, n INTEGER
);
CREATE VIEW v_timeseries AS
SELECT CAST(strftime('%s', started_at) AS INTEGER) AS time_s, metric || '.' || statistic AS metric, unit,
       value, lower, upper, series, labels, n, measured, failed, run, git_commit
FROM figure WHERE value IS NOT NULL;
"""


class SqliteExporter(Exporter):
    """A store of the runs chosen alone, with the table `figure` and the view `v_timeseries` besides.

    It is not in write-ahead mode, so that anybody who may read the file can open it, in a folder that he cannot write
    too. A condition that is invalid is a row without figures.
    """

    name: ClassVar[str] = "sqlite"
    summary: ClassVar[str] = "the runs as an SQLite file that opens read-only, with a view for dashboards"
    suffix: ClassVar[str] = ".sqlite"
    chooses: ClassVar[frozenset[str]] = CHOOSES

    def export(self, runs: Sequence[RunView], destination: Path, selection: Selection = EVERYTHING) -> Sequence[Path]:
        """Write the file."""
        series = read_series(runs, selection, history=True)
        if not destination.parent.is_dir():
            raise UserError(f"folder {str(destination.parent)!r} does not exist; create it, or name another")
        with replacing(destination) as part:
            for run in runs:
                run.add_to(part)
            with closing(sqlite3.connect(part)) as connection:
                connection.executescript(_TABLES)
                rows = [row for item in series for row in _rows(item)]
                connection.executemany(f"INSERT INTO figure VALUES ({','.join('?' * 15)})", rows)  # noqa: S608  # no input
                connection.execute(f"PRAGMA application_id = {DATABASE_MARK}")
                connection.commit()
        return [destination]


def _rows(series: Series) -> Iterator[tuple[Any, ...]]:
    source = series.source
    head = (
        source.run, source.started_at, source.commit, series.name, json.dumps(dict(series.labels)), series.measured,
        series.failed, series.condition.invalid,
    )  # fmt: skip
    if not series.summaries:
        yield (*head, *(None,) * 7)
    for summary in series.summaries:
        estimate = summary.estimate
        metric = summary.metric
        yield (
            *head, metric.name, summary.statistic, metric.unit, estimate.value, estimate.low, estimate.high, estimate.n,
        )  # fmt: skip
