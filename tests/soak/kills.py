"""Kills every command at random moments, again and again, and holds what `docs/reliability.md` promises of a kill.

    python -m tests.soak.kills [--kills 200] [--seed 1]

Each round starts one command with a listener, kills its process at a moment drawn from the command's own length, and
looks: no committed row is lost, none was announced that is not stored, the store is whole, and `sebsx clean` leaves no
process, folder or control group. Ends with exit code 1 and what was wrong in the first round that broke a promise.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from sebsx.errors import EXIT_INTERNAL
from sebsx.system.processes import is_alive
from sebsx_local import cgroups, sweep
from tests.support import Cli

RUNS = (
    ("run", "benchmark", "sleep", "crud-api", "--size", "test", "--repetitions", "8"),
    ("run", "benchmark", "sleep", "--size", "test", "--memory", "128,256", "--repetitions", "4", "--design", "rmit"),
    ("run", "load", "sleep", "--size", "test", "--rate", "60", "--duration", "2s"),
    ("run", "--resume", "last"),
)
READS = (
    ("runs",), ("show", "last"), ("analyze", "last"), ("compare", "first", "second"), ("clean",),
    ("report", "last", "-o", "page.html"), ("export", "last", "-f", "csv", "-o", "rows.csv"),
    ("export", "last", "-f", "sqlite", "-o", "copy.sqlite"), ("db", "snapshot", "whole.sqlite"),
    ("export", "last", "-f", "jsonl", "-o", "rows.jsonl"),
)  # fmt: skip
LISTENER = """
import json, os
from sebsx.contracts.hookspecs import hookimpl

@hookimpl
def sebsx_invocations_stored(run, deployment, invocations):
    lines = "".join(f"{run.id} {item.sequence}\\n" for item in invocations)
    with open(os.environ["SEBSX_HEARD"], "a") as file:
        file.write(lines)
