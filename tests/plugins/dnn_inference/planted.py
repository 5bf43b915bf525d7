"""Engines whose speed, load time and answers a test chose, and a model whose output is its input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from sebsx_dnn_inference.engines import ConversionTarget, InferenceEngine

SOURCE = """
import time

def load(path, threads):
    time.sleep({load_s})
    return path

def run(loaded, inputs):
    time.sleep({inference_s})
    return {answer}

def told(loaded):
    return {{"engine": "planted"}}
"""


class Planted(InferenceEngine):
    """Takes as long as it is told to; what it answers is its input."""

    name = "planted"
    summary = "takes as long as it is told to"
    inference_s = 0.05
    load_s = 0.1
    answer = "inputs['input']"

    def convert(self, model: Path, folder: Path, target: ConversionTarget) -> str:
        """Write nothing to speak of."""
        (folder / "model.txt").write_text("planted")
        return "model.txt"

    def requirements(self, target: ConversionTarget) -> Sequence[str]:
        """Return numpy, which makes the inputs."""
        return ("numpy==2.4.6",)

    def source(self) -> Path:
        """Return a module with the times in it."""
        place = Path(__file__).parent / "__pycache__" / f"{self.name.replace('-', '_')}.py"
        place.parent.mkdir(exist_ok=True)
        place.write_text(
            SOURCE.format(load_s=self.load_s, inference_s=self.inference_s, answer=self.answer), encoding="utf-8"
        )
        return place


class Quick(Planted):
    """Half of the time."""

    name = "planted-quick"
    inference_s = 0.025
    load_s = 0.4


class Wrong(Planted):
    """Answers something else."""

    name = "planted-wrong"
    answer = "inputs['input'] * 1.5"


class Crashing(Planted):
    """Ends its process."""

    name = "planted-crash"

    def convert(self, model: Path, folder: Path, target: ConversionTarget) -> str:
        """End the process as a compiler that crashes does."""
        import os
        import signal

        os.kill(os.getpid(), signal.SIGSEGV)
        return ""


class Failing(Planted):
    """Lacks an operator."""

    name = "planted-failing"

    def convert(self, model: Path, folder: Path, target: ConversionTarget) -> str:
        """Raise."""
        raise NotImplementedError("operator 'Identity' is not known")


class Greedy(Planted):
    """Wants more memory than there is."""

    name = "planted-greedy"

    def convert(self, model: Path, folder: Path, target: ConversionTarget) -> str:
        """Ask for it piece by piece, without touching it: each piece alone is one that a kernel promises."""
        import mmap
        import os

        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        return str(len([mmap.mmap(-1, 2**28, private) for _ in range(whole // 2**28 + 1)]))


class Full(Planted):
    """Writes where no space is left."""

    name = "planted-full"

    def convert(self, model: Path, folder: Path, target: ConversionTarget) -> str:
        """Write."""
        Path("/dev/full").write_bytes(b"weights")
        return ""


class Untidy(Planted):
    """Prints what is no text, and leaves a process that holds its outputs open."""

    name = "planted-untidy"

    def convert(self, model: Path, folder: Path, target: ConversionTarget) -> str:
        """Do as the class says, and name the process in the model."""
        import subprocess
        import sys

        sys.stdout.buffer.write(b"\xff\xfe")
        sys.stderr.buffer.write(b"\xff\xfe\n")
        left = subprocess.Popen(["sleep", "1000"])
        (folder / "model.txt").write_text(str(left.pid))
        return "model.txt"


class Hanging(Planted):
    """Starts a process, says who both are, and never ends."""

    name = "planted-hanging"

    def convert(self, model: Path, folder: Path, target: ConversionTarget) -> str:
        """Hold the interpreter's lock as a compiler may that is written in C."""
        import ctypes
        import os
        import subprocess

        started = subprocess.Popen(["sleep", "1000"])
        (model.parent / "processes").write_text(f"{os.getpid()} {started.pid}\n")
        ctypes.PyDLL(None).sleep(1000)
        return ""


class Nested(Planted):
    """Writes a folder, which no function would get."""

    name = "planted-nested"

    def convert(self, model: Path, folder: Path, target: ConversionTarget) -> str:
        """Write it."""
        (folder / "weights").mkdir()
        return super().convert(model, folder, target)


PLANTED = (Planted, Quick, Wrong, Crashing, Failing, Greedy, Full)


def identity_model(path: Path, shape: Sequence[str | int] = ("batch", 8)) -> Path:
    """Write a model whose output is its input."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["input", "one"], ["output"])],
        "identity",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
        [onnx.numpy_helper.from_array(np.ones(1, dtype=np.float32), "one")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())
    return path
