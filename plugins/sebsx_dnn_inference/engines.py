"""What serves a model: the contract of an engine, a kind that this plugin adds and others bring more of.

An engine has three parts: it converts a model on the driver, says what its functions need installed, and brings the
module that serves the model inside the function. That module is shipped as `engine.py` and has

    load(path, threads) -> loaded           path of the converted model; threads that an operator may use
    run(loaded, inputs) -> array            inputs by name, as numpy arrays; the model's first output
    told(loaded) -> dict of words           what the engine says of itself: version, precision it really uses
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionTarget:
    """What a model is converted for.

    Args:
        architecture: Of the functions: `x86_64` or `arm64`; this machine may be another.
        batch: Items of one inference, for an engine that compiles for one size.
        tokens: Length of a text, for an engine whose files have it in them.
    """

    architecture: str
    batch: int
    tokens: int


class InferenceEngine(ABC):
    """A way to serve a model. Stateless; `__init__` takes nothing.

    Class attributes:
        name: What a user types after `--optimizer`.
        summary: One line.
        tolerance: Largest difference from the output of the model as it was given that a conversion may make, as a
            share of the largest value there; more than that is a failed conversion.
        fixed_batch: Whether what was converted takes one batch size, so that each has a conversion and a function.
        fixed_tokens: Whether what was converted takes texts of one length.
        architectures: Of functions that it can serve in.
        installed_bytes: About what its requirements take, installed; 0 where nobody looked. For plans.
        weight_share: Size of a converted model by that of the original. For plans.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    tolerance: ClassVar[float] = 1e-3
    fixed_batch: ClassVar[bool] = False
    fixed_tokens: ClassVar[bool] = False
    architectures: ClassVar[Sequence[str]] = ("x86_64", "arm64")
    installed_bytes: ClassVar[int] = 0
    weight_share: ClassVar[float] = 1.0

    def lacking(self) -> str:
        """Return what is missing on this machine to convert, with what to do; empty where nothing is.

        An engine that lacks something is asked for nothing else.
        """
        return ""

    @abstractmethod
    def convert(self, model: Path, folder: Path, target: ConversionTarget) -> str:
        """Write the converted model into an empty folder, and return the name of the file that is loaded.

        Called in a process of its own, whose time and memory are measured; whatever it raises is a failed conversion.

        Args:
            model: An ONNX file.
            folder: Where to; everything in it goes with the function.
            target: What it is for.
        """

    @abstractmethod
    def requirements(self, target: ConversionTarget) -> Sequence[str]:
        """Return what functions need installed, as lines of a requirements file with exact versions."""

    @abstractmethod
    def source(self) -> Path:
        """Return the module that serves the model inside the function."""
