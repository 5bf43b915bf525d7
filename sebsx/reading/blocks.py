"""Observations with the sandboxes that they came from: calls of one sandbox are one unit, whose value is their median.

docs/methods/statistics.md says why. What was measured of whole executions has no sandbox of its own: each is a unit.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from sebsx.stats import (
    LEAST_BLOCKS,
    Spread,
    UnusableSamplesError,
    block_medians,
    spread_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.model.frame import Codes, Frame, Mask, Numbers

SANDBOX = "sandbox_id"
_LUCK = "a difference of a few percent may be that of the sandbox"


@dataclass(frozen=True)
class Observations:
    """Values of one metric, and where each was observed.

    Args:
        values: One for each call or execution, in the metric's unit.
        blocks: The sandbox of each, as a number; all one where unknown.
        rounds: The round of each in an interleaved design; NaN without.
        told: Whether the sandboxes are known, or need not be.
        late: The round of each further one that has no value because it was not answered: later than all of these.
    """

    values: Numbers
    blocks: Codes
    _: KW_ONLY
    rounds: Numbers
    told: bool = True
    late: Numbers | Sequence[float] = ()

    @classmethod
    def of(cls, frame: Frame, metric: str, late: Numbers | Sequence[float] = ()) -> Observations:
        """Return what a frame has of a metric, and the rounds of those that were not answered."""
        import numpy as np  # heavy

        if metric not in frame:
            return cls(np.empty(0), np.empty(0, dtype=np.int32), rounds=np.empty(0), late=late)
        return cls.made(frame, frame[metric], late)

    @classmethod
    def made(cls, frame: Frame, each: Numbers, late: Numbers | Sequence[float] = ()) -> Observations:
        """Return what was made of a frame's columns: one value for each of its rows, NaN where there is none."""
        import numpy as np  # heavy

        known: Mask = ~np.isnan(each)
        values, rounds = each[known], frame["round"][known]
        if SANDBOX not in frame:
            return cls(values, np.arange(len(values), dtype=np.int32), rounds=rounds, late=late)
        codes, levels = frame.codes(SANDBOX)
        unknown = levels.index(None) if None in levels else -1
        mine = codes[known]
        told = not len(mine) or bool((mine != unknown).any())
        return cls(values, mine, rounds=rounds, told=told, late=late)

    @classmethod
    def listed(
        cls,
        values: Sequence[float],
        sandboxes: Sequence[int],
        rounds: Sequence[int | None] | None = None,
        late: Sequence[float] = (),
    ) -> Observations:
        """Return observations from lists: the sandbox and the round of each value, as numbers, and `late` as it is."""
        import numpy as np  # heavy

        turns = np.full(len(values), np.nan) if rounds is None else np.array(rounds, dtype=float)
        return cls(np.array(values, dtype=float), np.array(sandboxes, dtype=np.int32), rounds=turns, late=late)

    @classmethod
    def each(cls, values: Sequence[float], *, unserved: int) -> Observations:
        """Return observations of which each is a unit of its own, and how many more were not answered."""
        return cls.listed(values, range(len(values)), late=[float("nan")] * unserved)

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def medians(self) -> Numbers:
        """The median of each sandbox's values."""
        return block_medians(self.values, self.blocks)

    @cached_property
    def units(self) -> Numbers:
        """The median of each sandbox's values, and infinity for the share of sandboxes that was not answered."""
        import numpy as np  # heavy

        late = math.ceil(self.unserved * len(self.medians) / len(self)) if len(self) else self.unserved
        return np.concatenate([self.medians, np.full(late, np.inf)]) if late else self.medians

    @property
    def unserved(self) -> int:
        """How many more have no value because they were not answered."""
        return len(self.late)

    @cached_property
    def means(self) -> Numbers:
        """The mean of each sandbox's values, for what adds up."""
        import numpy as np  # heavy

        _, places = np.unique(self.blocks, return_inverse=True)
        means: Numbers = np.bincount(places, self.values) / np.bincount(places)
        return means

    @cached_property
    def count(self) -> int:
        """How many sandboxes; 0 where unknown."""
        import numpy as np  # heavy

        return len(np.unique(self.blocks)) if self.told else 0

    @property
    def singles(self) -> bool:
        """Whether every value is of a sandbox of its own, as those of cold starts are."""
        return self.count == len(self.values)

    @cached_property
    def spread(self) -> Spread | None:
        """How much values differ between sandboxes and within; None where that cannot be told."""
        try:
            return spread_of(self.values, self.blocks) if self.count > 1 else None
        except UnusableSamplesError:
            return None

    @property
    def answered(self) -> Observations:
        """The same without those that were not answered."""
        return replace(self, late=())

    @property
    def caution(self) -> str:
        """Why no interval is given, in words; empty where there are sandboxes enough for one."""
        return caution(self.count) if len(self) else ""

    def with_late(self) -> Observations:
        """Return them with those that were not answered among them: infinite, and each of a sandbox of its own."""
        import numpy as np  # heavy

        if not self.unserved:
            return self
        first = 1 + (int(self.blocks.max()) if len(self) else 0)
        return replace(
            self,
            values=np.concatenate([self.values, np.full(self.unserved, np.inf)]),
            blocks=np.concatenate([self.blocks, np.arange(first, first + self.unserved, dtype=np.int32)]),
            rounds=np.concatenate([self.rounds, self.late]),
            late=(),
        )

    def times(self, factor: float) -> Observations:
        """Return the values times a factor."""
        return replace(self, values=self.values * factor)

    def where(self, mask: Mask) -> Observations:
        """Return some of them."""
        return replace(self, values=self.values[mask], blocks=self.blocks[mask], rounds=self.rounds[mask])

    def apart(self) -> Observations:
        """Return them with each value as a unit of its own, whatever they share."""
        import numpy as np  # heavy

        return replace(self, blocks=np.arange(len(self.values), dtype=np.int32), told=True)


