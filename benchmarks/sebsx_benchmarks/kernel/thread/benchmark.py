"""Driver's side of thread: adds the amounts without threads."""

from __future__ import annotations

_AMOUNTS = 16


def payload(parameters, rng, storage):
    """Return how many threads to start, and the amounts that they add in turn."""
    return {"threads": parameters["threads"], "amounts": [rng.randrange(1, 10**6) for _ in range(_AMOUNTS)]}


def check(payload, output, storage):
    """Return None if every thread added its amount once."""
    cycles, rest = divmod(payload["threads"], len(payload["amounts"]))
    total = cycles * sum(payload["amounts"]) + sum(payload["amounts"][:rest])
    for name, expected in (("started", payload["threads"]), ("total", total)):
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None
