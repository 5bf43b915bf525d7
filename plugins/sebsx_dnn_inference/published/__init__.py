"""Published tables as they were printed, and what is wrong with their rows: a printed number is checked, not copied.

Sources: Ellore's thesis on inference by functions (phases of a call, ways to load a model); All-You-Can-Inference and
Ganju and Shankar (sizes of models).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from sebsx.stats import median
from sebsx_dnn_inference import zoo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Row = dict[str, str]
_MIB = 2**20
_SIZE_SHARE = 0.1  # by which a file may differ from four bytes a parameter
_FARTHEST = 5.0  # times: a ratio further than this from the usual one has lost or gained a digit
_PARAMETERS = {"name-classifier": 21_840}  # as published, of a model that sebsx does not make


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A row that cannot be right as it is printed.

    Args:
        table: Its table.
        row: Its place there, the first is 0.
        column: The number that is doubted.
        text: Why, in one line.
    """

    table: str
    row: int
    column: str
    text: str


def published_table(name: str) -> list[Row]:
    """Return a table by its name: `dnn_models`, `model_loading` or `inference_phases`."""
    text = (files(__package__) / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def doubts(name: str, rows: Sequence[Row] | None = None) -> list[Doubt]:
    """Return what is wrong with a table.

    Args:
        name: Which rules hold for it.
        rows: In place of the published ones.
    """
    return list(_RULES[name](published_table(name) if rows is None else rows))


def sound_rows(name: str) -> list[Row]:
    """Return the rows of a table without those that are doubted."""
    doubted = {doubt.row for doubt in doubts(name)}
    return [row for place, row in enumerate(published_table(name)) if place not in doubted]


def _sizes(rows: Sequence[Row]) -> Iterator[Doubt]:
    """Hold sizes to four bytes a parameter, and name the model that a wrong size is of."""
    known = {name: recipe.parameters for name, recipe in zoo.RECIPES.items()} | _PARAMETERS
    for place, row in enumerate(rows):
        if row["model"] not in known or not row["size_mb"]:
            continue
        size_mb = float(row["size_mb"])
        if _fits(size_mb, known[row["model"]]):
            continue
        others = [name for name, parameters in known.items() if _fits(size_mb, parameters)]
        text = f"{row['model']}: {size_mb:g} MB is not the size of {known[row['model']]:,} parameters"
        if others:
            text += f", but of {' or '.join(others)}"
        yield Doubt(table="dnn_models", row=place, column="size_mb", text=text)


def _fits(size_mb: float, parameters: int) -> bool:
    """Tell whether a size, of megabytes or mebibytes, is that of parameters of four bytes."""
    return any(abs(size_mb * unit / (4 * parameters) - 1) <= _SIZE_SHARE for unit in (1e6, _MIB))


def _phases(rows: Sequence[Row]) -> Iterator[Doubt]:
    """Hold that an inference takes no longer than the call that it is a part of, and that a call is told once."""
    seen: dict[tuple[str, ...], int] = {}
    for place, row in enumerate(rows):
        key = tuple(row[name] for name in ("model", "start", "input"))
        named = " ".join(key)
        if float(row["inference_ms"]) > float(row["total_ms"]):
            text = f"{named}: an inference of {row['inference_ms']} ms in a call of {row['total_ms']} ms"
            yield Doubt(table="inference_phases", row=place, column="inference_ms", text=text)
        elif seen.setdefault(key, place) != place:
            yield Doubt(table="inference_phases", row=place, column="input", text=f"{named}: is there twice")


def _loading(rows: Sequence[Row]) -> Iterator[Doubt]:
    """Hold the gain of loading without a copy to that of the other models, in which one digit makes ten times."""
    ratios = [float(row["zero_copy_s"]) / float(row["no_optimization_s"]) for row in rows]
    for place, (row, ratio) in enumerate(zip(rows, ratios, strict=True)):
        usual = median(ratios)
        if not 1 / _FARTHEST <= ratio / usual <= _FARTHEST:
            tenth = float(row["zero_copy_s"]) / 10 if ratio > usual else float(row["zero_copy_s"]) * 10
            text = (
                f"{row['model']}: {row['zero_copy_s']} s without a copy is {ratio / usual:.1f} times the share that "
                f"models usually take; a zero is {'missing' if ratio > usual else 'too many'}: {tenth:g} s?"
            )
            yield Doubt(table="model_loading", row=place, column="zero_copy_s", text=text)


_RULES: dict[str, Callable[[Sequence[Row]], Iterator[Doubt]]] = {
    "dnn_models": _sizes,
    "inference_phases": _phases,
    "model_loading": _loading,
}
