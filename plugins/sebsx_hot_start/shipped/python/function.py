"""Gives a payload back: one a call, or as many as come while it polls."""

import importlib


def handler(event, context):
    """Return the payload, or poll until whoever sends is done."""
    if event["do"] == "echo":
        return {"data": event["data"]}
    slot = importlib.import_module("slot")  # what echoes need not load
    with slot.opened(event, "sandbox") as end:
        return {"exchanges": end.serve(bytes, event["exchanges"])}
