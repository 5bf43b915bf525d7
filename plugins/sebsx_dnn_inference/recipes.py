"""Recipes: published figures beside those of a run; rows that cannot be right as printed are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.recipes import ExpectedCell, Recipe
from sebsx_dnn_inference.published import published_table, sound_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Seconds of another machine: half and twice are the same.
_TIME_TOLERANCE = 0.5
_RATIO_TOLERANCE = 0.15
_NO_TORCH = "the study's default is PyTorch, which has no CPU package for functions"
_OTHER_MODEL = "the model is not among those of sebsx"
# Sections and numbers of tables are not given: the texts were not at hand when these figures were taken over.
_AYCI = "Park, Choi, Lee, All-You-Can-Inference: Serverless DNN Model Inference Suite (WoSC'22)"
_ELLORE = (
    "Ellore, Rethinking Serverless for Machine Learning Inference (MS thesis, Virginia Tech, 2023, hdl:10919/116068)"
)
_BYTES = {"10B": 10, "1KB": 1_000, "10KB": 10_000, "36KB": 36_000, "332KB": 332_000, "3.2MB": 3_200_000}
_NAMES = {"cnn": "text-cnn", "bert": "bert"}
_WAYS = {"no_optimization_s": "onnx", "single_copy_s": "onnx-external", "zero_copy_s": "onnx-mapped"}


class DnnBatching(Recipe):
    """Relative throughput and memory of All-You-Can-Inference."""

    name = "dnn-batching"
    summary = "what batches gain by engine, and which memory size performs best for its cost"
    source = f"{_AYCI}: relative throughput by batch and optimizer, cost-performance by memory"
    experiment = "dnn-inference"
    settings: ClassVar[Mapping[str, Any]] = {
        "preset": "paper",
        "model": "resnet18",
        "memory_mib": "512,1024,2048,4096,8192,10240",
    }
    platforms = ("aws", "aws-arm")
    analyzer = "dnn-inference"

    def expected(self) -> Sequence[ExpectedCell]:
        """Return 1.58 for PyTorch, which cannot be measured here, near 1 for ONNX, and the base of cost-performance."""
        return [
            _gain("vanilla", 1.58, unmeasurable=_NO_TORCH),
            _gain("onnx", 1.0),
            _gain("tvm", 1.0),
            ExpectedCell(
                table="cost-performance",
                row={"model": "resnet18", "engine": "onnx", "batch": "1"},
                column="2048",
                value=1.0,
                tolerance=0.01,
            ),
        ]


class DnnLoading(Recipe):
    """Ways to load a model."""

    name = "dnn-loading"
    summary = "loading a model by copy, by one copy and by none"
    source = f"{_ELLORE}: table of model loading without optimization, by single copy and by zero copy"
    experiment = "dnn-inference"
    settings: ClassVar[Mapping[str, Any]] = {"preset": "loading", "model": "bert", "memory_mib": "3008"}
    platforms = ("aws",)
    analyzer = "dnn-inference"

    def expected(self) -> Sequence[ExpectedCell]:
        """Return the times of each model; a figure that lost a digit is left out."""
        doubted = {row["model"] for row in published_table("model_loading")} - {
            row["model"] for row in sound_rows("model_loading")
        }
        return [
            _time(
                "loading",
                {"model": row["model"], "engine": engine},
                "load_s",
                float(row[column]),
                "" if row["model"] == "bert" else _OTHER_MODEL,
            )
            for row in published_table("model_loading")
            for column, engine in _WAYS.items()
            if not (column == "zero_copy_s" and row["model"] in doubted)
        ]


class DnnPhases(Recipe):
    """Phases of a call against the size of a text."""

    name = "dnn-phases"
    summary = "inference and loading of a small CNN and of BERT against the size of a text"
    source = f"{_ELLORE}: table of cold and warm calls of a small CNN and of BERT against the size of a text"
    experiment = "dnn-inference"
    settings: ClassVar[Mapping[str, Any]] = {"preset": "phases-paper", "memory_mib": "3008"}
    platforms = ("aws",)
    analyzer = "dnn-inference"

    def expected(self) -> Sequence[ExpectedCell]:
        """Return the inference of warm calls and the loading of cold ones, without the corrupt row."""
        found = []
        for row in sound_rows("inference_phases"):
            key = {"model": _NAMES[row["model"]], "text_bytes": str(_BYTES[row["input"]])}
            if row["start"] == "warm":
                found.append(_time("inference", key, "latency_s", float(row["inference_ms"]) / 1000))
            else:
                found.append(_time("cold-start", key, "load_s", float(row["model_load_ms"]) / 1000))
        return found


def _gain(engine: str, value: float, unmeasurable: str = "") -> ExpectedCell:
    return ExpectedCell(
        table="inference",
        row={"model": "resnet18", "optimizer": engine, "batch": "16"},
        column="relative",
        value=value,
        tolerance=_RATIO_TOLERANCE * value,
        unmeasurable=unmeasurable,
    )


def _time(table: str, row: Mapping[str, str], column: str, value: float, unmeasurable: str = "") -> ExpectedCell:
    return ExpectedCell(
        table=table, row=row, column=column, value=value, tolerance=_TIME_TOLERANCE * value, unmeasurable=unmeasurable
    )


RECIPES = (DnnBatching, DnnLoading, DnnPhases)
