"""Whether the numbers of a run can be trusted: its stability, the quality of its data, its reproducibility."""

from __future__ import annotations
