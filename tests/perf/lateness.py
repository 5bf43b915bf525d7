"""How late an open loop sends on a busy machine: first in line (SCHED_FIFO), and as an ordinary thread, in turns.

As many endless loops run beside as there are processors; nginx answers, on the first of them. Every request is stored
in SQLite. Prints JSON: medians over the rounds. Run: python tests/perf/lateness.py [--rounds 3] [--seconds 3]; it
takes about a minute. Needs nginx, and permission for SCHED_FIFO.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sebsx.contracts.schedules import Open, constant
from sebsx.system import priority
from tests.perf.load import nginx, recorded

RATES = (1000.0, 4000.0, 8000.0)
WANTED_MS = {4000.0: 1.0, 8000.0: 5.0}


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """Keep every processor busy."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in os.sched_getaffinity(0)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def lateness_ms(url: str, rate: float, seconds: float, *, first: bool) -> float:
    """Return the 99th percentile of how late requests were sent."""
    with priority.on_time() if first else contextlib.nullcontext(""):
        _, health = recorded(url, Open(constant(rate, seconds)))
    return 1e3 * health.lateness_p99_s


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    if refusal := priority.refusal():
        sys.exit(f"{refusal}; {priority.ADVICE}")
    result = {}
    with nginx(min(os.sched_getaffinity(0))) as url, busy():
        for rate in RATES:
            rounds = [
                [lateness_ms(url, rate, arguments.seconds, first=first) for first in (True, False)]
                for _ in range(arguments.rounds)
            ]
            first_ms, ordinary_ms = map(statistics.median, zip(*rounds, strict=True))
            result[f"{rate:g}/s"] = {
                "first_p99_ms": round(first_ms, 3),
                "ordinary_p99_ms": round(ordinary_ms, 3),
                "ratio": round(first_ms / ordinary_ms, 4),
                "wanted_ms": WANTED_MS.get(rate),
                "rounds": [[round(each, 3) for each in both] for both in rounds],
            }
    print(json.dumps({**result, "load_average": os.getloadavg()[0]}, indent=2))


if __name__ == "__main__":
    main()
