"""Read the clocks of the sandbox."""

from __future__ import annotations

import time
import zlib

LOADED_S = time.perf_counter()


def handler(event, context):
    """Return the token, a digest of the padding, and pairs of readings in seconds: wall clock, then monotonic clock."""
    with context.phase("read"):
        wall_s = [time.time()]
        monotonic_s = [time.perf_counter()]
        interval_s = event["interval_s"]
        for _ in range(event["reads"] - 2):
            if interval_s:
                time.sleep(interval_s)
            wall_s.append(time.time())
            monotonic_s.append(time.perf_counter())
        if interval_s:
            time.sleep(interval_s)
        crc32 = zlib.crc32(event["padding"].encode("ascii"))
        wall_s.append(time.time())
        monotonic_s.append(time.perf_counter())
    if event["wrong"]:
        ages_s = [at - LOADED_S for at in monotonic_s]
        wall_s = [wall + error_s(event["wrong"], ages_s[place]) for place, wall in enumerate(wall_s)]
    return {"token": event["token"], "padding_crc32": crc32, "wall_s": wall_s, "monotonic_s": monotonic_s}


def error_s(wrong, age_s):
    """Return by how much the wall clock of a sandbox of that age is to be wrong."""
    stepped = wrong["step_s"] if age_s >= wrong["step_after_s"] else 0.0
    return wrong["shift_s"] + wrong["drift_ppm"] * 1e-6 * age_s + stepped
