"""Registers the platforms `docker` and `docker-arm`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from sebsx.contracts.platforms import Platform


@hookimpl
def sebsx_register_platforms() -> list[type[Platform[Any]]]:
    """Return the platforms."""
    from sebsx_docker.backend import DockerArmPlatform, DockerPlatform

    return [DockerPlatform, DockerArmPlatform]
