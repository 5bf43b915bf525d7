"""Answer with part of the message."""

from __future__ import annotations

import hashlib
import time


def handler(event, context):
    """Hold the sandbox for `duration_s`, then return the start of the message and the SHA-256 of all of it."""
    message = event["message"]
    with context.phase("hold"):
        started_s = time.perf_counter()
        if event["duration_s"]:
            time.sleep(event["duration_s"])
        held_s = time.perf_counter() - started_s
    with context.phase("compute"):
        digest = hashlib.sha256(message.encode("ascii")).hexdigest()
    return {"reply": message[: event["reply_bytes"]], "message_sha256": digest, "held_s": held_s}
