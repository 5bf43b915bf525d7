"""Deterministic zips: equal contents give equal bytes, whenever and wherever they are written."""

from __future__ import annotations

import hashlib
import shutil
import stat
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Contents = dict[str, "bytes | Path"]  # path in the zip -> data, or the file that holds it

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time a zip can state
_WHOLE_BYTES = 64 * 1024 * 1024  # of a file that is compressed in one go
_ZIP64_BYTES = 1 << 31
_LEVEL = 1  # zipping costs more than resolving; level 1 halves it


def write_zip(destination: Path, contents: Mapping[str, bytes | Path]) -> int:
    """Write `contents` to a new zip, sorted by path, and return their unpacked size in bytes.

    Of a file's mode only "executable" is kept.

    Raises:
        OSError: If a file cannot be read or the zip not be written.
    """
    unpacked_bytes = 0
    with zipfile.ZipFile(destination, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(contents):
            item = contents[name]
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3  # Unix, on every system
            info.external_attr = (stat.S_IFREG | (0o755 if is_executable(item) else 0o644)) << 16
            size = item.stat().st_size if isinstance(item, Path) else len(item)
            if isinstance(item, Path) and size > _WHOLE_BYTES:
                _write_large(archive, info, item, size)
            else:
                data = item.read_bytes() if isinstance(item, Path) else item
                archive.writestr(info, data, zipfile.ZIP_DEFLATED, _LEVEL)
            unpacked_bytes += size
    return unpacked_bytes


def _write_large(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, size: int) -> None:
    """Write a large file, such as a model, block by block, at the library's own level: none can be named here."""
    info.compress_type, info.file_size = zipfile.ZIP_DEFLATED, size
    with path.open("rb") as file, archive.open(info, "w", force_zip64=size >= _ZIP64_BYTES) as entry:
        shutil.copyfileobj(file, entry, 1 << 20)


def digests(contents: Mapping[str, bytes | Path]) -> dict[str, str]:
    """Return path -> SHA-256 of the data, marked where it is executable: what the zip depends on."""
    return {name: digest(item) + ("+x" if is_executable(item) else "") for name, item in contents.items()}


def digest(item: bytes | Path) -> str:
    """Return the SHA-256 of data or of a file's data."""
    if isinstance(item, Path):
        with item.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256(item).hexdigest()


def is_executable(item: bytes | Path) -> bool:
    """Return whether a file may be executed by its owner; data may not."""
    return isinstance(item, Path) and bool(item.stat().st_mode & stat.S_IXUSR)
