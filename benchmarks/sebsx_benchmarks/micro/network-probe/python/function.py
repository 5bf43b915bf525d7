"""Time the way to the object storage and back."""

from __future__ import annotations

import time


def handler(event, context):
    """Return the time of every upload and every download in seconds, and how many came back as they were sent.

    The first download fetches what is sent; it opens the connection, and its time is the phase's alone.
    """
    storage = context.storage
    key = event["output_prefix"] + context.request_id + ".bin"
    with context.phase("download"):
        data = storage.download(event["input_key"])
    upload_s, download_s, intact = [], [], 0
    with context.phase("round_trips"):
        for _ in range(event["round_trips"]):
            started_s = time.perf_counter()
            storage.upload(key, data)
            sent_s = time.perf_counter()
            fetched = storage.download(key)
            download_s.append(time.perf_counter() - sent_s)
            upload_s.append(sent_s - started_s)
            intact += fetched == data
    return {"key": key, "upload_s": upload_s, "download_s": download_s, "intact": intact}
