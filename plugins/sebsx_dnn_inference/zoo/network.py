"""Builds the ONNX graph of a network layer by layer; weights follow from names alone, the same on every machine.

A weight is uniform noise from SHAKE-128 of `<network>/<parameter>`, read as 16-bit integers and scaled: no random
generator and no function of a mathematical library is involved, so that a model has one SHA-256 everywhere. What is
measured (time, memory, size) does not depend on what the weights are; activations stay finite, since each layer is
scaled by its fan-in (He et al., 2015) and the last batch norm of a residual branch is damped.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Sequence

OPSET = 17
IR_VERSION = 8
_LEVELS = 65535  # of a 16-bit integer
_DAMPED = 0.2  # scale of the last batch norm of a residual branch


@dataclass(frozen=True, slots=True)
class Picture:
    """The output of a layer: its name in the graph and its shape without the batch."""

    name: str
    channels: int
    height: int
    width: int


Window = int | tuple[int, int]


class NeuralNetwork:
    """A network under construction.

    Args:
        name: Of the network; with the name of a parameter it is what its weights follow from.

    Attributes:
        parameters: How many have been added, without the running figures of batch norms.
        multiply_adds: Of one item of a batch, so far: what papers call FLOPs.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.parameters = 0
        self.multiply_adds = 0
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._counts: dict[str, int] = {}

    def node(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add an operator with one output, and return the output's name."""
        name = self._fresh(operator.lower())
        self._nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, values: Any, kind: type[np.generic] = np.float32) -> str:
        """Add a tensor that is no parameter, and return its name; a scalar stays one."""
        name = self._fresh(name)
        self._initializers.append(numpy_helper.from_array(np.asarray(values, dtype=kind), name))
        return name

    def weights(self, name: str, shape: Sequence[int], deviation: float) -> str:
        """Add noise of mean 0 and a standard deviation as a parameter, and return its name."""
        name = self._fresh(name)
        count = math.prod(shape)
        noise = np.frombuffer(hashlib.shake_128(f"{self.name}/{name}".encode()).digest(2 * count), dtype="<u2")
        bound = deviation * math.sqrt(3.0)  # of a uniform distribution
        values = (noise.astype(np.float64) * (2 * bound / _LEVELS) - bound).astype(np.float32).reshape(shape)
        return self._parameter(name, values)

    def filled(self, name: str, shape: Sequence[int], value: float) -> str:
        """Add a parameter of one value, and return its name."""
        return self._parameter(self._fresh(name), np.full(shape, value, dtype=np.float32))

    def convolved(
        self,
        picture: Picture,
        channels: int,
        kernel: Window = 1,
        stride: int = 1,
        padding: Window | None = None,
        groups: int = 1,
        *,
        bias: bool = False,
    ) -> Picture:
        """Add a convolution; padding keeps the size at stride 1 unless given."""
        high, wide = _pair(kernel)
        up, left = _pair(padding) if padding is not None else ((high - 1) // 2, (wide - 1) // 2)
        fan_in = picture.channels // groups * high * wide
        inputs = [
            picture.name,
            self.weights("conv", (channels, picture.channels // groups, high, wide), math.sqrt(2 / fan_in)),
        ]
        if bias:
            inputs.append(self.filled("bias", (channels,), 0.0))
        name = self.node(
            "Conv", inputs, kernel_shape=[high, wide], strides=[stride, stride], pads=[up, left, up, left], group=groups
        )
        height = (picture.height + 2 * up - high) // stride + 1
        width = (picture.width + 2 * left - wide) // stride + 1
        self.multiply_adds += height * width * channels * fan_in
        return Picture(name, channels, height, width)

    def normalised(self, picture: Picture, epsilon: float = 1e-5, *, damped: bool = False) -> Picture:
        """Add a batch norm whose running mean is 0 and variance 1."""
        shape = (picture.channels,)
        inputs = [
            picture.name,
            self.filled("gamma", shape, _DAMPED if damped else 1.0),
            self.filled("beta", shape, 0.0),
            self.constant("mean", np.zeros(shape)),
            self.constant("variance", np.ones(shape)),
        ]
        return replace(picture, name=self.node("BatchNormalization", inputs, epsilon=epsilon))

    def rectified(self, picture: Picture) -> Picture:
        """Add a ReLU."""
        return replace(picture, name=self.node("Relu", [picture.name]))

    def clipped(self, picture: Picture) -> Picture:
        """Add a ReLU6."""
        limits = [self.constant("low", 0.0), self.constant("high", 6.0)]
        return replace(picture, name=self.node("Clip", [picture.name, *limits]))

    def gated(self, picture: Picture) -> Picture:
        """Add a SiLU: x * sigmoid(x)."""
        return replace(picture, name=self.node("Mul", [picture.name, self.node("Sigmoid", [picture.name])]))

    def pooled(
        self, picture: Picture, kernel: int, stride: int, padding: int = 0, *, average: bool = False, ceil: bool = False
    ) -> Picture:
        """Add a maximum pool, or an average pool that counts the padding."""
        attributes: dict[str, Any] = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [padding] * 4}
        if average:
            attributes["count_include_pad"] = 1
        if ceil:
            attributes["ceil_mode"] = 1
        name = self.node("AveragePool" if average else "MaxPool", [picture.name], **attributes)
        height, width = (
            (math.ceil if ceil else math.floor)((size + 2 * padding - kernel) / stride) + 1
            for size in (picture.height, picture.width)
        )
        return Picture(name, picture.channels, height, width)

    def joined(self, *pictures: Picture) -> Picture:
        """Add a concatenation of channels."""
        name = self.node("Concat", [picture.name for picture in pictures], axis=1)
        return replace(pictures[0], name=name, channels=sum(picture.channels for picture in pictures))

    def added(self, one: Picture, other: Picture) -> Picture:
        """Add a sum."""
        return replace(one, name=self.node("Add", [one.name, other.name]))

    def averaged(self, picture: Picture) -> Picture:
        """Add the mean over all of each channel."""
        return Picture(self.node("GlobalAveragePool", [picture.name]), picture.channels, 1, 1)

    def connected(self, picture: Picture, features: int) -> Picture:
        """Add a fully connected layer over all of a picture."""
        flat, fan_in = self.node("Flatten", [picture.name], axis=1), picture.channels * picture.height * picture.width
        weights = self.weights("dense", (features, fan_in), math.sqrt(1 / fan_in))
        name = self.node("Gemm", [flat, weights, self.filled("bias", (features,), 0.0)], transB=1)
        self.multiply_adds += features * fan_in
        return Picture(name, features, 1, 1)

    def model(self, inputs: onnx.ValueInfoProto, output: str, shape: Sequence[int | str]) -> onnx.ModelProto:
        """Return the whole as an ONNX model with one input and one output, called `output`."""
        self._nodes.append(helper.make_node("Identity", [output], ["output"], name="output"))
        outputs = helper.make_tensor_value_info("output", TensorProto.FLOAT, list(shape))
        graph = helper.make_graph(self._nodes, self.name, [inputs], [outputs], self._initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="sebsx")
        model.ir_version = IR_VERSION
        return model

    def _parameter(self, name: str, values: np.ndarray) -> str:
        self._initializers.append(numpy_helper.from_array(values, name))
        self.parameters += values.size
        return name

    def _fresh(self, name: str) -> str:
        number = self._counts[name] = self._counts.get(name, 0) + 1
        return f"{name}.{number}"


def _pair(window: Window) -> tuple[int, int]:
    return window if isinstance(window, tuple) else (window, window)
