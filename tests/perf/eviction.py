"""How long an eviction run takes beyond its longest idle time: 20 idle times x 5 repetitions on `local`.

All trials wait at the same time, so that it should take the longest idle time plus 20 %, not the sum. Prints JSON.
Run: python tests/perf/eviction.py [--longest-s 20] [--sandboxes 1]; it takes about as long.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

LEVELS, REPETITIONS, MARGIN = 20, 5, 0.2


def measure(folder: Path, longest_s: float, sandboxes: int) -> dict[str, Any]:
    """Run it and return its times, from the first thing of the run to the last."""
    idles_s = [longest_s * (level + 1) / LEVELS for level in range(LEVELS)]
    store = folder / "results.sqlite"
    command = [
        *(sys.executable, "-m", "sebsx", "--json", "run", "experiment", "eviction", "--platform", "local"),
        *("--set", "idle_s=" + ",".join(f"{idle_s:g}" for idle_s in idles_s)),
        *("--set", f"repetitions={REPETITIONS}", "--set", f"d_init={sandboxes}"),
    ]
    environment = {**os.environ, "SEBSX_STORE": str(store), "XDG_CACHE_HOME": str(folder / "cache")}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    with closing(sqlite3.connect(store)) as connection:
        started, finished = connection.execute("SELECT started_at, finished_at FROM run").fetchone()
        done = connection.execute("SELECT count(*) FROM invocation WHERE kind = 'measured'").fetchone()
        late = connection.execute(
            "SELECT max(client_sent_s - client_intended_s) FROM invocation WHERE kind = 'measured'"
        ).fetchone()
    took_s = (datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds()
    return {
        "trials": LEVELS * REPETITIONS,
        "probes": done[0],
        "longest_idle_s": longest_s,
        "sum_of_idle_s": REPETITIONS * sum(idles_s),
        "took_s": round(took_s, 2),
        "beyond": round(took_s / longest_s - 1, 3),
        "latest_probe_s": round(late[0], 4),
        "within": took_s <= longest_s * (1 + MARGIN),
    }


def main() -> None:
    """Measure once and say whether it is within the margin."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--longest-s", type=float, default=20.0)
    parser.add_argument("--sandboxes", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), arguments.longest_s, arguments.sandboxes), indent=2))


if __name__ == "__main__":
    main()
