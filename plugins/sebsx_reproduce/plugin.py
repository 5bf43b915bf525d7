"""Registers the kind `recipes` and the command that follows one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.commands import Command
    from sebsx.contracts.kinds import PluginKind


@hookimpl
def sebsx_register_kinds() -> Sequence[PluginKind]:
    """Return the kind of things that other plugins bring."""
    from sebsx.contracts.kinds import PluginKind  # loading a plugin costs nothing

    return [PluginKind(name="recipes", title="published tables to measure again", base="sebsx.contracts.recipes:Recipe",
                       page="reproduce.md", contract="RecipeContract")]  # fmt: skip


@hookimpl
def sebsx_register_commands() -> Sequence[type[Command[Any]]]:
    """Return `sebsx reproduce`."""
    from sebsx_reproduce.command import ReproduceCommand  # loading a plugin costs nothing

    return [ReproduceCommand]
