"""Start threads that take a lock."""

from __future__ import annotations

import threading


def handler(event, context):
    """Start threads one after the other; each takes the lock, adds its amount, and releases it."""
    lock = threading.Lock()
    totals = {"started": 0, "total": 0}
    amounts = event["amounts"]

    def add(amount):
        with lock:
            totals["started"] += 1
            totals["total"] += amount

    with context.phase("compute"):
        for number in range(event["threads"]):
            thread = threading.Thread(target=add, args=(amounts[number % len(amounts)],))
            thread.start()
            thread.join()
    return totals
