"""Driver's side of echo: a number that must come back."""

from __future__ import annotations


def payload(parameters, rng, storage):
    """Return a number to echo."""
    return {"do": "echo", "value": rng.randrange(10**9)}


def check(payload, output, storage):
    """Return None if the number came back."""
    return None if output == {"result": payload["value"]} else f"echoed {output!r}, expected {payload['value']}"
