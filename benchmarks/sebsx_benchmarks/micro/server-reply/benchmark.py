"""Driver's side of server-reply: makes a message that does not compress, and knows it again."""

from __future__ import annotations

import base64
import hashlib


def payload(parameters, rng, storage):
    """Return the message in printable characters, how much of it to send back, and how long to hold."""
    size = parameters["message_bytes"]
    return {
        "message": base64.b64encode(rng.randbytes(size)).decode("ascii")[:size],
        "reply_bytes": parameters["reply_bytes"],
        "duration_s": parameters["duration_s"],
    }


def check(payload, output, storage):
    """Return None if the reply is the start of the message, all of it arrived, and the sandbox was held."""
    if output["reply"] != payload["message"][: payload["reply_bytes"]]:
        return f"reply is {output['reply'][:80]!r}, not the first {payload['reply_bytes']} characters of the message"
    expected = hashlib.sha256(payload["message"].encode("ascii")).hexdigest()
    if output["message_sha256"] != expected:
        return f"message_sha256 is {output['message_sha256']!r}, expected {expected!r}"
    if not output["held_s"] >= payload["duration_s"]:  # written so that NaN is wrong too
        return f"held for {output['held_s']!r} s, asked for at least {payload['duration_s']} s"
    return None
