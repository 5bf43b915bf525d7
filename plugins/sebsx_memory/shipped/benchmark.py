"""Driver's side of model-replica: makes the model, and holds answers to what was asked."""

from __future__ import annotations

import hashlib

_BLOCK = 2**20


def build(parameters, artifacts, target):
    """Put a model of bytes that do not compress into the package; the same for a size wherever it is made."""
    path = artifacts.folder / "model.bin"
    left = parameters["model_bytes"]
    with path.open("wb") as file:
        for number in range(-(-left // _BLOCK)):
            size = min(_BLOCK, left)
            file.write(hashlib.shake_128(f"model-replica/{number}".encode()).digest(size))
            left -= size
    artifacts.package(path)


def check(payload, output, storage):
    """Return None if every replica answered what was asked; one that could not says why."""
    if output["refused"]:
        return None
    if output["do"] != payload["do"]:
        return f"it did {output['do']!r}, and was asked for {payload['do']!r}"
    if len(output["replicas"]) != payload["processes"]:
        return f"{len(output['replicas'])} replicas answered, expected {payload['processes']}"
    if payload["do"] != "memory":
        return None
    for replica in output["replicas"]:
        if not 0 < replica["uss_bytes"] <= replica["rss_bytes"]:
            return f"USS is {replica['uss_bytes']} and RSS {replica['rss_bytes']} bytes"
        if not replica["uss_bytes"] <= replica["pss_bytes"] <= replica["rss_bytes"]:
            return f"PSS is {replica['pss_bytes']} bytes, between USS and RSS expected"
    return None
