"""Runs too large to be written invocation by invocation: one is written by the store, the rest are copies in SQL."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from sebsx.model import content_hash
from sebsx.store import open_store
from sebsx.testing.runs import RunWriter

# Of the i-th invocation; all else is as in the first. 50 sandboxes; latencies spread over 10 % around 105 ms.
_DIFFERENT = {
    "sequence": "i",
    "request_id": "'request-' || i",
    "sandbox_id": "'sandbox-' || (i % 50)",
    "cell_id": "t.cell_id + (i - 1) / :per_cell",
    "client_intended_s": "t.client_sent_s + i * 0.01",
    "client_sent_s": "t.client_sent_s + i * 0.01",
    "client_connected_s": "t.client_sent_s + i * 0.01",
    "client_first_byte_s": "t.client_sent_s + i * 0.01 + 0.099",
    "client_done_s": "t.client_sent_s + i * 0.01 + 0.1 + (i * 7919 % 1000) * 1e-5",
    "function_started_s": "t.client_sent_s + i * 0.01 + 0.001",
    "function_finished_s": "t.client_sent_s + i * 0.01 + 0.001 + t.function_duration_s",
}


def write(path: Path, cells: int, per_cell: int) -> str:
    """Write a run with so many cells of so many invocations each, all of one deployment, and return its id."""
    with open_store(path) as store:
        writer = RunWriter(store)
        writer.add([0.1], step=0)
        run_id = writer.finish().run.id
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.row_factory = sqlite3.Row
        (cell,) = connection.execute("SELECT * FROM cell")
        factors = json.loads(cell["factors"])
        copies = []
        for number in range(1, cells):
            mine = {**factors, "step": number}
            copies.append({**dict(cell), "id": cell["id"] + number, "position": number, "hash": content_hash(mine),
                           "factors": json.dumps(mine), "wanted": per_cell})  # fmt: skip
        columns = cell.keys()
        connection.executemany(
            f"INSERT INTO cell ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)})", copies
        )
        connection.execute("UPDATE cell SET wanted = ?", (per_cell,))
        columns = [row["name"] for row in connection.execute("PRAGMA table_info(invocation)") if row["name"] != "id"]
        values = ", ".join(_DIFFERENT.get(name, f"t.{name}") for name in columns)
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < :total) "
            f"INSERT INTO invocation ({', '.join(columns)}) SELECT {values} FROM n, invocation t WHERE t.sequence = 1",
            {"total": cells * per_cell, "per_cell": per_cell},
        )
    return run_id
