"""Object storage as files below one folder, as the driver sees it."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from sebsx.contracts.storage import Storage, copy_file
from sebsx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PARTIAL = ".sebsx-partial-"


class FileStorage(Storage):
    """One file per object; the wrapper inside functions reads and writes the same files.

    Args:
        root: The folder; made at the first write.
        owner: User number to whom the folders belong, so that functions may write there; None for our own.
    """

    def __init__(self, root: Path, owner: int | None = None) -> None:
        self._root = root
        self._owner = owner

    def put(self, key: str, data: bytes) -> None:
        """Write a file aside and move it into place, so that no reader sees half of it."""
        with self._aside(key) as partial:
            partial.write_bytes(data)

    def put_file(self, key: str, path: Path) -> None:
        """Copy a file aside and move it into place."""
        with self._aside(key) as partial:
            copy_file(path, partial)

    def get(self, key: str) -> bytes:
        """Return the file's contents."""
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise KeyError(key) from None

    def keys(self, prefix: str = "") -> Sequence[str]:
        """Return the paths that start with `prefix`, with `/`."""
        files = (path.relative_to(self._root) for path in self._root.rglob("*") if path.is_file())
        names = (path.as_posix() for path in files if not path.name.startswith(PARTIAL))
        return sorted(name for name in names if name.startswith(prefix))

    def delete(self, prefix: str) -> None:
        """Delete the files and what folders that leaves empty."""
        if not prefix:
            shutil.rmtree(self._root, ignore_errors=True)
            return
        for key in self.keys(prefix):
            path = self._path(key)
            path.unlink(missing_ok=True)
            for folder in path.parents:
                if folder == self._root or any(folder.iterdir()):
                    break
                folder.rmdir()

    @contextmanager
    def _aside(self, key: str) -> Iterator[Path]:
        path = self._path(key)
        self._make(path.parent)
        partial = path.parent / f"{PARTIAL}{uuid4().hex}"
        try:
            yield partial
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def _make(self, folder: Path) -> None:
        """Make a folder and those above it."""
        if not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(exist_ok=True)
            if self._owner is not None:
                os.chown(folder, self._owner, self._owner)

    def _path(self, key: str) -> Path:
        if not key or key.startswith("/") or "\0" in key or any(part in ("", ".", "..") for part in key.split("/")):
            raise UserError(f"storage key {key!r} cannot be used; use words joined by '/', without '.' and '..'")
        return self._root / key.replace("/", os.sep)
