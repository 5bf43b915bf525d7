"""How late an open loop sends on a busy machine: first in line (SCHED_FIFO), and as an ordinary thread, in turns.

With `--beside TREE` the code of another checkout, with the interpreter of its `.venv`, sends first in line as well. As
many endless loops run beside as there are processors; nginx answers, on the first of them. Every request is stored in
SQLite. Prints JSON: medians over the rounds. Run: python tests/perf/lateness.py [--rounds 3] [--seconds 3] [--beside
TREE]; it takes about a minute. Needs nginx, and permission for SCHED_FIFO.
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

# `--one` is a process that sends once: the tree whose code it is, URL, rate, seconds, and whether it goes first.
sys.path.insert(0, sys.argv[2] if sys.argv[1:2] == ["--one"] else str(Path(__file__).parents[2]))

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


def lateness_ms(tree: Path, python: str, *given: object) -> float:
    """Return the 99th percentile of how late requests were sent, as a process of some checkout finds it."""
    words = [python, __file__, "--one", str(tree), *map(str, given)]
    return float(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout)


def send_once(url: str, rate: float, seconds: float, *, first: bool) -> None:
    """Send, and print the 99th percentile in milliseconds."""
    with priority.on_time() if first else contextlib.nullcontext(""):
        _, health = recorded(url, Open(constant(rate, seconds)))
    print(1e3 * health.lateness_p99_s)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--beside", type=Path, help="another checkout, installed in its .venv")
    arguments = parser.parse_args()
    if refusal := priority.refusal():
        sys.exit(f"{refusal}; {priority.ADVICE}")
    here = (Path(__file__).parents[2], sys.executable)
    ways = {"first": (*here, "first"), "ordinary": (*here, "ordinary")}
    if arguments.beside:
        ways["beside"] = (arguments.beside, str(arguments.beside / ".venv" / "bin" / "python"), "first")
    result = {}
    with nginx(min(os.sched_getaffinity(0))) as url, busy():
        for rate in RATES:
            rounds = [
                {
                    name: lateness_ms(tree, python, url, rate, arguments.seconds, order)
                    for name, (tree, python, order) in (reversed(ways.items()) if number % 2 else ways.items())
                }
                for number in range(arguments.rounds)
            ]
            result[f"{rate:g}/s"] = {
                **{f"{name}_p99_ms": round(statistics.median(each[name] for each in rounds), 3) for name in ways},
                **{
                    f"first_to_{name}": round(statistics.median(each["first"] / each[name] for each in rounds), 3)
                    for name in list(ways)[1:]
                },
                "wanted_ms": WANTED_MS.get(rate),
                "rounds": [{name: round(each, 3) for name, each in one.items()} for one in rounds],
            }
    print(json.dumps({**result, "load_average": os.getloadavg()[0]}, indent=2))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        send_once(sys.argv[3], float(sys.argv[4]), float(sys.argv[5]), first=sys.argv[6] == "first")
    else:
        main()
