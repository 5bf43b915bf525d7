"""What is written as TFLite answers as ONNX Runtime does: operator by operator, and models of sebsx whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from sebsx_dnn_inference import models, zoo

pytestmark = pytest.mark.slow  # both runtimes are imported
_RNG = np.random.default_rng(5)


def random(*shape: int) -> np.ndarray:
    return _RNG.normal(size=shape).astype(np.float32)


def written(path: Path, nodes: list[Any], shape: list[int | str], constants: dict[str, Any], kind: int) -> Path:
    """Write nodes that lead from `x` to `y` as a model."""
    held = [numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()]
    graph = helper.make_graph(
        nodes,
        "tried",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        held,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 9
    path.write_bytes(model.SerializeToString())
    return path


def both(path: Path, tokens: int = 7, batch: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return what a model answers in ONNX Runtime and, converted, in LiteRT; batch 1 is asked for before."""
    from sebsx_dnn_inference.shipped import engine_onnx, engine_tflite, inputs
    from sebsx_dnn_inference.tflite.converter import convert

    convert(path, path.with_suffix(".tflite"), tokens)
    given = models.as_document(models.opened(str(path)).inputs)
    original, converted = engine_onnx.load(str(path), 1), engine_tflite.load(str(path.with_suffix(".tflite")), 1)
    engine_tflite.run(converted, inputs.made(given, 1, tokens))
    values = inputs.made(given, batch, tokens)
    return engine_onnx.run(original, values), engine_tflite.run(converted, values)


def node(operator: str, *inputs: str, to: str = "y", **attributes: Any) -> Any:
    return helper.make_node(operator, list(inputs), [to], **attributes)


