"""The experiment `function`: how fast a function that its user deployed already is, and what it costs."""

from __future__ import annotations
