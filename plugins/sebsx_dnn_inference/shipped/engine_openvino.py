"""Serves a model in OpenVINO, at the precision that the file `precision` beside it names."""

from __future__ import annotations

from pathlib import Path

import openvino


def load(path, threads):
    """Return the compiled model and its request, at the precision asked for."""
    hints = {
        "INFERENCE_PRECISION_HINT": Path(path).with_name("precision").read_text(encoding="ascii"),
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = openvino.Core().compile_model(path, "CPU", hints)
    return compiled, compiled.create_infer_request()


def run(loaded, inputs):
    """Return the first output."""
    request = loaded[1]
    request.infer(inputs)
    return request.get_output_tensor(0).data


def told(loaded):
    """Return what it is, and the precision that it really uses."""
    precision = loaded[0].get_property("INFERENCE_PRECISION_HINT")
    return {"engine": "openvino " + openvino.__version__.split("-")[0], "precision": precision.get_type_name()}
