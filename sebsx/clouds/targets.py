"""What packages are built for on platforms that run Python and Node.js by versions in their settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.errors import UnsupportedError
from sebsx.model import Target

if TYPE_CHECKING:
    from sebsx.contracts.platforms import Platform

# glibc of every runtime here is 2.28 or newer.
_BINARIES = {"python": "manylinux_2_28", "nodejs": ""}


def target_of(platform: Platform[Any], language: str, architecture: str) -> Target:
    """Return the runtime that the settings `python` and `nodejs` of a platform name, for `Platform.target`.

    Raises:
        UnsupportedError: If it does not run that language or architecture.
    """
    if architecture not in platform.architectures:
        raise UnsupportedError(
            f"platform {platform.name!r} is for {platform.architectures[0]}, not for {architecture!r}"
        )
    if language not in _BINARIES:
        raise UnsupportedError(f"platform {platform.name!r} runs Python and Node.js, not {language!r}")
    version = getattr(platform.settings, language)
    return Target(language, version, architecture=architecture, binaries=_BINARIES[language])
