"""Converts an ONNX file into a TFLite file, operator by operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx_dnn_inference.tflite.forms import fold_batch_norms, gather_gelus
from sebsx_dnn_inference.tflite.graph import FrozenGraph
from sebsx_dnn_inference.tflite.layers import LAYERS
from sebsx_dnn_inference.tflite.pictures import PICTURES
from sebsx_dnn_inference.tflite.tensors import TensorMap

if TYPE_CHECKING:
    from pathlib import Path

_WRITERS = LAYERS | PICTURES


def convert(model: Path, path: Path, tokens: int) -> None:
    """Write a model as TFLite; its batch stays free, and each other size that calls choose is `tokens`.

    Raises:
        NotImplementedError: If it has an operator, a kind of numbers or a shape that is not converted.
    """
    graph = FrozenGraph(model, tokens)
    fold_batch_norms(graph)
    gather_gelus(graph)
    tensors = TensorMap(graph)
    for name in graph.inputs:
        tensors.new(name)
    for node in graph.nodes:
        writer = _WRITERS.get(node.op_type)
        if writer is None:
            raise NotImplementedError(f"operator {node.op_type!r} is not converted to TFLite")
        try:
            writer(tensors, node)
        except NotImplementedError as exc:
            raise NotImplementedError(f"operator {node.op_type!r} ({node.name or node.output[0]}): {exc}") from exc
    inputs = [tensors.given(name) for name in graph.inputs]
    tensors.flat.write(path, inputs, [tensors.given(name) for name in graph.outputs])
