"""Pack a folder of objects into a zip archive."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path


def handler(event, context):
    """Download the files, archive them, upload the archive; return its key and sizes in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in sorted(event["names"])]
        archive = Path(folder, "archive.zip")
        with context.phase("download"):
            for path in paths:
                context.storage.download_file(event["input_prefix"] + path.name, str(path))
        with context.phase("compute"):
            write_archive(archive, paths, event["level"])
        key = event["output_prefix"] + context.request_id + ".zip"
        with context.phase("upload"):
            context.storage.upload_file(key, str(archive))
        return {
            "key": key,
            "input_bytes": sum(path.stat().st_size for path in paths),
            "archive_bytes": archive.stat().st_size,
        }


def write_archive(archive, paths, level):
    """Write the files in the order given, with a fixed date, so that equal input makes an equal archive."""
    with zipfile.ZipFile(archive, "w") as folder:
        for path in paths:
            entry = zipfile.ZipInfo(path.name, date_time=(1980, 1, 1, 0, 0, 0))
            folder.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, level)
