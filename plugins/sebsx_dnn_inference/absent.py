"""Engines of the study that cannot be installed from PyPI for a function: each cell of theirs says why."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, ClassVar

from sebsx_dnn_inference.engines import InferenceEngine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sebsx_dnn_inference.engines import ConversionTarget

_TORCH = (
    "PyPI has no CPU build of PyTorch for Linux: its package and CUDA take gigabytes; "
    "serve the exported ONNX file by another engine, or register an engine with an index of your own"
)


class AbsentEngine(InferenceEngine, ABC):
    """An engine that no cell is served by.

    Class attributes:
        reason: Why, and what to do instead.
    """

    reason: ClassVar[str]

    def lacking(self) -> str:
        """Return the reason."""
        return self.reason

    def convert(self, model: Path, folder: Path, target: ConversionTarget) -> str:
        """Refuse.

        Raises:
            NotImplementedError: In any case.
        """
        raise NotImplementedError(self.reason)

    def requirements(self, target: ConversionTarget) -> Sequence[str]:
        """Return nothing: nothing is installed."""
        return ()

    def source(self) -> Path:
        """Refuse.

        Raises:
            NotImplementedError: In any case.
        """
        raise NotImplementedError(self.reason)


class Vanilla(AbsentEngine):
    """PyTorch, operator by operator: the study's default."""

    name = "vanilla"
    summary = "PyTorch as it is; not available from PyPI"
    reason = _TORCH


class TorchScript(AbsentEngine):
    """PyTorch's own compiler."""

    name = "torchscript"
    summary = "TorchScript; not available from PyPI"
    reason = _TORCH


class TensorFlow(AbsentEngine):
    """TensorFlow with a saved model."""

    name = "tensorflow"
    summary = "TensorFlow; too large for a function"
    reason = (
        "TensorFlow takes 1.5 GB unpacked, and reads no ONNX file; serve the model by tflite, "
        "or register an engine that brings a saved model in an image"
    )


ABSENT = (Vanilla, TorchScript, TensorFlow)
