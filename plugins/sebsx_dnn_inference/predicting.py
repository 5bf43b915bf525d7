"""The time of cells that were not measured, from those that were: a polynomial in batch and memory."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Column, Finding, Table
from sebsx.stats import median
from sebsx_dnn_inference.findings import all_but

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx_dnn_inference.served import Served

_MEMORY_MIB = (512, 1024, 2048, 4096, 8192, 10240)  # of the study; its batches are powers of two
_DEGREES = (1, 2)
_COLUMNS = (
    Column("model", "model"),
    Column("engine", "engine"),
    Column("platform", "platform"),
    Column("batch", "batch"),
    Column("memory_mib", "memory", unit="MiB"),
    Column("latency_s", "predicted inference", unit="s", essential=True),
    Column("error", "error", unit="1", meaning="median of what cells that were left out were missed by"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedTimes:
    """What a line of measured cells says of others.

    Args:
        degree: Of the polynomial of logarithms.
        error: Median relative error of cells that were left out of the fit, one after the other.
        cells: How many were measured.
        missing: Times in seconds by (batch, memory) of those that were not.
    """

    degree: int
    error: float
    cells: int
    missing: dict[tuple[int, int], float]


def predictions(sound: Sequence[Served]) -> tuple[Table | None, list[Finding]]:
    """Return a table of predicted times, None where there are none, and a finding for each engine and model."""
    lines: dict[tuple[Any, ...], list[Served]] = defaultdict(list)
    for each in sound:
        lines[all_but(each, "batch", "memory_mib")].append(each)
    rows, said = [], []
    for line in lines.values():
        found = predicted({(each.batch, each.memory_mib): each.latency_s or math.nan for each in line})
        if found is None or not found.missing:
            continue
        first = line[0]
        named = {"model": first.model, "engine": first.engine, "platform": first.condition.identity["platform"]}
        rows += [
            {**named, "batch": batch, "memory_mib": size, "latency_s": time_s, "error": found.error}
            for (batch, size), time_s in sorted(found.missing.items())
        ]
        text = (
            f"{first.model} in {first.engine}: {len(found.missing)} cells that were not measured are predicted from "
            f"{found.cells} by a polynomial of degree {found.degree}, which misses cells left out by {found.error:.0%}"
        )
        said.append(Finding(text, numbers={"error": found.error, "degree": found.degree}))
    note = "polynomial in log(batch) and log(memory); error by leaving out one cell after the other"
    return (Table("predicted", columns=_COLUMNS, rows=rows, caption=note) if rows else None), said


def predicted(times: dict[tuple[int, int], float]) -> PredictedTimes | None:
    """Return what measured times say of the study's other cells between them; None where they are too few to tell.

    Args:
        times: In seconds, by (batch, memory in MiB).

    Source: All-You-Can-Inference predicts unmeasured cells by polynomial regression; logarithms are ours, since time
    is a product of batch and of what memory buys. The degree is the one with the smaller cross-validated error.
    """
    fits = [(error, degree) for degree in _DEGREES if (error := _cross_validated(times, degree)) is not None]
    if not fits:
        return None
    error, degree = min(fits)
    fitted = _fitted(times, degree, list(_wanted(times)))
    return PredictedTimes(degree=degree, error=error, cells=len(times), missing=fitted)


def _wanted(times: dict[tuple[int, int], float]) -> Iterator[tuple[int, int]]:
    """Yield cells within those measured: nothing is known of what lies outside."""
    batches, sizes = {batch for batch, _ in times}, {size for _, size in times}
    batches |= {2**n for n in range(int(math.log2(max(batches))) + 1) if 2**n >= min(batches)}
    sizes |= {size for size in _MEMORY_MIB if min(sizes) <= size <= max(sizes)}
    yield from (cell for cell in product(sorted(batches), sorted(sizes)) if cell not in times)


def _cross_validated(times: dict[tuple[int, int], float], degree: int) -> float | None:
    """Return the median relative error of cells left out one by one; None where the rest does not fix a polynomial."""
    if len(times) < len(_terms(times, degree)) + 2:  # one is left out, and one shows the error of the rest
        return None
    errors = []
    for cell, true_s in times.items():
        rest = {other: time_s for other, time_s in times.items() if other != cell}
        if len(_terms(rest, degree)) != len(_terms(times, degree)):
            continue  # the only cell of its kind: the rest says nothing of it
        errors.append(abs(_fitted(rest, degree, [cell])[cell] / true_s - 1))
    return median(errors) if errors else None


def _terms(times: dict[tuple[int, int], float], degree: int) -> list[tuple[int, int]]:
    """Return the exponents of log(batch) and log(memory) that the measured levels can tell apart."""
    batches, sizes = len({batch for batch, _ in times}), len({size for _, size in times})
    return [
        (one, other)
        for one, other in product(range(degree + 1), repeat=2)
        if one + other <= degree and one < batches and other < sizes
    ]


def _fitted(
    times: dict[tuple[int, int], float], degree: int, cells: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], float]:
    import numpy as np  # heavy

    terms = _terms(times, degree)

    def rows(of: Sequence[tuple[int, int]]) -> Any:
        logs = np.log2(np.array(of, dtype=float).reshape(-1, 2))
        return np.stack([logs[:, 0] ** one * (logs[:, 1] - 11) ** other for one, other in terms], axis=1)  # 2 GiB: 0

    weights = np.linalg.lstsq(rows(list(times)), np.log(list(times.values())), rcond=None)[0]
    return dict(zip(cells, np.exp(rows(cells) @ weights).tolist(), strict=True)) if cells else {}
