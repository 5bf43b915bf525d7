"""The ledger: every resource is written down before a platform creates it, so that a crash leaves no stranger."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from sebsx.contracts.ledger import Creation
from sebsx.model import Resource, ResourceState
from sebsx.store import schema
from sebsx.store.columns import check_rows
from sebsx.store.values import now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Connection

    from sebsx.store.engine import Database

_table = schema.resource


class StoreLedger:
    """The ledger of one platform in one run; each entry is committed at once.

    Fulfils `sebsx.contracts.ledger.Ledger`.

    Args:
        database: Where it is written.
        run_id: ULID of the run.
        run_key: Returns the row of the run, which may be stored after the ledger is made.
        platform: Name of the platform.
    """

    def __init__(self, database: Database, run_id: str, run_key: Callable[[], int], platform: str) -> None:
        self._database = database
        self._run_id = run_id
        self._find_run = run_key
        self._platform = platform

    @cached_property
    def _run_key(self) -> int:
        return self._find_run()

    @contextmanager
    def creating(self, kind: str, name: str, region: str = "local") -> Iterator[Creation]:
        """Return a context: `planned` is committed on entry, `created` with the provider's id on a clean exit.

        When the body raises, the resource stays `planned`, with the provider's id if that was known already.
        Creating again what was deleted takes up its row.
        """
        key = self._plan(kind, name, region)
        creation = Creation()
        try:
            yield creation
        except BaseException:
            if creation.provider_id is not None:
                self._set(key, ResourceState.PLANNED, creation.provider_id)
            raise
        self._set(key, ResourceState.CREATED, creation.provider_id)

    def deleted(self, kind: str, name: str) -> None:
        """Record that a resource is gone. Harmless when it is not in the ledger."""
        mine = (_table.c.run_id == self._run_key) & (_table.c.platform == self._platform)
        with self._database.write() as connection:
            connection.execute(
                update(_table)
                .where(mine, _table.c.kind == kind, _table.c.name == name)
                .values(state=ResourceState.DELETED.value, changed_at=now())
            )

    def _plan(self, kind: str, name: str, region: str) -> int:
        identity = {
            "run_id": self._run_key, "platform": self._platform, "region": region, "kind": kind, "name": name,
        }  # fmt: skip
        planned = {"state": ResourceState.PLANNED.value, "provider_id": None, "changed_at": now()}
        same = [_table.c[column] == value for column, value in identity.items()]
        with self._database.write() as connection:
            key = connection.execute(update(_table).where(*same).values(planned).returning(_table.c.id)).scalar()
            if key is None:
                row = {**identity, **planned, "tags": {"sebsx-run": self._run_id}}
                key = connection.execute(insert(_table).values(row).returning(_table.c.id)).scalar_one()
        return int(key)

    def _set(self, key: int, state: ResourceState, provider_id: str | None) -> None:
        with self._database.write() as connection:
            set_state(connection, key, state, provider_id)


def set_state(connection: Connection, key: int, state: ResourceState, provider_id: str | None = None) -> int:
    """Set the state of a resource, and its provider's id unless that is None; return how many rows there were."""
    values = {"state": state.value, "changed_at": now()}
    if provider_id is not None:
        values["provider_id"] = provider_id
    return connection.execute(update(_table).where(_table.c.id == key).values(values)).rowcount


def find(connection: Connection, run_key: int | None, states: Iterable[ResourceState]) -> list[Resource]:
    """Return resources, the newest first, as they are to be undone: of one run or of all."""
    wanted = [state.value for state in states]
    query = (
        select(_table, schema.run.c.ulid)
        .join(schema.run)
        .where(_table.c.state.in_(wanted) | _table.c.state.not_in(list(ResourceState)))  # what is not a state is told
        .order_by(_table.c.id.desc())
    )
    if run_key is not None:
        query = query.where(_table.c.run_id == run_key)
    rows = connection.execute(query).all()
    names = [column.name for column in _table.c]
    check_rows(_table, names, [tuple(row)[: len(names)] for row in rows], "the store")
    return [
        Resource(
            kind=row.kind,
            name=row.name,
            platform=row.platform,
            run_id=row.ulid,
            region=row.region,
            provider_id=row.provider_id,
            state=ResourceState(row.state),
            tags=row.tags,
            id=row.id,
        )
        for row in rows
    ]
