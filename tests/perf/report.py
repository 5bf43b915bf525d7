"""How long the page of a large run takes, how much memory, and how large it gets.

Prints JSON. The analyzers are another matter: this is the page itself. Run: python tests/perf/report.py [INVOCATIONS]
"""

from __future__ import annotations

import json
import random
import resource
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from sebsx.model import StartType
from sebsx.reading.reporting import build
from sebsx.reading.reporting.html import render
from sebsx.store import open_store
from sebsx.testing.runs import RunWriter

SEED_ROWS = 500  # of each cell, which SQL then multiplies
LIMIT_S, LIMIT_MIB, LIMIT_BYTES = 10.0, 1024, 2_000_000


def fill(path: Path, invocations: int) -> str:
    """Store a run of four conditions and return its id."""
    rng = random.Random(1)
    with open_store(path) as store:
        writer = RunWriter(store)
        for memory_mib in (256, 512):
            for start, median_s in ((StartType.COLD, 0.3), (StartType.WARM, 0.02)):
                latencies_s = [median_s * rng.lognormvariate(0, 0.3) for _ in range(SEED_ROWS)]
                writer.add(latencies_s, memory_mib=memory_mib, start=start, facts={"cpu_model": "test"})
        run = writer.finish().run.id
    rows = 4 * SEED_ROWS
    later = f"+ {rows} * k.n"
    with closing(sqlite3.connect(path)) as connection, connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(invocation)") if row[1] != "id"]
        changed = {
            "sequence": f"sequence {later}",
            "request_id": "request_id || '-' || k.n",
            **{name: f"{name} {later}" for name in names if name.startswith("client_")},
            "client_done_s": f"client_done_s {later} + (abs(random()) % 5000) / 1e6",
        }  # fmt: skip
        values = ", ".join(changed.get(name, name) for name in names)
        connection.execute(
            f"WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < {invocations // rows - 1}) "
            f"INSERT INTO invocation ({', '.join(names)}) SELECT {values} FROM invocation, k"
        )
    return run


def main() -> None:
    """Measure and print."""
    invocations = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "store.sqlite")
        run = fill(path, invocations)
        before_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        begun, begun_cpu = time.perf_counter(), time.process_time()
        with open_store(path) as store:
            content = build([store.view(run)])
        gathered = time.perf_counter()
        page = render(content, "sebsx report", "now")
        ended = time.perf_counter()
    figures = {
        "invocations": invocations, "seconds": round(ended - begun, 2), "gather_s": round(gathered - begun, 2),
        "render_s": round(ended - gathered, 2), "cpu_s": round(time.process_time() - begun_cpu, 2),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024), "before_mib": round(before_mib),
        "page_bytes": len(page.encode()),
        "wanted": {"seconds": LIMIT_S, "peak_mib": LIMIT_MIB, "page_bytes": LIMIT_BYTES},
    }  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
