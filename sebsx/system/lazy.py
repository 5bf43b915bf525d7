"""Import an optional SDK where it is used, or say how to install it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from sebsx.errors import MissingDependencyError
from sebsx.system import installing

if TYPE_CHECKING:
    from types import ModuleType


def require(module: str, *, extra: str) -> ModuleType:
    """Return `module`, imported now.

    Args:
        module: Dotted name, as in an import statement.
        extra: The extra of the distribution that brings it.

    Raises:
        MissingDependencyError: If it is not installed; the message names the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as exc:
        if exc.name is None or module.split(".")[0] != exc.name.split(".")[0]:
            raise  # the module is there and fails on an import of its own: not ours to explain
        raise MissingDependencyError(
            f"{module.split('.')[0]!r} is needed and not installed; run: {installing.command(extra)}"
        ) from exc
