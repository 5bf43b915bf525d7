"""Processor time of commands that only say something, beside an interpreter that imports the command line's library.

A store of its own is filled with so many runs that nothing was measured in. Prints JSON: medians over the rounds, all
measured in turns. Run: python tests/perf/startup.py [--rounds 5] [--runs 300]; it takes half a minute.
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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sebsx.model.metrics import CORE_METRICS
from sebsx.store import open_store
from tests.store.conftest import make_run

COMMANDS = {
    "peer": ("-c", "import click"),
    "--help": ("-m", "sebsx", "--help"),
    "--version": ("-m", "sebsx", "--version"),
    "runs": ("-m", "sebsx", "runs"),
    "runs --all": ("-m", "sebsx", "runs", "--all"),
}
WANTED_S = {"--help": 0.10, "--version": 0.08, "runs": 0.30}


def processor_s(words: tuple[str, ...], home: Path) -> float:
    """Return the processor time of one interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    variables = {**os.environ, "SEBSX_STORE": str(home / "store.sqlite")}
    subprocess.run([sys.executable, *words], cwd=home, env=variables, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with open_store(home / "store.sqlite") as store:
            for number in range(arguments.runs):
                store.start_run(make_run(f"01JZ{number:022d}"), {}, CORE_METRICS)
        rounds = [{name: processor_s(words, home) for name, words in COMMANDS.items()} for _ in range(arguments.rounds)]
    medians = {name: statistics.median(each[name] for each in rounds) for name in COMMANDS}
    result = {
        name: {
            "processor_s": round(value, 3),
            "ratio": round(value / medians["peer"], 2),
            "wanted_s": WANTED_S.get(name),
        }
        for name, value in medians.items()
    }
    print(json.dumps({**result, "load_average": os.getloadavg()[0]}, indent=2))


if __name__ == "__main__":
    main()
