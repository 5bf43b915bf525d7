"""Where the values of an ONNX graph are in a TFLite model: pictures have their channels last there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from sebsx_dnn_inference.tflite.flat import FlatModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx_dnn_inference.tflite.graph import FrozenGraph

LAST, FIRST = (0, 2, 3, 1), (0, 3, 1, 2)  # permutations of a picture: to channels last, and back
_RANK = 4


class TensorMap:
    """The values that are written so far. A picture may be there in both orders of its axes; each is made once.

    Attributes:
        graph: What is converted.
        flat: What is written.
    """

    def __init__(self, graph: FrozenGraph) -> None:
        self.graph, self.flat = graph, FlatModel()
        self._given: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._made_by: dict[int, Any] = {}

    def given(self, name: str) -> int:
        """Return the number of a value whose axes are in ONNX's order."""
        if name not in self._given:
            if name in self.graph.constants:
                values = self.graph.constants[name]
                self._given[name] = self.flat.constant(values, str(values.dtype))
            else:
                self._given[name] = self.turned(self._last[name], self.graph.shape(name), FIRST, name, back=True)
        return self._given[name]

    def last(self, name: str) -> int:
        """Return the number of a picture whose channels are last; a constant is brought into that order."""
        if name not in self._last:
            if name in self.graph.constants:
                values = self.graph.constants[name]
                if values.size > 1 or values.ndim:
                    values = values.reshape((1,) * (_RANK - values.ndim) + values.shape).transpose(LAST)
                self._last[name] = self.flat.constant(values, str(values.dtype))
            else:
                self._last[name] = self.turned(self._given[name], self.graph.shape(name), LAST, name)
        return self._last[name]

    def is_last(self, name: str) -> bool:
        """Tell whether a value is a picture that is there with its channels last."""
        return name in self._last and name not in self.graph.constants

    def new(self, name: str, *, last: bool = False, shape: Sequence[int] | None = None) -> int:
        """Add the tensor of a value, which an operator is to fill, and return its number.

        Args:
            name: In ONNX.
            last: Whether its channels are last.
            shape: In ONNX's order; by default the graph's.
        """
        sizes = tuple(self.graph.shape(name) if shape is None else shape)
        number = self.flat.tensor(name, [sizes[axis] for axis in LAST] if last else sizes, self.kind(name))
        (self._last if last else self._given)[name] = number
        return number

    def same(self, name: str, other: str) -> None:
        """Let a value be another one under a second name."""
        for places in (self._given, self._last):
            if other in places:
                places[name] = places[other]
        if other in self.graph.constants:
            self.graph.constants[name] = self.graph.constants[other]

    def between(self, shape: Sequence[int], kind: str = "float32") -> int:
        """Add a tensor between two operators that are one in ONNX."""
        return self.flat.tensor("between", shape, kind)

    def kind(self, name: str) -> str:
        """Return the kind of numbers of a value."""
        return str(self.graph.kinds.get(name, np.dtype("float32")))

    def turned(self, number: int, shape: Sequence[int], order: Sequence[int], name: str, *, back: bool = False) -> int:
        """Return a tensor with its axes in another order; `shape` is ONNX's, `back` says that the result has it."""
        sizes = shape if back else [shape[axis] for axis in order]
        output = self.flat.tensor(name, sizes, self.kind(name))
        self.flat.operator("TRANSPOSE", [number, self.flat.constant(order, "int32")], output, "Transpose")
        return output

    def fusible(self, output: int, options: Any) -> None:
        """Remember that an operator can apply an activation to what it wrote."""
        self._made_by[output] = options

    def fused(self, node: Any, activation: str) -> bool:
        """Let the operator that wrote a node's input apply the node; tell whether it could."""
        name, result = node.input[0], node.output[0]
        places = self._last if self.is_last(name) else self._given
        options = self._made_by.get(places.get(name, -1))
        if self.graph.uses[name] != 1 or options is None or options.fusedActivationFunction:
            return False
        options.fusedActivationFunction = getattr(schema.ActivationFunctionType, activation)
        places[result] = places[name]
        return True
