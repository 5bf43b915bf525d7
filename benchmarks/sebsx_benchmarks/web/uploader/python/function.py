"""Copy an object by way of the disk."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

BLOCK_BYTES = 1 << 20


def handler(event, context):
    """Download the object to a file, digest the file, upload it; return its new key, size and SHA-256."""
    key = event["output_prefix"] + context.request_id + ".bin"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "object.bin")
        with context.phase("download"):
            context.storage.download_file(event["input_key"], str(path))
        with context.phase("compute"):
            digest = sha256(path)
        with context.phase("upload"):
            context.storage.upload_file(key, str(path))
        return {"key": key, "object_bytes": path.stat().st_size, "object_sha256": digest}


def sha256(path):
    """Return the digest of a file, read block by block, so that memory does not grow with it."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while True:
            block = file.read(BLOCK_BYTES)
            if not block:
                return digest.hexdigest()
            digest.update(block)
