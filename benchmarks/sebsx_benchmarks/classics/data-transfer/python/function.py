"""Take a text and return it reversed."""

from __future__ import annotations

import hashlib


def handler(event, context):
    """Return the text reversed, so that no cache can answer, with length and SHA-256 of what was received."""
    data = event["data"]
    with context.phase("compute"):
        received = data.encode("ascii")
        digest = hashlib.sha256(received).hexdigest()
        answer = data[::-1]
    return {"data": answer, "received_bytes": len(received), "received_sha256": digest}