PICTURE: list[int | str] = ["batch", 6, 9, 11]
TEXT: list[int | str] = ["batch", "tokens", 8]
CASES: dict[str, tuple[list[Any], list[int | str], dict[str, Any]]] = {
    "convolution padded on one side": (
        [node("Conv", "x", "w", "b", strides=[2, 2], pads=[1, 1, 1, 1])],
        PICTURE,
        {"w": random(4, 6, 3, 3), "b": random(4)},
    ),
    "convolution with gaps": (
        [node("Conv", "x", "w", dilations=[2, 2], pads=[2, 2, 2, 2])],
        PICTURE,
        {"w": random(4, 6, 3, 3)},
    ),
    "convolution that leaves a row": ([node("Conv", "x", "w", strides=[4, 4])], PICTURE, {"w": random(4, 6, 3, 3)}),
    "grouped convolution": ([node("Conv", "x", "w", group=2, pads=[1, 1, 1, 1])], PICTURE, {"w": random(8, 3, 3, 3)}),
    "depthwise convolution, two filters each": ([node("Conv", "x", "w", group=6)], PICTURE, {"w": random(12, 1, 3, 3)}),
    "batch norm in a convolution, and a ReLU": (
        [
            node("Conv", "x", "w", "b", to="c"),
            node("BatchNormalization", "c", "g", "h", "m", "v", to="n", epsilon=1e-3),
            node("Relu", "n"),
        ],
        PICTURE,
        {"w": random(4, 6, 1, 1), "b": random(4), "g": random(4), "h": random(4), "m": random(4), "v": random(4) ** 2},
    ),
    "batch norm of a value that is read twice": (
        [
            node("Conv", "x", "w", to="c"),
            node("BatchNormalization", "c", "g", "g", "g", "v", to="n"),
            node("Relu", "n", to="r"),
            node("Add", "r", "c", to="s"),
            node("Add", "s", "n"),
        ],
        PICTURE,
        {"w": random(4, 6, 1, 1), "g": random(4), "v": random(4) ** 2},
    ),
    "largest, padded, rounded up": (
        [node("MaxPool", "x", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0], ceil_mode=1)],
        PICTURE,
        {},
    ),
    "average that counts its padding": (
        [node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)],
        PICTURE,
        {},
    ),
    "average that does not": ([node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1])], PICTURE, {}),
    "constant for each channel": (
        [
            node("GlobalAveragePool", "x", to="p"),
            node("Sigmoid", "p", to="s"),
            node("Mul", "x", "s", to="t"),
            node("Add", "t", "c"),
        ],
        PICTURE,
        {"c": random(6, 1, 1)},
    ),
    "bounds": (
        [node("Clip", "x", "low", to="c"), node("Clip", "c", "", "high")],
        PICTURE,
        {"low": np.float32(-0.3), "high": np.float32(0.4)},
    ),
    "slice and join of channels": (
        [
            node("MaxPool", "x", to="p", kernel_shape=[1, 1]),
            node("Slice", "p", "two", "five", "axis", to="s"),
            node("Concat", "p", "s", axis=1),
        ],
        PICTURE,
        {"two": np.array([2]), "five": np.array([-1]), "axis": np.array([1])},
    ),
    "picture to a row": (
        [
            node("Conv", "x", "w", to="c"),
            node("Flatten", "c", to="f"),
            node("Gemm", "f", "d", "b", alpha=0.5, beta=2.0),
        ],
        PICTURE,
        {"w": random(2, 6, 3, 3), "d": random(2 * 7 * 9, 5), "b": random(5)},
    ),
    "attention": (
        [
            node("MatMul", "x", "w", to="q"),
            node("Reshape", "q", "apart", to="r"),
            node("Transpose", "r", to="a", perm=[0, 2, 1, 3]),
            node("Transpose", "r", to="b", perm=[0, 2, 3, 1]),
            node("MatMul", "a", "b", to="s"),
            node("Softmax", "s", to="t", axis=-1),
            node("MatMul", "t", "a"),
        ],
        TEXT,
        {"w": random(8, 8), "apart": np.array([0, 0, 2, 4])},
    ),
    "GELU as sebsx writes it": (
        [
            node("Div", "x", "root", to="d"),
            node("Erf", "d", to="e"),
            node("Add", "e", "one", to="a"),
            node("Mul", "x", "half", to="h"),
            node("Mul", "h", "a"),
        ],
        TEXT,
        {"root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5)},
    ),
    "GELU as PyTorch writes it": (
        [
            node("Div", "x", "root", to="d"),
            node("Erf", "d", to="e"),
            node("Add", "e", "one", to="a"),
            node("Mul", "x", "a", to="h"),
            node("Mul", "h", "half"),
        ],
        TEXT,
        {"root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5)},
    ),
    "norm of a layer": (
        [node("LayerNormalization", "x", "g", "b", epsilon=1e-6)],
        TEXT,
        {"g": random(8), "b": random(8)},
    ),
    "mean": ([node("ReduceMean", "x", "axes", keepdims=0)], TEXT, {"axes": np.array([1])}),
    "shape that is computed": (
        [
            node("Shape", "x", to="s"),
            node("Gather", "s", "first", to="n"),
            node("Concat", "n", "rest", to="t", axis=0),
            node("Reshape", "x", "t"),
        ],
        TEXT,
        {"first": np.array([0]), "rest": np.array([2, -1])},
    ),
}


def test_operators_answer_as_in_onnx_runtime(tmp_path: Path) -> None:
    for number, (what, (nodes, shape, constants)) in enumerate(CASES.items()):
        wanted, found = both(written(tmp_path / f"{number}.onnx", nodes, shape, constants, TensorProto.FLOAT))
        assert found.shape == wanted.shape, what
        assert np.abs(found - wanted).max() <= 2e-5 * np.abs(wanted).max(), what


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ([node("Erf", "x")], "operator 'Erf' (y): is converted as a part of GELU only"),
        ([node("Einsum", "x", "x", equation="bij,bij->bi")], "operator 'Einsum' is not converted to TFLite"),
        ([node("Softmax", "x", axis=1)], "operator 'Softmax' (y): works on the last axis only"),
    ],
)
def test_operator_that_is_not_converted_is_named(nodes: list[Any], told: str, tmp_path: Path) -> None:
    from sebsx_dnn_inference.tflite.converter import convert

    path = written(tmp_path / "x.onnx", nodes, TEXT, {}, TensorProto.FLOAT)
    with pytest.raises(NotImplementedError) as caught:
        convert(path, tmp_path / "x.tflite", 7)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    "name", ["squeezenet", "mobilenet-v2", "shufflenet", "efficientnet-b0", "bert-mini", "text-cnn"]
)
def test_model_of_sebsx_is_converted_whole(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    zoo.make(name, path)
    wanted, found = both(path, tokens=16, batch=2)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_weights_are_aligned_as_the_format_asks(tmp_path: Path) -> None:
    from ai_edge_litert import schema_py_generated as schema

    from sebsx_dnn_inference.tflite.converter import convert

    nodes = [node("MatMul", "x", "w")]
    path = written(tmp_path / "x.onnx", nodes, TEXT, {"w": random(8, 5)}, TensorProto.FLOAT)
    convert(path, tmp_path / "x.tflite", 7)
    content = (tmp_path / "x.tflite").read_bytes()
    assert content[4:8] == b"TFL3"
    model = schema.Model.GetRootAs(content, 0)
    held = [model.Buffers(number) for number in range(model.BuffersLength())]
    starts = [buffer._tab.Vector(buffer._tab.Offset(4)) for buffer in held if not buffer.DataIsNone()]
    assert starts
    assert all(start % 16 == 0 for start in starts)
