"""What a store says of its runs as a whole: which there are, what each measured in short, and the baselines.

It is plain SQL for whatever runs a statement: an open store, or, where that is a file of this version, SQLite alone.
SQLAlchemy takes longer to import than a list of runs takes otherwise.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from sebsx.errors import StoreError
from sebsx.model import Design, Kind, Run, RunStatus, StartType, Status
from sebsx.model.metrics import RUN_NOTE
from sebsx.model.stored import Baseline
from sebsx.store import files
from sebsx.store.owner import is_alive
from sebsx.store.values import check_values, damaged, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sebsx.store.values import Allowed

    Ask = Callable[[str], Sequence[Sequence[Any]]]  # runs a statement and returns its rows

_STORE = "the store"
_DELETED = 0  # the row of a run that another process deleted since it was listed: it has nothing any more
_TEXT, _NUMBER, _JSON = frozenset({str}), frozenset({int}), frozenset({dict})
_OPTIONAL: frozenset[type] = frozenset({str, type(None)})
# What the columns that are read here may hold, as the schema says.
COLUMNS: Mapping[str, Mapping[str, Allowed]] = {
    "run": {
        "id": (_NUMBER, None), "ulid": (_TEXT, None), "campaign": (_TEXT, None), "experiment": (_TEXT, None),
        "settings": (_JSON, None), "seed": (_NUMBER, None), "status": (_TEXT, frozenset(RunStatus)),
        "error": (_OPTIONAL, None), "started_at": (_TEXT, None), "finished_at": (_OPTIONAL, None),
        "heartbeat_at": (_TEXT, None), "owner": (_JSON, None), "design": (_TEXT, frozenset(Design)),
    },
    "baseline": {"name": (_TEXT, None), "set_at": (_TEXT, None)},
    "cell": {"id": (_NUMBER, None), "factors": (_JSON, None)},
    "invocation": {
        "kind": (_TEXT, frozenset(Kind)), "status": (_TEXT, frozenset(Status)),
        "start_type": (_TEXT, frozenset(StartType)),
    },
}  # fmt: skip
_RUN = tuple(COLUMNS["run"])


class RunIndex:
    """The runs of a store, in short.

    Args:
        ask: Runs a statement and returns its rows.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._keys: dict[str, int] = {}

    def runs(self, limit: int | None = None) -> list[Run]:
        """Return runs, the last begun first."""
        return read_runs(self._ask, limit=limit)

    def sound_runs(self) -> tuple[list[Run], dict[str, StoreError]]:
        """Return the runs that can be read, the last begun first, and what is wrong with the others, by id."""
        rows = _rows_of_runs(self._ask)
        try:
            return _to_runs(rows), {}
        except StoreError:
            sound: list[Run] = []
            wrong: dict[str, StoreError] = {}
            for row in rows:
                try:
                    sound += _to_runs([row])
                except StoreError as exc:
                    wrong[str(row[1])] = exc
            return sound, wrong

    def factors(self, run: str) -> list[dict[str, Any]]:
        """Return the factors of the cells of a run, in order."""
        rows = self._ask(f"SELECT id, factors FROM cell WHERE run_id = {self._key(run)} ORDER BY position")  # noqa: S608  # our number
        return [factors for _, factors in _checked("cell", rows, f"run {run}")]

    def counts(self, run: str) -> Mapping[tuple[Kind, Status, StartType], int]:
        """Return how many invocations of a run there are of each kind, status and start type."""
        by = "kind, status, start_type"
        rows = self._ask(f"SELECT {by}, count(*) FROM invocation WHERE run_id = {self._key(run)} GROUP BY {by}")  # noqa: S608  # our number
        checked = _checked("invocation", [row[:3] for row in rows], f"run {run}")
        return {
            (Kind(kind), Status(status), StartType(start)): row[3]
            for (kind, status, start), row in zip(checked, rows, strict=True)
        }

    def note(self, run: str) -> str:
        """Return what the user of a run said of it last."""
        rows = self._ask(
            "SELECT v.text FROM run_value v JOIN metric m ON m.id = v.metric_id "  # noqa: S608  # our number and name
            f"WHERE v.run_id = {self._key(run)} AND m.name = '{RUN_NOTE.name}' ORDER BY v.id DESC LIMIT 1"
        )
        return str(rows[0][0] or "") if rows else ""

    def baselines(self) -> list[Baseline]:
        """Return the baselines by name."""
        return read_baselines(self._ask)

    def _key(self, run: str) -> int:
        if run not in self._keys:
            self._keys = {str(ulid): int(key) for key, ulid in self._ask("SELECT id, ulid FROM run")}
        return self._keys.get(run, _DELETED)


