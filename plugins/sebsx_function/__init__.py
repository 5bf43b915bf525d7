"""The experiment `function`: how fast and how dear a function is that its user has deployed already."""

from __future__ import annotations