def sandboxes(frame: Frame) -> Codes:
    """Return the sandbox of each invocation as a number; one whose sandbox is unknown is a unit of its own."""
    import numpy as np  # heavy

    places = np.arange(len(frame), dtype=np.int32)
    if SANDBOX not in frame:
        return places
    codes, levels = frame.codes(SANDBOX)
    unknown = levels.index(None) if None in levels else -1
    return np.where(codes == unknown, places + len(levels), codes).astype(np.int32)


def in_sandboxes(count: int) -> str:
    """Return a number of sandboxes in words."""
    return f"{count} sandbox{'' if count == 1 else 'es'}" if count else "sandboxes unknown"


def caution(count: int) -> str:
    """Return what must be said where so few sandboxes were measured; empty from six on."""
    if count >= LEAST_BLOCKS:
        return ""
    where = f"measured in {in_sandboxes(count)}" if count else "measured in unknown sandboxes"
    return f"{where}: {_LUCK}"


def paired(base: Observations, new: Observations) -> tuple[Observations, Observations]:
    """Return both sides of the rounds that both have, numbered by the blocks that pair them.

    Sandboxes that share a round are of one block, on one side and across: so that a sandbox that stayed while the other
    side changed its own is in one block with both, and no value is counted twice. What was not answered is of its
    round, with an infinite value.
    """
    import numpy as np  # heavy

    base, new = base.with_late(), new.with_late()
    both = np.intersect1d(base.rounds[~np.isnan(base.rounds)], new.rounds[~np.isnan(new.rounds)])
    old, young = (side.where(np.isin(side.rounds, both)) for side in (base, new))
    apart = 1 + (int(old.blocks.max()) if len(old) else 0)  # sandboxes of one side are none of the other
    blocks = joined(
        np.concatenate([old.rounds, young.rounds]),
        np.concatenate([old.blocks, young.blocks + apart]),
    )
    return replace(old, blocks=blocks[: len(old)]), replace(young, blocks=blocks[len(old) :])


def joined(rounds: Numbers | Sequence[int], sandboxes: Numbers | Codes | Sequence[int]) -> Codes:
    """Return the block of each call: those that share a round or a sandbox, or are joined by others that do.

    Args:
        rounds: The round of each call, as a number.
        sandboxes: The sandbox of each.

    Returns:
        Numbers of blocks; where each round has sandboxes of its own, there is one for each round.
    """
    import numpy as np  # heavy

    (first, turns), (second, places) = (np.unique(tie, return_inverse=True) for tie in (rounds, sandboxes))
    roots = list(range(len(first) + len(second)))

    def root(node: int) -> int:
        while roots[node] != node:
            roots[node] = roots[roots[node]]
            node = roots[node]
        return node

    for turn, place in dict.fromkeys(zip(turns.tolist(), (places + len(first)).tolist(), strict=True)):
        one, other = root(turn), root(place)
        roots[max(one, other)] = min(one, other)
    return np.array([root(turn) for turn in range(len(first))], dtype=np.int32)[turns]
