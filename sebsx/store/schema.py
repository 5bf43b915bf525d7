"""The tables and views of a store, the same on SQLite and PostgreSQL. `docs/data-model.md` explains them.

Units stand in column names. Points in time of an invocation are Unix seconds; other dates are ISO 8601 text
in UTC with microseconds, so that they sort as text. A change of this file needs a step in
`sebsx.store.migrations`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    create_mock_engine,
    false,
    text,
)

metadata = MetaData()

# SQLite numbers rows by itself only in a column of the type INTEGER.
_Key = BigInteger().with_variant(Integer, "sqlite")


def _reference(table: str, *, optional: bool = False) -> Column[int]:
    return Column(f"{table}_id", _Key, ForeignKey(f"{table}.id"), nullable=optional)


schema_info = Table(
    "schema_info",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("sebsx_version", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
)

environment = Table(
    "environment",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("fingerprint", Text, nullable=False, unique=True),
    Column("facts", JSON, nullable=False),
)

run = Table(
    "run",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("ulid", Text, nullable=False, unique=True),
    Column("campaign", Text, nullable=False),
    Column("experiment", Text, nullable=False),
    _reference("environment"),
    Column("settings", JSON, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("error", Text),
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text),
    Column("heartbeat_at", Text, nullable=False),
    Column("owner", JSON, nullable=False),
    Column("design", Text, nullable=False, server_default="sequential"),
)

baseline = Table(
    "baseline",
    metadata,
    Column("name", Text, primary_key=True),
    _reference("run"),
    Column("set_at", Text, nullable=False),
)

cell = Table(
    "cell",
    metadata,
    Column("id", _Key, primary_key=True),
    _reference("run"),
    Column("hash", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("factors", JSON, nullable=False),
    Column("start_wanted", Text),
    Column("wanted", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("stop_reason", Text),
    Column("error", Text),
    UniqueConstraint("run_id", "hash"),
)

artifact = Table(
    "artifact",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("path", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("stored_at", Text, nullable=False),
    Column("held", Boolean, nullable=False, server_default=false()),
)

# The content of files that have no place beside the database: on a server, and in a copy that is one file.
artifact_chunk = Table(
    "artifact_chunk",
    metadata,
    Column("sha256", Text, ForeignKey("artifact.sha256"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

deployment = Table(
    "deployment",
    metadata,
    Column("id", _Key, primary_key=True),
    _reference("run"),
    Column("platform", Text, nullable=False),
    Column("region", Text),
    Column("provider_id", Text),
    Column("benchmark", Text, nullable=False),
    Column("benchmark_version", Text, nullable=False),
    Column("benchmark_sha256", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("language_version", Text, nullable=False),
    Column("size", Text, nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("package_sha256", Text),
    Column("package_bytes", BigInteger),
    Column("package_unpacked_bytes", BigInteger),
    Column("package_content_hash", Text),
    Column("package_cached", Boolean),
    Column("requested", JSON, nullable=False),
    Column("effective", JSON, nullable=False),
    Column("architecture", Text, nullable=False),
    Column("memory_mib", Integer, nullable=False),
    Column("timeout_s", Double, nullable=False),
    Column("status", Text, nullable=False),
    Column("error", Text),
    Column("build_s", Double),
    Column("deploy_s", Double),
    Column("created_at", Text, nullable=False),
    Column("options", JSON, nullable=False, server_default="{}"),
    Column("deployed_sha256", Text),
    Index("deployment_run", "run_id"),
)

sandbox = Table(
    "sandbox",
    metadata,
    Column("id", _Key, primary_key=True),
    _reference("deployment"),
    Column("sandbox_id", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("seen_at", Text, nullable=False),
    UniqueConstraint("deployment_id", "sandbox_id"),
)

# A machine that sends: the one that a run is on has no row.
client = Table(
    "client",
    metadata,
    Column("id", _Key, primary_key=True),
    _reference("run"),
    Column("host", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("offset_s", Double),
    Column("offset_error_s", Double),
    Index("client_run", "run_id"),
)

# A group of invocations that is measured as one: a workflow, a message, a scale-out.
execution = Table(
    "execution",
    metadata,
    Column("id", _Key, primary_key=True),
    _reference("run"),
    _reference("deployment", optional=True),
    _reference("cell", optional=True),
    Column("sequence", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("error", Text),
    Column("round", Integer),
    Column("begin_s", Double, nullable=False),
    Column("end_s", Double),
    Column("figures", JSON, nullable=False),
    UniqueConstraint("run_id", "sequence"),
)

# A phase of load: what is sent without a pause, and is worth something only as a whole.
phase = Table(
    "phase",
    metadata,
    Column("id", _Key, primary_key=True),
    _reference("run"),
    _reference("deployment", optional=True),
    _reference("cell"),
    Column("batch", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("begin_s", Double, nullable=False),
    Column("end_s", Double),
    UniqueConstraint("cell_id", "attempt"),
    Index("phase_run", "run_id"),
)

invocation = Table(
    "invocation",
    metadata,
    Column("id", _Key, primary_key=True),
    _reference("run"),
    _reference("deployment"),
    _reference("cell", optional=True),
    Column("sequence", BigInteger, nullable=False),
    Column("batch", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("start_type", Text, nullable=False),
    Column("start_evidence", Text, nullable=False),
    Column("sandbox_id", Text),
    Column("error", Text),
    Column("client_intended_s", Double, nullable=False),
    Column("client_sent_s", Double, nullable=False),
    Column("client_connected_s", Double),
    Column("client_first_byte_s", Double),
    Column("client_done_s", Double, nullable=False),
    Column("function_started_s", Double),
    Column("function_finished_s", Double),
    Column("function_duration_s", Double),
    Column("provider_duration_s", Double),
    Column("provider_init_s", Double),
    Column("provider_billed_s", Double),
    Column("provider_max_memory_bytes", BigInteger),
    Column("bytes_in", BigInteger, nullable=False),
    Column("bytes_out", BigInteger, nullable=False),
    Column("cost_usd", Double),
    Column("round", Integer),
    Column("attempts", Integer, nullable=False, server_default=text("1")),
    Column("accepted_s", Double),
    Column("polls", Integer, nullable=False, server_default=text("0")),
    _reference("execution", optional=True),
    Column("parent", BigInteger),
    Column("state", Text),
    _reference("client", optional=True),
    UniqueConstraint("run_id", "sequence"),
    Index("invocation_cell", "cell_id", "sequence"),
)

metric = Table(
    "metric",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("unit", Text, nullable=False),
    Column("better", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("meaning", Text, nullable=False),
)

sample = Table(
    "sample",
    metadata,
    Column("invocation_id", _Key, ForeignKey("invocation.id"), primary_key=True, autoincrement=False),
    Column("metric_id", _Key, ForeignKey("metric.id"), primary_key=True, autoincrement=False),
    Column("value", Double, nullable=False),
    sqlite_with_rowid=False,
)

run_value = Table(
    "run_value",
    metadata,
    Column("id", _Key, primary_key=True),
    _reference("run"),
    _reference("deployment", optional=True),
    _reference("cell", optional=True),
    _reference("metric"),
    Column("value", Double),
    Column("text", Text),
    Column("stored_at", Text, nullable=False),
    Column("sequence", BigInteger),
    Index("run_value_run", "run_id"),
)

# Where a file belongs: what it is for whom.
artifact_use = Table(
    "artifact_use",
    metadata,
    Column("id", _Key, primary_key=True),
    _reference("run"),
    _reference("deployment", optional=True),
    _reference("cell", optional=True),
    Column("sequence", BigInteger),
    Column("sha256", Text, ForeignKey("artifact.sha256"), nullable=False),
    Column("role", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("stored_at", Text, nullable=False),
    Index("artifact_use_run", "run_id"),
    Index("artifact_use_sha256", "sha256"),
)

resource = Table(
    "resource",
    metadata,
    Column("id", _Key, primary_key=True),
    _reference("run"),
    Column("platform", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("provider_id", Text),
    Column("state", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("changed_at", Text, nullable=False),
    UniqueConstraint("run_id", "platform", "region", "kind", "name"),
)

_SENT_AT = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', i.client_sent_s, 'unixepoch')",
    "postgresql": "to_char(to_timestamp(i.client_sent_s) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')",
}

_INVOCATIONS = """
CREATE VIEW invocations AS
SELECT r.ulid AS run, r.campaign, r.experiment, r.design,
       d.platform, d.region, d.benchmark, d.benchmark_version, d.size,
       d.language, d.language_version, d.architecture, d.memory_mib, c.start_wanted, c.factors,
       i.sequence, i.batch, i.round, i.kind, i.status, i.start_type, i.request_id, i.sandbox_id, {sent_at} AS sent_at,
       i.client_done_s - i.client_sent_s AS client_latency_s,
       i.client_done_s - i.client_intended_s AS client_response_s,
       i.client_intended_s, i.client_sent_s, i.client_connected_s, i.client_first_byte_s, i.client_done_s,
       i.function_started_s, i.function_finished_s, i.function_duration_s,
       i.provider_duration_s, i.provider_init_s, i.provider_billed_s, i.provider_max_memory_bytes,
       i.bytes_in, i.bytes_out, i.cost_usd, i.error, i.start_evidence,
       i.attempts, i.accepted_s, i.polls, i.execution_id, i.parent, i.state, i.client_id,
       i.id AS invocation_id, i.deployment_id, i.cell_id
