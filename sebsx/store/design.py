"""Writes what a run is made of before it measures: cells, deployments, and the sandboxes that answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from sebsx.model import CellStatus
from sebsx.store import schema
from sebsx.store.invocations import clean
from sebsx.store.values import now

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection, Table

    from sebsx.model import Cell, Deployment, FunctionConfig, Package
    from sebsx.store.engine import Database


class DesignTables:
    """Cells, deployments and sandboxes; every method is one transaction.

    Args:
        database: The open database.
        run_key: Returns the row of a run.
    """

    def __init__(self, database: Database, run_key: Callable[[str], int]) -> None:
        self._database = database
        self._run_key = run_key

    def add_cell(self, run_id: str, cell: Cell) -> int:
        """Return the row of a cell, which is `running` from now on; one with the same factors is taken up again."""
        key = self._run_key(run_id)
        c = schema.cell.c
        with self._database.write() as connection:
            position = connection.execute(select(func.count()).where(c.run_id == key)).scalar_one()
            created = {"factors": dict(cell.factors), "position": position}
            state = {
                "wanted": cell.invocations, "start_wanted": cell.factors.get("start"),
                "status": CellStatus.RUNNING.value, "stop_reason": None, "error": None,
            }  # fmt: skip
            row = get_or_create(connection, schema.cell, {"run_id": key, "hash": cell.hash}, {**created, **state})
            connection.execute(update(schema.cell).where(c.id == row).values(state))
            return row

    def finish_cell(self, cell_id: int, status: CellStatus, reason: str, error: str | None = None) -> None:
        """Close a cell; `reason` says why sampling stopped, in a few words."""
        values = {"status": status.value, "stop_reason": reason, "error": clean(error)}
        with self._database.write() as connection:
            connection.execute(update(schema.cell).where(schema.cell.c.id == cell_id).values(values))

    def add_deployment(
        self,
        run_id: str,
        *,
        platform: str,
        benchmark: str,
        benchmark_version: str,
        benchmark_sha256: str,
        language: str,
        language_version: str,
        size: str,
        parameters: Mapping[str, Any],
        package: Package | None,
        config: FunctionConfig,
        deployment: Deployment | None,
        status: str,
        error: str | None = None,
        deploy_s: float | None = None,
        deployed_sha256: str | None = None,
    ) -> int:
        """Write down a deployment, or that there is none and why, and return its row.

        Args:
            run_id: The run.
            platform: Name of the platform.
            benchmark: Name of the benchmark.
            benchmark_version: From its manifest.
            benchmark_sha256: Of its folder.
            language: Name of the language.
            language_version: Its version.
            size: Name of the size.
            parameters: Values of the parameters.
            package: What was built; None if building failed.
            config: What was asked for; of its environment only the names are stored.
            deployment: What the platform reports back; None if there is none.
            status: `ready`, `failed`, `unsupported`.
            error: Why it is not ready.
            deploy_s: Time that deploying took.
            deployed_sha256: Digest of what the platform was given, where that is not the package.
        """
        effective = dict(deployment.effective) if deployment else {}
        requested = {
            "name": config.name, "memory_mib": config.memory_mib, "timeout_s": config.timeout_s,
            "architecture": config.architecture, "environment": sorted(config.environment),
        }  # fmt: skip
        row = {
            "run_id": self._run_key(run_id), "platform": platform, "benchmark": benchmark,
            "benchmark_version": benchmark_version, "benchmark_sha256": benchmark_sha256, "language": language,
            "language_version": language_version, "size": size, "parameters": dict(parameters),
            "region": deployment and deployment.region, "provider_id": deployment and deployment.id,
            "package_sha256": package and package.sha256, "package_bytes": package and package.bytes,
            "package_unpacked_bytes": package and package.unpacked_bytes,
            "package_content_hash": package and package.content_hash, "package_cached": package and package.cached,
            "build_s": package and package.build_s, "requested": requested, "effective": effective,
            **{name: effective.get(name, requested[name]) for name in ("architecture", "memory_mib", "timeout_s")},
            "status": status, "error": clean(error), "deploy_s": deploy_s, "created_at": now(),
            "options": dict(config.options), "deployed_sha256": deployed_sha256,
        }  # fmt: skip
        with self._database.write() as connection:
            return _insert(connection, schema.deployment, row)

    def update_deployment(
        self,
        deployment_id: int,
        *,
        effective: Mapping[str, Any] | None = None,
        memory_mib: int | None = None,
        status: str | None = None,
        error: str | None = None,
        deployed_sha256: str | None = None,
    ) -> None:
        """Change what is known of a deployment; None leaves a value as it is.

        For invocations stored already it changes too.
        """
        given = {
            "effective": None if effective is None else dict(effective), "memory_mib": memory_mib,
            "status": status, "error": clean(error), "deployed_sha256": deployed_sha256,
        }  # fmt: skip
        values = {name: value for name, value in given.items() if value is not None}
        if values:
            with self._database.write() as connection:
                connection.execute(
                    update(schema.deployment).where(schema.deployment.c.id == deployment_id).values(values)
                )

    def add_sandbox(self, deployment_id: int, sandbox_id: str, facts: Mapping[str, Any]) -> None:
        """Store what a sandbox said of itself; a second call for the same one is harmless."""
        identity = {"deployment_id": deployment_id, "sandbox_id": sandbox_id}
        with self._database.write() as connection:
            get_or_create(connection, schema.sandbox, identity, {"facts": dict(facts), "seen_at": now()})


def get_or_create(connection: Connection, table: Table, identity: Mapping[str, Any], others: Mapping[str, Any]) -> int:
    """Return the row with some values, inserting one with `others` besides where there is none."""
    same = [table.c[name] == value for name, value in identity.items()]
    key = connection.execute(select(table.c.id).where(*same)).scalar()
    return int(key) if key is not None else _insert(connection, table, {**identity, **others})


def _insert(connection: Connection, table: Table, row: Mapping[str, Any]) -> int:
    return int(connection.execute(insert(table).values(row).returning(table.c.id)).scalar_one())
