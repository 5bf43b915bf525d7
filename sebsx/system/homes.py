"""Paths as people write them, with a `~` for somebody's home."""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """Return a path with the home that its `~` or `~user` stands for; as it is where that home is unknown."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  # the one of Path raises instead
