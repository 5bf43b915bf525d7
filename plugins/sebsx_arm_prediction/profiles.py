"""A profile in a file: columns in the names of a dataset, with their units."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from sebsx.errors import UserError
from sebsx_arm_prediction.dataset import FEATURE_NAMES, NUMBERS, RUNTIME, Dataset, dataset_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def read_profile(path: Path) -> Dataset:
    """Return the rows of a JSON file (an object or a list of them) or a CSV file.

    Raises:
        UserError: If it cannot be read, or a row has no run time.
    """
    try:
        text = path.read_text(encoding="utf-8")
        rows = _of_json(text) if path.suffix == ".json" else list(csv.DictReader(text.splitlines()))
    except (OSError, ValueError) as exc:
        raise UserError(f"profile {str(path)!r} cannot be read: {exc}") from exc
    if not rows:
        raise UserError(f"profile {str(path)!r} has no rows")
    return dataset_of([_row(row, path, number) for number, row in enumerate(rows, 1)]).completed()


def _of_json(text: str) -> Sequence[Mapping[str, Any]]:
    found = json.loads(text)
    rows = found if isinstance(found, list) else [found]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("an object of features, or a list of them, is wanted")
    return rows


def _row(row: Mapping[str, Any], path: Path, number: int) -> dict[str, Any]:
    if row.get(RUNTIME) in (None, ""):
        raise UserError(
            f"profile {str(path)!r}, row {number}: there is no {RUNTIME}; columns are named as the collector 'saaf' "
            "names them, without its prefix and with their units: runtime_s, cpuUserDelta_s, ..."
        )
    found: dict[str, Any] = {"function": path.stem, **row}
    for name in (*FEATURE_NAMES, *NUMBERS):
        value = row.get(name)
        try:
            found[name] = None if value in (None, "") else float(value)
        except (TypeError, ValueError):
            raise UserError(f"profile {str(path)!r}, row {number}: {name} is {value!r}, not a number") from None
    return found
