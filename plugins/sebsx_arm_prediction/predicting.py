"""The answer for one function: how long, which class, at what cost, or that it cannot be known and why."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sebsx.reading.units import percent, show
from sebsx_arm_prediction.conformal import best_level
from sebsx_arm_prediction.dataset import RUNTIME
from sebsx_arm_prediction.pairs import CLASSES, FASTER_RATIO, SLOWER_RATIO
from sebsx_arm_prediction.region import absent_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sebsx_arm_prediction.dataset import Dataset
    from sebsx_arm_prediction.learning import Trained

    Cost = Callable[[float], float | None]

LEVEL = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What an invocation costs by a price book.

    Args:
        here: Of a time in seconds on the machine that was profiled, in USD; None where it has no price.
        there: The same on the other machine.
        prices: Which prices these are, in words.
    """

    here: Cost
    there: Cost
    prices: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What is known of one step of a function on the other machine.

    Args:
        function: Its name.
        step: Size of its work.
        rows: Invocations that it was profiled with.
        here_s: Mean run time where it was profiled.
        there_s: Predicted mean run time on the other machine.
        low_s: Lower end of the prediction interval; None where there are too few training functions for one.
        high_s: Upper end.
        level: Nominal coverage of the interval.
        coverage: What was covered on functions left out of training.
        word: Most probable class; by the predicted time where there is no classifier.
        probabilities: Of each class; empty where there is no classifier, or the profile lacks what it reads.
        cost_here_usd: Of an invocation where it was profiled; None where it has no price.
        cost_there_usd: On the other machine, at the predicted time.
        saving: Predicted share of the cost that is saved, negative where it costs more; with the ends of the interval.
        saving_low: Lower end.
        saving_high: Upper end.
        break_even_ratio: Time there over time here at which both cost the same.
        prices: Which prices these are.
        reasons: Why it cannot be known; empty where it can.
        is_outside: Whether it was predicted although it cannot be known: no number of it decides anything.
        target: The machine that is predicted.
        error: Mean relative error of the model on functions left out of training.
    """

    function: str
    step: str
    rows: int
    here_s: float
    there_s: float
    target: str
    error: float
    low_s: float | None = None
    high_s: float | None = None
    level: float | None = None
    coverage: float | None = None
    word: str = ""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    cost_here_usd: float | None = None
    cost_there_usd: float | None = None
    saving: float | None = None
    saving_low: float | None = None
    saving_high: float | None = None
    break_even_ratio: float | None = None
    prices: str = ""
    reasons: tuple[str, ...] = ()
    is_outside: bool = False

    @property
    def is_known(self) -> bool:
        """Whether the profile lies within what the model was trained on."""
        return not self.reasons

    @property
    def decision(self) -> str:
        """`move`, `stay`, `measure` where the interval holds both or does not count, or `unknown`."""
        if self.reasons:
            return "unknown"
        ends = (self.saving_low, self.saving_high)
        if self.is_outside or ends[0] is None or ends[1] is None:
            return "measure"
        return "move" if ends[0] > 0 else "stay" if ends[1] < 0 else "measure"

    @property
    def sentence(self) -> str:
        """What to do, in one sentence."""
        return _sentence(self)


def answers(
    trained: Trained, dataset: Dataset, costs: Costs | None = None, level: float = LEVEL
) -> Iterator[Prediction]:
    """Yield the answer for each step of each function of a dataset, in their order."""
    for function in dataset.functions:
        rows = dataset.select(function=function)
        for step in rows.levels("step"):
            yield answer(trained, rows.select(step=step), costs, level)


def answer(trained: Trained, rows: Dataset, costs: Costs | None = None, level: float = LEVEL) -> Prediction:
    """Return the answer for rows of one step of one function."""
    here_s = float(rows[RUNTIME].mean())
    within, factor = trained.region.within(rows)
    there_s = float((trained.predictor.predict(within) * factor).mean())
    wanted = best_level(len(trained.region.functions), level)
    half = None if wanted is None else trained.half_widths.get(wanted)
    low_s, high_s = (None, None) if half is None else (there_s * math.exp(-half), there_s * math.exp(half))
    probabilities: dict[str, float] = {}
    if trained.classifier is not None and not absent_of(rows):
        means = trained.classifier.probabilities(rows).mean(axis=0)
        probabilities = {word: float(share) for word, share in zip(CLASSES, means, strict=True)}
    word = max(probabilities, key=probabilities.__getitem__) if probabilities else _class_of(there_s / here_s)
    found = Prediction(
        function=rows.functions[0],
        step=rows.levels("step")[0],
        rows=len(rows),
        here_s=here_s,
        there_s=there_s,
        low_s=low_s,
        high_s=high_s,
        level=wanted if half is not None else None,
        coverage=trained.coverages.get(wanted) if wanted is not None else None,
        word=word,
        probabilities=probabilities,
        reasons=tuple(trained.region.reasons(rows)),
        target=trained.target,
        error=trained.error,
    )
    return found if costs is None else _priced(found, costs)


def regardless(found: Prediction) -> Prediction:
    """Return what would be predicted if the profile lay within what the model was trained on; it never says to move."""
    return replace(found, reasons=(), is_outside=found.is_outside or not found.is_known)


def _class_of(ratio: float) -> str:
    return CLASSES[0] if ratio <= FASTER_RATIO else CLASSES[2] if ratio >= SLOWER_RATIO else CLASSES[1]


def _priced(found: Prediction, costs: Costs) -> Prediction:
    here, there = costs.here(found.here_s), costs.there(found.there_s)
    if here is None or there is None or here <= 0:
        return replace(found, cost_here_usd=here, cost_there_usd=there, prices=costs.prices)
    ends = [None if end is None else costs.there(end) for end in (found.high_s, found.low_s)]
    savings = [None if end is None else 1 - end / here for end in ends]
    return replace(
        found,
        cost_here_usd=here,
        cost_there_usd=there,
        saving=1 - there / here,
        saving_low=savings[0],
        saving_high=savings[1],
        break_even_ratio=_break_even(here, found.here_s, costs.there),
        prices=costs.prices,
    )


def _break_even(here_usd: float, here_s: float, there: Cost) -> float | None:
    """Return the ratio of times at which both cost the same: the cost there is a line in time, but for rounding."""
    fixed, one_s = there(0.0), there(here_s)
    if fixed is None or one_s is None or one_s <= fixed:
        return None
    return (here_usd - fixed) / (one_s - fixed)


def _sentence(found: Prediction) -> str:
    name = f"{found.function} (step {found.step})" if found.step else found.function
    if found.reasons:
        return f"Don't know for {name}: {'; '.join(found.reasons)}. Measure it on {found.target}."
    here, there = show(found.here_s, "s"), show(found.there_s, "s")
    times = f"{there}{_range(found)} on {found.target} instead of {here}"
    if found.is_outside:
        costs = "" if found.saving is None else f" and costs {_money(found)} per invocation"
        return (
            f"Measure {name} before moving it, because it is unlike what the model learned from: "
            f"by the model alone it takes {times}{costs}."
        )
    if found.saving is None:
        return f"{name} takes {times}: {found.word}; what that costs is not known without prices."
    saving = _money(found)
    if found.decision == "move":
        return f"Move {name}: it takes {times} and costs {saving} per invocation."
    if found.decision == "stay":
        return f"Leave {name} where it is: it takes {times} and costs {saving} per invocation."
    return f"Measure {name} before moving it: it takes {times} and costs {saving} per invocation."


def _range(found: Prediction) -> str:
    if found.low_s is None or found.high_s is None or found.level is None:
        return " (too few training functions for an interval)"
    low, high = show(found.low_s, "s"), show(found.high_s, "s")
    return f" ({low} to {high} with {percent(found.level)} coverage)"


def _money(found: Prediction) -> str:
    assert found.saving is not None
    words = f"{percent(abs(found.saving))} {'less' if found.saving >= 0 else 'more'}"
    if found.saving_low is None or found.saving_high is None:
        return words
    if max(found.saving_low, found.saving_high) < 0:  # both are more: the smaller number first
        return f"{words} ({percent(-found.saving_high)} to {percent(-found.saving_low)} more)"
    return f"{words} ({_signed(found.saving_low)} to {_signed(found.saving_high)})"


def _signed(saving: float) -> str:
    return f"{percent(abs(saving))} {'less' if saving >= 0 else 'more'}"
