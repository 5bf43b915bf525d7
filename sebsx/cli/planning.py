"""What `sebsx plan` prints: what a run would deploy, call, take and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sebsx.cli.app import App
    from sebsx.model import Cell
    from sebsx.running.orchestrator import RunSpec


def show_plan(app: App, spec: RunSpec) -> None:
    """Print what a run would do."""
    from sebsx.cli.console import plan_text
    from sebsx.contracts.analyzers import Column, Table
    from sebsx.reading import gate
    from sebsx.reading.levels import level_columns
    from sebsx.reading.planned_prices import priced_as, total_cost
    from sebsx.system.busyness import host

    plan = app.planned(spec)
    if spec.fail_if:
        gate.check(spec.fail_if, plan, app.registry.metrics)
    if app.price_as:
        plan = priced_as(plan, app.registry, app.price_as)
    columns = [
        *level_columns(plan.factors, [cell.factors for cell in plan.cells]),
        *([Column("unsupported", "")] if any(cell.unsupported for cell in plan.cells) else []),
        Column("cost_usd", "cost", unit="USD"),  # the last columns are those that give way first
        Column("duration_s", "about", unit="s"),
        Column("invocations", "calls", unit="count"),
    ]
    rows = [_plan_row(cell) for cell in plan.cells]
    total = total_cost(plan)
    document = {
        "experiment": spec.experiment.name,
        "design": plan.design,
        "deployments": plan.deployments,
        "invocations": plan.invocations,
        "duration_s": plan.duration_s,
        "cost_usd": plan.cost_usd,
        "cost_range_usd": [total.low, total.high] if total else None,
        "cost_bound_usd": plan.cost_bound_usd,
        "notes": plan.notes,
        "factors": plan.factors.stored(),
        "cells": plan.cells,
    }
    caption = "" if total is None else "cost [if calls take half as long, twice as long as expected]"
    table = Table("", columns=columns, rows=rows, caption=caption)
    listed = any(app.registry.get("platforms", name).provider for name in spec.platforms)
    app.console.result(document, table, text=plan_text(plan, listed=listed), explain=True)
    if app.price_as:
        app.console.note(
            f"note: the cost is by the prices of {app.price_as.provider} {app.price_as.region} for the times expected "
            "here; the run estimates it from the times that it measures"
        )
    for note in plan.notes:
        app.console.note(f"note: {note}")
    now = host()
    if now is not None and now.busy:
        app.console.note(
            f"note: this machine is busy now ({now.words}): it delays the client, and functions that run here"
        )


def _plan_row(cell: Cell) -> dict[str, Any]:
    """Return a cell for the table of a plan; what is rounded up to an offer shows both: `256 -> 512`."""
    from sebsx.reading.levels import levels_of
    from sebsx.reading.planned_prices import expected_cost

    shown = {**levels_of(cell.factors), **(cell.provision.words if cell.provision else {})}
    measured = {"invocations": cell.invocations, "duration_s": cell.duration_s, "cost_usd": expected_cost(cell)}
    return {**shown, **({"unsupported": "unsupported"} if cell.unsupported else measured)}
