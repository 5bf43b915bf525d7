"""An ONNX graph with its sizes filled in, and everything computed that no input changes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class FrozenGraph:
    """The layers of a model, in order, with the shape of every value for a batch of one.

    Args:
        path: Of the ONNX file.
        tokens: What stands for each size that calls choose, but for the first of an input, the batch.

    Attributes:
        nodes: Those whose output depends on an input.
        constants: Values that do not, by name.
        shapes: Of the others, by name.
        kinds: Their numbers, as numpy's types.
        inputs: Names of the inputs.
        outputs: Names of the outputs.
        uses: How often each value is read; an output counts as one.
    """

    def __init__(self, path: Path, tokens: int) -> None:
        model = onnx.load(str(path))
        self.constants: dict[str, np.ndarray] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }
        given = [value for value in model.graph.input if value.name not in self.constants]
        self.inputs = [value.name for value in given]
        self.outputs = [value.name for value in model.graph.output]
        for value in given:
            for place, size in enumerate(value.type.tensor_type.shape.dim):
                if not size.dim_value:
                    size.dim_value = tokens if place else 1
        self._opsets = model.opset_import
        self.shapes, self.kinds = _inferred(model)
        self.nodes = [node for node in model.graph.node if not self._computed(node)]
        read = [name for node in self.nodes for name in node.input]
        self.uses = Counter([*read, *self.outputs])

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a value.

        Raises:
            NotImplementedError: If it depends on more than the sizes of the inputs.
        """
        if name in self.constants:
            return self.constants[name].shape
        if name not in self.shapes:
            raise NotImplementedError(f"the shape of {name!r} is not known before the model runs")
        return self.shapes[name]

    def replace(self, nodes: Sequence[onnx.NodeProto]) -> None:
        """Take other nodes."""
        self.nodes = list(nodes)
        self.uses = Counter([*(name for node in nodes for name in node.input), *self.outputs])

    def _computed(self, node: onnx.NodeProto) -> bool:
        """Compute a node that no input changes, or that asks for a shape; tell whether it was one."""
        if node.op_type == "Shape" and node.input[0] in self.shapes and not node.attribute:
            self.constants[node.output[0]] = np.array(self.shapes[node.input[0]], dtype=np.int64)
            return True
        names = [name for name in node.input if name]
        if any(name not in self.constants for name in names) or any(_is_graph(each) for each in node.attribute):
            return False
        values = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(self.constants[name].dtype), None)
            for name in names
        ]
        outputs = [helper.make_empty_tensor_value_info(name) for name in node.output]
        graph = helper.make_graph([node], "constant", values, outputs)
        evaluated = ReferenceEvaluator(helper.make_model(graph, opset_imports=self._opsets))
        for name, value in zip(
            node.output, evaluated.run(None, {name: self.constants[name] for name in names}), strict=True
        ):
            self.constants[name] = np.asarray(value)
        return True


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Return the attributes of a node by name; text as text."""
    found = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}


def _is_graph(attribute: onnx.AttributeProto) -> bool:
    return attribute.type in {onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS}


def _inferred(model: onnx.ModelProto) -> tuple[dict[str, tuple[int, ...]], dict[str, np.dtype[Any]]]:
    """Return shapes and kinds of all values whose sizes are known."""
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")  # names of sizes, which the inference would hold on to
    del model.graph.value_info[:]
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes, kinds = {}, {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        sizes = tuple(size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim)
        if tensor.HasField("shape") and min(sizes, default=0) >= 0:
            shapes[value.name] = sizes
        if tensor.elem_type:
            kinds[value.name] = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    return shapes, kinds
