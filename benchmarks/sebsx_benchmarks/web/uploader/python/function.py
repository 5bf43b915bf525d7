"""Copy an object by way of the disk."""

from __future__ import annotations

import tempfile
from pathlib import Path


def handler(event, context):
    """Download the object to a file and upload that; return its new key and its size."""
    key = event["output_prefix"] + context.request_id + ".bin"
    with tempfile.NamedTemporaryFile() as file:
        with context.phase("download"):
            context.storage.download_file(event["input_key"], file.name)
        with context.phase("upload"):
            context.storage.upload_file(key, file.name)
        return {"key": key, "object_bytes": Path(file.name).stat().st_size}
