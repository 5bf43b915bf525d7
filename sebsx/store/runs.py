"""Finds runs and baselines by name, reads them as dataclasses, and gives runs their names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import delete, insert, select

from sebsx.errors import StoreError, UnknownNameError, UserError
from sebsx.model import Design, Run, RunStatus
from sebsx.model.stored import Baseline
from sebsx.store import schema
from sebsx.store.owner import is_alive
from sebsx.store.values import check_rows, damaged, moment, now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

R = TypeVar("R")

_BASELINE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._/-]{0,99}")  # an id begins with a digit


def read_runs(connection: Connection, *, key: int | None = None, limit: int | None = None) -> list[Run]:
    """Return runs, the last begun first: one by its row, or the latest `limit`.

    Rows are numbered as runs begin here; an id holds the time of a clock that may have been wrong.
    """
    c = schema.run.c
    query = select(schema.run, schema.environment.c.fingerprint).join(schema.environment).order_by(c.id.desc())
    query = query.limit(limit) if key is None else query.where(c.id == key)
    try:
        rows = connection.execute(query).all()
    except StoreError:
        if bad := _unreadable(connection, key):
            rows_of = ", ".join(f"row {key} ({ulid})" for key, ulid in bad)
            raise damaged("the store", f"table 'run', {rows_of}: JSON that cannot be read") from None
        raise
    if key is not None and not rows:  # somebody named it: a baseline, an index, or a row of its own
        raise damaged("the store", f"table 'run', row {key}: it or its environment is missing")
    names = [column.name for column in schema.run.c]
    check_rows(schema.run, names, [tuple(row)[: len(names)] for row in rows], "the store")
    return [_to_run(row) for row in rows]


def read_sound_runs(connection: Connection) -> tuple[list[Run], dict[str, StoreError]]:
    """Return the runs that can be read, the last begun first, and what is wrong with the others, by id."""
    try:
        return read_runs(connection), {}
    except StoreError:
        c = schema.run.c
        sound: list[Run] = []
        wrong: dict[str, StoreError] = {}
        for key, ulid in connection.execute(select(c.id, c.ulid).order_by(c.id.desc())).all():
            try:
                sound += read_runs(connection, key=key)
            except StoreError as exc:
                wrong[str(ulid)] = exc
        return sound, wrong


def _unreadable(connection: Connection, only: int | None) -> list[tuple[int, str]]:
    """Return row and id of the runs that hold JSON that cannot be read."""
    c = schema.run.c
    bad = []
    query = select(c.id, c.ulid).order_by(c.id)
    for key, ulid in connection.execute(query if only is None else query.where(c.id == only)).all():
        try:
            connection.execute(select(schema.run).where(c.id == key)).all()
        except StoreError:
            bad.append((key, ulid))
    return bad


def find_run(connection: Connection, name: str) -> int:
    """Return the row of a run.

    Args:
        connection: To read from.
        name: Its id, any unique beginning of it (case does not matter), the name of a baseline, or `last`.

    Raises:
        UserError: If there is none or more than one.
    """
    c = schema.run.c
    if name == "last":
        key = connection.execute(select(c.id).order_by(c.id.desc()).limit(1)).scalar()
        if key is None:
            raise UserError("the store has no runs yet; start one with: sebsx run benchmark")
        return int(key)
    if _BASELINE_NAME.fullmatch(name):
        named = connection.execute(select(schema.baseline.c.run_id).where(schema.baseline.c.name == name)).scalar()
        if named is not None:
            return int(named)
    prefix = name.upper()
    rows = connection.execute(
        select(c.id, c.ulid).where(c.ulid.startswith(prefix, autoescape=True)).order_by(c.ulid.desc()).limit(5)
    ).all()
    exact = [row for row in rows if row.ulid == prefix]
    if len(exact or rows) == 1 and name:
        return int((exact or rows)[0].id)
    if rows and name:
        raise UserError(f"run {name!r} is not unique; give more of one of {', '.join(row.ulid for row in rows)}")
    raise UserError(f"run {name!r} is not in the store; 'sebsx runs' lists those that are, and 'last' is the newest")


def set_baseline(connection: Connection, name: str, run: str) -> Baseline:
    """Name a run; a name that is taken moves to it.

    Raises:
        UserError: If there is no such run, or the name could be taken for a run's id or `last`.
    """
    if name == "last" or not _BASELINE_NAME.fullmatch(name):
        rule = "use up to 100 letters, digits and ._/-, the first a letter, and not 'last'"
        raise UserError(f"invalid name {name!r} of a baseline; {rule}")
    key = find_run(connection, run)
    c = schema.baseline.c
    connection.execute(delete(schema.baseline).where(c.name == name))
    connection.execute(insert(schema.baseline).values(name=name, run_id=key, set_at=now()))
    return read_baselines(connection, name)[0]


def remove_baseline(connection: Connection, name: str) -> Baseline:
    """Forget a name and return what it stood for.

    Raises:
        UserError: If there is no such baseline.
    """
    known = {baseline.name: baseline for baseline in read_baselines(connection)}
    if name not in known:
        raise UnknownNameError("baseline", name, known, "sebsx baseline list")
    connection.execute(delete(schema.baseline).where(schema.baseline.c.name == name))
    return known[name]


def read_baselines(connection: Connection, name: str | None = None) -> list[Baseline]:
    """Return the baselines by name, or only one."""
    c = schema.baseline.c
    query = select(c.name, schema.run.c.ulid.label("run"), c.set_at).join(schema.run).order_by(c.name)
    rows: Sequence[Any] = connection.execute(query if name is None else query.where(c.name == name)).all()
    return [record(Baseline, row, set_at=moment(row.set_at)) for row in rows]


def record(cls: type[R], row: Row[Any], **typed: Any) -> R:
    """Return a dataclass from the columns of the same names; `typed` replaces those of another type."""
    return cls(**{**row._mapping, **typed})  # noqa: SLF001  # the documented name of this attribute


def _to_run(row: Row[Any]) -> Run:
    status = RunStatus(row.status)
    if status is RunStatus.RUNNING and not is_alive(row.owner, moment(row.heartbeat_at)):
        status = RunStatus.INTERRUPTED
    return Run(
        id=row.ulid,
        experiment=row.experiment,
        settings=row.settings,
        seed=row.seed,
        status=status,
        started_at=moment(row.started_at),
        finished_at=moment(row.finished_at) if row.finished_at else None,
        error=row.error,
        owner=row.owner,
        environment=row.fingerprint,
        campaign=row.campaign,
        design=Design(row.design),
    )
