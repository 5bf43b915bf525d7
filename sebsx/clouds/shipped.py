"""What is shipped into functions: the files of a plugin, and the clients that several providers share.

`sebsx_wrapper` is for wherever storage speaks S3 and the table DynamoDB. It reads `SEBSX_BUCKET` and `SEBSX_TABLE`, and
of AWS's variables the region, the credentials and the endpoints. What clients of every provider have in common is
`sebsx_wrapper_http`, which any wrapper may build on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PYTHON = ("sebsx_wrapper_http.py",)
_SHARED = {"python": _PYTHON, "nodejs": ("sebsx_wrapper_http.cjs",)}
_FILES = {"python": ("sebsx_wrapper.py", *_PYTHON), "nodejs": ("sebsx_wrapper.cjs",)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Shipped:
    """The files that a platform puts into packages, by language; its own are in the folder `wrapper` of its package.

    Args:
        package: Python package of the plugin.
        entries: What the provider's runtime calls.
        wrappers: The clients of storage and table; None for those of S3 and DynamoDB.
    """

    package: str
    entries: Mapping[str, str] = field(default_factory=dict)
    wrappers: Mapping[str, str] | None = None

    def entry(self, language: str) -> dict[str, bytes]:
        """Return what the provider's runtime calls; nothing where there is no such language."""
        return own_files(self.package, self.entries[language]) if language in self.entries else {}

    def wrapper(self, language: str) -> dict[str, bytes]:
        """Return the clients of storage and table; nothing where there is no such language."""
        if self.wrappers is None:
            return wrapper_files(language)
        if language not in self.wrappers:
            return {}
        return {**own_files(self.package, self.wrappers[language]), **shared_files(language)}


def wrapper_files(language: str) -> dict[str, bytes]:
    """Return the wrapper for S3 and DynamoDB in a language; nothing where there is none."""
    return own_files("sebsx.clouds", *_FILES.get(language, ()))


def own_files(package: str, *names: str) -> dict[str, bytes]:
    """Return files of the folder `wrapper` of a package, such as that of a plugin."""
    return {name: (files(package) / "wrapper" / name).read_bytes() for name in names}


def shared_files(language: str) -> dict[str, bytes]:
    """Return what a wrapper of a provider's own may build on."""
    return own_files("sebsx.clouds", *_SHARED.get(language, ()))
