"""Registers the language `nodejs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from sebsx.contracts.languages import Language


@hookimpl
def sebsx_register_languages() -> list[type[Language]]:
    """Return the language."""
    from sebsx_nodejs.language import NodejsLanguage

    return [NodejsLanguage]
