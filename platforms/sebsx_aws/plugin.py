"""Registers the platforms `aws` and `aws-arm`, and the command `sebsx aws`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from sebsx.contracts.commands import Command
    from sebsx.contracts.platforms import Platform


@hookimpl
def sebsx_register_platforms() -> list[type[Platform[Any]]]:
    """Return the platforms."""
    from sebsx_aws.backend import AwsArmPlatform, AwsPlatform

    return [AwsPlatform, AwsArmPlatform]


@hookimpl
def sebsx_register_commands() -> list[type[Command[Any]]]:
    """Return `sebsx aws policy`."""
    from sebsx_aws.commands import PolicyCommand

    return [PolicyCommand]
