"""Driver's side of sleep: the input is the duration, and a sleep may last longer but never shorter."""

from __future__ import annotations


def payload(parameters, rng, storage):
    """Return the duration in seconds; nothing in it is random."""
    return {"duration_s": parameters["duration_s"]}


def check(payload, output, storage):
    """Return None if the function slept at least as long as asked, by its own monotonic clock."""
    slept_s = output["slept_s"]
    if not slept_s >= payload["duration_s"]:  # written so that NaN is wrong too
        return f"slept {slept_s!r} s, asked for at least {payload['duration_s']} s"
    return None
