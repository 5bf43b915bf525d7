"""Brings a graph into the form that TFLite has operators for: batch norms into convolutions, GELU out of its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import helper

from sebsx_dnn_inference.tflite.layers import is_root_of_two
from sebsx_dnn_inference.tflite.pictures import folded

if TYPE_CHECKING:
    import onnx

    from sebsx_dnn_inference.tflite.graph import FrozenGraph


def fold_batch_norms(graph: FrozenGraph) -> None:
    """Let each convolution do the batch norm that alone reads it."""
    made = {node.output[0]: node for node in graph.nodes}
    kept = []
    for node in graph.nodes:
        before = made.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if before is None or before.op_type != "Conv" or graph.uses[node.input[0]] != 1:
            kept.append(node)
            continue
        scale, shift = folded(graph.constants, node)
        weights = graph.constants[before.input[1]]
        bias = graph.constants[before.input[2]] * scale if len(before.input) > 2 else np.zeros_like(scale)
        names = [f"{node.output[0]}/weights", f"{node.output[0]}/bias"]
        graph.constants[names[0]] = weights * scale.reshape((-1,) + (1,) * (weights.ndim - 1))
        graph.constants[names[1]] = bias + shift
        del before.input[1:]
        before.input.extend(names)
        before.output[0] = node.output[0]
        made[node.output[0]] = before
    graph.replace(kept)


def gather_gelus(graph: FrozenGraph) -> None:
    """Make one operator of x / 2 * (1 + erf(x / sqrt 2)), in whichever order it is multiplied."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.nodes:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    made = {node.output[0]: node for node in graph.nodes}
    gone: set[int] = set()
    put: dict[int, onnx.NodeProto] = {}
    for node in graph.nodes:
        parts = _parts(graph, node, made, readers) if node.op_type == "Erf" else None
        if parts is not None:
            x, *nodes = parts
            gone |= {id(each) for each in nodes}
            put[id(nodes[-1])] = helper.make_node("Gelu", [x], [nodes[-1].output[0]])
    graph.replace([put.get(id(node), node) for node in graph.nodes if id(node) not in gone or id(node) in put])


def _parts(
    graph: FrozenGraph,
    erf: onnx.NodeProto,
    made: dict[str, onnx.NodeProto],
    readers: dict[str, list[onnx.NodeProto]],
) -> tuple[str, *tuple[onnx.NodeProto, ...]] | None:
    """Return the input of a GELU and its nodes, the last one last; None where this is another use of `Erf`."""
    divided = made.get(erf.input[0])
    if divided is None or divided.op_type != "Div" or not is_root_of_two(graph.constants.get(divided.input[1])):
        return None
    x, nodes, current = divided.input[0], [divided, erf], erf
    wanted = {"one", "half", "x"}
    while wanted:
        after = readers.get(current.output[0], [])
        if len(after) != 1 or graph.uses[current.output[0]] != 1:
            return None
        node = after[0]
        other = node.input[1] if node.input[0] == current.output[0] else node.input[0]
        scale = made.get(other)
        if _is(graph, node, "Add", other, 1.0) and "one" in wanted:
            wanted.remove("one")
        elif _is(graph, node, "Mul", other, 0.5) and "half" in wanted and "one" not in wanted:
            wanted.remove("half")
        elif node.op_type == "Mul" and other == x and "x" in wanted and "one" not in wanted:
            wanted.remove("x")
        elif (
            node.op_type == "Mul"
            and scale is not None
            and {"x", "half"} <= wanted
            and "one" not in wanted
            and x in scale.input
            and _is(graph, scale, "Mul", next((name for name in scale.input if name != x), x), 0.5)
            and graph.uses[other] == 1
        ):
            wanted -= {"x", "half"}
            nodes.append(scale)
        else:
            return None
        nodes.append(node)
        current = node
    return (x, *nodes)


def _is(graph: FrozenGraph, node: onnx.NodeProto, operator: str, constant: str, value: float) -> bool:
    found = graph.constants.get(constant)
    return node.op_type == operator and found is not None and found.size == 1 and float(found.reshape(())) == value
