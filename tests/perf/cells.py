"""What a cell takes beside its calls, with a deployment of its own and one cold call on `local`; prints JSON.

It stands beside the same with every step in a transaction of its own and, with `--beside TREE`, beside another checkout
with the interpreter of its `.venv`, in turns. A cell is the difference between runs of a few cells and of many: wall
time, processor time of this process and of those that it started, and writing transactions; medians over the rounds.
Run: python tests/perf/cells.py [--rounds 5] [--beside TREE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Iterator

FEW, MANY = 2, 12


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beside", type=Path, help="another checkout, installed in its .venv")
    parser.add_argument("--one", choices=("now", "apart"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(cell(apart=arguments.one == "apart")))
        return
    ways = {"now": (sys.executable, "now"), "apart": (sys.executable, "apart")}
    if arguments.beside:
        ways["beside"] = (str(arguments.beside / ".venv" / "bin" / "python"), "now")
    rounds = [
        {name: measured(*way) for name, way in (reversed(ways.items()) if number % 2 else ways.items())}
        for number in range(arguments.rounds)
    ]
    medians = {
        name: {key: round(statistics.median(each[name][key] for each in rounds), 4) for key in rounds[0][name]}
        for name in ways
    }
    peer = "beside" if arguments.beside else "apart"
    ratios = {
        key: round(statistics.median(each["now"][key] / each[peer][key] for each in rounds), 3)
        for key in rounds[0]["now"]
    }
    document = {**medians, f"now_to_{peer}": ratios, "wanted_s": 0.06, "load_average": os.getloadavg()[0]}
    print(json.dumps(document, indent=2))


def measured(python: str, way: str) -> dict[str, float]:
    """Return what a cell takes, as another process finds it."""
    done = subprocess.run([python, __file__, "--one", way], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def cell(*, apart: bool) -> dict[str, float]:
    """Return what one more cell takes."""
    from sebsx.store.writer import Store

    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"XDG_DATA_HOME": f"{home}/data", "XDG_CACHE_HOME": f"{home}/cache"}
        one = mock.patch.object(Store, "together", side_effect=nullcontext) if apart else nullcontext()
        with one:
            run(1)  # the package, and the prepared tree
            few, many = run(FEW), run(MANY)
    return {key: (many[key] - few[key]) / (MANY - FEW) for key in few}


def run(cells: int) -> dict[str, float]:
    """Return writing transactions, wall and processor time of a run."""
    from sebsx.cli import main as sebsx
    from sebsx.store.engine import Database

    transactions = 0
    written: Any = Database._written

    @contextmanager
    def counted(database: Database, **options: bool) -> Iterator[Any]:
        nonlocal transactions
        transactions += 1
        with written(database, **options) as connection:
            yield connection

    memory = ",".join(str(256 + 64 * number) for number in range(cells))
    words = ["run", "benchmark", "sleep", "--start", "cold", "--repetitions", "1", "--memory", memory, "--json"]
    with (
        mock.patch.object(Database, "_written", counted),
        mock.patch.object(sys, "argv", ["sebsx", *words]),
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
    ):
        started_s, before_s = time.perf_counter(), spent_s()
        try:
            sebsx()
        except SystemExit as exc:
            if exc.code:
                raise
    return {
        "transactions": float(transactions),
        "wall_s": time.perf_counter() - started_s,
        "processor_s": spent_s() - before_s,
    }


def spent_s() -> float:
    """Return the processor time of this process and of those that it started and that ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in both)


if __name__ == "__main__":
    main()
