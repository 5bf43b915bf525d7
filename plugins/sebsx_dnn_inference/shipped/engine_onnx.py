"""Serves a model in ONNX Runtime."""

from __future__ import annotations

import onnxruntime


def load(path, threads):
    """Return a session that uses so many threads, and does not spin: a sandbox has a share of a processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(loaded, inputs):
    """Return the first output."""
    return loaded.run(None, inputs)[0]


def told(loaded):
    """Return what it is."""
    return {"engine": "onnxruntime " + onnxruntime.__version__}
