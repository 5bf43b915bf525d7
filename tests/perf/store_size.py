"""Whether a store stays bounded while load goes on: its file and its log, beside the same rows without any gap.

2,000 invocations a second with eight samples each are stored as a phase of load stores them. At each sixth of the time
stand the sizes of file and log, so that what grows other than with the rows shows. Prints JSON.
Run: python tests/perf/store_size.py [--seconds 60]; a run of ten minutes (--seconds 600) writes about 0.5 GiB.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sebsx.store import open_store
from tests.perf.store import RUN, batch, begin

RATE, TOGETHER, COMMIT_S, PARTS = 2000, 8, 0.25, 6
NAMES = [f"perf.sample{number}_s" for number in range(8)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        path = Path(folder, "store.sqlite")
        parts = measure(path, arguments.seconds)
        dense = Path(folder, "dense.sqlite")
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("VACUUM INTO ?", (str(dense),))
        ratio = path.stat().st_size / dense.stat().st_size
    figures = {"seconds": arguments.seconds, "parts": parts, "file_to_dense": round(ratio, 3)}
    print(json.dumps({**figures, "load_average": os.getloadavg()[0]}, indent=2))


def measure(path: Path, seconds: float) -> list[dict[str, float]]:
    """Store for some seconds and return the sizes at each part of it."""
    log = path.with_name(path.name + "-wal")
    with open_store(path) as store:
        deployment, cell = begin(store, NAMES)
        stream = store.stream(RUN, deployment, cell)
        empty = path.stat().st_size
        parts: list[dict[str, float]] = []
        begun = last_commit = time.perf_counter()
        sequence, largest = 1, 0
        while (now := time.perf_counter()) < begun + seconds:
            due = int((now - begun) * RATE) + 1
            if sequence + TOGETHER <= due and not (stream.settling and sequence + 2048 > due):
                stream.add(batch(sequence, TOGETHER, NAMES))
                sequence += TOGETHER
            elif now > last_commit + COMMIT_S:
                last_commit = now
                stream.commit()
                largest = max(largest, log.stat().st_size)
            else:
                time.sleep(0.0005)
            if now >= begun + seconds * (len(parts) + 1) / PARTS:
                size = path.stat().st_size - empty
                parts.append(
                    {
                        "invocations": sequence - 1,
                        "file_mib": round(size / 2**20, 1),
                        "bytes_an_invocation": round(size / max(1, sequence - 1)),
                        "largest_log_mib": round(largest / 2**20, 2),
                    }
                )
        stream.commit()
        stream.close()
    return parts


if __name__ == "__main__":
    main()
