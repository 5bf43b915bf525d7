"""The Python API: a few names, reached as `sebsx.plan`, `sebsx.run`, `sebsx.open_store` and `sebsx.to_pandas`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from sebsx.reading.services import Services
from sebsx.system.lazy import require

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sebsx.contracts.runs import RunView
    from sebsx.model import Plan, Run
    from sebsx.store import Store

__all__ = ["Services", "open_store", "plan", "run", "to_pandas"]


def open_store(target: str | Path | None = None) -> AbstractContextManager[Store]:
    """Return the results as a context.

    Args:
        target: An SQLite file or a database URL; None for what `SEBSX_STORE` or a settings file says, else the user's
            data folder: where the command line stores.
    """
    return _services(target).open_store()


def plan(
    experiment: str, settings: Mapping[str, Any] | None = None, *, store: str | Path | None = None, **asked: Any
) -> Plan:
    """Return what a run would do, without touching anything; takes what `run` takes."""
    return _services(store).plan(experiment, settings, **asked)


def run(
    experiment: str, settings: Mapping[str, Any] | None = None, *, store: str | Path | None = None, **asked: Any
) -> Run:
    """Do a run from checks to teardown and return it as closed; what it measured is in the store.

    Args:
        experiment: Name of a registered experiment (`sebsx list experiments`).
        settings: Its settings by field; the others come from environment, files and defaults, as on the command line.
        store: Where results go, see `open_store`.
        asked: `platforms` and `collectors` (names), `campaign`, `seed`, `budget_usd`, `max_invocations`, `max_time_s`,
            or `resume`, the id of an interrupted run.

    Raises:
        SebsxError: If it cannot begin or is ended; the run is then stored as failed.
    """
    return _services(store).run(experiment, settings, **asked)


def to_pandas(view: RunView) -> Any:
    """Return the invocations of a run as a `pandas.DataFrame`: one row each, by sequence.

    Columns are the fields of an invocation (seconds, bytes, USD), the factors of its cell, and what the function
    measured of itself under the name of its metric. A factor that has the name of a field is left out.

    Args:
        view: The run; its store must be open.

    Raises:
        MissingDependencyError: If pandas is not installed.
    """
    pandas = require("pandas", extra="pandas")
    factors: dict[int | None, Mapping[str, Any]] = {cell.id: cell.factors for cell in view.cells()}
    rows = []
    for invocation in view.invocations():
        fields = {item.name: getattr(invocation, item.name) for item in dataclasses.fields(invocation)}
        samples = fields.pop("samples")
        rows.append({**factors.get(invocation.cell_id, {}), **samples, **fields})
    return pandas.DataFrame(rows)


def _services(target: str | Path | None) -> Services:
    return Services(store_option=None if target is None else str(target))
