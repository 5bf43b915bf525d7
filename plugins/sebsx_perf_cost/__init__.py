"""The perf-cost experiment: how fast functions are, cold and warm, at which memory size, for what price."""

from __future__ import annotations
