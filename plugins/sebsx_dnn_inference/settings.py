"""Which models, engines, batches and memory sizes are measured, and how often."""

from __future__ import annotations

from dataclasses import dataclass

from sebsx.settings import setting
from sebsx_dnn_inference.serving import PACKAGE, STORAGE


@dataclass(frozen=True, slots=True)
class DnnPreset:
    """Values for the settings that are not given."""

    optimizers: tuple[str, ...]
    batches: tuple[int, ...]
    sandboxes: int
    calls: int
    models: tuple[str, ...] = ("squeezenet",)
    texts: tuple[int, ...] = (0,)


# Sizes of Ellore's texts in bytes.
_TEXTS = (10, 1_000, 10_000, 36_000, 332_000, 3_200_000)
PRESETS = {
    "quick": DnnPreset(("onnx", "quantised"), (1, 16), 6, 5),
    "paper": DnnPreset(("onnx", "quantised", "openvino"), (1, 2, 4, 8, 16, 32), 10, 30),
    "loading": DnnPreset(("onnx", "onnx-external", "onnx-mapped", "onnx-shared"), (1,), 6, 3, ("resnet18",)),
    "phases": DnnPreset(("onnx",), (1,), 6, 2, ("text-cnn", "bert-mini"), _TEXTS[:3]),
    "phases-paper": DnnPreset(("onnx",), (1,), 10, 10, ("text-cnn", "bert"), _TEXTS),
}


@dataclass(frozen=True)
class DnnSettings:
    """What is swept; what is not given is the preset's."""

    model: tuple[str, ...] = setting(
        (), help="models: names (squeezenet, resnet18, bert, ...) or ONNX files (./model.onnx); default: the preset's"
    )
    preset: str = setting("quick", help="what is swept, see the page of the method", choices=tuple(PRESETS))
    optimizer: tuple[str, ...] = setting((), help="engines that serve it (sebsx list engines); default: the preset's")
    batch: tuple[int, ...] = setting((), help="items of one inference; default: the preset's", minimum=1)
    memory_mib: tuple[int, ...] = setting((1024,), help="provisioned memory sizes in MiB", option="--memory")
    architecture: str = setting("", help="processor architecture; default: the platform's first")
    model_source: str = setting(PACKAGE, help="where functions have the model from", choices=(PACKAGE, STORAGE))
    text_bytes: tuple[int, ...] = setting(
        (), help="sizes of texts that are read in windows of --tokens words; default: the preset's", minimum=1
    )
    tokens: int = setting(128, help="length of a text, for models that read words", minimum=1, maximum=512)
    threads: int = setting(0, help="threads of an operator; 0 for the processors a sandbox sees", minimum=0)
    sandboxes: int = setting(0, help="fresh sandboxes of each cell; 0 for the preset's", minimum=0, maximum=10_000)
    calls: int = setting(
        0, help="warm calls of each sandbox, after the first; 0 for the preset's", minimum=0, maximum=10_000
    )
    force: bool = setting(False, help="measure cells again that earlier runs of this store measured")
    timeout_s: float = setting(300.0, help="time-out of a call", minimum=1)
    max_failures: int = setting(10, help="failed calls after which a cell is given up", minimum=1)
    max_time_s: float = setting(3600.0, help="time limit of a cell", minimum=1, option="--max-cell-time")

    @property
    def chosen(self) -> DnnPreset:
        """The preset with what was given in place of its own."""
        preset = PRESETS[self.preset]
        return DnnPreset(
            tuple(dict.fromkeys(self.optimizer)) or preset.optimizers,
            tuple(sorted(set(self.batch))) or preset.batches,
            self.sandboxes or preset.sandboxes,
            self.calls or preset.calls,
            tuple(dict.fromkeys(self.model)) or preset.models,
            tuple(sorted(set(self.text_bytes))) or preset.texts,
        )
