"""sebsx: a plugin-based benchmark framework for serverless platforms."""

from __future__ import annotations

__version__ = "0.1.0"
