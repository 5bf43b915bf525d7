"""Packages as a provider takes them: copies with some files replaced or added."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from typing import TYPE_CHECKING

from sebsx.errors import DeployError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sebsx.model import Package

MANIFEST = "package.json"
# ELF header: the magic number, and what machine the code is for (System V ABI, chapter 4).
_ELF = b"\x7fELF"
_MACHINE_AT = slice(18, 20)
_MACHINES = {62: "x86_64", 183: "arm64"}
_EPOCH = (1980, 1, 1, 0, 0, 0)


def laid_out(package: Package, folder: Path, files: Callable[[], Mapping[str, bytes]]) -> tuple[Path, str]:
    """Return a copy of a package with other files in it, and the SHA-256 of the copy in hex.

    Args:
        package: What is deployed.
        folder: Where the copy is put; made if it is not there.
        files: Returns them by their names in the zip; asked once for a package and folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / f"{package.content_hash}.zip"
    if not copy.exists():
        partial = copy.with_suffix(".partial")
        with_files(package.path, partial, files())
        partial.rename(copy)
    with copy.open("rb") as file:
        return copy, hashlib.file_digest(file, "sha256").hexdigest()


def check_size(package: Package, provider: str, *, zipped_mb: int, unzipped_mb: int | None = None) -> None:
    """Refuse a package that a provider does not take.

    Args:
        package: What is deployed.
        provider: Its name, for the message.
        zipped_mb: The most that it takes of a zip, in millions of bytes.
        unzipped_mb: The most that it takes of what is in it; None for no limit.

    Raises:
        UnsupportedError: If it is larger.
    """
    most_unzipped = package.unpacked_bytes if unzipped_mb is None else unzipped_mb * 10**6
    if package.bytes > zipped_mb * 10**6 or package.unpacked_bytes > most_unzipped:
        has, limits = f"{package.bytes / 1e6:.0f} MB zipped", f"{zipped_mb} MB"
        if unzipped_mb is not None:
            has, limits = (
                f"{has} and {package.unpacked_bytes / 1e6:.0f} MB unzipped",
                f"{zipped_mb} and {unzipped_mb} MB",
            )
        raise UnsupportedError(f"package of {package.benchmark!r} is {has}, and {provider} takes {limits}")


def with_files(source: Path, target: Path, files: Mapping[str, bytes]) -> None:
    """Copy a zip with files of it replaced, or added; the same files give the same zip.

    Args:
        source: The zip, which stays as it is.
        target: The copy.
        files: By their names in the zip.
    """
    with zipfile.ZipFile(source) as old:
        if files.keys().isdisjoint(old.namelist()):
            shutil.copyfile(source, target)
            with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as new:
                _add(new, files)
            return
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
            for item in old.infolist():
                if item.filename in files:
                    continue
                with old.open(item) as reader, new.open(item, "w", force_zip64=item.file_size >= 1 << 31) as writer:
                    shutil.copyfileobj(reader, writer, 1 << 20)
            _add(new, files)


def with_entry(package: Path, entry: str) -> bytes:
    """Return the manifest of a Node.js package with another entry, and without scripts, which are not ours to run."""
    with zipfile.ZipFile(package) as archive:
        manifest = json.loads(archive.read(MANIFEST)) if MANIFEST in archive.namelist() else {}
    kept = {key: value for key, value in manifest.items() if key not in ("scripts", "devDependencies")}
    return json.dumps({"name": "function", "version": "1.0.0", **kept, "main": entry}, indent=1).encode()


def foreign_code(package: bytes, architecture: str) -> list[str]:
    """Return `FILE for MACHINE` for each file in a package that is machine code of another architecture.

    Raises:
        DeployError: If the package is not a zip.
    """
    found = []
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            for entry in archive.infolist():
                with archive.open(entry) as file:
                    head = file.read(_MACHINE_AT.stop)
                machine = int.from_bytes(head[_MACHINE_AT], "little")
                if head.startswith(_ELF) and _MACHINES.get(machine) != architecture:
                    found.append(f"{entry.filename} for {_MACHINES.get(machine, f'machine {machine}')}")
    except zipfile.BadZipFile as exc:
        raise DeployError(f"the code is not a zip archive: {exc}") from exc
    return found


def _add(archive: zipfile.ZipFile, files: Mapping[str, bytes]) -> None:
    for name, data in sorted(files.items()):
        entry = zipfile.ZipInfo(name, _EPOCH)
        entry.external_attr = 0o100644 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, data)
