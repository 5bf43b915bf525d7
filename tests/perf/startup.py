"""Processor time of commands that only say something, beside an interpreter that imports the command line's library.

With `--beside TREE` they stand beside those of another checkout, with the interpreter of its `.venv`. A store of its
own is filled with so many runs that nothing was measured in, and a newest one of eight conditions. All are run once
before, so that modules are compiled as they are after an installation. Prints JSON: medians over the rounds, all
measured in turns. Run: python tests/perf/startup.py [--rounds 5] [--runs 300] [--beside TREE]; it takes a minute.
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

COMMANDS = {
    "peer": ("-c", "import click"),
    "--help": ("-m", "sebsx", "--help"),
    "--version": ("-m", "sebsx", "--version"),
    "runs": ("-m", "sebsx", "runs"),
    "runs --all": ("-m", "sebsx", "runs", "--all"),
    "show last": ("-m", "sebsx", "show", "last"),
    "report": ("-m", "sebsx", "report", "last", "-o", "page.html"),
}
WANTED_S = {"--help": 0.10, "--version": 0.10, "runs": 0.08, "show last": 0.30, "report": 1.5}


def fill(store: Store, number: int) -> None:
    """Store a run of eight conditions."""
    rng, writer = random.Random(1), RunWriter(store, number)
    for memory_mib in (128, 256, 512, 1024):
        for start, median_s in ((StartType.COLD, 0.3), (StartType.WARM, 0.02)):
            latencies_s = [median_s * rng.lognormvariate(0, 0.3) for _ in range(50)]
            writer.add(latencies_s, memory_mib=memory_mib, start=start, facts={"cpu_model": "test"})
    writer.finish()


def processor_s(python: str, words: tuple[str, ...], home: Path) -> float:
    """Return the processor time of one interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    variables = {**os.environ, "SEBSX_STORE": str(home / "store.sqlite"), "XDG_CACHE_HOME": str(home / "cache")}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run([python, *words], cwd=home, env=variables, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--beside", type=Path, help="another checkout, installed in its .venv")
    arguments = parser.parse_args()
    pythons = {"here": sys.executable}
    if arguments.beside:
        pythons["beside"] = str(arguments.beside / ".venv" / "bin" / "python")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with open_store(home / "store.sqlite") as store:
            for number in range(arguments.runs):
                store.start_run(make_run(f"01JZ{number:022d}"), {}, CORE_METRICS)
            fill(store, arguments.runs + 1)
        rounds = [
            {
                name: {tree: processor_s(python, words, home) for tree, python in pythons.items()}
                for name, words in COMMANDS.items()
            }
            for _ in range(1 + arguments.rounds)
        ][1:]
    result: dict[str, dict[str, float | None]] = {}
    for name in COMMANDS:
        here = [each[name]["here"] for each in rounds]
        to_peer = statistics.median(each[name]["here"] / each["peer"]["here"] for each in rounds)
        result[name] = {
            "processor_s": round(statistics.median(here), 3),
            "to_peer": round(to_peer, 2),
            "wanted_s": WANTED_S.get(name),
        }
        if arguments.beside:
            to_beside = statistics.median(each[name]["here"] / each[name]["beside"] for each in rounds)
            result[name] |= {"to_beside": round(to_beside, 2)}
    print(json.dumps({**result, "load_average": os.getloadavg()[0]}, indent=2))


if __name__ == "__main__":
    main()
