"""Start threads that take a lock."""

from __future__ import annotations

import threading


def handler(event, context):
    """Start threads one after the other; each takes the lock, adds its amount, and releases it.

    Those count as started whose number in the kernel is neither that of the handler nor that of the one before.
    """
    lock = threading.Lock()
    own = last = threading.get_native_id()
    started = total = 0
    amounts = event["amounts"]

    def add(amount):
        nonlocal last, started, total
        number = threading.get_native_id()
        with lock:
            started += number not in (own, last)
            last = number
            total += amount

    with context.phase("compute"):
        for number in range(event["threads"]):
            thread = threading.Thread(target=add, args=(amounts[number % len(amounts)],))
            thread.start()
            thread.join()
    return {"started": started, "total": total}
