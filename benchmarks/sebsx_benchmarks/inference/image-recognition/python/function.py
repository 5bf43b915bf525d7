"""Recognise an image with a convolutional network in ONNX Runtime."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime

_loaded = {}  # key of the model -> session


def handler(event, context):
    """Classify the image, upload all scores; return their key and digest, and the best classes.

    The first call of a sandbox loads the model, and those after it use what it loaded, as services do.
    """
    if event["model_key"] not in _loaded:
        _loaded.clear()  # no more than one is held in memory
        _loaded[event["model_key"]] = load(event["model_key"], context)
    session = _loaded[event["model_key"]]
    with context.phase("fetch"):
        image = context.storage.download(event["image_key"])
    with context.phase("preprocess"):
        pixels = prepare(image, event["pixels"])
    with context.phase("inference"):
        scores = session.run(None, {"image": pixels})[0][0]
    key = event["output_prefix"] + context.request_id + ".f32"
    data = scores.astype("<f4").tobytes()
    with context.phase("upload"):
        context.storage.upload(key, data)
    best = np.argsort(-scores, kind="stable")[: event["top"]]
    return {
        "key": key,
        "scores_sha256": hashlib.sha256(data).hexdigest(),
        "top": [[int(number), float(scores[number])] for number in best],
    }


def load(key, context):
    """Return a session with the model, downloaded."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "model.onnx")
        with context.phase("download"):
            context.storage.download_file(key, str(model))
        with context.phase("model_load"):
            return onnxruntime.InferenceSession(str(model), options(), providers=["CPUExecutionProvider"])


def options():
    """Return settings under which a sandbox with a share of a CPU does not spin, and the log stays quiet."""
    chosen = onnxruntime.SessionOptions()
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
    chosen.log_severity_level = 3
    return chosen


def prepare(image, pixels):
    """Return the RGB bytes as one image of floats from -1 to 1, a plane for each colour."""
    rows = np.frombuffer(image, np.uint8).reshape(pixels, pixels, 3)
    return np.ascontiguousarray((rows.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[np.newaxis])
