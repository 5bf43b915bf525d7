"""Serves a model in LiteRT, which TFLite is called now, with its XNNPACK kernels."""

from __future__ import annotations

from importlib.metadata import version

from ai_edge_litert.interpreter import Interpreter


def load(path, threads):
    """Return the interpreter, its inputs by name, and the shapes that it has room for."""
    interpreter = Interpreter(path, num_threads=threads)
    interpreter.allocate_tensors()
    inputs = {each["name"]: (each["index"], tuple(each["shape"])) for each in interpreter.get_input_details()}
    return {
        "interpreter": interpreter,
        "places": {name: index for name, (index, _) in inputs.items()},
        "shapes": {name: shape for name, (_, shape) in inputs.items()},
        "output": interpreter.get_output_details()[0]["index"],
    }


def run(loaded, inputs):
    """Return the first output; the first inference of another batch makes room for it."""
    interpreter, places = loaded["interpreter"], loaded["places"]
    shapes = {name: values.shape for name, values in inputs.items()}
    if shapes != loaded["shapes"]:
        for name, shape in shapes.items():
            interpreter.resize_tensor_input(places[name], shape)
        interpreter.allocate_tensors()
        loaded["shapes"] = shapes
    for name, values in inputs.items():
        interpreter.set_tensor(places[name], values)
    interpreter.invoke()
    return interpreter.get_tensor(loaded["output"])


def told(loaded):
    """Return what it is."""
    return {"engine": "litert " + version("ai-edge-litert")}
