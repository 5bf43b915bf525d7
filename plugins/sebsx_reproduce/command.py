"""`sebsx reproduce`: a published table beside what was measured, cell by cell."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.commands import Command
from sebsx.errors import UserError
from sebsx.settings import option_name, setting
from sebsx_reproduce.comparing import DEVIATES, NOT_MEASURED, REPRODUCED, UNMEASURABLE, compare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.analyzers import Table
    from sebsx.contracts.commands import Services
    from sebsx.contracts.recipes import Recipe
    from sebsx.contracts.registered import Registered
    from sebsx.contracts.runs import RunView
    from sebsx_reproduce.comparing import Compared


@dataclass(frozen=True)
class ReproduceSettings:
    """Which table, and from which runs."""

    recipe: str = setting("", help="name of a recipe (sebsx list recipes)", positional="NAME")
    from_runs: tuple[str, ...] = setting((), help="runs that measured it; default: none yet", option="--from")


class ReproduceCommand(Command[ReproduceSettings]):
    """Shows a published table beside the same of stored runs."""

    name = "reproduce"
    summary = "a published table, cell by cell: reproduced, deviates by, or not measured"
    details = (
        "  sebsx list recipes\n"
        "  sebsx reproduce arm-table3                what was published, and the run that measures it\n"
        "  sebsx reproduce arm-table3 --from last    beside what a run measured"
    )
    Settings: ClassVar[type[Any]] = ReproduceSettings

    def run(self, services: Services, settings: ReproduceSettings) -> None:
        """Look the recipe up, analyze the runs, and say what came of each cell.

        Raises:
            UserError: If no recipe is named, or the runs measured none of its cells.
        """
        if not settings.recipe:
            raise UserError("name a published table, such as: sebsx reproduce arm-table3 (sebsx list recipes)")
        recipe: Recipe = services.registry.get("recipes", settings.recipe)()
        command = how_to_run(recipe, services.registry)
        found, elsewhere = compare(recipe.expected(), None), ""
        if settings.from_runs:
            with services.open_store() as store:
                views = [store.view(name) for name in settings.from_runs]
                found = compare(recipe.expected(), services.analyze(views, recipe.analyzer))
                elsewhere = measured_elsewhere(recipe, views)
                if all(each.measured is None for each in found):
                    runs = ", ".join(f"{view.run.id} ({view.run.experiment})" for view in views)
                    raise UserError(f"no cell of {recipe.name!r} was measured by {runs}; run: {command}")
        document = {
            "recipe": recipe.name,
            "source": recipe.source,
            "command": command,
            "cells": [
                {
                    "table": each.cell.table, "row": dict(each.cell.row), "column": each.cell.column,
                    "published": each.cell.value, "tolerance": each.cell.tolerance, "measured": each.measured,
                    "status": each.status,
                }
                for each in found
            ],
        }  # fmt: skip
        services.output.result(document, _table(recipe, found), text=summary(recipe, found))
        services.output.note(f"published in {recipe.source}")
        if elsewhere:
            services.output.note(elsewhere)
        if not settings.from_runs:
            services.output.note(f"to measure it: {command}")


def summary(recipe: Recipe, found: Sequence[Compared]) -> str:
    """Return how many cells came out how."""
    counts = Counter(each.status for each in found)
    parts = [f"{counts[status]} {status}" for status in (REPRODUCED, DEVIATES, NOT_MEASURED)]
    if counts[UNMEASURABLE]:
        parts.append(f"{counts[UNMEASURABLE]} {UNMEASURABLE}")
    return f"{recipe.name}: of {len(found)} cells {', '.join(parts)}"


def measured_elsewhere(recipe: Recipe, views: Sequence[RunView]) -> str:
    """Return that runs are of none of the platforms that a table was measured on; empty where one is."""
    platforms = dict.fromkeys(str(cell.factors.get("platform")) for view in views for cell in view.cells())
    if not recipe.platforms or platforms.keys() & set(recipe.platforms):
        return ""
    return f"the table is of {', '.join(recipe.platforms)}; these runs are of {', '.join(platforms)}"


def how_to_run(recipe: Recipe, registry: Registered) -> str:
    """Return the command that measures what a recipe is of."""
    fields = {
        field.name: field for field in dataclasses.fields(registry.get("experiments", recipe.experiment).Settings)
    }
    words = ["sebsx run experiment", recipe.experiment]
    words += [f"--platform {','.join(recipe.platforms)}"] if recipe.platforms else []
    for name, value in recipe.settings.items():
        text = ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
        words.append(f"{option_name(fields[name])} {text}")
    return " ".join(words)


def _table(recipe: Recipe, found: Sequence[Compared]) -> Table:
    from sebsx.contracts.analyzers import Column, Table  # heavy

    columns = [
        Column("table", "table"), Column("row", "row"), Column("column", "column"), Column("published", "published"),
        Column("measured", "measured"), Column("result", "result", essential=True),
    ]  # fmt: skip
    rows = [
        {
            "table": each.cell.table,
            "row": " ".join(each.cell.row.values()),
            "column": each.cell.column,
            "published": f"{each.cell.value:.4g}",
            "measured": "" if each.measured is None else f"{each.measured:.4g}",
            "result": each.words,
        }
        for each in found
    ]
    return Table(recipe.name, columns=columns, rows=rows)
