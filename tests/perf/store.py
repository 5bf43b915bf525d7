"""How fast batches of invocations are stored while another process reads; prints JSON.

    python tests/perf/store.py [INVOCATIONS] [SAMPLES]

`ratio` compares with sqlite3 alone, which writes the same rows in one transaction in the same run.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sqlite3
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sebsx.model import Cell, FunctionConfig, Invocation, Kind, Run, RunStatus, StartType, Status
from sebsx.model.metrics import CORE_METRICS, Metric
from sebsx.store import Store, current_owner, open_store

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

BATCH = 1000
RUN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def batch(first: int, size: int, names: list[str]) -> list[Invocation]:
    """Return one batch as a session would make it."""
    return [
        Invocation(
            sequence=number, batch=first // BATCH, kind=Kind.MEASURED, request_id=f"{number:032x}", status=Status.OK,
            start_type=StartType.WARM, start_evidence='{"function": "warm", "provider": "warm"}',
            sandbox_id="0123456789abcdef0123456789abcdef", error=None, client_intended_s=1.0 * number,
            client_sent_s=1.0 * number, client_connected_s=1.0 * number, client_first_byte_s=number + 0.01,
            client_done_s=number + 0.011, function_duration_s=0.009, provider_duration_s=0.0095,
            samples=dict.fromkeys(names, 0.001 * number),
        )
        for number in range(first, first + size)
    ]  # fmt: skip


def begin(store: Store, names: list[str]) -> tuple[int, int]:
    """Begin a run with one deployment and one cell, and return these two."""
    run = Run(
        id=RUN, experiment="perf", settings={}, seed=1, status=RunStatus.RUNNING, started_at=datetime.now(UTC),
        owner=current_owner(),
    )  # fmt: skip
    store.start_run(run, {}, [*CORE_METRICS, *(Metric(name, "s") for name in names)])
    config = FunctionConfig("none", memory_mib=128, timeout_s=1.0, architecture="x86_64")
    deployment = store.design.add_deployment(
        RUN, platform="none", benchmark="none", benchmark_version="1", benchmark_sha256="", language="python",
        language_version="3", size="small", parameters={}, package=None,
        config=config, deployment=None, status="ready",
    )  # fmt: skip
    return deployment, store.design.add_cell(RUN, Cell({"platform": "none"}, 1))


def read_on(path: str, stop: Event) -> None:
    """Read the growing run until told to stop."""
    with open_store(path) as store:
        while not stop.is_set():
            store.view("last").column("client.latency_s")
            stop.wait(0.2)


def write(path: str, invocations: int, names: list[str]) -> float:
    """Store everything and return the seconds spent in the store."""
    spent = 0.0
    with open_store(path) as store:
        deployment, cell = begin(store, names)
        stop = multiprocessing.Event()
        reader = multiprocessing.Process(target=read_on, args=(path, stop))
        reader.start()
        for first in range(1, invocations + 1, BATCH):
            items = batch(first, min(BATCH, invocations + 1 - first), names)
            begun = time.perf_counter()
            store.add_invocations(RUN, deployment, cell, items)
            spent += time.perf_counter() - begun
        stop.set()
        reader.join()
    return spent


def write_raw(source: str, path: str) -> float:
    """Write the same rows with sqlite3 in one transaction and return the seconds."""
    with sqlite3.connect(source) as stored:
        tables = {name: stored.execute(f"SELECT * FROM {name}").fetchall() for name in ("invocation", "sample")}
        schemas = [
            stored.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0] for name in tables
        ]
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("PRAGMA synchronous=NORMAL")
    for sql in schemas:
        raw.execute(sql)
    begun = time.perf_counter()
    with raw:
        for name, rows in tables.items():
            raw.executemany(f"INSERT INTO {name} VALUES ({','.join('?' * len(rows[0]))})", rows)
    spent = time.perf_counter() - begun
    raw.close()
    return spent


def main() -> None:
    """Measure and print."""
    invocations = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    names = [f"perf.sample{number}_s" for number in range(int(sys.argv[2]) if len(sys.argv) > 2 else 20)]
    rows = invocations * (1 + len(names))
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "store.sqlite"))
        spent = write(path, invocations, names)
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        begun = time.perf_counter()
        with open_store(path) as store:
            read = sum(1 for _ in store.view("last").invocations())
        read_s = time.perf_counter() - begun
        raw = write_raw(path, str(Path(folder, "raw.sqlite")))
        assert read == invocations
        file_mib = Path(path).stat().st_size / 2**20
    figures = {
        "rows": rows, "rows_per_s": round(rows / spent), "raw_rows_per_s": round(rows / raw),
        "ratio": round(raw / spent, 3), "peak_mib": round(peak_mib), "file_mib": round(file_mib),
        "read_invocations_per_s": round(read / read_s),
    }  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
