"""BERT's encoder (Devlin et al. 2019) without the pooler: token numbers in, one vector a token out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sebsx_dnn_inference.zoo.network import NeuralNetwork

VOCABULARY = 30522
POSITIONS = 512
_DEVIATION = 0.02  # of all weights, as published
_EPSILON = 1e-12


def encoder(net: NeuralNetwork, tokens: str, layers: int, hidden: int, heads: int, typical_tokens: int) -> str:
    """Add embeddings and layers of self-attention over all tokens; return the name of the output.

    Args:
        net: Where to.
        tokens: Name of the input: token numbers, batch x tokens.
        layers: How many.
        hidden: Length of a token's vector.
        heads: Of each attention; `hidden` is a multiple.
        typical_tokens: How many tokens the count of multiply-adds is for.
    """
    words = net.node("Gather", [net.weights("words", (VOCABULARY, hidden), _DEVIATION), tokens])
    length = net.node("Slice", [net.node("Shape", [tokens]), *(net.constant("at", [n], np.int64) for n in (1, 2))])
    places = net.node(
        "Slice",
        [
            net.weights("places", (POSITIONS, hidden), _DEVIATION),
            net.constant("at", [0], np.int64),
            length,
            net.constant("axis", [0], np.int64),
        ],
    )
    kinds = net.node("Gather", [net.weights("kinds", (2, hidden), _DEVIATION), net.constant("first", 0, np.int64)])
    x = _normalised(net, net.node("Add", [net.node("Add", [words, places]), kinds]), hidden)
    for _ in range(layers):
        x = _normalised(net, net.node("Add", [x, _attention(net, x, hidden, heads, typical_tokens)]), hidden)
        inner = _gelu(net, _dense(net, x, hidden, 4 * hidden, typical_tokens))
        x = _normalised(net, net.node("Add", [x, _dense(net, inner, 4 * hidden, hidden, typical_tokens)]), hidden)
    return x


def _attention(net: NeuralNetwork, x: str, hidden: int, heads: int, tokens: int) -> str:
    size = hidden // heads
    apart = net.constant("shape", [0, 0, heads, size], np.int64)
    query, key, value = (
        net.node("Transpose", [net.node("Reshape", [_dense(net, x, hidden, hidden, tokens), apart])], perm=perm)
        for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
    )
    scores = net.node("Div", [net.node("MatMul", [query, key]), net.constant("root", math.sqrt(size))])
    mixed = net.node("MatMul", [net.node("Softmax", [scores], axis=-1), value])
    net.multiply_adds += 2 * tokens * tokens * hidden
    together = net.constant("shape", [0, 0, hidden], np.int64)
    joined = net.node("Reshape", [net.node("Transpose", [mixed], perm=[0, 2, 1, 3]), together])
    return _dense(net, joined, hidden, hidden, tokens)


def _dense(net: NeuralNetwork, x: str, features: int, out: int, tokens: int) -> str:
    net.multiply_adds += tokens * features * out
    product = net.node("MatMul", [x, net.weights("dense", (features, out), _DEVIATION)])
    return net.node("Add", [product, net.filled("bias", (out,), 0.0)])


def _normalised(net: NeuralNetwork, x: str, hidden: int) -> str:
    scale = [net.filled("gamma", (hidden,), 1.0), net.filled("beta", (hidden,), 0.0)]
    return net.node("LayerNormalization", [x, *scale], axis=-1, epsilon=_EPSILON)


def _gelu(net: NeuralNetwork, x: str) -> str:
    """Add x/2 * (1 + erf(x / sqrt 2))."""
    curve = net.node("Erf", [net.node("Div", [x, net.constant("root", math.sqrt(2.0))])])
    share = net.node("Mul", [net.node("Add", [curve, net.constant("one", 1.0)]), net.constant("half", 0.5)])
    return net.node("Mul", [x, share])
