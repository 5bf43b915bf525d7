"""Deletes a run with everything that is stored of it; its files go when nothing refers to them any more (`sweep`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from sebsx.errors import UserError
from sebsx.model import ResourceState, RunStatus
from sebsx.store import schema
from sebsx.store.index import read_runs
from sebsx.store.runs import asking

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sebsx.model import Run

_LIVING = (ResourceState.PLANNED.value, ResourceState.CREATED.value)
# Those that refer to others come before them.
_OF_A_RUN = (
    schema.artifact_use, schema.run_value, schema.resource, schema.invocation, schema.phase, schema.execution,
    schema.client, schema.baseline,
)  # fmt: skip


def delete_run(connection: Connection, key: int) -> Run:
    """Delete a run by its row, and return what it was.

    Raises:
        UserError: If it is under way, or the ledger still names resources of it: only the ledger knows of those.
    """
    (run,) = read_runs(asking(connection), key=key)
    if run.status is RunStatus.RUNNING:
        raise UserError(f"run {run.id!r} is under way; interrupt it first")
    c = schema.resource.c
    if connection.execute(select(c.id).where(c.run_id == key, c.state.in_(_LIVING)).limit(1)).first():
        raise UserError(f"run {run.id!r} left resources behind; delete those first: sebsx clean --run {run.id}")
    invocations = select(schema.invocation.c.id).where(schema.invocation.c.run_id == key)
    deployments = select(schema.deployment.c.id).where(schema.deployment.c.run_id == key)
    connection.execute(delete(schema.sample).where(schema.sample.c.invocation_id.in_(invocations)))
    connection.execute(delete(schema.sandbox).where(schema.sandbox.c.deployment_id.in_(deployments)))
    for table in (*_OF_A_RUN, schema.deployment, schema.cell):
        connection.execute(delete(table).where(table.c.run_id == key))
    connection.execute(delete(schema.run).where(schema.run.c.id == key))
    return run
