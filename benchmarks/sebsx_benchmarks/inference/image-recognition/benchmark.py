"""Driver's side of image-recognition: makes a ResNet-50 with random weights, and works out its scores in plain Python.

A full ResNet-50 takes four thousand million multiplications, too many for plain Python. So the weights are chosen
such that a narrow network with the same layers has the same scores: every channel of the narrow one becomes
`widening` channels that always hold the same value, and every weight is dealt out among the equal inputs it meets, in
random parts whose sum it is. The function computes with the wide network, the driver with the narrow one.
Sources: He et al., Deep residual learning for image recognition (2016), with the stride in the 3 x 3 convolution;
Chen et al., Net2Net: accelerating learning via knowledge transfer (2016), for the widening;
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto for the format.
"""

from __future__ import annotations

import array
import functools
import hashlib
import math
import operator
import random
import struct
import sys
from typing import NamedTuple

TOLERANCE = 1e-3  # of the largest score; single precision and the order of sums cost about 1e-5
TOP = 5
CLASSES = 1000
_NARROW = 4  # channels of the first layer of the narrow network; widened 16 times, the 64 of ResNet-50
_BLOCKS = (3, 4, 6, 3)
_EPSILON = 1e-5
_GRID = 7  # the image has so many fields of one colour on each side


class Layer(NamedTuple):
    """A convolution with its normalisation, in the narrow network: `weights[out][in][row][column]`, flat."""

    name: str
    outputs: int
    inputs: int
    kernel: int
    stride: int
    weights: array.array
    norm: tuple  # of arrays, one value for each output: scale, shift, mean, variance


class Network(NamedTuple):
    """The narrow network: the first layer, blocks of three layers and perhaps a shortcut, and the classifier."""

    stem: Layer
    blocks: list
    classifier: array.array  # weights[class][feature], flat
    bias: array.array


def payload(parameters, rng, storage):
    """Upload model and image and return their keys, where the scores go, and the seed that both came from."""
    seed = rng.getrandbits(53)
    pixels, widening = parameters["pixels"], parameters["widening"]
    model, image = onnx(network(seed), pixels, widening, random.Random(seed + 1)), _image(seed, pixels)
    prefix = f"image-recognition/{hashlib.sha256(model + image).hexdigest()[:16]}"
    storage.put(f"{prefix}/model.onnx", model)
    storage.put(f"{prefix}/image.rgb", image)
    return {
        "model_key": f"{prefix}/model.onnx",
        "image_key": f"{prefix}/image.rgb",
        "output_prefix": f"{prefix}/output/",
        "pixels": pixels,
        "top": TOP,
        "seed": seed,
    }


def check(payload, output, storage):
    """Return None if every uploaded score is right, and the best classes are those of the scores."""
    key = output["key"]
    if not key.startswith(payload["output_prefix"]):
        return f"scores {key!r} are not below {payload['output_prefix']!r}"
    try:
        data = storage.get(key)
    except KeyError:
        return f"scores {key!r} is not in the storage"
    digest = hashlib.sha256(data).hexdigest()
    if output["scores_sha256"] != digest:
        return f"scores_sha256 is {output['scores_sha256']!r}, the object has {digest!r}"
    if len(data) != 4 * CLASSES:
        return f"scores {key!r} have {len(data)} bytes, expected 4 for each of {CLASSES} classes"
    scores = struct.unpack(f"<{CLASSES}f", data)
    expected = _expected(payload["seed"], payload["pixels"])
    allowed = TOLERANCE * max(map(abs, expected))
    for number, (score, wanted) in enumerate(zip(scores, expected, strict=True)):
        if not abs(score - wanted) <= allowed:  # written so that NaN is wrong too
            return f"score of class {number} is {score!r}, expected {wanted!r} within {allowed:.2g}"
    best = sorted(range(CLASSES), key=lambda number: -scores[number])[: payload["top"]]
    if output["top"] != [[number, scores[number]] for number in best]:
        return f"top is {output['top']!r}, the scores say {[[number, scores[number]] for number in best]!r}"
    return None


@functools.lru_cache(maxsize=2)
def network(seed):
    """Return the narrow network of a seed."""
    rng = random.Random(seed)
    stem = _layer(rng, "stem", _NARROW, 3, 7, 2)
    blocks, channels = [], _NARROW
    for stage, count in enumerate(_BLOCKS):
        width = _NARROW << stage
        for number in range(count):
            name, stride = f"stage{stage}.block{number}", 2 if stage and not number else 1
            layers = [
                _layer(rng, f"{name}.reduce", width, channels, 1, 1),
                _layer(rng, f"{name}.convolve", width, width, 3, stride),
                _layer(rng, f"{name}.expand", 4 * width, width, 1, 1, gain=0.3),
            ]
            shortcut = None if number else _layer(rng, f"{name}.shortcut", 4 * width, channels, 1, stride)
            blocks.append((layers, shortcut))
            channels = 4 * width
    return Network(stem, blocks, _weights(rng, CLASSES * channels, channels**-0.5), _weights(rng, CLASSES, 0.1))


