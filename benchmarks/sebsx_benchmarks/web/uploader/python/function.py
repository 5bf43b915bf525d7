"""Copy an object by way of the disk."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def handler(event, context):
    """Download the object to a file and upload that; return its new key and its size."""
    key = event["output_prefix"] + context.request_id + ".bin"
    descriptor, name = tempfile.mkstemp()
    os.close(descriptor)
    try:
        with context.phase("download"):
            context.storage.download_file(event["input_key"], name)
        with context.phase("upload"):
            context.storage.upload_file(key, name)
        return {"key": key, "object_bytes": Path(name).stat().st_size}
    finally:
        with context.phase("remove"):
            Path(name).unlink()