FROM invocation i
JOIN run r ON r.id = i.run_id
JOIN deployment d ON d.id = i.deployment_id
LEFT JOIN cell c ON c.id = i.cell_id
"""

# Which start types count is said in `sebsx.model.starts`; a test holds them to each other.
_MEASURED = """
CREATE VIEW measured AS
SELECT * FROM invocations
WHERE kind = 'measured' AND status = 'ok'
  AND CASE start_wanted
      WHEN 'cold' THEN start_type IN ('cold', 'restored')
      WHEN 'warm' THEN start_type = 'warm'
      ELSE TRUE
      END
"""

_EXECUTIONS = """
CREATE VIEW executions AS
SELECT r.ulid AS run, r.campaign, r.experiment, r.design, c.start_wanted,
       e.sequence, e.round, e.kind, e.purpose, e.status, e.error, e.begin_s, e.end_s,
       e.end_s - e.begin_s AS duration_s, e.figures,
       (SELECT count(*) FROM invocation i WHERE i.execution_id = e.id) AS invocations,
       e.id AS execution_id, e.deployment_id, e.cell_id
FROM execution e
JOIN run r ON r.id = e.run_id
LEFT JOIN cell c ON c.id = e.cell_id
"""

VIEWS = ("invocations", "measured", "executions")
# Their columns that are the same for all invocations of one deployment in one cell.
SHARED = (
    "run", "campaign", "experiment", "design", "platform", "region", "benchmark", "benchmark_version", "size",
    "language", "language_version", "architecture", "memory_mib", "start_wanted", "factors", "deployment_id",
    "cell_id",
)  # fmt: skip


def create_all(connection: Connection) -> None:
    """Create every table and view in an empty database, inside the caller's transaction."""
    for statement in _tables(connection.dialect.name):
        connection.exec_driver_sql(statement)
    create_views(connection)


@cache
def _tables(dialect: str) -> tuple[str, ...]:
    """Return the statements that create every table and index, written once for all stores of a process."""
    statements: list[str] = []

    def write(statement: Any, *_parameters: Any) -> None:
        statements.append(str(statement.compile(dialect=written.dialect)))

    written = create_mock_engine(f"{dialect}://", write)
    metadata.create_all(written, checkfirst=False)
    return tuple(statements)


def create_views(connection: Connection) -> None:
    """Create the views; a migration that changes a table or a view drops and creates them."""
    connection.exec_driver_sql(_INVOCATIONS.format(sent_at=_SENT_AT[connection.dialect.name]))
    connection.exec_driver_sql(_MEASURED)
    connection.exec_driver_sql(_EXECUTIONS)
