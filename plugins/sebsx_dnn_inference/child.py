"""A task in a process of its own: `python -m sebsx_dnn_inference.child RESULT PARENT`, what to do on standard input.

It converts a model (`convert`), or has an engine answer (`answer`), and writes what came out as JSON.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from sebsx_dnn_inference.guard import guarded

_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


def convert(document: dict[str, Any]) -> dict[str, Any]:
    """Return the file that an engine made, with what that took."""
    from sebsx_dnn_inference.engines import ConversionTarget

    module, _, name = document["engine"].partition(":")
    begun_s = time.perf_counter()
    engine = getattr(importlib.import_module(module), name)()
    file = engine.convert(Path(document["model"]), Path(document["folder"]), ConversionTarget(**document["target"]))
    return {
        "file": file,
        "duration_s": time.perf_counter() - begun_s,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT,
    }


def answer(document: dict[str, Any]) -> dict[str, Any]:
    """Return some values of what a model answers, or which module is missing to load it."""
    shipped: Any = importlib.import_module("sebsx_dnn_inference.shipped.inputs")  # untyped: it goes into functions

    spec = importlib.util.spec_from_file_location("engine", document["source"])
    assert spec is not None
    assert spec.loader is not None
    engine = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(engine)
    except ModuleNotFoundError as exc:
        return {"missing": exc.name}
    loaded = engine.load(document["path"], 1)
    output = engine.run(loaded, shipped.made(document["inputs"], document["batch"], document["tokens"]))
    values, largest = shipped.sample(output)
    return {"sample": values, "largest": largest, "items": len(output), "told": engine.told(loaded)}


def bounded() -> None:
    """Fail for want of memory beyond that of this machine: its kernel would end whatever process it likes."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = whole if most == resource.RLIM_INFINITY else min(whole, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, most))


def main() -> None:
    """Do the task, unless the parent is gone."""
    guarded(int(sys.argv[2]))
    bounded()
    document = json.load(sys.stdin)
    found = {"convert": convert, "answer": answer}[document["task"]](document)
    Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
