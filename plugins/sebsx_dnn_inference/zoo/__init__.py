"""The models that sebsx makes itself: no download, no framework, the same bytes on every machine.

The eleven of the study (ten convolutional networks and BERT-base), and for quick runs a small BERT and a small CNN of
text. Making one needs the packages `onnx` and `numpy` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx.errors import UnknownNameError

if TYPE_CHECKING:
    from pathlib import Path

CNN, TRANSFORMER = "cnn", "transformer"
TOKENS = 128  # of a text, where nothing else is asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecipe:
    """How a model is made.

    Args:
        name: What a user types.
        family: `cnn` or `transformer`.
        parameters: How many it has.
        side: Height and width of a picture in pixels; 0 for text.
        layers: Of a transformer.
        hidden: Length of a token's vector, of a transformer.
        heads: Of each attention, of a transformer.
    """

    name: str
    family: str
    parameters: int
    side: int = 0
    layers: int = 0
    hidden: int = 0
    heads: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A model that was made: how many parameters it has, and multiply-adds for one item of a batch."""

    parameters: int
    multiply_adds: int


def _cnn(name: str, parameters: int, side: int = 224) -> ModelRecipe:
    return ModelRecipe(name=name, family=CNN, parameters=parameters, side=side)


# Published sizes of these, in the order of the study: see `docs/methods/dnn-inference.md`.
RECIPES = {
    recipe.name: recipe
    for recipe in (
        _cnn("squeezenet", 1_235_496),
        _cnn("shufflenet", 2_278_604),
        _cnn("mobilenet-v2", 3_504_872),
        _cnn("mnasnet", 4_383_312),
        _cnn("efficientnet-b0", 5_288_548),
        _cnn("resnet18", 11_689_512),
        _cnn("resnet50", 25_557_032),
        _cnn("inception-v3", 23_834_568, 299),
        _cnn("alexnet", 61_100_840),
        _cnn("vgg16", 138_357_544),
        ModelRecipe(name="bert", family=TRANSFORMER, parameters=108_891_648, layers=12, hidden=768, heads=12),
        ModelRecipe(name="text-cnn", family=CNN, parameters=17_450),
        ModelRecipe(name="bert-mini", family=TRANSFORMER, parameters=11_104_768, layers=4, hidden=256, heads=4),
    )
}


# On ImageNet, of the trained weights IMAGENET1K_V1: https://docs.pytorch.org/vision/stable/models.html (2026-11).
TOP1 = {
    "squeezenet": 0.58178, "shufflenet": 0.69362, "mobilenet-v2": 0.71878, "mnasnet": 0.73456,
    "efficientnet-b0": 0.77692, "resnet18": 0.69758, "resnet50": 0.76130, "inception-v3": 0.77294,
    "alexnet": 0.56522, "vgg16": 0.71592,
}  # fmt: skip


def recipe(name: str) -> ModelRecipe:
    """Return a recipe by name.

    Raises:
        UnknownNameError: If there is none; it suggests the nearest.
    """
    if name not in RECIPES:
        raise UnknownNameError("model", name, RECIPES, "a file of your own: --model ./model.onnx")
    return RECIPES[name]


def make(name: str, path: Path) -> Counted:
    """Write a model as one ONNX file: opset 17, float32, any batch size.

    Pictures are `input`, batch x 3 x side x side; texts are `input_ids`, batch x tokens (int64).

    Raises:
        UnknownNameError: If there is none of that name.
        ImportError: If `onnx` is not installed.
    """
    from onnx import TensorProto, helper

    from sebsx_dnn_inference.zoo import bert, cnns, texts
    from sebsx_dnn_inference.zoo.network import NeuralNetwork, Picture

    wanted = recipe(name)
    net = NeuralNetwork(name)
    words = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])
    if name == "text-cnn":
        model = net.model(words, texts.text_cnn(net, "input_ids", TOKENS), ["batch", texts.CLASSES])
    elif wanted.family == CNN:
        build = getattr(cnns, name.replace("-", "_"))
        out = build(net, Picture("input", 3, wanted.side, wanted.side))
        if name == "squeezenet":  # ends in a pool rather than in a dense layer
            out = Picture(net.node("Flatten", [out.name], axis=1), out.channels, 1, 1)
        inputs = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, wanted.side, wanted.side])
        model = net.model(inputs, out.name, ["batch", cnns.CLASSES])
    else:
        found = bert.encoder(net, "input_ids", wanted.layers, wanted.hidden, wanted.heads, TOKENS)
        model = net.model(words, found, ["batch", "tokens", wanted.hidden])
    path.write_bytes(model.SerializeToString(deterministic=True))
    return Counted(parameters=net.parameters, multiply_adds=net.multiply_adds)
