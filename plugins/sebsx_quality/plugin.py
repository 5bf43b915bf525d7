"""Registers the analyzers stability, data-quality and reproducibility."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.analyzers import Analyzer


@hookimpl
def sebsx_register_analyzers() -> Sequence[type[Analyzer[Any]]]:
    """Return the analyzers."""
    from sebsx_quality.data_quality import DataQuality  # loading a plugin costs nothing
    from sebsx_quality.reproducibility import Reproducibility
    from sebsx_quality.stability import Stability

    return [Stability, DataQuality, Reproducibility]
