from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from sebsx.model import (
    Cell,
    Deployment,
    FunctionConfig,
    Invocation,
    Kind,
    Run,
    RunStatus,
    StartType,
    Status,
)
from sebsx.model.metrics import CORE_METRICS, Metric
from sebsx.store import Store, current_owner, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
METRICS = (*CORE_METRICS, Metric("process.cpu_s", "s"))


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real server, started for the session as an ordinary user, on 127.0.0.1."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = shutil.which("initdb") or (str(folders[-1]) if folders else None)
    if initdb is None:
        message = "no PostgreSQL server is installed (apt-get install postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    bin_ = Path(initdb).parent
    root = tmp_path_factory.mktemp("postgresql")
    prefix: list[str] = []
    if os.getuid() == 0:  # the server refuses to run as root
        user = pwd.getpwnam("nobody")
        prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        root = Path("/tmp") / f"sebsx-pg-{secrets.token_hex(6)}"  # nobody cannot enter pytest's private folders
        root.mkdir(mode=0o700)
        os.chown(root, user.pw_uid, user.pw_gid)
    data = root / "data"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def call(*command: str) -> None:
        done = subprocess.run([*prefix, *command], capture_output=True, text=True, cwd=root, timeout=90, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        call(str(bin_ / "initdb"), "-D", str(data), "-U", "sebsx", "--auth=trust", "--no-sync", "-E", "UTF8")
        options = f"-h 127.0.0.1 -p {port} -k {root} -c fsync=off"
        call(str(bin_ / "pg_ctl"), "-D", str(data), "-w", "-l", str(root / "log"), "-o", options, "start")
        try:
            yield f"postgresql+psycopg://sebsx:hidden-word@127.0.0.1:{port}/postgres"
        finally:
            call(str(bin_ / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def postgresql_target(postgresql: str) -> Iterator[str]:
    """URL of an empty schema of its own on the session's server."""
    name = f"t{secrets.token_hex(6)}"
    address = postgresql.replace("+psycopg", "")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    yield f"{postgresql}?options=-csearch_path%3D{name}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Where an empty store may be made: on SQLite and on PostgreSQL."""
    return tmp_path / "store.sqlite" if request.param == "sqlite" else request.getfixturevalue("postgresql_target")


@pytest.fixture
def store(target: str | Path) -> Iterator[Store]:
    with open_store(target) as opened:
        yield opened


@pytest.fixture
def begun(store: Store) -> Begun:
    """A store with one run that has a cell and a deployment."""
    return Begun(store)


class Begun:
    """A run that has begun: its store, a cell and a deployment."""

    def __init__(self, store: Store, run_id: str = RUN) -> None:
        self.store = store
        self.run_id = run_id
        store.start_run(make_run(run_id), {"cpu_model": "EPYC"}, METRICS)
        self.cell = store.design.add_cell(run_id, make_cell("cold"))
        self.deployment = add_deployment(store, run_id)

    def add(self, *invocations: Invocation) -> None:
        self.store.add_invocations(self.run_id, self.deployment, self.cell, invocations)


def make_run(run_id: str = RUN, **changes: Any) -> Run:
    values: dict[str, Any] = {
        "id": run_id,
        "experiment": "perf-cost",
        "settings": {"core": {"seed": 7}, "experiment": {"memory_mib": [128, 256]}},
        "seed": 7,
        "status": RunStatus.RUNNING,
        "started_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "owner": current_owner(),
    }
    return Run(**{**values, **changes})


def make_cell(start: str, invocations: int = 10, **factors: Any) -> Cell:
    return Cell({"platform": "local", "benchmark": "sleep", "start": start, "parameters": {}, **factors}, invocations)


def make_config(**changes: Any) -> FunctionConfig:
    values: dict[str, Any] = {
        "name": "sebsx-sleep", "memory_mib": 128, "timeout_s": 10.0, "architecture": "x86_64",
        "environment": {"API_TOKEN": "do-not-store"},
    }  # fmt: skip
    return FunctionConfig(**{**values, **changes})


def add_deployment(store: Store, run_id: str, **changes: Any) -> int:
    config = make_config()
    values: dict[str, Any] = {
        "platform": "local", "benchmark": "sleep", "benchmark_version": "1.0", "benchmark_sha256": "ab" * 32,
        "language": "python", "language_version": "3.11", "size": "small", "parameters": {"sleep_s": 0.1},
        "package": None, "config": config, "status": "ready", "error": None, "deploy_s": 0.5,
        "deployment": Deployment("fn-1", config, effective={"memory_mib": 256, "cgroup": "v2"}),
    }  # fmt: skip
    return store.design.add_deployment(run_id, **{**values, **changes})


def make_invocation(sequence: int, **changes: Any) -> Invocation:
    """One that was sent at 1000 s and took 0.25 s."""
    values: dict[str, Any] = {
        "sequence": sequence, "batch": 0, "kind": Kind.MEASURED, "request_id": f"r{sequence}", "status": Status.OK,
        "start_type": StartType.COLD, "start_evidence": '{"function": "cold"}', "sandbox_id": "sb1", "error": None,
        "client_intended_s": 999.5, "client_sent_s": 1000.0, "client_connected_s": 1000.0625,
        "client_first_byte_s": 1000.1875, "client_done_s": 1000.25,
    }  # fmt: skip
    return Invocation(**{**values, **changes})
