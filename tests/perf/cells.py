"""How many transactions a cell takes beside its calls; prints JSON.

    python tests/perf/cells.py [CELLS]

Cells of one cold call each on `local`, every one with a deployment of its own, once as they are and once with every
step in a transaction of its own, as it was before.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from sebsx.cli import main as sebsx
from sebsx.store.engine import Database
from sebsx.store.writer import Store

if TYPE_CHECKING:
    from collections.abc import Iterator


def main() -> None:
    """Measure and print."""
    cells = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"XDG_DATA_HOME": f"{home}/data", "XDG_CACHE_HOME": f"{home}/cache"}
        measure(1)  # the package, and the prepared tree
        now = measure(cells)
        with mock.patch.object(Store, "together", side_effect=nullcontext):
            apart = measure(cells)
    figures = {
        "cells": cells,
        **{f"{name}_now": value for name, value in now.items()},
        **{f"{name}_apart": value for name, value in apart.items()},
    }
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}, indent=2))


def measure(cells: int) -> dict[str, float]:
    """Return writing transactions and time of a run, by cell."""
    transactions = 0
    written: Any = Database._written

    @contextmanager
    def counted(database: Database, **options: bool) -> Iterator[Any]:
        nonlocal transactions
        transactions += 1
        with written(database, **options) as connection:
            yield connection

    memory = ",".join(str(256 + 64 * number) for number in range(cells))
    words = ["run", "benchmark", "sleep", "--start", "cold", "--repetitions", "1", "--memory", memory, "--json"]
    with (
        mock.patch.object(Database, "_written", counted),
        mock.patch.object(sys, "argv", ["sebsx", *words]),
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
    ):
        started = time.perf_counter()
        try:
            sebsx()
        except SystemExit as exc:
            if exc.code:
                raise
    return {"transactions": transactions / cells, "run_s": (time.perf_counter() - started) / cells}


if __name__ == "__main__":
    main()
