"""How long storing holds up whoever sends, with the log written back beside it and in its commits; prints JSON.

    python tests/perf/stalls.py [SECONDS]

A loop stores 2,000 invocations a second with eight samples each, in transactions of a quarter of a second, as a phase
of load does, and goes before ordinary work as that does. It takes the time of every step. Both ways take turns.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2]))

from sebsx.store import Store, open_store
from sebsx.system.priority import on_time
from tests.perf.store import RUN, batch, begin

if TYPE_CHECKING:
    from sebsx.store.invocations import InvocationStream

RATE, TOGETHER, COMMIT_S, TURNS = 2000, 8, 0.25, 3
NAMES = [f"perf.sample{number}_s" for number in range(8)]


def main() -> None:
    """Measure and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    ways: dict[str, list[dict[str, float]]] = {"beside": [], "in_commits": []}
    for _ in range(TURNS):
        for way, found in ways.items():
            with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
                found.append(measure(Path(folder, "store.sqlite"), seconds, beside=way == "beside"))
    figures = {
        f"{way}_{name}": round(statistics.median(turn[name] for turn in found), 6)
        for way, found in ways.items()
        for name in found[0]
    }
    print(json.dumps(figures, indent=2))


def measure(path: Path, seconds: float, *, beside: bool) -> dict[str, float]:
    """Store for some seconds and return the longest steps, and how large the log became."""
    with open_store(path) as store, on_time():
        deployment, cell = begin(store, NAMES)
        stream = store.stream(RUN, deployment, cell)
        if not beside:
            stream = formerly(store, stream)
        steps_s, log = [], path.with_name(path.name + "-wal")
        begun = last_commit = time.perf_counter()
        sequence, largest = 1, 0
        while (now := time.perf_counter()) < begun + seconds:
            due = int((now - begun) * RATE) + 1
            if sequence + TOGETHER <= due and not (stream.settling and sequence + 256 > due):
                items = batch(sequence, TOGETHER, NAMES)
                started = time.perf_counter()
                stream.add(items)
                steps_s.append(time.perf_counter() - started)
                sequence += TOGETHER
            elif now > last_commit + COMMIT_S:
                started = last_commit = time.perf_counter()
                stream.commit()
                steps_s.append(time.perf_counter() - started)
                largest = max(largest, log.stat().st_size)
            else:
                time.sleep(0.0002)
        stream.commit()
        stream.close()
    steps_s.sort()
    return {"longest_s": steps_s[-1], "p999_s": steps_s[int(len(steps_s) * 0.999)], "log_mib": largest / 2**20}


def formerly(store: Store, stream: InvocationStream) -> InvocationStream:
    """Return a stream whose commits write the log back, as they did."""
    stream.close()
    stream._checkpoints, stream._transaction = None, store._write_metrics
    return stream


if __name__ == "__main__":
    main()
