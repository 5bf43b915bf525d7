"""What makes a dataset unfit to learn from or to predict from, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.errors import UserError
from sebsx_arm_prediction.dataset import COMPONENTS, CPUS, FEATURES, RUNTIME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.model.frame import Mask
    from sebsx_arm_prediction.dataset import Dataset

LEAST_FUNCTIONS = 3  # below that nothing can be held out and something still be learned
LONGEST_S = 3600.0  # the longest time-out that a provider offers is an hour (Google, 2026)
# Beyond all that is measured, and within what estimators reckon with (float32) after one is divided by the other.
_LARGEST, _SHORTEST_S = 1e18, 1e-9
_THOUSANDFOLD = (300.0, 3000.0)  # ratios of two times that are taken for 1,000 with what accounting misses
_LEAST_ROWS, _LEAST_STEPS = 9, 3  # of each function: the preset `quick` has them
_FEW = 2  # more that are missing are counted


def validate(dataset: Dataset, needed: Sequence[str] = (), *, functions: int = 1) -> None:
    """Refuse a dataset that nothing can be learned or predicted from.

    Args:
        dataset: The rows.
        needed: Features that must be there in each row.
        functions: How many functions there must be.

    Raises:
        UserError: With the first thing that is wrong and how many more there are.
    """
    found = list(problems(dataset, needed, functions=functions))
    if found:
        more = f" (and {len(found) - 1} more: {'; '.join(found[1:])})" if len(found) > 1 else ""
        raise UserError(f"{found[0]}{more}")


def problems(dataset: Dataset, needed: Sequence[str] = (), *, functions: int = 1) -> Iterator[str]:
    """Yield what is wrong with a dataset, one line each."""
    if not len(dataset):
        yield no_rows(dataset)
        return
    there = dataset.functions
    if len(there) < functions:
        names = ", ".join(map(repr, there))
        yield (
            f"all rows are of {'function' if len(there) == 1 else f'{len(there)} functions:'} {names}; predicting "
            f"functions that were not seen takes {functions} or more"
        )
    yield from _missing(dataset, needed)
    yield from _impossible(dataset)
    yield from mixed_units(dataset)


def no_rows(dataset: Dataset) -> str:
    """Return that a dataset is empty, and what became of its rows."""
    return ": ".join(["there are no rows", *dataset.notes[-1:]])


def few_rows(rows: int, functions: int, steps: int) -> str | None:
    """Return what must be known of a model that was fitted to few rows, in one line; None where there are enough."""
    if rows >= _LEAST_ROWS * functions and steps >= _LEAST_STEPS * functions:
        return None
    return (
        f"{rows} rows of {functions} functions and {steps} steps are few: errors and intervals say little with fewer "
        f"than {_LEAST_ROWS} rows and {_LEAST_STEPS} steps of each function"
    )


def _missing(dataset: Dataset, needed: Sequence[str]) -> Iterator[str]:
    import numpy as np  # heavy

    absent = [name for name in needed if np.isnan(dataset[name]).all()]
    if absent:
        yield (
            f"no row has {_few(absent)}; profile with the collector 'saaf' (--collect saaf), or choose a set of "
            "features that does without"
        )
    for name in needed:
        gaps = np.isnan(dataset[name])
        if name not in absent and gaps.any():
            yield f"{_rows(dataset, gaps)} no {name}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _FEW else f"{names[0]} or {len(names) - 1} other parts of a profile"


def _impossible(dataset: Dataset) -> Iterator[str]:
    import numpy as np  # heavy

    for feature in FEATURES:
        column = dataset[feature.name]
        if (negative := column < 0).any():
            yield f"{_rows(dataset, negative)} a negative {feature.name} ({column[negative].min():g})"
        if (endless := np.isinf(column)).any():
            yield f"{_rows(dataset, endless)} an infinite {feature.name}"
        elif (huge := column > _LARGEST).any():
            yield f"{_rows(dataset, huge)} an impossible {feature.name} ({column[huge].max():g})"
    if (none := (dataset[RUNTIME] >= 0) & (dataset[RUNTIME] < _SHORTEST_S)).any():
        yield f"{_rows(dataset, none)} a {RUNTIME} of 0"


def mixed_units(dataset: Dataset) -> Iterator[str]:
    """Yield where times are in the wrong unit: beyond all limits, or 1,000 times those accounted for."""
    import numpy as np  # heavy

    run_s = dataset[RUNTIME]
    if np.isnan(run_s).all():
        return
    longest = float(np.nanmedian(run_s))
    if longest > LONGEST_S:
        yield (
            f"the median {RUNTIME} is {longest:,.0f} s, longer than any provider lets a function run: are these "
            "milliseconds?"
        )
        return
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        accounted = dataset.matrix(COMPONENTS).sum(axis=1) / dataset[CPUS]
        ratio = run_s / accounted
    ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
    if not len(ratio):
        return
    typical = float(np.median(ratio))
    for factor, wrong in ((typical, RUNTIME), (1 / typical, "the processor times")):
        if _THOUSANDFOLD[0] <= factor <= _THOUSANDFOLD[1]:
            other = "the processor times account for" if wrong == RUNTIME else f"{RUNTIME} tells"
            verb = "is" if wrong == RUNTIME else "are"
            yield f"{wrong} {verb} about 1,000 times what {other}: milliseconds were taken for seconds"


def _rows(dataset: Dataset, mask: Mask) -> str:
    """Return how many rows, and which is the first: `3 rows (first: csv, step 3, sample 7) have`."""
    count, first = int(mask.sum()), int(mask.argmax())
    function, step = (_word(dataset, name, first) for name in ("function", "step"))
    sample = dataset["sample"][first]
    where = f"{function}, step {step}" + (f", sample {sample:.0f}" if sample == sample else "")  # NaN
    return f"{count:,} row ({where}) has" if count == 1 else f"{count:,} rows (first: {where}) have"


def _word(dataset: Dataset, name: str, place: int) -> str | None:
    codes, levels = dataset.frame.codes(name)
    return levels[int(codes[place])]
