"""Processor time of commands that only say something, beside an interpreter that imports the command line's library.

What imports less than it did stands beside the same with the former imports. A store of its own is filled with so many
runs that nothing was measured in, and a newest one of eight conditions. Prints JSON: medians over the rounds, all
measured in turns. Run: python tests/perf/startup.py [--rounds 5] [--runs 300]; it takes a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sebsx.model import StartType
from sebsx.model.metrics import CORE_METRICS
from sebsx.store import Store, open_store
from sebsx.testing.runs import RunWriter
from tests.store.conftest import make_run

MAIN = "from sebsx.cli import main; main()"
REPORT = ("report", "last", "-o", "page.html")
COMMANDS = {
    "peer": ("-c", "import click"),
    "--help": ("-m", "sebsx", "--help"),
    "--version": ("-m", "sebsx", "--version"),
    "runs": ("-m", "sebsx", "runs"),
    "runs --all": ("-m", "sebsx", "runs", "--all"),
    "show last": ("-m", "sebsx", "show", "last"),
    "report": ("-m", "sebsx", *REPORT),
    "--version, as before": ("-c", f"import platformdirs.unix, tomllib; {MAIN}", "--version"),
    "report, as before": ("-c", f"import scipy.stats; {MAIN}", *REPORT),
}
WANTED_S = {"--help": 0.10, "--version": 0.08, "runs": 0.30, "show last": 0.30, "report": 1.5}


def fill(store: Store, number: int) -> None:
    """Store a run of eight conditions."""
    rng, writer = random.Random(1), RunWriter(store, number)
    for memory_mib in (128, 256, 512, 1024):
        for start, median_s in ((StartType.COLD, 0.3), (StartType.WARM, 0.02)):
            latencies_s = [median_s * rng.lognormvariate(0, 0.3) for _ in range(50)]
            writer.add(latencies_s, memory_mib=memory_mib, start=start, facts={"cpu_model": "test"})
    writer.finish()


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
            fill(store, arguments.runs + 1)
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
