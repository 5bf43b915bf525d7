"""Convolutions and pools: channels last, and TFLite's two ways to pad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from sebsx_dnn_inference.tflite.graph import attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import onnx

    from sebsx_dnn_inference.tflite.tensors import TensorMap

_SPATIAL = 2  # axes of a window; a picture has two more


@dataclass(frozen=True, slots=True)
class _Window:
    """What moves over a picture: sizes and steps as (height, width), and (before, after) each to pad by."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    same: bool  # whether TFLite's SAME pads like that


def convolution(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write `Conv` as a convolution, or as a depthwise one where each channel has its own filters."""
    found, weights = attributes(node), tensors.graph.constants.get(node.input[1])
    if weights is None or weights.ndim != _SPATIAL + 2:
        raise NotImplementedError("convolutions have constant weights and two dimensions")
    window = _window(tensors, node, found, weights.shape[2:])
    channels, groups = tensors.graph.shape(node.input[0])[1], int(found.get("group", 1))
    depthwise = groups == channels and groups > 1
    bias = tensors.graph.constants[node.input[2]] if len(node.input) > 2 else np.zeros(len(weights), np.float32)
    # TFLite: out x height x width x in; depthwise 1 x height x width x out.
    order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
    inputs = [
        _padded(tensors, node.input[0], window, 0.0),
        tensors.flat.constant(weights.transpose(order)),
        tensors.flat.constant(bias),
    ]
    output = tensors.new(node.output[0], last=True)
    values = _strides(window) | {"dilationHFactor": window.dilations[0], "dilationWFactor": window.dilations[1]}
    if depthwise:
        multiplier = len(weights) // groups
        options = tensors.flat.operator(
            "DEPTHWISE_CONV_2D", inputs, output, "DepthwiseConv2D", depthMultiplier=multiplier, **values
        )
    else:
        options = tensors.flat.operator("CONV_2D", inputs, output, "Conv2D", **values)
    tensors.fusible(output, options)


def largest(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write `MaxPool`."""
    if len(node.output) > 1:
        raise NotImplementedError("a pool that tells where its values were is not converted")
    _pool(tensors, node, "MAX_POOL_2D", float(np.finfo(np.float32).min))


def average(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write `AveragePool`: what is padded counts where ONNX counts it."""
    _pool(tensors, node, "AVERAGE_POOL_2D", 0.0)


def mean(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write `GlobalAveragePool`."""
    axes = tensors.flat.constant([1, 2], "int32")
    inputs = [tensors.last(node.input[0]), axes]
    tensors.flat.operator("MEAN", inputs, tensors.new(node.output[0], last=True), "Reducer", keepDims=True)


def normalised(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write `BatchNormalization` that no convolution took in: a product and a sum for each channel."""
    scale, shift = folded(tensors.graph.constants, node)
    picture = len(tensors.graph.shape(node.input[0])) == _SPATIAL + 2
    begun = tensors.last(node.input[0]) if picture else tensors.given(node.input[0])
    shape = tensors.graph.shape(node.input[0])
    between = tensors.between([shape[0], *shape[2:], shape[1]] if picture else shape)
    output = tensors.new(node.output[0], last=picture)
    tensors.flat.operator("MUL", [begun, tensors.flat.constant(scale)], between, "Mul")
    options = tensors.flat.operator("ADD", [between, tensors.flat.constant(shift)], output, "Add")
    tensors.fusible(output, options)


def folded(constants: Mapping[str, np.ndarray], node: onnx.NodeProto) -> tuple[np.ndarray, np.ndarray]:
    """Return a batch norm as what each channel is multiplied by and what is added then."""
    if any(name not in constants for name in node.input[1:]):
        raise NotImplementedError("batch norms have constant figures")
    gamma, beta, average, variance = (constants[name].astype(np.float64) for name in node.input[1:])
    scale = gamma / np.sqrt(variance + float(attributes(node).get("epsilon", 1e-5)))
    return scale.astype(np.float32), (beta - average * scale).astype(np.float32)


def _pool(tensors: TensorMap, node: onnx.NodeProto, name: str, padding: float) -> None:
    found = attributes(node)
    kernel = found["kernel_shape"]
    if len(kernel) != _SPATIAL:
        raise NotImplementedError(f"pools have two dimensions, not {len(kernel)}")
    window = _window(tensors, node, found, kernel)
    if window.dilations != (1, 1):
        raise NotImplementedError("pools with gaps are not converted")
    padded = any(map(any, window.padding))
    counted = bool(found.get("count_include_pad", 0))
    if name == "AVERAGE_POOL_2D" and padded and (counted or not window.same):
        if not counted:
            raise NotImplementedError("an average pool that leaves out such a padding is not converted")
        window = _Window(window.kernel, window.strides, window.dilations, window.padding, same=False)
    inputs = [_padded(tensors, node.input[0], window, padding)]
    values = {"filterHeight": window.kernel[0], "filterWidth": window.kernel[1], **_strides(window)}
    tensors.flat.operator(name, inputs, tensors.new(node.output[0], last=True), "Pool2D", **values)


def _window(tensors: TensorMap, node: onnx.NodeProto, found: Mapping[str, Any], kernel: Any) -> _Window:
    if found.get("auto_pad", "NOTSET") not in {"NOTSET", "VALID"}:
        raise NotImplementedError(f"padding {found['auto_pad']} is not converted; export it as numbers")
    strides, dilations = found.get("strides", [1, 1]), found.get("dilations", [1, 1])
    pads = found.get("pads", [0] * 4)
    before = tensors.graph.shape(node.input[0])[2:]
    after = tensors.graph.shape(node.output[0])[2:]
    padding, same = [], True
    for axis in range(_SPATIAL):
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        wanted = (after[axis] - 1) * strides[axis] + reach - before[axis]  # may be negative: the rest is not read
        begin, end = pads[axis], max(0, wanted - pads[axis])
        padding.append((begin, end))
        usual = max(0, wanted)
        same = same and after[axis] == -(-before[axis] // strides[axis]) and (begin, end) == (
            usual // 2, usual - usual // 2,
        )  # fmt: skip
    return _Window(tuple(kernel), tuple(strides), tuple(dilations), (padding[0], padding[1]), same)


def _padded(tensors: TensorMap, name: str, window: _Window, value: float) -> int:
    number = tensors.last(name)
    if window.same or not any(map(any, window.padding)):
        return number
    (top, bottom), (left, right) = window.padding
    batch, channels, height, width = tensors.graph.shape(name)
    output = tensors.between([batch, height + top + bottom, width + left + right, channels])
    sizes = tensors.flat.constant([[0, 0], [top, bottom], [left, right], [0, 0]], "int32")
    if value:
        tensors.flat.operator("PADV2", [number, sizes, tensors.flat.constant(value)], output, "PadV2")
    else:
        tensors.flat.operator("PAD", [number, sizes], output, "Pad")
    return output


def _strides(window: _Window) -> dict[str, int]:
    padding = schema.Padding.SAME if window.same else schema.Padding.VALID
    return {"padding": padding, "strideH": window.strides[0], "strideW": window.strides[1]}


PICTURES: dict[str, Callable[[TensorMap, Any], None]] = {
    "Conv": convolution,
    "MaxPool": largest,
    "AveragePool": average,
    "GlobalAveragePool": mean,
    "BatchNormalization": normalised,
}
