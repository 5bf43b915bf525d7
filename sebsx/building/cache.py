"""A folder of built things that several processes fill at once: whole entries or none.

Whatever is built is built under a temporary name in the same folder and renamed when it is complete.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import stat
import tempfile
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_TEMPORARY = "tmp-"
_STALE_S = 6 * 3600.0  # no build takes that long: its process is gone


def private(folder: Path) -> None:
    """Make a folder that nobody else may look into: it holds the code of users and what they gave to it.

    Raises:
        OSError: If it cannot be made. One that is somebody else's is used as it is.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(PermissionError):
        if stat.S_IMODE(folder.stat().st_mode) & 0o077:
            folder.chmod(0o700)


@contextlib.contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Return a fresh folder inside `folder`, removed afterwards together with those that dead builds left.

    Raises:
        OSError: If `folder` cannot be made or written.
    """
    private(folder)
    _remove_stale(folder)
    path = folder / tempfile.mkdtemp(prefix=_TEMPORARY, dir=folder)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def publish_folder(built: Path, final: Path) -> None:
    """Move a complete folder to its place; one that another process put there meanwhile is kept."""
    try:
        built.rename(final)
    except OSError:
        if not final.is_dir():
            raise


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file, or None if there is none that can be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def write_json(path: Path, value: Mapping[str, Any], scratch_folder: Path) -> None:
    """Write a JSON file by way of a scratch folder, so that a reader sees all of it or none."""
    temporary = scratch_folder / path.name
    temporary.write_text(json.dumps(value, sort_keys=True), encoding="utf-8")
    temporary.replace(path)


def _remove_stale(folder: Path) -> None:
    for path in folder.glob(f"{_TEMPORARY}*"):
        with contextlib.suppress(OSError):  # another process removes it as well
            if time.time() - path.stat().st_mtime > _STALE_S:
                shutil.rmtree(path, ignore_errors=True)
