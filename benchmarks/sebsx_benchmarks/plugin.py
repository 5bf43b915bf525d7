"""Registers the benchmarks that come with sebsx."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence


@hookimpl
def sebsx_register_benchmarks() -> Sequence[Path]:
    """Return the folder that holds every category."""
    return [Path(__file__).parent]
