"""Processor time of the pictures of a page, beside the same with matplotlib's own layout, which they had before.

Prints JSON: the least of the rounds, both measured in turns. Run: python tests/perf/drawing.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[2]))

from sebsx.contracts.analyzers import Figure
from sebsx.reading.reporting import build, drawing
from sebsx.store import open_store
from tests.reading.reporting.conftest import breakdown, comparison, fill


def figures() -> list[Figure]:
    """Return the figures of a page of two runs with a comparison."""
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder, "store.sqlite")) as store:
        content = build([fill(store, 1), fill(store, 2)], [breakdown()], comparison())
    reports = [report for section in content.sections for report in (*section.reports, *section.more)]
    return [figure for report in reports for figure in report.figures]


def constrained(picture: Any, axes: Any, legend: Any) -> None:
    """Lay a picture out as before."""
    from matplotlib.gridspec import GridSpec

    axes.set_subplotspec(GridSpec(1, 1, figure=picture)[0])
    if legend:
        legend._outside_loc = "lower"
    picture.set_layout_engine("constrained")


def processor_s(of: list[Figure], fit: Callable[..., None]) -> float:
    """Return the processor time of drawing."""
    with mock.patch.object(drawing, "_fit", fit):
        begun_s = time.process_time()
        for figure in of:
            drawing.draw(figure)
        return time.process_time() - begun_s


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    of, fit = figures(), drawing._fit
    processor_s(of, fit)  # imports, fonts
    rounds = [(processor_s(of, fit), processor_s(of, constrained)) for _ in range(parser.parse_args().rounds)]
    now_s, before_s = (min(each) for each in zip(*rounds, strict=True))
    figures_ = {"pictures": len(of), "now_s": round(now_s, 3), "before_s": round(before_s, 3)}
    print(json.dumps({**figures_, "ratio": round(now_s / before_s, 2), "load_average": os.getloadavg()[0]}, indent=2))


if __name__ == "__main__":
    main()
