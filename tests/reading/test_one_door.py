"""Plugins get quantiles from `sebsx.reading.believed`: whoever makes them alone leaves out what was not answered."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sebsx

ROOT = Path(sebsx.__file__).parent.parent
# What is no door to a number for a reader, by module: quantiles anywhere, medians where reports are made.
QUANTILES = {
    "sebsx.reading.estimates": {"median_estimate", "median_of_requests", "tail_estimate"},
    "sebsx.stats": {
        "order_statistic_interval", "quantile", "quantile_interval", "quantile_interval_of_all",
        "quantile_interval_of_blocks", "quantile_of_all", "tail_quantile",
    },
    "statistics": {"quantiles"},
    "numpy": {"quantile", "percentile", "nanquantile", "nanpercentile"},
}  # fmt: skip
MEDIANS = {
    "sebsx.stats": {"median"},
    "statistics": {"median", "median_high", "median_low"},
    "numpy": {"median", "nanmedian"},
}
REPORTS = {"Column", "Figure", "Finding", "Report", "Table"}
# Why a module makes its own.
OTHERS = {
    "plugins/sebsx_arm_prediction/commands.py": "the usual memory of the rows, to price them by",
    "plugins/sebsx_communication/model.py": "ends of a bootstrap",
    "plugins/sebsx_dnn_inference/beginnings.py": "parts of first calls that were answered, and what they add up to",
    "plugins/sebsx_dnn_inference/predicting.py": "errors of predictions",
    "plugins/sebsx_invocation_overhead/analyzer.py": "how clocks were aligned",
    "plugins/sebsx_load/analyzer.py": "bins of time, in which what was not answered is infinite",
    "plugins/sebsx_perf_cost/parts.py": "parts of the calls that were answered, beside their latency",
    "plugins/sebsx_quality/requirements.py": "lateness itself",
    "plugins/sebsx_quality/run_checks.py": "whether work grows with the input, by what the function measured",
    "plugins/sebsx_quality/series.py": "fences of outliers, levels over time",
    "plugins/sebsx_serving/policies.py": "what a policy sees, with the ages of those that wait",
}


def made(source: str) -> Iterator[str]:
    """Yield the quantiles that a module makes itself."""
    tree = ast.parse(source)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    reports = any(
        node.module == "sebsx.contracts.analyzers" and REPORTS & {alias.name for alias in node.names}
        for node in imports
    )
    for kinds in (QUANTILES, MEDIANS) if reports else (QUANTILES,):
        for node in imports:
            yield from (alias.name for alias in node.names if alias.name in kinds.get(node.module or "", ()))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                module = {"np": "numpy", "stats": "sebsx.stats"}.get(node.value.id, node.value.id)
                if node.attr in kinds.get(module, ()):
                    yield f"{node.value.id}.{node.attr}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from sebsx.reading.estimates import median_estimate, mean_estimate", ["median_estimate"]),
        ("import numpy as np\nnp.quantile([1], 0.9)", ["np.quantile"]),
        ("from statistics import median", []),
        ("from statistics import median\nfrom sebsx.contracts.analyzers import Table", ["median"]),
        (
            "import statistics\nfrom sebsx.contracts.analyzers import Table\nstatistics.median([1])",
            ["statistics.median"],
        ),
        ("from sebsx.reading.believed import quantile_of\nfrom sebsx.contracts.analyzers import Table", []),
    ],
)
def test_own_quantiles_are_found(source: str, found: list[str]) -> None:
    assert list(made(source)) == found


def test_plugins_tell_quantiles_that_are_believed() -> None:
    found = {}
    for file in sorted(file for folder in ("plugins", "platforms") for file in (ROOT / folder).rglob("*.py")):
        if not {"shipped", "tests"} & set(file.relative_to(ROOT).parts) and (own := set(made(file.read_text("utf-8")))):
            found[file.relative_to(ROOT).as_posix()] = own
    forgot = {file: own for file, own in found.items() if file not in OTHERS}
    assert not forgot, "ask sebsx.reading.believed for quantiles that a reader sees, or say here what they are of"
    assert OTHERS.keys() == found.keys(), "no longer needed"
