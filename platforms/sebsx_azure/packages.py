"""What Azure's workers want in a package: Microsoft's own libraries beside the code, and the host's settings."""

from __future__ import annotations

from importlib import metadata
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sebsx.clouds import shipped
from sebsx.errors import UnsupportedError
from sebsx.system.lazy import require
from sebsx_azure.clients import EXTRA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.model import Package

PYTHON_ENTRY, HOST = "function_app.py", "host.json"
# Where a worker looks for packages beside the root of an app.
_SITE_PACKAGES = ".python_packages/lib/site-packages"
# Pure Python, or with a pure part that serves as well: one copy for every version of Python.
_LIBRARIES = ("azure-functions", "werkzeug", "markupsafe")
_ZIPPED_BYTES = 10**9  # of a deployment package (docs: "Service limits", 2026-09)


def files_for(language: str) -> Mapping[str, bytes]:
    """Return what a package in a language needs at Azure."""
    if language == "python":
        return {**shipped.own_files("sebsx_azure", HOST, PYTHON_ENTRY), **_python_library()}
    return {}


def check_size(package: Package) -> None:
    """Refuse what Azure does not take.

    Raises:
        UnsupportedError: If the package is too large.
    """
    if package.bytes > _ZIPPED_BYTES:
        raise UnsupportedError(
            f"package of {package.benchmark!r} is {package.bytes / 1e6:.0f} MB zipped, and Azure takes 1000 MB"
        )


def _python_library() -> dict[str, bytes]:
    """Return Microsoft's library for functions in Python as it is installed here: its version is ours to choose.

    Workers bring one of their own; up to Python 3.12 that one is found first.
    """
    require("azure.functions", extra=EXTRA)
    found = {}
    for name in _LIBRARIES:
        for file in metadata.files(name) or ():
            if PurePosixPath(file).suffix == ".py" and ".." not in file.parts:
                found[f"{_SITE_PACKAGES}/{file}"] = file.locate().read_bytes()  # type: ignore[attr-defined]
    return found
