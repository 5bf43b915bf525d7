"""Processor time of loading all plugins again in one process, beside the same when what is installed is read each time.

Prints JSON: the least of the rounds, both measured in turns. Run: python tests/perf/plugins.py
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sebsx import plugins
from sebsx.plugins import finding

ROUNDS = 20


def processor_s(*, again: bool) -> float:
    """Return the processor time of loading, with what is installed read again or not."""
    begun_s = time.process_time()
    if again:
        finding._find.cache_clear()
    plugins.load()
    return time.process_time() - begun_s


def main() -> None:
    """Measure and print."""
    plugins.load()  # imports
    rounds = [(processor_s(again=False), processor_s(again=True)) for _ in range(ROUNDS)]
    now_s, before_s = (min(each) for each in zip(*rounds, strict=True))
    figures = {"now_ms": round(now_s * 1000, 1), "before_ms": round(before_s * 1000, 1)}
    print(json.dumps({**figures, "ratio": round(now_s / before_s, 2), "load_average": os.getloadavg()[0]}, indent=2))


if __name__ == "__main__":
    main()
