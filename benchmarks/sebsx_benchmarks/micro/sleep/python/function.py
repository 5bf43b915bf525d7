"""Sleep for a given time."""

from __future__ import annotations

import time


def handler(event, context):
    """Sleep `duration_s` seconds and return how long that took by the monotonic clock."""
    with context.phase("sleep"):
        started_s = time.perf_counter()
        time.sleep(event["duration_s"])
        slept_s = time.perf_counter() - started_s
    return {"slept_s": slept_s}
