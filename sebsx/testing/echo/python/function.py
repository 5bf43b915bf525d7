"""Does what `event["do"]` asks: echo, raise, sleep, storage or table."""

from __future__ import annotations

import time


def handler(event, context):
    """Return what the chosen action gives, as `{"result": ...}`."""
    return {"result": ACTIONS[event.get("do", "echo")](event, context)}


def _echo(event, context):
    with context.phase("echo"):
        return event.get("value")


def _raise(event, context):
    raise ValueError(event.get("value", "as asked"))


def _sleep(event, context):
    started_s = time.perf_counter()
    time.sleep(event["value"])
    return time.perf_counter() - started_s


def _storage(event, context):
    """Upload the object `from`, backwards, as `to`."""
    data = context.storage.download(event["from"])
    context.storage.upload(event["to"], data[::-1])
    return len(data)


def _table(event, context):
    """Put, query, get and delete in one partition."""
    partition = event["value"]
    for sort in ("b", "a", "c"):
        context.table.put(partition, sort, {"sort": sort, "number": 1})
    context.table.put(partition, "a", {"sort": "a", "number": 2})
    found = [[item["sort"], int(item["number"])] for item in context.table.query(partition)]
    context.table.delete(partition, "c")
    return {
        "found": found,
        "a": int(context.table.get(partition, "a")["number"]),
        "c": context.table.get(partition, "c"),
        "elsewhere": context.table.query(partition + "-other"),
    }


ACTIONS = {"echo": _echo, "raise": _raise, "sleep": _sleep, "storage": _storage, "table": _table}
