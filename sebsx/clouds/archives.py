"""Packages as a provider takes them: copies with some files replaced or added."""

from __future__ import annotations

import json
import shutil
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MANIFEST = "package.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)


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


def _add(archive: zipfile.ZipFile, files: Mapping[str, bytes]) -> None:
    for name, data in sorted(files.items()):
        entry = zipfile.ZipInfo(name, _EPOCH)
        entry.external_attr = 0o100644 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, data)
