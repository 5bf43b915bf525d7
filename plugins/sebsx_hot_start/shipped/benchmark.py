"""Driver's side of payload-echo: what comes back is what was sent."""

from __future__ import annotations


def check(payload, output, storage):
    """Return None if the payload came back, or if all exchanges were made."""
    if payload["do"] == "poll":
        made, wanted = output["exchanges"], payload["exchanges"]
        return None if made == wanted else f"{made} exchanges were made, expected {wanted}"
    if output["data"] != payload["data"]:
        return f"{len(output['data'])} characters came back, not the {len(payload['data'])} that were sent"
    return None
