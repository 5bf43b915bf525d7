"""Packages as Google's build takes them: which file holds the function, and what is installed beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.clouds import archives
from sebsx_gcp.functions import ENTRY_POINT

if TYPE_CHECKING:
    from pathlib import Path

    from sebsx.model import Package

# Google adds its framework to the packages that lie in the zip already; a version of our own choice, so that the same
# package is the same function tomorrow. For Node.js the build pack has a version locked by itself.
FRAMEWORK = "functions-framework==3.10.2\n"
PYTHON_ENTRY, NODE_ENTRY = "sebsx_wrapper_gcp.py", "sebsx_wrapper_gcp.cjs"
_REQUIREMENTS = "requirements.txt"
# Limits of sources (cloud.google.com/functions/quotas, 2026-09): zipped, and unzipped.
_ZIPPED_MB, _UNZIPPED_MB = 100, 500


def laid_out(package: Package, folder: Path) -> tuple[Path, str]:
    """Return a copy of a package that Google can build, and the SHA-256 of it in hex.

    Dependencies are in the package. What would install them again, in other versions perhaps, is replaced:
    `requirements.txt` names the framework alone; `package.json` gets our entry point, and its lock file stays.

    Args:
        package: What is deployed.
        folder: Where the copy is put; made if it is not there.

    Raises:
        UnsupportedError: If Google takes no package of that size.
    """
    archives.check_size(package, "Google", zipped_mb=_ZIPPED_MB, unzipped_mb=_UNZIPPED_MB)

    def files() -> dict[str, bytes]:
        if package.target.language == "python":
            return {_REQUIREMENTS: FRAMEWORK.encode()}
        return {archives.MANIFEST: archives.with_entry(package.path, NODE_ENTRY)}

    return archives.laid_out(package, folder, files)


def build_config(package: Package, source: Any) -> dict[str, Any]:
    """Return how Google builds a package."""
    target = package.target
    is_python = target.language == "python"
    return {
        "runtime": f"python{target.version.replace('.', '')}" if is_python else f"nodejs{target.version}",
        "entry_point": ENTRY_POINT,
        "environment_variables": {"GOOGLE_FUNCTION_SOURCE": PYTHON_ENTRY} if is_python else {},
        "source": {"storage_source": source},
    }
