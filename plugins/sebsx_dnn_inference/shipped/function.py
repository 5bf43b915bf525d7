"""Serves one model: loads it at the first call, and makes one inference a call."""

from __future__ import annotations

import importlib
import json
import os
import tempfile
import threading
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_loading = threading.Lock()
_served = {}


def handler(event, context):
    """Make one inference of `batch` items; return a few values of the first one, and what the engine is."""
    with _loading:
        if not _served:
            _load(event, context)
    if event["text_bytes"]:
        return _read(event, context)
    engine, inputs = _served["engine"], _served["inputs"]
    with context.phase("prepare"):
        values = inputs.made(_served["model"]["inputs"], event["batch"], event["tokens"])
    with context.phase("inference"):
        output = engine.run(_served["loaded"], values)
    few, largest = inputs.sample(output)
    return {"sample": few, "largest": largest, "items": len(output), "told": _served["told"]}


def _read(event, context):
    """Make the inferences that a text takes, window by window; return what the first window gives."""
    engine, inputs = _served["engine"], _served["inputs"]
    with context.phase("prepare"):
        words = inputs.text(event["text_bytes"])
        groups = list(inputs.windows(words, _served["model"]["inputs"], event["batch"], event["tokens"]))
    with context.phase("inference"):
        first = engine.run(_served["loaded"], groups[0]).copy()  # an engine may use the same memory again
        items = len(first) + sum(len(engine.run(_served["loaded"], group)) for group in groups[1:])
    few, largest = inputs.sample(first)
    return {"sample": few, "largest": largest, "items": items, "told": _served["told"]}


def _load(event, context):
    with context.phase("library_load"):
        engine, inputs = importlib.import_module("engine"), importlib.import_module("inputs")
    model = json.loads((_HERE / "model.json").read_text())
    folder = _HERE / "model"
    if event.get("files"):  # in the storage: name -> key
        folder = Path(tempfile.mkdtemp())
        with context.phase("model_download"):
            for name, key in event["files"].items():
                context.storage.download_file(key, str(folder / name))
    with context.phase("model_load"):
        loaded = engine.load(str(folder / model["file"]), event["threads"] or _processors())
    _served.update(engine=engine, inputs=inputs, model=model, loaded=loaded, told=engine.told(loaded))


def _processors():
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