@contextmanager
def open_file(path: Path) -> Iterator[RunIndex | None]:
    """Open a store's file to be read with nothing but SQLite; yield None if it is not one of this version, or locked.

    Why it is not is said by `open_store`, which creates or upgrades one as well.
    """
    connection = files.open_newest(path)
    if connection is None:
        yield None
        return
    try:
        with closing(connection):
            yield RunIndex(lambda statement: connection.execute(statement).fetchall())
    except sqlite3.Error as error:
        raise StoreError(files.explain(str(error), str(path))) from error
    except UnicodeDecodeError as error:  # text, or a message about it
        raise StoreError(files.explain("malformed: text that is not UTF-8", str(path))) from error


def read_runs(ask: Ask, *, key: int | None = None, limit: int | None = None) -> list[Run]:
    """Return runs, the last begun first: one by its row, or the latest `limit`.

    Rows are numbered as runs begin here; an id holds the time of a clock that may have been wrong.
    """
    rows = _rows_of_runs(ask, key=key, limit=limit)
    if key is not None and not rows:  # somebody named it: a baseline, an index, or a row of its own
        raise damaged(_STORE, f"table 'run', row {key}: it or its environment is missing")
    return _to_runs(rows)


def read_baselines(ask: Ask) -> list[Baseline]:
    """Return the baselines by name."""
    rows = ask("SELECT b.name, b.set_at, r.ulid FROM baseline b JOIN run r ON r.id = b.run_id ORDER BY b.name")
    names = _checked("baseline", [row[:2] for row in rows], _STORE)
    return [
        Baseline(name=name, run=row[2], set_at=moment(set_at)) for (name, set_at), row in zip(names, rows, strict=True)
    ]


def _rows_of_runs(ask: Ask, *, key: int | None = None, limit: int | None = None) -> Sequence[Sequence[Any]]:
    names = ", ".join(f"r.{name}" for name in _RUN)
    where = "" if key is None else f" WHERE r.id = {key}"
    some = "" if limit is None else f" LIMIT {limit}"
    source = "run r JOIN environment e ON e.id = r.environment_id"
    return ask(f"SELECT {names}, e.fingerprint FROM {source}{where} ORDER BY r.id DESC{some}")  # noqa: S608  # our names


def _to_runs(rows: Sequence[Sequence[Any]]) -> list[Run]:
    checked = _checked("run", [row[: len(_RUN)] for row in rows], _STORE)
    return [_to_run(dict(zip(_RUN, values, strict=True)), row[-1]) for values, row in zip(checked, rows, strict=True)]


def _checked(table: str, rows: Sequence[Sequence[Any]], where: str) -> Sequence[Sequence[Any]]:
    """Return rows with their JSON read, each value of which is one that its column may have.

    Raises:
        StoreError: If one is not.
    """
    known = COLUMNS[table]
    places = [place for place, (types, _) in enumerate(known.values()) if types is _JSON]
    read = [list(row) for row in rows]
    for row in read:
        for place in places:
            try:
                row[place] = files.from_json(row[place])
            except StoreError:
                named = f"row {row[0]} ({row[1]})" if table == "run" else f"row {row[0]}"
                raise damaged(where, f"table {table!r}, {named}: JSON that cannot be read") from None
    check_values(table, list(known), list(zip(*read, strict=True)) if read else [], known.__getitem__, where)
    return read


def _is_alive(row: Mapping[str, Any]) -> bool:
    try:
        return is_alive(row["owner"], moment(row["heartbeat_at"]))
    except ValueError as exc:
        raise damaged(_STORE, f"column 'owner' of table 'run' in row {row['id']} ({row['ulid']}): {exc}") from exc


def _to_run(row: Mapping[str, Any], fingerprint: str) -> Run:
    status = RunStatus(row["status"])
    if status is RunStatus.RUNNING and not _is_alive(row):
        status = RunStatus.INTERRUPTED
    return Run(
        id=row["ulid"],
        experiment=row["experiment"],
        settings=row["settings"],
        seed=row["seed"],
        status=status,
        started_at=moment(row["started_at"]),
        finished_at=moment(row["finished_at"]) if row["finished_at"] else None,
        error=row["error"],
        owner=row["owner"],
        environment=fingerprint,
        campaign=row["campaign"],
        design=Design(row["design"]),
    )
