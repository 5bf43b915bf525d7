"""Driver's side of channel-probe: what both ends say must fit together with what they were asked."""

from __future__ import annotations

import math


def check(payload, output, storage):
    """Return None if an end did what it was asked."""
    if output["role"] != payload["role"]:
        return f"role is {output['role']!r}, expected {payload['role']!r}"
    if output["role"] == "consumer":
        return None if output["messages"] >= 1 else "the consumer got no message"
    if output["corrupt"]:
        return f"{output['corrupt']} messages came back changed"
    if not 1 <= output["round_trips"] <= payload["round_trips"]:
        return f"{output['round_trips']} round trips, expected 1 to {payload['round_trips']}"
    if not (output["median_s"] > 0 and math.isfinite(output["median_s"])):  # written so that NaN is wrong too
        return f"median round trip is {output['median_s']!r} s, which is not a duration"
    return None
