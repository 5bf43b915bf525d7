"""Object storage as the driver sees it: where inputs are put for functions and outputs are checked."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from sebsx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_BLOCK_BYTES = 1 << 20


class Storage(ABC):
    """A flat space of keys with `/` in them. All methods may be slow; none is in the measured path."""

    @abstractmethod
    def put(self, key: str, data: bytes) -> None:
        """Write an object, replacing one of that key."""

    @abstractmethod
    def put_file(self, key: str, path: Path) -> None:
        """Write the content of a file as an object, replacing one of that key; it is never whole in memory.

        Raises:
            UserError: If the file cannot be read.
        """

    @abstractmethod
    def get(self, key: str) -> bytes:
        """Return an object.

        Raises:
            KeyError: If there is none.
        """

    @abstractmethod
    def keys(self, prefix: str = "") -> Sequence[str]:
        """Return the keys that start with `prefix`, sorted."""

    @abstractmethod
    def delete(self, prefix: str) -> None:
        """Delete every object whose key starts with `prefix`; harmless when there is none."""


def copy_file(source: Path, destination: Path) -> None:
    """Copy the content of a file block by block: for storages that are folders.

    Raises:
        UserError: If it cannot be read.
    """
    try:
        file = source.open("rb")
    except OSError as error:
        raise UserError(f"file {str(source)!r} cannot be read: {error.strerror or error}") from error
    with file, destination.open("wb") as copy:
        shutil.copyfileobj(file, copy, _BLOCK_BYTES)
