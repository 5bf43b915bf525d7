"""The version of a store, and the steps that bring an older one up to date.

A new store is created at the newest version from `sebsx.store.schema`. `UPGRADES[n]` turns the tables of version n + 1
into those of n + 2, inside one transaction with all the others and the views of the newest version, so that a store is
either as before or fully upgraded.
A test holds that upgrading and creating give the same tables.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, insert, inspect, select

from sebsx import __version__
from sebsx.errors import StoreError
from sebsx.store import files, schema

if TYPE_CHECKING:
    from collections.abc import Callable


def _interleaved_designs(connection: Connection) -> None:
    """Version 2: the design of a run, the round of an invocation, and names for runs to compare with."""
    connection.exec_driver_sql("ALTER TABLE run ADD COLUMN design TEXT NOT NULL DEFAULT 'sequential'")
    connection.exec_driver_sql("ALTER TABLE invocation ADD COLUMN round INTEGER")
    schema.baseline.create(connection)


def _restored_starts(connection: Connection) -> None:
    """Version 3: the view `measured` has restored sandboxes where cold ones are wanted."""


def _groups_and_files(connection: Connection) -> None:
    """Version 4: groups of invocations, clients, phases of load, files, options; how often and how calls were sent."""
    for table in (schema.client, schema.execution, schema.phase, schema.artifact_chunk, schema.artifact_use):
        table.create(connection)
    key, double, no = _WORDS[connection.dialect.name]
    for column in (
        "deployment ADD COLUMN options JSON NOT NULL DEFAULT '{}'",
        "deployment ADD COLUMN deployed_sha256 TEXT",
        f"artifact ADD COLUMN held BOOLEAN NOT NULL DEFAULT {no}",
        "run_value ADD COLUMN sequence BIGINT",
        "invocation ADD COLUMN attempts INTEGER NOT NULL DEFAULT 1",
        f"invocation ADD COLUMN accepted_s {double}",
        "invocation ADD COLUMN polls INTEGER NOT NULL DEFAULT 0",
        f"invocation ADD COLUMN execution_id {key} REFERENCES execution (id)",
        "invocation ADD COLUMN parent BIGINT",
        "invocation ADD COLUMN state TEXT",
        f"invocation ADD COLUMN client_id {key} REFERENCES client (id)",
    ):
        connection.exec_driver_sql(f"ALTER TABLE {column}")
    connection.exec_driver_sql(_PHASES)
    connection.exec_driver_sql(_BROKEN_OFF)


# A row's number, a double and "no", as each database writes them.
_WORDS = {"sqlite": ("INTEGER", "DOUBLE", "0"), "postgresql": ("BIGINT", "DOUBLE PRECISION", "false")}

# A load that had begun and not ended was cut short: taken up again, it is another attempt.
_PHASES = """
INSERT INTO phase (run_id, cell_id, deployment_id, batch, attempt, status, begin_s, end_s)
SELECT v.run_id, v.cell_id, min(i.deployment_id), coalesce(max(i.batch), 0), 1,
       CASE WHEN EXISTS (SELECT 1 FROM run_value e JOIN metric n ON n.id = e.metric_id
                         WHERE e.cell_id = v.cell_id AND n.name = 'generator.duration_s')
            THEN 'finished' ELSE 'running' END,
       max(v.value), NULL
FROM run_value v
JOIN metric m ON m.id = v.metric_id
LEFT JOIN invocation i ON i.cell_id = v.cell_id
WHERE m.name = 'generator.started_s' AND v.cell_id IS NOT NULL
GROUP BY v.run_id, v.cell_id
"""

# Where more phases began than ended, what was sent before the last one began is of those that were cut short.
_BROKEN_OFF = """
UPDATE invocation SET kind = 'broken_off'
WHERE kind = 'measured'
  AND cell_id IN (SELECT v.cell_id FROM run_value v JOIN metric m ON m.id = v.metric_id
                  WHERE m.name IN ('generator.started_s', 'generator.duration_s')
                  GROUP BY v.cell_id
                  HAVING sum(CASE m.name WHEN 'generator.started_s' THEN 1 ELSE -1 END) > 0)
  AND client_intended_s < (SELECT max(v.value) FROM run_value v JOIN metric m ON m.id = v.metric_id
                           WHERE v.cell_id = invocation.cell_id AND m.name = 'generator.started_s')
"""


def _drop_views(connection: Connection) -> None:
    there = inspect(connection).get_view_names()
    for view in reversed(schema.VIEWS):
        if view in there:
            connection.exec_driver_sql(f"DROP VIEW {view}")


UPGRADES: tuple[Callable[[Connection], None], ...] = (_interleaved_designs, _restored_starts, _groups_and_files)


def version_of(connection: Connection) -> int:
    """Return the version of a store, 0 for a database that holds none."""
    if not inspect(connection).has_table(schema.schema_info.name):
        return 0
    return connection.execute(select(func.max(schema.schema_info.c.version))).scalar_one() or 0


def check(version: int, location: str) -> None:
    """Refuse a store that a newer sebsx wrote.

    Raises:
        StoreError: If it is newer; the message names both versions.
    """
    if version > files.NEWEST:
        raise StoreError(
            f"store {location!r} has version {version}, and sebsx {__version__} knows up to version {files.NEWEST}; "
            "update sebsx, or name another store"
        )


def migrate(connection: Connection, location: str) -> None:
    """Create or upgrade a store inside the caller's transaction; nothing is done to an up-to-date one.

    Raises:
        StoreError: If it is newer than this sebsx.
    """
    version = version_of(connection)
    check(version, location)
    if version == files.NEWEST:
        return
    if version == 0:
        schema.create_all(connection)
    else:
        _drop_views(connection)
        for step in UPGRADES[version - 1 :]:
            step(connection)
        schema.create_views(connection)
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    row = {"version": files.NEWEST, "sebsx_version": __version__, "changed_at": now}
    connection.execute(insert(schema.schema_info).values(row))
