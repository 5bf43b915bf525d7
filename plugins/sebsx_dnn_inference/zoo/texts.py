"""A small convolutional network of text (Kim 2014): words as vectors, windows of three to five of them, ten classes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sebsx_dnn_inference.zoo.network import NeuralNetwork

VOCABULARY, SIZE, FILTERS, CLASSES = 128, 32, 32, 10
_WINDOWS = (3, 4, 5)


def text_cnn(net: NeuralNetwork, tokens: str, typical_tokens: int) -> str:
    """Add the network over token numbers, batch x tokens; return the name of its output, batch x classes."""
    vectors = net.node("Gather", [net.weights("words", (VOCABULARY, SIZE), 1.0), tokens])
    turned = net.node("Transpose", [vectors], perm=[0, 2, 1])
    picture = net.node("Unsqueeze", [turned, net.constant("axis", [2], np.int64)])  # batch x vector x 1 x tokens
    parts = []
    for window in _WINDOWS:
        weights = net.weights("conv", (FILTERS, SIZE, 1, window), math.sqrt(2 / (SIZE * window)))
        bias = net.filled("bias", (FILTERS,), 0.0)
        seen = net.node("Conv", [picture, weights, bias], kernel_shape=[1, window], pads=[0, 0, 0, window - 1])
        parts.append(net.node("GlobalAveragePool", [net.node("Relu", [seen])]))
        net.multiply_adds += typical_tokens * FILTERS * SIZE * window
    flat = net.node("Flatten", [net.node("Concat", parts, axis=1)], axis=1)
    features = FILTERS * len(_WINDOWS)
    net.multiply_adds += features * CLASSES
    weights = net.weights("dense", (CLASSES, features), math.sqrt(1 / features))
    return net.node("Gemm", [flat, weights, net.filled("bias", (CLASSES,), 0.0)], transB=1)
