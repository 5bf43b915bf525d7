"""Runs the gate again and again on code that is compared with itself, and counts what it gets wrong.

    python -m tests.soak.gates set_order [--runs 40] [--seed 1]

Each run is a whole one of the product, as a pipeline makes it: `sebsx run benchmark X --against X --start warm`, then
`sebsx compare last --fail-on regression`; `network` and `load` have the same code as two sizes. An interval that
excludes 1 is wrong, and so is a verdict that something changed, whichever way. Some 10 to 60 s a run, by how noisy the
machine is. Says each run as it ends, and at last all shares with their exact intervals; runs that the gate refuses to
judge (a starved side, a late generator) are counted apart.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import binomtest

from sebsx.stats import Verdict
from tests.soak import kills
from tests.support import Cli

UNITS = Path(__file__).parent / "units"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is measured with the same code on both sides, and how both are compared.

    Args:
        words: Of the command that measures.
        compared: Of the command that compares, behind the run.
        runs: How often.
        alarms: Share of verdicts that something changed which is promised.
        excluded: Share of intervals without 1 which is promised; None where the page promises none.
    """

    words: Sequence[str]
    compared: Sequence[str] = ("--metric", "function.duration_s")
    runs: int = 40
    alarms: float = 0.05
    excluded: float | None = 0.05


def _against_itself(name: str) -> Job:
    folder = str(UNITS / name)
    return Job(words=("run", "benchmark", folder, "--against", folder, "--start", "warm"))


# Sizes that get the whole processor alike are the same code. Those of a network are measured in turns, those of a load
# one after the other, of which the page promises no more than 1 false exit in 6. What is under load waits, so that it
# leaves the generator its processor; some ten sandboxes are busy at once, which differ as those of a platform do.
_SIZES = ("--memory", "1769,1770")
_BY_SIZE = ("--factor", "memory_mib", "--metric")
JOBS: Mapping[str, Job] = {
    "set_order": _against_itself("set_order"),
    "chain": _against_itself("chain"),
    "network": Job(
        words=("run", "experiment", "network", *_SIZES, "--paths", "client", "--sandboxes", "8", "--round-trips", "6"),
        compared=(*_BY_SIZE, "client.latency_s"),
        runs=20,
    ),
    "load": Job(
        words=(
            "run", "load", str(UNITS / "waiting"), *_SIZES, "--rate", "50", "--warmups", "14", "--duration", "5s",
        ),
        compared=(*_BY_SIZE, "client.response_s"),
        runs=20,
        alarms=1 / 6,
        excluded=None,
    ),
}  # fmt: skip
_CHANGED = {Verdict.REGRESSION, Verdict.IMPROVEMENT, Verdict.CHANGE}
_LONGEST_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What one run of the gate said of two sides with the same code.

    Args:
        low: Lower end of the interval of the ratio; None where the gate refused to judge.
        high: Upper end.
        verdict: Of the comparison.
        code: Exit code of the gate: 0, 1, or 2 where it refused.
        sandboxes: Units of a side.
    """

    low: float | None
    high: float | None
    verdict: Verdict
    code: int
    sandboxes: int

    def __str__(self) -> str:
        between = "no interval" if self.low is None else f"{self.low:.4f} to {self.high:.4f}"
        return f"{between} of {self.sandboxes}, {self.verdict}, exit code {self.code}"


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What many runs of the gate got wrong.

    Args:
        judged: Runs that were judged.
        refused: Runs that were not.
        excluded: Intervals without 1.
        alarms: Verdicts that something changed.
        failed: Exit codes of 1.
    """

    judged: int
    refused: int
    excluded: int
    alarms: int
    failed: int

    def __str__(self) -> str:
        return (
            f"{self.judged} runs, {self.refused} refused; intervals that hold 1: "
            f"{share(self.judged - self.excluded, self.judged)}; called changed: {share(self.alarms, self.judged)}; "
            f"gates that fail: {share(self.failed, self.judged)}"
        )


def gates(cli: Cli, job: Job, runs: int, seed: int) -> Iterator[Gate]:
    """Yield what each run of the gate said; seeds follow each other, and an invalid run is one that it refuses."""
    for number in range(runs):
        cli.say(*job.words, "--seed", str(seed + number), timeout_s=_LONGEST_S)
        said = cli.say("--json", "compare", "last", *job.compared, "--fail-on", "regression")
        (row,) = json.loads(said.stdout)["rows"]
        ratio = row["ratio"]
        yield Gate(
            low=ratio["low"], high=ratio["high"], verdict=Verdict(row["verdict"]), code=said.code,
            sandboxes=ratio["n"],
        )  # fmt: skip


def tally(found: Sequence[Gate]) -> Tally:
    """Count what is wrong."""
    judged = [gate for gate in found if gate.low is not None and gate.high is not None]
    return Tally(
        judged=len(judged),
        refused=len(found) - len(judged),
        excluded=sum(not gate.low <= 1 <= gate.high for gate in judged),  # type: ignore[operator]  # not None above
        alarms=sum(gate.verdict in _CHANGED for gate in judged),
        failed=sum(gate.code == 1 for gate in judged),
    )


def share(count: int, n: int) -> str:
    """Return a share with its exact 95 % interval (Clopper and Pearson 1934) in words: `2 of 40 (0.6 to 16.9 %)`."""
    if not n:
        return "none"
    interval = binomtest(count, n).proportion_ci(0.95, method="exact")
    return f"{count} of {n} ({100 * interval.low:.1f} to {100 * interval.high:.1f} %)"


def main() -> None:
    """Make the runs of one benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--runs", type=int, help="default: the job's own")
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sebsx-gates-") as home:
        found, job = [], JOBS[words.job]
        for gate in gates(kills.make_cli(Path(home)), job, words.runs or job.runs, words.seed):
            found.append(gate)
            print(len(found), gate, flush=True)
    print(f"{words.job}: {tally(found)}", flush=True)


if __name__ == "__main__":
    main()
