"""What may be chosen between when accuracy counts as well, and whether size or work orders the time of models."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Column, Finding, Table
from sebsx_dnn_inference import experiment
from sebsx_dnn_inference.findings import all_but
from sebsx_dnn_inference.zoo import TOP1

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx_dnn_inference.served import Served

_FEWEST_MODELS = 4  # that show an order
_COLUMNS = (
    Column("model", "model"),
    Column("engine", "engine"),
    Column("batch", "batch"),
    Column("memory_mib", "memory", unit="MiB"),
    Column("platform", "platform"),
    Column("accuracy", "top-1", unit="1", meaning="published for the trained model; the weights measured are noise"),
    Column("difference", "difference", unit="1", meaning="of the converted model's output from the original's"),
    Column("item_s", "time an item", unit="s", essential=True),
    Column("thousand_usd", "per 1000 items", unit="USD"),
)


def front(sound: Sequence[Served]) -> Table | None:
    """Return what no other choice beats in accuracy, in fidelity, in time and in cost; None where nothing is beaten.

    Models with a published accuracy are choices among each other; every other model is by itself. What has no price
    costs nothing more or less than others.
    """
    families: dict[tuple[Any, ...], list[Served]] = defaultdict(list)
    for each in sound:
        families[each.condition.run.id, "" if each.model in TOP1 else each.model].append(each)
    kept = [
        each
        for members in families.values()
        for each in members
        if not any(_beats(_point(other), _point(each)) for other in members)
    ]
    if not kept or len(kept) == len(sound):
        return None
    note = f"Pareto front: {len(kept)} of {len(sound)} choices, none of which another beats in all columns"
    return Table("pareto", columns=_COLUMNS, rows=[_row(each) for each in kept], caption=note)


def _row(each: Served) -> dict[str, Any]:
    return {
        "model": each.model, "engine": each.engine, "batch": each.batch, "memory_mib": each.memory_mib,
        "platform": each.condition.identity["platform"], "accuracy": TOP1.get(each.model),
        "difference": each.figures.get(experiment.DIFFERENCE), "item_s": (each.latency_s or 0.0) / each.batch,
        "thousand_usd": each.cost.value,
    }  # fmt: skip


def _point(each: Served) -> tuple[float, ...]:
    """Return what is better the smaller it is."""
    return (
        -TOP1.get(each.model, 0.0),
        each.figures.get(experiment.DIFFERENCE, 0.0),
        (each.latency_s or 0.0) / each.batch,
        each.cost.value or 0.0,
    )


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(mine <= theirs for mine, theirs in zip(one, other, strict=True))


def orders(sound: Sequence[Served]) -> Iterator[Finding]:
    """Yield whether the models of an engine are ordered by their work or by the size of their file.

    By Spearman's rank correlation of the time of an inference with each.
    Source: Ganju and Shankar find that floating point operations order the times, and file sizes do not.
    """
    groups: dict[tuple[Any, ...], list[Served]] = defaultdict(list)
    for each in sound:
        if {experiment.MULTIPLY_ADDS, experiment.ORIGINAL} <= each.figures.keys():
            groups[all_but(each, "model")].append(each)
    for members in groups.values():
        if len({each.model for each in members}) < _FEWEST_MODELS:
            continue
        times = [each.latency_s or 0.0 for each in members]
        work = _rank_correlation([each.figures[experiment.MULTIPLY_ADDS] for each in members], times)
        size = _rank_correlation([each.figures[experiment.ORIGINAL] for each in members], times)
        first = members[0]
        better = "multiply-adds order" if work > size else "file sizes order" if size > work else "both order"
        text = (
            f"{first.engine} at batch {first.batch} with {first.memory_mib} MiB: {better} the times of {len(members)} "
            f"models better (rank correlation {work:.2f} with multiply-adds, {size:.2f} with file size)"
        )
        if work == size:
            text = text.replace(" better (", " alike (")
        yield Finding(text, numbers={"multiply_adds": work, "size": size, "models": len(members)})


def _rank_correlation(values: Sequence[float], others: Sequence[float]) -> float:
    import numpy as np  # heavy

    one, other = (_ranks(np.asarray(numbers, dtype=float)) for numbers in (values, others))
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _ranks(values: Any) -> Any:
    """Return ranks, ties sharing theirs."""
    import numpy as np  # heavy

    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    return (ends - (counts - 1) / 2)[places]