def _layer(rng, name, outputs, inputs, kernel, stride, gain=1.0):
    """Return a layer whose outputs have about the variance of its inputs (He et al. 2015), times `gain` squared."""
    spread = math.sqrt(2 / (inputs * kernel**2))
    weights = _weights(rng, outputs * inputs * kernel**2, spread)
    norm = (
        array.array("f", [gain * rng.uniform(0.8, 1.2) for _ in range(outputs)]),
        _weights(rng, outputs, 0.1),
        _weights(rng, outputs, 0.1),
        array.array("f", [rng.uniform(0.5, 1.5) for _ in range(outputs)]),
    )
    return Layer(name, outputs, inputs, kernel, stride, weights, norm)


def _weights(rng, count, spread):
    """Return numbers around 0, all equally likely, whose standard deviation is `spread`."""
    factor = spread * math.sqrt(3) / 2**31
    return array.array("f", [factor * number for number in struct.unpack(f"<{count}i", rng.randbytes(4 * count))])


def _image(seed, pixels):
    """Return RGB bytes, row by row: fields of random colours."""
    colours = random.Random(seed + 2).randbytes(3 * _GRID**2)
    fields = [colours[3 * field : 3 * field + 3] for field in range(_GRID**2)]
    places = [place * _GRID // pixels for place in range(pixels)]
    rows = [b"".join(fields[_GRID * row + column] for column in places) for row in range(_GRID)]
    return b"".join(rows[place] for place in places)


# --- the scores, from the narrow network; a picture is a list of rows of positions, each a tuple of its channels


@functools.lru_cache(maxsize=4)
def _expected(seed, pixels):
    image, narrow = _image(seed, pixels), network(seed)
    values = [value / 127.5 - 1 for value in image]
    picture = [
        [tuple(values[start : start + 3]) for start in range(3 * pixels * row, 3 * pixels * (row + 1), 3)]
        for row in range(pixels)
    ]
    picture = _pool(_relu(_convolve(narrow.stem, picture)))
    for layers, shortcut in narrow.blocks:
        kept = _convolve(shortcut, picture) if shortcut else picture
        for layer in layers[:-1]:
            picture = _relu(_convolve(layer, picture))
        picture = _relu(_add(_convolve(layers[-1], picture), kept))
    positions = [position for row in picture for position in row]
    features = [math.fsum(channel) / len(positions) for channel in zip(*positions, strict=True)]
    rows = [
        narrow.classifier[start : start + len(features)] for start in range(0, len(narrow.classifier), len(features))
    ]
    return [_dot(row, features) + bias for row, bias in zip(rows, narrow.bias, strict=True)]


def _dot(left, right):
    return sum(map(operator.mul, left, right))


def _convolve(layer, picture):
    """Return the normalised convolution: one dot product for each position and output."""
    size, inputs, kernel = layer.kernel**2, layer.inputs, layer.kernel
    scales = [
        scale / math.sqrt(variance + _EPSILON) for scale, variance in zip(layer.norm[0], layer.norm[3], strict=True)
    ]
    shifts = [shift - mean * scale for shift, mean, scale in zip(layer.norm[1], layer.norm[2], scales, strict=True)]
    filters = []
    for output, scale in enumerate(scales):
        own = layer.weights[output * inputs * size : (output + 1) * inputs * size]
        filters.append([scale * own[channel * size + place] for place in range(size) for channel in range(inputs)])
    filters = list(zip(filters, shifts, strict=True))
    if kernel == 1:
        return [
            [tuple([_dot(own, seen) + shift for own, shift in filters]) for seen in row[:: layer.stride]]
            for row in picture[:: layer.stride]
        ]
    edge, nothing = kernel // 2, (0.0,) * inputs
    width = len(picture[0])
    beyond = [[nothing] * (width + 2 * edge)] * edge
    padded = [*beyond, *([nothing] * edge + row + [nothing] * edge for row in picture), *beyond]
    result = []
    for top in range(0, len(picture), layer.stride):
        rows = []
        for left in range(0, width, layer.stride):
            seen = [v for row in padded[top : top + kernel] for position in row[left : left + kernel] for v in position]
            rows.append(tuple([_dot(own, seen) + shift for own, shift in filters]))
        result.append(rows)
    return result


def _relu(picture):
    return [[tuple([max(value, 0.0) for value in position]) for position in row] for row in picture]


def _add(one, other):
    return [
        [tuple(map(operator.add, left, right)) for left, right in zip(row, kept, strict=True)]
        for row, kept in zip(one, other, strict=True)
    ]


def _pool(picture):
    """Return the greatest of each 3 x 3 positions, every second one; nothing lies beyond the edge."""
    return [
        [
            tuple(
                max(values)
                for values in zip(
                    *(at for row in picture[max(0, y - 1) : y + 2] for at in row[max(0, x - 1) : x + 2]), strict=True
                )
            )
            for x in range(0, len(picture[0]), 2)
        ]
        for y in range(0, len(picture), 2)
    ]


# --- the wide network as an ONNX file


def onnx(narrow, pixels, widening, rng):
    """Return the widened network as ONNX, opset 13: image of 1 x 3 x pixels x pixels in, scores of 1 x 1000 out."""
    nodes, tensors = [], []

    def convolve(layer, source, factor):
        size = layer.kernel**2
        wide = _widened(layer.weights, layer.outputs, layer.inputs, size, factor, widening, rng)
        shape = (layer.outputs * widening, layer.inputs * factor, layer.kernel, layer.kernel)
        tensors.append(_tensor(f"{layer.name}.weight", shape, wide))
        names = [f"{layer.name}.{part}" for part in ("scale", "shift", "mean", "variance")]
        for name, values in zip(names, layer.norm, strict=True):
            copies = array.array("f", [value for value in values for _ in range(widening)])
            tensors.append(_tensor(name, (layer.outputs * widening,), _little(copies)))
        pads = [layer.kernel // 2] * 4
        shape = {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2, "pads": pads}
        nodes.append(_node("Conv", [source, f"{layer.name}.weight"], f"{layer.name}.sum", **shape))
        nodes.append(_node("BatchNormalization", [f"{layer.name}.sum", *names], layer.name, epsilon=_EPSILON))
        return layer.name

    def relu(source):
        nodes.append(_node("Relu", [source], f"{source}.relu"))
        return f"{source}.relu"

    last = relu(convolve(narrow.stem, "image", 1))
    nodes.append(_node("MaxPool", [last], "pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]))
    last = "pool"
    for layers, shortcut in narrow.blocks:
        kept = convolve(shortcut, last, widening) if shortcut else last
        for layer in layers[:-1]:
            last = relu(convolve(layer, last, widening))
        last = convolve(layers[-1], last, widening)
        nodes.append(_node("Add", [last, kept], f"{last}.add"))
        last = relu(f"{last}.add")
    features = len(narrow.classifier) // CLASSES
    wide = _widened(narrow.classifier, CLASSES, features, 1, widening, 1, rng)
    tensors.append(_tensor("classifier.weight", (CLASSES, features * widening), wide))
    tensors.append(_tensor("classifier.bias", (CLASSES,), _little(narrow.bias)))
    nodes.append(_node("GlobalAveragePool", [last], "mean"))
    nodes.append(_node("Flatten", ["mean"], "features"))
    nodes.append(_node("Gemm", ["features", "classifier.weight", "classifier.bias"], "scores", transB=1))
    graph = [*(_field(1, node) for node in nodes), _field(2, b"resnet50"), *(_field(5, tensor) for tensor in tensors)]
    graph += [_field(11, _value("image", (1, 3, pixels, pixels))), _field(12, _value("scores", (1, CLASSES)))]
    opset = _field(8, _field(1, b"") + _field(2, 13))
    return b"".join([_field(1, 8), _field(2, b"sebsx"), opset, _field(7, b"".join(graph))])


def _widened(weights, outputs, inputs, size, factor, copies, rng):
    """Return the weights between copied channels: `factor` parts of each one, in a turned order for each copy.

    Args:
        weights: Of the narrow layer, `[output][input][place]`.
        outputs: Channels out of it.
        inputs: Channels into it.
        size: Places of the kernel.
        factor: Copies of each input; the parts of a weight add up to it.
        copies: Copies of each output.
        rng: Draws the parts and how they are turned.
    """
    if factor == copies == 1:
        return _little(weights)
    parts = [rng.uniform(0.5, 1.5) for _ in range(factor)]
    total = sum(parts)
    scaled = [_little(array.array("f", [weight * (part / total) for weight in weights])) for part in parts]
    step = 4 * size
    rows = [[] for _ in range(copies)]
    wide = []
    for output in range(outputs):
        for row in rows:
            row.clear()
        turns = rng.randbytes(inputs * copies)
        for channel in range(inputs):
            start = (output * inputs + channel) * step
            ring = b"".join([part[start : start + step] for part in scaled]) * 2
            for copy, row in enumerate(rows):
                turn = turns[channel * copies + copy] % factor * step
                row.append(ring[turn : turn + factor * step])
        wide += [b"".join(row) for row in rows]
    return b"".join(wide)


def _little(values):
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values.tobytes()


# --- protocol buffers: a number, or bytes with their length, after the field's number


def _varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _field(number, value):
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    if isinstance(value, float):
        return _varint(number << 3 | 5) + struct.pack("<f", value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _tensor(name, shape, data):
    dimensions = b"".join(_field(1, length) for length in shape)
    return dimensions + _field(2, 1) + _field(8, name.encode()) + _field(9, data)


def _value(name, shape):
    dimensions = b"".join(_field(1, _field(1, length)) for length in shape)
    return _field(1, name.encode()) + _field(2, _field(1, _field(1, 1) + _field(2, dimensions)))


def _node(kind, inputs, output, **attributes):
    parts = [_field(1, name.encode()) for name in inputs] + [_field(2, output.encode()), _field(4, kind.encode())]
    for name, value in attributes.items():
        if isinstance(value, list):
            content = b"".join(_field(8, item) for item in value) + _field(20, 7)
        else:
            content = _field(2, value) + _field(20, 1) if isinstance(value, float) else _field(3, value) + _field(20, 2)
        parts.append(_field(5, _field(1, name.encode()) + content))
    return b"".join(parts)
