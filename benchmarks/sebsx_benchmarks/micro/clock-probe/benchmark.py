"""Driver's side of clock-probe: two clocks of one host must agree on how much time went by."""

from __future__ import annotations

import itertools

EPOCH_S = (1577836800.0, 4102444800.0)  # 2020-01-01 to 2100-01-01: a wall clock outside was never set
STEP_S = 1.0  # a wall clock may be set while the function runs, but hardly by more


def payload(parameters, rng, storage):
    """Return how often to read, and a token by which an answer is known to belong to this question."""
    return {
        "reads": parameters["reads"],
        "interval_s": parameters["interval_s"],
        "token": f"{rng.getrandbits(64):016x}",
    }


def check(payload, output, storage):
    """Return None if there is every reading, in order, and both clocks saw the same time go by."""
    if output["token"] != payload["token"]:
        return f"token is {output['token']!r}, expected {payload['token']!r}"
    wall_s, monotonic_s = output["wall_s"], output["monotonic_s"]
    for name, values in (("wall_s", wall_s), ("monotonic_s", monotonic_s)):
        if len(values) != payload["reads"]:
            return f"{name} has {len(values)} readings, expected {payload['reads']}"
    for reading in wall_s:
        if not EPOCH_S[0] < reading < EPOCH_S[1]:
            return f"wall clock says {reading!r} s since 1970, which is not in this century's remaining years"
    for before, after in itertools.pairwise(monotonic_s):
        if not after - before >= payload["interval_s"]:  # written so that NaN is wrong too
            return f"monotonic clock went from {before!r} to {after!r} in a pause of {payload['interval_s']} s"
    for wall, monotonic in zip(wall_s, monotonic_s, strict=True):
        drift_s = (wall - wall_s[0]) - (monotonic - monotonic_s[0])
        if not abs(drift_s) <= STEP_S:
            return f"wall clock and monotonic clock differ by {drift_s:.3f} s since the first reading"
    return None
