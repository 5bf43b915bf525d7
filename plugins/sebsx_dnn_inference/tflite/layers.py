"""Everything but pictures: sums, products, activations, and what moves numbers about."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sebsx_dnn_inference.tflite.graph import attributes
from sebsx_dnn_inference.tflite.tensors import LAST

if TYPE_CHECKING:
    from collections.abc import Callable

    import onnx

    from sebsx_dnn_inference.tflite.tensors import TensorMap

_RANK = 4
_SIX = 6.0
_PAIRS = {"Add": "ADD", "Sub": "SUB", "Mul": "MUL", "Div": "DIV"}
_ONES = {
    "Sigmoid": "LOGISTIC", "Tanh": "TANH", "Exp": "EXP", "Sqrt": "SQRT", "Neg": "NEG", "Abs": "ABS",
    "HardSwish": "HARD_SWISH",
}  # fmt: skip


def pair(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write a sum, a difference, a product or a quotient."""
    last = any(tensors.is_last(name) for name in node.input)
    ranks = [len(tensors.graph.shape(name)) for name in node.input if name not in tensors.graph.constants]
    if last and any(rank != _RANK for rank in ranks):
        last = False
    inputs = [tensors.last(name) if last else tensors.given(name) for name in node.input]
    output = tensors.new(node.output[0], last=last)
    tensors.fusible(output, tensors.flat.operator(_PAIRS[node.op_type], inputs, output, node.op_type))


