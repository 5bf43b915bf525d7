"""The engines that come with sebsx. Versions and sizes are those that were tried together (3.11 and 3.12, 2026-11)."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sebsx_dnn_inference.engines import InferenceEngine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx_dnn_inference.engines import ConversionTarget

SHIPPED = Path(__file__).parent / "shipped"
NUMPY = "numpy==2.4.6"
# With all that they depend on: what is pinned by nothing is another version next month.
_ONNXRUNTIME = ("onnxruntime==1.32.0", NUMPY, "flatbuffers==25.12.19", "packaging==26.4", "protobuf==7.36.2")
_LITERT = (
    "ai-edge-litert==2.3.0", NUMPY, "backports-strenum==1.3.1", "flatbuffers==25.12.19", "ml-dtypes==0.6.0",
    "protobuf==7.36.2", "tqdm==4.70.1", "typing-extensions==4.16.0",
)  # fmt: skip
_OPENVINO = ("openvino==2026.4.1", NUMPY, "openvino-telemetry==2025.2.0", "packaging==26.4")


class OnnxRuntime(InferenceEngine):
    """The model as it is, in ONNX Runtime."""

    name = "onnx"
    summary = "ONNX Runtime, the model as it is given"
    installed_bytes = 144_000_000

    def convert(self, model: Path, folder: Path, target: ConversionTarget) -> str:
        """Copy it: ONNX Runtime optimises when it loads."""
        shutil.copyfile(model, folder / "model.onnx")
        return "model.onnx"

    def requirements(self, target: ConversionTarget) -> Sequence[str]:
        """Return ONNX Runtime."""
        return _ONNXRUNTIME

    def source(self) -> Path:
        """Return the module."""
        return SHIPPED / "engine_onnx.py"


class Quantised(OnnxRuntime):
    """Weights as 8-bit integers, activations quantised as they come (dynamic quantisation)."""

    name = "quantised"
    summary = "ONNX Runtime with weights as 8-bit integers (dynamic quantisation)"
    tolerance = 0.05
    weight_share = 0.25

    def convert(self, model: Path, folder: Path, target: ConversionTarget) -> str:
        """Quantise it by ONNX Runtime's own tool."""
        from onnxruntime.quantization import QuantType, quantize_dynamic  # heavy, and in the process of a conversion

        # Unsigned weights: convolutions of signed ones are not there on x86.
        quantize_dynamic(model, folder / "model.onnx", weight_type=QuantType.QUInt8)
        return "model.onnx"


class OpenVino(InferenceEngine):
    """Intel's runtime in single precision, which must be asked for: left alone it takes bfloat16 where there is one."""

    name = "openvino"
    summary = "OpenVINO in single precision"
    installed_bytes = 257_000_000
    precision: ClassVar[str] = "f32"

    def lacking(self) -> str:
        """Return that OpenVINO converts, where it is missing."""
        return "" if find_spec("openvino") else f"package 'openvino' is missing (pip install {_OPENVINO[0]})"

    def convert(self, model: Path, folder: Path, target: ConversionTarget) -> str:
        """Convert it into OpenVINO's own format."""
        import openvino  # heavy, and in the process of a conversion

        (folder / "precision").write_text(self.precision, encoding="ascii")
        openvino.save_model(openvino.convert_model(model), folder / "model.xml", compress_to_fp16=False)
        return "model.xml"

    def requirements(self, target: ConversionTarget) -> Sequence[str]:
        """Return OpenVINO."""
        return _OPENVINO

    def source(self) -> Path:
        """Return the module."""
        return SHIPPED / "engine_openvino.py"


class OpenVinoBfloat16(OpenVino):
    """The same in bfloat16, where the processor has it; elsewhere it is single precision, and says so."""

    name = "openvino-bf16"
    summary = "OpenVINO in bfloat16 where the processor has it"
    tolerance = 0.05
    precision = "bf16"


class TfLite(InferenceEngine):
    """TFLite, converted by sebsx itself: the usual ways need TensorFlow or PyTorch, which have no small packages."""

    name = "tflite"
    summary = "TFLite (LiteRT with XNNPACK), converted without TensorFlow"
    fixed_tokens = True
    installed_bytes = 138_000_000

    def lacking(self) -> str:
        """Return that LiteRT has the format, where it is missing."""
        return "" if find_spec("ai_edge_litert") else f"package 'ai-edge-litert' is missing (pip install {_LITERT[0]})"

    def convert(self, model: Path, folder: Path, target: ConversionTarget) -> str:
        """Write it operator by operator."""
        from sebsx_dnn_inference.tflite.converter import convert  # heavy, and in the process of a conversion

        convert(model, folder / "model.tflite", target.tokens)
        return "model.tflite"

    def requirements(self, target: ConversionTarget) -> Sequence[str]:
        """Return LiteRT."""
        return _LITERT

    def source(self) -> Path:
        """Return the module."""
        return SHIPPED / "engine_tflite.py"


ENGINES = (OnnxRuntime, Quantised, OpenVino, OpenVinoBfloat16, TfLite)
