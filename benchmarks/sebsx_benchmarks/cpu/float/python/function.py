"""Sine, cosine and square root of many numbers."""

from __future__ import annotations

import math


def handler(event, context):
    """Return the sums of sine, cosine and square root of n consecutive integers."""
    sine, cosine, root = math.sin, math.cos, math.sqrt
    sines = cosines = roots = 0.0
    with context.phase("compute"):
        for x in range(event["start"], event["start"] + event["operations"]):
            sines += sine(x)
            cosines += cosine(x)
            roots += root(x)
    return {"sines": sines, "cosines": cosines, "roots": roots}