def one(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write a function of each number."""
    _each(tensors, node, _ONES[node.op_type])


def rectified(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write `Relu`, by the operator before it where that can."""
    if not tensors.fused(node, "RELU"):
        _each(tensors, node, "RELU")


def clipped(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write `Clip`, which between 0 and 6 is an operator of its own."""
    ends = [tensors.graph.constants.get(name) for name in (*node.input[1:], "", "")[:2]]
    low, high = (None if end is None else float(end) for end in ends)
    if (low, high) == (0.0, _SIX):
        if not tensors.fused(node, "RELU6"):
            _each(tensors, node, "RELU6")
        return
    last = tensors.is_last(node.input[0])
    number, shape = _begun(tensors, node, last=last)
    bounds = [(name, end) for name, end in (("MAXIMUM", low), ("MINIMUM", high)) if end is not None]
    for place, (name, end) in enumerate(bounds):
        ended = place == len(bounds) - 1
        output = tensors.new(node.output[0], last=last) if ended else tensors.between(shape)
        tensors.flat.operator(name, [number, tensors.flat.constant(end)], output, "MaximumMinimum")
        number = output
    if not bounds:
        tensors.same(node.output[0], node.input[0])


def error_function(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Refuse `Erf` that is not a part of a GELU, which TFLite has alone.

    Raises:
        NotImplementedError: In any case.
    """
    raise NotImplementedError("is converted as a part of GELU only")


def softmax(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write `Softmax` over the last axis."""
    _check_last_axis(tensors, node, "axis")
    output = tensors.new(node.output[0])
    tensors.flat.operator("SOFTMAX", [tensors.given(node.input[0])], output, "Softmax", beta=1.0)


def gelu(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write `Gelu`, which `forms` has made of its parts."""
    approximate = attributes(node).get("approximate", "none") == "tanh"
    _each(tensors, node, "GELU", "Gelu", approximate=approximate)


def layer_norm(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write `LayerNormalization` over the last axis in its parts."""
    _check_last_axis(tensors, node, "axis")
    flat, shape = tensors.flat, tensors.graph.shape(node.input[0])
    x, few = tensors.given(node.input[0]), [*shape[:-1], 1]
    axis = flat.constant([len(shape) - 1], "int32")
    epsilon = flat.constant(float(attributes(node).get("epsilon", 1e-5)))
    mean, square, variance, added, root = (
        tensors.between(sizes) for sizes in (few, shape, few, few, few)
    )  # fmt: skip
    flat.operator("MEAN", [x, axis], mean, "Reducer", keepDims=True)
    flat.operator("SQUARED_DIFFERENCE", [x, mean], square, "SquaredDifference")
    flat.operator("MEAN", [square, axis], variance, "Reducer", keepDims=True)
    flat.operator("ADD", [variance, epsilon], added, "Add")
    flat.operator("RSQRT", [added], root)
    centred, scaled, stretched = (tensors.between(shape) for _ in range(3))
    flat.operator("SUB", [x, mean], centred, "Sub")
    flat.operator("MUL", [centred, root], scaled, "Mul")
    shifted = len(node.input) > 2
    output = tensors.new(node.output[0])
    flat.operator("MUL", [scaled, tensors.given(node.input[1])], stretched if shifted else output, "Mul")
    if shifted:
        flat.operator("ADD", [stretched, tensors.given(node.input[2])], output, "Add")


def dense(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write `Gemm` of constant weights as a fully connected layer."""
    found, constants = attributes(node), tensors.graph.constants
    if found.get("transA") or any(name not in constants for name in node.input[1:]):
        raise NotImplementedError("Gemm has constant weights, and its input as it is")
    weights = constants[node.input[1]]
    weights = (weights if found.get("transB") else weights.T) * np.float32(found.get("alpha", 1.0))
    bias = np.zeros(len(weights), dtype=np.float32)
    if len(node.input) > 2:
        bias += np.broadcast_to(constants[node.input[2]], bias.shape) * np.float32(found.get("beta", 1.0))
    _connected(tensors, node, weights, bias)


def product(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write `MatMul`: a fully connected layer where the right one is a constant matrix."""
    weights = tensors.graph.constants.get(node.input[1])
    if weights is not None and weights.ndim == 2:  # a matrix
        _connected(tensors, node, weights.T, np.zeros(weights.shape[1], dtype=np.float32))
        return
    inputs = [tensors.given(name) for name in node.input]
    tensors.flat.operator("BATCH_MATMUL", inputs, tensors.new(node.output[0]), "BatchMatMul")


def reshaped(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write whatever keeps the numbers and their order; the batch may be another at a call."""
    name, shape = node.input[0], tensors.graph.shape(node.output[0])
    before = tensors.graph.shape(name)
    # A picture of one pixel has the same order either way, so that nothing need be turned.
    plain = tensors.is_last(name) and before[2:] == (1, 1) and len(shape) == 2
    number = tensors.last(name) if plain else tensors.given(name)
    sizes = [-1, *shape[1:]] if before[:1] == (1,) and shape[:1] == (1,) else list(shape)
    _reshape(tensors, number, sizes, tensors.new(node.output[0]))


def turned(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write `Transpose`."""
    shape = tensors.graph.shape(node.input[0])
    order = tensors.flat.constant(attributes(node).get("perm", range(len(shape))[::-1]), "int32")
    inputs = [tensors.given(node.input[0]), order]
    tensors.flat.operator("TRANSPOSE", inputs, tensors.new(node.output[0]), "Transpose")


def joined(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write `Concat`."""
    rank = len(tensors.graph.shape(node.output[0]))
    axis = attributes(node)["axis"] % rank
    last = rank == _RANK and any(tensors.is_last(name) for name in node.input)
    inputs = [tensors.last(name) if last else tensors.given(name) for name in node.input]
    output = tensors.new(node.output[0], last=last)
    where = LAST.index(axis) if last else axis
    tensors.flat.operator("CONCATENATION", inputs, output, "Concatenation", axis=where)


def sliced(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write `Slice` by constant bounds."""
    shape = tensors.graph.shape(node.input[0])
    bounds = [tensors.graph.constants.get(name) for name in node.input[1:]]
    if any(bound is None for bound in bounds):
        raise NotImplementedError("slices have constant bounds")
    starts, ends, *rest = ([int(value) for value in np.atleast_1d(bound)] for bound in bounds if bound is not None)
    axes = rest[0] if rest else range(len(starts))
    steps = rest[1] if len(rest) > 1 else [1] * len(starts)
    if min(steps) < 1:
        raise NotImplementedError("slices that run backwards are not converted")
    begin, end, stride = [0] * len(shape), list(shape), [1] * len(shape)
    for axis, start, stop, step in zip((axis % len(shape) for axis in axes), starts, ends, steps, strict=True):
        begin[axis], end[axis], stride[axis] = (*slice(start, stop).indices(shape[axis])[:2], step)
    last = tensors.is_last(node.input[0])
    number = tensors.last(node.input[0]) if last else tensors.given(node.input[0])
    order = LAST if last else range(len(shape))
    whole = sum(1 << place for place, axis in enumerate(order) if end[axis] >= shape[axis])
    parts = [tensors.flat.constant([values[axis] for axis in order], "int32") for values in (begin, end, stride)]
    output = tensors.new(node.output[0], last=last)
    tensors.flat.operator("STRIDED_SLICE", [number, *parts], output, "StridedSlice", endMask=whole)


def gathered(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write `Gather`."""
    axis = int(attributes(node).get("axis", 0)) % len(tensors.graph.shape(node.input[0]))
    inputs = [tensors.given(name) for name in node.input]
    tensors.flat.operator("GATHER", inputs, tensors.new(node.output[0]), "Gather", axis=axis)


def averaged(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write `ReduceMean` over constant axes."""
    found, shape = attributes(node), tensors.graph.shape(node.input[0])
    axes = found.get("axes")
    if axes is None:
        axes = tensors.graph.constants.get(node.input[1]) if len(node.input) > 1 else range(len(shape))
    if axes is None:
        raise NotImplementedError("means are over constant axes")
    where = tensors.flat.constant([int(axis) % len(shape) for axis in axes], "int32")
    keep = bool(found.get("keepdims", 1))
    inputs = [tensors.given(node.input[0]), where]
    tensors.flat.operator("MEAN", inputs, tensors.new(node.output[0]), "Reducer", keepDims=keep)


def same(tensors: TensorMap, node: onnx.NodeProto) -> None:
    """Write nothing: a value has a second name."""
    tensors.same(node.output[0], node.input[0])


def _each(tensors: TensorMap, node: onnx.NodeProto, operator: str, options: str = "", **values: Any) -> None:
    last = tensors.is_last(node.input[0])
    number, _ = _begun(tensors, node, last=last)
    tensors.flat.operator(operator, [number], tensors.new(node.output[0], last=last), options, **values)


def _begun(tensors: TensorMap, node: onnx.NodeProto, *, last: bool) -> tuple[int, list[int]]:
    shape = tensors.graph.shape(node.input[0])
    number = tensors.last(node.input[0]) if last else tensors.given(node.input[0])
    return number, [shape[axis] for axis in LAST] if last else list(shape)


def _connected(tensors: TensorMap, node: onnx.NodeProto, weights: np.ndarray, bias: np.ndarray) -> None:
    inputs = [tensors.given(node.input[0]), tensors.flat.constant(weights), tensors.flat.constant(bias)]
    output = tensors.new(node.output[0])
    options = tensors.flat.operator("FULLY_CONNECTED", inputs, output, "FullyConnected", keepNumDims=True)
    tensors.fusible(output, options)


def _reshape(tensors: TensorMap, number: int, sizes: list[int], output: int) -> None:
    where = tensors.flat.constant(sizes, "int32")
    tensors.flat.operator("RESHAPE", [number, where], output, "Reshape", newShape=sizes)


def _check_last_axis(tensors: TensorMap, node: onnx.NodeProto, key: str) -> None:
    rank = len(tensors.graph.shape(node.input[0]))
    if attributes(node).get(key, -1) % rank != rank - 1:
        raise NotImplementedError("works on the last axis only")


def is_root_of_two(value: np.ndarray | None) -> bool:
    """Tell whether a constant is the square root of two."""
    return value is not None and value.size == 1 and math.isclose(float(value.reshape(())), math.sqrt(2), rel_tol=1e-5)


LAYERS: dict[str, Callable[[TensorMap, Any], None]] = {
    **dict.fromkeys(_PAIRS, pair),
    **dict.fromkeys(_ONES, one),
    "Erf": error_function,
    "Relu": rectified,
    "Clip": clipped,
    "Softmax": softmax,
    "Gelu": gelu,
    "LayerNormalization": layer_norm,
    "Gemm": dense,
    "MatMul": product,
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), reshaped),
    "Transpose": turned,
    "Concat": joined,
    "Slice": sliced,
    "Gather": gathered,
    "ReduceMean": averaged,
    **dict.fromkeys(("Identity", "Dropout"), same),
}
