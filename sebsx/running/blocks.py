"""How warm samples are spread over sandboxes, so that there are units enough to conclude from.

Calls of one sandbox are one unit of observation (docs/methods/statistics.md). A design therefore renews the sandboxes
of all warm cells every few calls, of both sides of a comparison in the same round. How many calls and how many
sandboxes is told by the settings or, where two versions are compared, by a pilot: the first ten sandboxes.

The pilot judges the spread by the absolute log ratios of the pairs alone. Where nothing changed their signs are fair
coins, whatever the sizes are, so that the signed-rank test stays exact however often the design looks.

Source: Kalibera & Jones, Rigorous Benchmarking in Reasonable Time (ISMM 2013); Friede & Kieser, Sample Size
Recalculation in Internal Pilot Study Designs (2006), on designs that do not see the difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from sebsx.stats import LEAST_BLOCKS, blocks_for_difference, calls_per_block, next_look, spread_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.stats import Spread

PILOT = 10  # sandboxes of a side; ten pairs reach a p of 0.002, which Holm's correction for many rows needs
MOST_CALLS = 10  # of a sandbox that the pilot chooses: with `most` sandboxes the budget of a side
POWER = 0.95
_MARGIN = 1.1  # on the deviation that a pilot of ten pairs sees
# Standard deviation of a normal variable against that of its absolute value: 1 / sqrt(1 - 2 / pi).
_FOLDED = 1 / math.sqrt(1 - 2 / math.pi)


def unchanging(where: str) -> str:
    """Return what a plan says of warm calls where the sandboxes stay."""
    return (
        f"{where} cannot be made to change sandboxes: warm calls may all be those of one, and a "
        "difference of a few percent may be that of the sandbox"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spreading:
    """How the warm samples of a cell are spread.

    Args:
        sandboxes: How many serve them, at least.
        calls: How many calls that count each serves.
        detect: Change that a comparison must find, as a share, with a threshold of half of it; 0 keeps these numbers.
        most: Sandboxes at which a comparison stops whatever it finds.
    """

    sandboxes: int
    calls: int
    detect: float = 0.0
    most: int = 60

    @classmethod
    def of(cls, samples: int, sandboxes: int = 0, users: int = 1, detect: float = 0.0, most: int = 60) -> Spreading:
        """Return how so many samples are spread: over ten sandboxes unless told, in one where there are not six.

        Args:
            samples: Wanted of a cell, at least.
            sandboxes: As told; 0 for what is best.
            users: Calls at once, each in a sandbox of its own.
            detect: As above.
            most: As above.
        """
        if detect:
            chosen = min(max(sandboxes, PILOT), most)
        else:
            chosen = min(sandboxes or PILOT, samples) if sandboxes or samples >= LEAST_BLOCKS else 1
        return cls(sandboxes=chosen, calls=max(users, math.ceil(samples / chosen)), detect=detect, most=most)

    @property
    def samples(self) -> int:
        """Samples of a cell, at least."""
        return self.sandboxes * self.calls

    @property
    def most_samples(self) -> int:
        """Samples of a cell, at most."""
        return max(self.samples, self.most * max(self.calls, MOST_CALLS)) if self.detect else self.samples


class Blocks:
    """Counts the calls of the sandboxes that cells have in the same rounds, and says when they are to be renewed.

    Args:
        spreading: How the samples are spread, to begin with.
        pairs: Places of the sides (base, new) among the cells whose figures `end` is told; empty where nothing is
            compared.
    """

    def __init__(self, spreading: Spreading, pairs: Sequence[tuple[int, int]] = ()) -> None:
        self.calls = spreading.calls
        self.wanted = spreading.sandboxes
        self._spreading = spreading
        self._pairs = pairs
        self._left = 0
        self._sizes: list[int] = []
        self._done: list[list[list[float]]] = []  # of each block, of each cell: its latencies

    @property
    def left(self) -> int:
        """Calls until the sandboxes are renewed; 0 where that is due."""
        return max(0, self._left)

    @property
    def samples(self) -> int:
        """Samples of a cell that the design wants as far as it knows."""
        begun = self._sizes[: self.wanted]
        return sum(begun) + self.calls * (self.wanted - len(begun))

    def begin(self) -> None:
        """Begin a block: the sandboxes are new."""
        self._left = self.calls
        self._sizes.append(self.calls)

    def took(self, calls: int) -> bool:
        """Count calls that every cell made; return whether the block is complete."""
        self._left -= calls
        return self._left <= 0

    def end(self, latencies_s: Sequence[Sequence[float]], block_s: float = 0.0, call_s: float = 0.0) -> None:
        """Take what a block's cells measured; after the pilot and at looks that grow apart, plan again.

        Args:
            latencies_s: Of each cell; none of one that is closed.
            block_s: What it takes to renew a sandbox.
            call_s: What a further call takes.
        """
        self._done.append([list(values) for values in latencies_s])
        if not self._spreading.detect or len(self._done) < self.wanted:
            return
        if len(self._done) == self._spreading.sandboxes:
            self._choose_calls(block_s, call_s)
        deviation = max((self._deviation(base, new) for base, new in self._pairs), default=0.0)
        detect = self._spreading.detect
        needed = blocks_for_difference(_MARGIN * deviation, 1 + detect, POWER, threshold=detect / 2)
        if needed > len(self._done):
            self.wanted = min(self._spreading.most, needed, next_look(len(self._done)))

    def _deviation(self, base: int, new: int) -> float:
        """Return the deviation of the log ratios of a pair of cells, as their absolute values show it.

        Where nothing changed, their root mean square is the deviation, and so is 1.66 times the deviation of the
        absolute values; a change inflates the first, and makes the second too large by no more. The smaller is taken.
        """
        sizes = [
            abs(math.log(median(block[new]) / median(block[base])))
            for block in self._done
            if block[base] and block[new] and median(block[base]) > 0 < median(block[new])
        ]
        if len(sizes) < 2:
            return 0.0
        mean = math.fsum(sizes) / len(sizes)
        folded = math.sqrt(math.fsum((size - mean) ** 2 for size in sizes) / (len(sizes) - 1))
        return min(_FOLDED * folded, math.sqrt(math.fsum(size * size for size in sizes) / len(sizes)))

    def _choose_calls(self, block_s: float, call_s: float) -> None:
        """Choose the calls of a sandbox by the widest spread that the pilot saw within one."""
        best = [
            calls_per_block(found, block_s, call_s)
            for cell in {place for pair in self._pairs for place in pair}
            if (found := self._spread(cell)) is not None
        ]
        if best and block_s and call_s:
            self.calls = min(MOST_CALLS, max(best))

    def _spread(self, cell: int) -> Spread | None:
        values = [value for block in self._done for value in block[cell]]
        numbers = [place for place, block in enumerate(self._done) for _ in block[cell]]
        return spread_of(values, numbers) if values and min(values) > 0 else None
