"""Read the clocks of the sandbox."""

from __future__ import annotations

import time


def handler(event, context):
    """Return the token, and each reading of the wall clock with the monotonic clock right after it, in seconds."""
    wall_s = [time.time()]
    monotonic_s = [time.perf_counter()]
    interval_s = event["interval_s"]
    with context.phase("read"):
        for _ in range(event["reads"] - 2):
            if interval_s:
                time.sleep(interval_s)
            wall_s.append(time.time())
            monotonic_s.append(time.perf_counter())
    if interval_s:
        time.sleep(interval_s)
    wall_s.append(time.time())
    monotonic_s.append(time.perf_counter())
    return {"token": event["token"], "wall_s": wall_s, "monotonic_s": monotonic_s}
