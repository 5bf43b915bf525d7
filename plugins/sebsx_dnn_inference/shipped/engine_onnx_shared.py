"""Serves a model in ONNX Runtime whose weights lie in shared memory, which the kernel frees with the last process."""

from __future__ import annotations

import json
import mmap
import os
from pathlib import Path

import numpy as np
import onnxruntime


def load(path, threads):
    """Return a session over weights in shared memory, and what keeps them there."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.disable_prepacking", "1")
    options.log_severity_level = 3
    weights = _shared(Path(path).with_name("weights.bin"))
    names, values = [], []
    for place in json.loads(Path(path).with_name("weights.json").read_text(encoding="utf-8")):
        count = int(np.prod(place["shape"], dtype=np.int64))
        array = np.frombuffer(weights, dtype=place["kind"], count=count, offset=place["offset"])
        names.append(place["name"])
        values.append(onnxruntime.OrtValue.ortvalue_from_numpy(array.reshape(place["shape"])))
    options.add_external_initializers(names, values)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]), weights, values


def run(loaded, inputs):
    """Return the first output."""
    return loaded[0].run(None, inputs)[0]


def told(loaded):
    """Return what it is."""
    return {"engine": "onnxruntime " + onnxruntime.__version__, "weights": "shared memory"}


def _shared(path):
    """Return the bytes of a file in memory that forked processes share."""
    number = os.memfd_create("weights")
    try:
        size = path.stat().st_size
        os.truncate(number, size)
        with path.open("rb") as file:
            done = 0
            while done < size:
                done += os.sendfile(number, file.fileno(), done, size - done)
        return mmap.mmap(number, size)
    finally:
        os.close(number)