"""
SMALL = ("run", "benchmark", "sleep", "--size", "test", "--repetitions", "1", "--start", "warm")
# Two runs that can be compared from the first round on: `last` may be one that was killed before it measured anything.
BEFORE = (SMALL, ("baseline", "set", "first", "last"), SMALL, ("baseline", "set", "second", "last"))
LONGEST_S = 120.0
PATIENCE_S = 20.0


class BrokenPromiseError(AssertionError):
    """A promise that did not hold, and in which round."""


def install_listener(folder: Path) -> None:
    """Put a distribution with the listener where `PYTHONPATH` finds it."""
    (folder / "kills_listener.py").write_text(LISTENER, encoding="utf-8")
    info = folder / "kills_listener-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kills-listener\nVersion: 1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[sebsx]\nkills-listener = kills_listener\n", encoding="utf-8")


def make_cli(home: Path) -> Cli:
    """Return a command line with a home, cache, store and listener of its own."""
    cli, plugins = Cli(home), home / "plugins"
    plugins.mkdir()
    install_listener(plugins)
    folders = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
    path = os.pathsep.join(map(str, (plugins, Path(__file__).parents[2])))
    own = {"SEBSX_STORE": str(cli.store), "SEBSX_HEARD": str(home / "heard"), "PYTHONPATH": path}
    cli.environment = {"PATH": os.environ["PATH"], "HOME": str(home), **folders, **own}
    return cli


def stored(cli: Cli) -> set[str]:
    """Return the invocations in the store as the listener names them."""
    try:
        rows = cli.rows("SELECT run.ulid, invocation.sequence FROM invocation JOIN run ON run.id = invocation.run_id")
    except sqlite3.OperationalError:  # there is no store yet
        return set()
    return {f"{run} {sequence}" for run, sequence in rows}


def heard(cli: Cli) -> set[str]:
    """Return the invocations that the listener was told of; a line that the kill tore counts for nothing."""
    path = Path(cli.environment["SEBSX_HEARD"])
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return set(text[: text.rfind("\n") + 1].splitlines())


def left_behind(cli: Cli) -> list[str]:
    """Return what is left of the gateways of this store: processes, control groups, folders, open resources."""
    query = "SELECT provider_id FROM resource WHERE kind = 'gateway'"
    owners = {owner for (owner,) in cli.rows(query) if owner}
    left = [f"gateway {owner}" for owner in owners if is_alive(owner)]
    left += [f"process of {owner}" for owner in owners if sweep.processes_of(owner)]
    left += [f"control group of {owner}" for owner in owners & {owner for _, owner in cgroups.find_groups()}]
    work = Path(cli.environment["XDG_CACHE_HOME"]) / "sebsx" / "work"
    left += [f"folder {path.name}" for path in (work.iterdir() if work.exists() else ())]
    query = "SELECT kind, name FROM resource WHERE state NOT IN ('deleted', 'lost')"
    return left + [f"{kind} {name} in the ledger" for kind, name in cli.rows(query)]


def hold(promise: bool, words: str, *what: object) -> None:
    """Raise if a promise does not hold."""
    if not promise:
        raise BrokenPromiseError(f"{words}: {' '.join(map(str, what))}")


def kill_once(cli: Cli, words: tuple[str, ...], after_s: float) -> bool:
    """Start a command, kill it after a while, and return whether it still ran then; hold all promises afterwards."""
    seen = stored(cli)
    process = cli.start(*words)
    until_s = time.monotonic() + after_s
    while time.monotonic() < until_s and process.poll() is None:
        seen |= stored(cli)
        time.sleep(0.005)
    running = process.poll() is None
    process.kill()
    _, stderr = process.communicate(timeout=30)
    hold("Traceback" not in stderr, "traceback", stderr[-2000:])
    there, told = stored(cli), heard(cli)
    hold(seen <= there, "committed rows were lost", len(seen - there))
    hold(told <= there, "rows were announced and are not stored", len(told - there))
    hold(cli.rows("PRAGMA integrity_check") == [("ok",)], "the store is damaged")
    cleaned = cli.say("clean")
    hold(cleaned.code == 0, "clean failed", cleaned.stderr)
    deadline_s = time.monotonic() + PATIENCE_S
    while (left := left_behind(cli)) and time.monotonic() < deadline_s:
        time.sleep(0.2)
    hold(not left, "something is left behind", left)
    return running


def main(arguments: list[str] | None = None) -> int:
    """Do so many rounds and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="rounds in which the command was still running")
    parser.add_argument("--seed", type=int, default=1, help="of the commands and moments")
    options = parser.parse_args(arguments)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="sebsx-kills-") as folder:
        cli = make_cli(Path(folder))
        for words in BEFORE:
            done = cli.say(*words, timeout_s=LONGEST_S)
            hold(done.code == 0, " ".join(words), done.stderr)
        lengths: dict[tuple[str, ...], float] = {}
        counts: Counter[str] = Counter()
        while counts.total() < options.kills:
            words = rng.choice(RUNS) if rng.random() < 0.7 else rng.choice(READS)
            if words not in lengths:
                if words == ("run", "--resume", "last"):
                    lengths[words] = max(lengths.values(), default=2.0)
                else:
                    began_s = time.monotonic()
                    done = cli.say(*words, timeout_s=LONGEST_S)
                    # A load may be invalid where the machine is busy; a fault of ours it is not.
                    hold(done.code != EXIT_INTERNAL, " ".join(words), done.stderr)
                    lengths[words] = time.monotonic() - began_s
            after_s = rng.uniform(0, lengths[words])
            try:
                counts[" ".join(words[:2])] += kill_once(cli, words, after_s)
            except BrokenPromiseError as exc:
                sys.stderr.write(f"round {counts.total() + 1}: {' '.join(words)} killed after {after_s:.3f} s: {exc}\n")
                return 1
            sys.stderr.write(f"\r{counts.total()} of {options.kills}")
        rows = len(stored(cli))
    kinds = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    sys.stdout.write(f"\n{options.kills} kills ({kinds}): {rows} rows kept, none lost, nothing left behind\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
