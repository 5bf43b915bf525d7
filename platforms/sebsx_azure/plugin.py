"""Registers the platform `azure`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from sebsx.contracts.platforms import Platform


@hookimpl
def sebsx_register_platforms() -> list[type[Platform[Any]]]:
    """Return the platform."""
    from sebsx_azure.backend import AzurePlatform

    return [AzurePlatform]
