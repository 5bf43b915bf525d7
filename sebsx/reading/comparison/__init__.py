"""Two versions, platforms or sizes against each other: which changes are real, and which numbers cannot be compared.

`compare_runs` takes stored runs and gives a `ComparisonReport`: a verdict for each condition and metric, what was
measured on one side only, what differs beside what is studied, and how far the design can be trusted. It reads the
runs it is given and nothing else. docs/compare.md explains the verdicts.
"""

from __future__ import annotations

from sebsx.reading.comparison.comparing import compare_runs
from sebsx.reading.comparison.facts import Difference
from sebsx.reading.comparison.options import Options
from sebsx.reading.comparison.pairing import Missing
from sebsx.reading.comparison.result import ComparisonReport, Row

__all__ = ["ComparisonReport", "Difference", "Missing", "Options", "Row", "compare_runs"]
