"""Serves a model in ONNX Runtime whose weights are mapped: nothing is optimised or put into another layout."""

from __future__ import annotations

import onnxruntime


def load(path, threads):
    """Return a session over the mapped weights."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.disable_prepacking", "1")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(loaded, inputs):
    """Return the first output."""
    return loaded.run(None, inputs)[0]


def told(loaded):
    """Return what it is."""
    return {"engine": "onnxruntime " + onnxruntime.__version__, "weights": "mapped"}
