"""The store: one open database with every operation of a run, each in a short transaction of its own."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import func, insert, select, update

from sebsx.errors import StoreError, UserError
from sebsx.model import ResourceState, RunStatus, content_hash
from sebsx.model.metrics import RUN_NOTE
from sebsx.store import checking, files, ledger, schema, snapshots
from sebsx.store.artifacts import ArtifactStore
from sebsx.store.checkpoints import Checkpointer
from sebsx.store.deleting import delete_run
from sebsx.store.design import DesignTables, get_or_create
from sebsx.store.engine import Database, open_database
from sebsx.store.groups import Groups, break_off_executions
from sebsx.store.index import RunIndex, read_runs
from sebsx.store.invocations import (
    InvocationStream,
    MetricIds,
    add_sample,
    clean,
    insert_invocations,
    update_recorded,
)
from sebsx.store.owner import is_alive
from sebsx.store.reader import StoredRun, read_counts
from sebsx.store.runs import asking, find_run, remove_baseline, set_baseline
from sebsx.store.values import now, text_of
from sebsx.system.folders import store_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Column, Connection

    from sebsx.contracts.runs import RunView
    from sebsx.model import (
        Invocation,
        Kind,
        Resource,
        Run,
        StartType,
        Status,
    )
    from sebsx.model.metrics import Metric
    from sebsx.model.stored import Baseline, StoredInvocation

_LIVING = (ResourceState.PLANNED, ResourceState.CREATED)


def open_store(target: str | Path | None = None, *, read_only: bool = False) -> Store:
    """Open a store, creating it or upgrading an older one.

    Args:
        target: A path, a `postgresql+psycopg://` URL, or None for the file in the user's data folder.
        read_only: Write nothing, so that it may lie where nothing can be written; one that is missing or older is
            created or upgraded nevertheless.

    Raises:
        UserError: If it is a URL of another kind.
        StoreError: If it cannot be opened, is not a store, or was written by a newer sebsx.
    """
    return Store(open_database(store_file() if target is None else target, read_only=read_only))


class Store:
    """An open store. Every method is one transaction: what it wrote is safe when it returns.

    Used from one thread at a time; any number of programs may have the same store open. Every method raises
    `StoreError` if the database fails, and `UserError` for a run that is not there.

    Args:
        database: The open database; closed with the store.

    Attributes:
        artifacts: Keeps files.
        design: Stores cells, deployments and sandboxes.
        groups: Stores executions, phases of load, and the machines that send.
        index: What it says of its runs as a whole.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._metrics = MetricIds()
        self._keys: dict[str, int] = {}
        self.artifacts = ArtifactStore(database, self._run_key)
        self.design = DesignTables(database, self._run_key)
        self.groups = Groups(self._write_metrics, self._metrics, self._run_key)
        self.index = RunIndex(self._ask)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of all methods that are called inside; see `Database.together` for what that asks."""
        try:
            with self._database.together():
                yield
        except BaseException:
            self._metrics.forget()
            self._keys.clear()
            raise

    @property
    def location(self) -> str:
        """Where it is: a path, or a URL without its password."""
        return self._database.location

    def close(self) -> None:
        """Close it. A second call is harmless."""
        self._database.close()

    def upgrade(self) -> tuple[int, int]:
        """Return the version found when it was opened and the one it has now; opening upgrades."""
        return self._database.version_found, files.NEWEST

    # Runs

    def start_run(self, run: Run, environment: Mapping[str, Any], metrics: Iterable[Metric]) -> None:
        """Write down a run that begins, its environment, and the metrics it may store.

        Raises:
            StoreError: If a metric is stored in another unit already.
        """
        row = {
            "ulid": run.id, "campaign": run.campaign, "experiment": run.experiment, "settings": run.settings,
            "seed": run.seed, "status": run.status.value, "error": clean(run.error), "owner": dict(run.owner),
            "started_at": text_of(run.started_at), "finished_at": run.finished_at and text_of(run.finished_at),
            "heartbeat_at": now(), "design": run.design.value,
        }  # fmt: skip
        with self._write_metrics() as connection:
            fingerprint = content_hash(environment)
            row["environment_id"] = get_or_create(
                connection, schema.environment, {"fingerprint": fingerprint}, {"facts": dict(environment)}
            )
            connection.execute(insert(schema.run).values(row))
            self._metrics.register(connection, metrics)

    def resume_run(self, run_id: str, owner: Mapping[str, Any], metrics: Iterable[Metric] = ()) -> None:
        """Take a run up again: it is `running` and belongs to `owner`; executions that never ended are broken off.

        `metrics` are those of today, which an older sebsx that began it may not have known.

        Raises:
            UserError: If the process that owns it still lives.
        """
        key = self._run_key(run_id)
        c = schema.run.c
        with self._write_metrics() as connection:
            self._metrics.register(connection, metrics)
            row = connection.execute(select(c.status, c.owner, c.heartbeat_at).where(c.id == key)).one()
            if row.status == RunStatus.RUNNING and is_alive(row.owner, datetime.fromisoformat(row.heartbeat_at)):
                where = f"process {row.owner.get('pid')} on {row.owner.get('host')!r}"
                raise UserError(f"run {run_id!r} is still being written by {where}; stop that first")
            values = {
                "status": RunStatus.RUNNING.value, "owner": dict(owner), "heartbeat_at": now(),
                "finished_at": None, "error": None,
            }  # fmt: skip
            connection.execute(update(schema.run).where(c.id == key).values(values))
            break_off_executions(connection, key)

    def finish_run(self, run_id: str, status: RunStatus, error: str | None = None) -> Run:
        """Close a run and return it."""
        key = self._run_key(run_id)
        ended = now()
        values = {"status": status.value, "error": clean(error), "finished_at": ended, "heartbeat_at": ended}
        with self._database.write() as connection:
            connection.execute(update(schema.run).where(schema.run.c.id == key).values(values))
            return read_runs(asking(connection), key=key)[0]

    # Measurements

    def add_invocations(
        self, run_id: str, deployment_id: int, cell_id: int | None, invocations: Sequence[Invocation]
    ) -> None:
        """Store a batch with its samples in one transaction, and that the run is alive.

        Raises:
            StoreError: If a metric is not registered or a sequence is used already; nothing of the batch is stored.
        """
        key = self._run_key(run_id)
        with self._write_metrics() as connection:
            insert_invocations(connection, self._metrics, (key, deployment_id, cell_id), invocations)
            connection.execute(update(schema.run).where(schema.run.c.id == key).values(heartbeat_at=now()))

    def stream(self, run_id: str, deployment_id: int, cell_id: int | None) -> InvocationStream:
        """Return what stores invocations one by one while load goes on; see there for what that asks."""
        return InvocationStream(
            partial(self._write_metrics, checkpoint=False),
            self._metrics,
            (self._run_key(run_id), deployment_id, cell_id),
            Checkpointer(Path(self._database.target)) if self._database.is_sqlite else None,
        )

    def update_recorded(self, invocations: Sequence[StoredInvocation]) -> None:
        """Store what a provider's records changed of invocations that are stored already."""
        with self._database.write() as connection:
            update_recorded(connection, invocations)

    def add_value(
        self,
        run_id: str,
        metric: str,
        value: float | None,
        *,
        deployment_id: int | None = None,
        cell_id: int | None = None,
        text: str | None = None,
        sequence: int | None = None,
    ) -> None:
        """Store a value of a run, or of one of its deployments or cells, or words about an invocation.

        Numbers of an invocation are its samples.

        Raises:
            StoreError: If the metric is not registered.
        """
        key = self._run_key(run_id)
        with self._write_metrics() as connection:
            row = {
                "run_id": key, "deployment_id": deployment_id, "cell_id": cell_id, "value": value,
                "metric_id": self._metrics.get(connection, metric), "text": clean(text), "stored_at": now(),
                "sequence": sequence,
            }  # fmt: skip
            connection.execute(insert(schema.run_value).values(row))

    def add_sample(self, run_id: str, sequence: int, metric: str, value: float) -> None:
        """Store a number of an invocation that is stored already; one that it has is replaced.

        Raises:
            StoreError: If the metric is not registered, or there is no such invocation.
        """
        key = self._run_key(run_id)
        with self._write_metrics() as connection:
            add_sample(connection, self._metrics, key, sequence, metric, value)

    def used(self, run_id: str) -> tuple[int, float]:
        """Return how often a run has sent, and what that cost as far as it is known, in USD; see `Reply.attempts`."""
        c = schema.invocation.c
        sent, spent = func.coalesce(func.sum(c.attempts), 0), func.coalesce(func.sum(c.cost_usd * c.attempts), 0.0)
        query = select(sent, spent).where(c.run_id == self._run_key(run_id))
        with self._database.read() as connection:
            count, spent_usd = connection.execute(query).one()
        return int(count), float(spent_usd)

    def next_round(self, run_id: str) -> int:
        """Return the first unused round of a run's interleaved design, 0 for one that has none."""
        return self._unused(run_id, schema.invocation.c.round, first=0)

    def next_sequence(self, run_id: str) -> int:
        """Return the first unused sequence of a run, 1 for an empty one."""
        return self._unused(run_id, schema.invocation.c.sequence, first=1)

    def next_batch(self, run_id: str) -> int:
        """Return the first unused number of a batch of a run, 0 for an empty one."""
        return self._unused(run_id, schema.invocation.c.batch, first=0)

    def counts(self, run_id: str, cell_id: int | None = None) -> Mapping[tuple[Kind, Status, StartType], int]:
        """Return how many invocations of a run, or of one cell, there are of each kind, status and start type."""
        key = self._run_key(run_id)
        with self._database.read() as connection:
            return read_counts(connection, key, cell_id)

    # Resources

    def ledger(self, run_id: str, platform: str) -> ledger.StoreLedger:
        """Return the ledger that a platform of a run writes to; the run may be stored after it."""
        return ledger.StoreLedger(self._database, run_id, lambda: self._run_key(run_id), platform)

    def resources(self, run_id: str | None = None, states: Iterable[ResourceState] = _LIVING) -> list[Resource]:
        """Return resources of a run, or of all runs, in these states."""
        key = None if run_id is None else self._run_key(run_id)
        with self._database.read() as connection:
            return ledger.find(connection, key, states)

    def set_resource(self, resource_id: int, state: ResourceState) -> None:
        """Set the state of a resource in the ledger."""
        with self._database.write() as connection:
            ledger.set_state(connection, resource_id, state)

    # Reading

    def runs(self, limit: int | None = None) -> list[Run]:
        """Return runs, newest first."""
        return self.index.runs(limit)

    def sound_runs(self) -> tuple[list[Run], dict[str, StoreError]]:
        """Return the runs that can be read, newest first, and what is wrong with the rows of the others, by id."""
        return self.index.sound_runs()

    def view(self, run_id: str) -> RunView:
        """Return a run to read from.

        Args:
            run_id: Its id, a unique beginning of it, the name of a baseline, or `last`.

        Raises:
            UserError: If there is no such run.
        """
        with self._database.read() as connection:
            return StoredRun(self._database, find_run(connection, run_id))

    # Baselines

    def set_baseline(self, name: str, run: str) -> Baseline:
        """Name a run, so that `view(name)` finds it; a name that is taken moves to this run.

        Args:
            name: Letters, digits and `._/-`, the first a letter, so that no run's id begins like it.
            run: As in `view`; another baseline's name too.

        Raises:
            UserError: If there is no such run, or the name is invalid.
        """
        with self._database.write() as connection:
            return set_baseline(connection, name, run)

    def remove_baseline(self, name: str) -> Baseline:
        """Forget a name and return what it stood for; the run stays.

        Raises:
            UserError: If there is no such baseline.
        """
        with self._database.write() as connection:
            return remove_baseline(connection, name)

    def baselines(self) -> list[Baseline]:
        """Return the baselines by name."""
        return self.index.baselines()

    def set_note(self, run_id: str, text: str) -> None:
        """Store what a user says of a run; the last one counts, and an empty one takes it back."""
        with self._write_metrics() as connection:
            self._metrics.register(connection, [RUN_NOTE])  # an older run knows nothing of it
        self.add_value(run_id, RUN_NOTE.name, None, text=text)

    def delete_run(self, name: str) -> Run:
        """Delete a run, named as in `view`, with all that is stored of it; `artifacts.sweep` deletes its files.

        Raises:
            UserError: If there is no such run, it is under way, or it left resources behind.
        """
        with self._database.write() as connection:
            run = delete_run(connection, find_run(connection, name))
        self._keys.pop(run.id, None)
        return run

    def snapshot(self, destination: Path) -> None:
        """Copy the whole store, as it is now, to one SQLite file that can be sent and opened anywhere.

        Raises:
            UserError: If the file exists.
        """
        snapshots.write(self._database, destination)

    def quick_check(self) -> None:
        """Make sure that the file is not damaged, in a time that a reading command has; see `check` for all.

        Raises:
            StoreError: If it is damaged.
        """
        checking.quick(self._database)

    def check(self) -> checking.Checked:
        """Return what is damaged: of the file, of every row, and of every file that is kept."""
        return checking.everything(self._database)

    @contextmanager
    def _write_metrics(self, *, checkpoint: bool = True) -> Iterator[Connection]:
        """Return a writing transaction; what it registered is forgotten when it is rolled back."""
        try:
            with self._database.write(checkpoint=checkpoint) as connection:
                yield connection
        except BaseException:
            self._metrics.forget()
            raise

    def _ask(self, statement: str) -> Sequence[Sequence[Any]]:
        with self._database.read() as connection:
            return asking(connection)(statement)

    def _unused(self, run_id: str, column: Column[int], first: int) -> int:
        key = self._run_key(run_id)
        query = select(func.coalesce(func.max(column) + 1, first)).where(schema.invocation.c.run_id == key)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def _run_key(self, run_id: str) -> int:
        if run_id not in self._keys:
            with self._database.read() as connection:
                key = connection.execute(select(schema.run.c.id).where(schema.run.c.ulid == run_id)).scalar()
            if key is None:
                raise UserError(f"run {run_id!r} is not in the store; 'sebsx runs' lists those that are")
            self._keys[run_id] = key
        return self._keys[run_id]
