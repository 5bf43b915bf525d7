"""Driver's side of clock-probe: two clocks of one host must agree on how much time went by."""

from __future__ import annotations

import base64
import itertools
import zlib

EPOCH_S = (1577836800.0, 4102444800.0)  # 2020-01-01 to 2100-01-01: a wall clock outside was never set
WRONG = ("shift_s", "drift_ppm", "step_s", "step_after_s")  # how a clock is made wrong on purpose
STILL_S = 1e-5  # for so long no clock may stand still: both have steps of a microsecond or less
STEP_S = 1.0  # a wall clock may be set while the function runs, but hardly by more


def payload(parameters, rng, storage):
    """Return how often to read, a token by which an answer is known to belong to this question, and the padding."""
    token, size = f"{rng.getrandbits(64):016x}", parameters["padding_bytes"]
    wrong = {name: parameters[name] for name in WRONG}
    return {
        "reads": parameters["reads"],
        "interval_s": parameters["interval_s"],
        "token": token,
        "wrong": wrong if any(wrong[name] for name in WRONG[:3]) else None,
        "padding": base64.b64encode(rng.randbytes(size)).decode("ascii")[:size],
    }


def check(payload, output, storage):
    """Return None if there is every reading, in order, and both clocks saw the same time go by."""
    if output["token"] != payload["token"]:
        return f"token is {output['token']!r}, expected {payload['token']!r}"
    expected = zlib.crc32(payload["padding"].encode("ascii"))
    if output["padding_crc32"] != expected:
        return f"padding_crc32 is {output['padding_crc32']!r}, expected {expected!r}"
    wall_s, monotonic_s = output["wall_s"], output["monotonic_s"]
    for name, values in (("wall_s", wall_s), ("monotonic_s", monotonic_s)):
        if len(values) != payload["reads"]:
            return f"{name} has {len(values)} readings, expected {payload['reads']}"
    for reading in wall_s:
        if not EPOCH_S[0] < reading < EPOCH_S[1]:
            return f"wall clock says {reading!r} s since 1970, which is not in this century's remaining years"
    return _implausible(wall_s, monotonic_s, payload["interval_s"])


def _implausible(wall_s, monotonic_s, interval_s):
    """Return what is wrong with the readings of two clocks of one host, or None."""
    for before, after in itertools.pairwise(monotonic_s):
        if not after - before >= interval_s:  # written so that NaN is wrong too
            return f"monotonic clock went from {before!r} to {after!r} in a pause of {interval_s} s"
    if not monotonic_s[-1] > monotonic_s[0]:
        return f"monotonic clock stands still at {monotonic_s[0]!r}"
    if monotonic_s[-1] - monotonic_s[0] > STILL_S and len(set(wall_s)) == 1:
        return f"wall clock stands still at {wall_s[0]!r} while the monotonic clock goes on"
    for wall, monotonic in zip(wall_s, monotonic_s, strict=True):
        drift_s = (wall - wall_s[0]) - (monotonic - monotonic_s[0])
        if not abs(drift_s) <= STEP_S:
            return f"wall clock and monotonic clock differ by {drift_s:.3f} s since the first reading"
    return None
