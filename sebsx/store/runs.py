"""Finds runs by name, and gives them names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import delete, insert, select

from sebsx.errors import UnknownNameError, UserError
from sebsx.store import schema
from sebsx.store.index import read_baselines
from sebsx.store.values import now

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from sebsx.model.stored import Baseline
    from sebsx.store.index import Ask

R = TypeVar("R")

_BASELINE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._/-]{0,99}")  # an id begins with a digit


def asking(connection: Connection) -> Ask:
    """Return what runs the statements of `sebsx.store.index` in a transaction."""
    return lambda statement: connection.exec_driver_sql(statement).all()


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
    return next(baseline for baseline in read_baselines(asking(connection)) if baseline.name == name)


def remove_baseline(connection: Connection, name: str) -> Baseline:
    """Forget a name and return what it stood for.

    Raises:
        UserError: If there is no such baseline.
    """
    known = {baseline.name: baseline for baseline in read_baselines(asking(connection))}
    if name not in known:
        raise UnknownNameError("baseline", name, known, "sebsx baseline list")
    connection.execute(delete(schema.baseline).where(schema.baseline.c.name == name))
    return known[name]


def record(cls: type[R], row: Row[Any], **typed: Any) -> R:
    """Return a dataclass from the columns of the same names; `typed` replaces those of another type."""
    return cls(**{**row._mapping, **typed})  # noqa: SLF001  # the documented name of this attribute
