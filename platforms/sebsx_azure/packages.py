"""What Azure's workers want in a package: Microsoft's own libraries beside the code, and the host's settings."""

from __future__ import annotations

import os
import shutil
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sebsx.building.tools import run_installer
from sebsx.clouds import archives, shipped
from sebsx.errors import PackagingError
from sebsx.system.folders import cache_folder
from sebsx.system.lazy import require
from sebsx_azure.clients import EXTRA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.model import Package

PYTHON_ENTRY, NODE_ENTRY, HOST = "function_app.py", "sebsx_wrapper_azure.cjs", "host.json"
NODE_LIBRARY = "@azure/functions@4.16.5"
# Where a worker looks for packages beside the root of an app.
_SITE_PACKAGES = ".python_packages/lib/site-packages"
# Pure Python, or with a pure part that serves as well: one copy for every version of Python.
_LIBRARIES = ("azure-functions", "werkzeug", "markupsafe")
_ZIPPED_MB = 1000  # of a deployment package (docs: "Service limits", 2026-09)


def beside_entry(language: str) -> Mapping[str, bytes]:
    """Return what a package in a language needs at Azure beside what Azure's worker loads."""
    library = _python_library() if language == "python" else {}
    return {**shipped.own_files("sebsx_azure", HOST), **library}


def laid_out(package: Package, folder: Path) -> tuple[Path, str]:
    """Return what Azure is handed, and the SHA-256 of it in hex where that is not the package itself.

    A package in Node.js gets our entry point and Microsoft's library, which Azure's worker does not bring.

    Args:
        package: What is deployed.
        folder: Where a copy is put; made if it is not there.

    Raises:
        PackagingError: If there is no npm, or it cannot get the library.
        UnsupportedError: If the package is too large.
    """
    archives.check_size(package, "Azure", zipped_mb=_ZIPPED_MB)
    if package.target.language == "python":
        return package.path, ""

    def files() -> dict[str, bytes]:
        return {archives.MANIFEST: archives.with_entry(package.path, NODE_ENTRY), **_node_library()}

    return archives.laid_out(package, folder, files)


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


def _node_library() -> dict[str, bytes]:
    """Return Microsoft's library for functions in Node.js with all that it needs, got once by npm."""
    folder = cache_folder() / "azure" / NODE_LIBRARY.replace("/", "-")
    if not folder.exists():
        partial = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _install(partial)
        try:
            partial.rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(partial)
    modules = folder / "node_modules"
    files = (path for path in modules.rglob("*") if path.is_file() and path.suffix in (".js", ".cjs", ".json"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise PackagingError("functions in Node.js on Azure need npm, which was not found; install Node.js's npm")
    manifest = folder / archives.MANIFEST
    manifest.write_text('{"name": "library", "private": true}')
    flags = ("--ignore-scripts", "--no-bin-links", "--no-audit", "--no-fund", "--no-update-notifier")
    done = run_installer([npm, "install", *flags, NODE_LIBRARY], folder, manifest)
    if done.returncode != 0:
        raise PackagingError(f"{NODE_LIBRARY} cannot be installed: {(done.stderr or done.stdout).strip()[-300:]}")
