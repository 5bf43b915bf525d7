"""Driver's side of model-server: holds answers to what was asked."""

from __future__ import annotations


def check(payload, output, storage):
    """Return None if it did what it was asked, with times that can be."""
    if output["do"] != payload["do"]:
        return f"it did {output['do']!r}, and was asked for {payload['do']!r}"
    if payload["do"] == "serve":
        return None if output["service_s"] > 0 else f"an inference took {output['service_s']!r} s"
    if payload["do"] == "saturate":
        return None if output["completed"] > 0 else "no inference was completed"
    if payload["do"] == "period" and len(output["latency_s"]) != len(output["service_s"]):
        return f"{len(output['latency_s'])} latencies and {len(output['service_s'])} service times"
    return None
