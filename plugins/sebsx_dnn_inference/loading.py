"""Ways to load one ONNX model: its weights copied, kept in a file of their own, mapped, or in shared memory.

Source: Ellore measured loading by copy, by a single copy and by none; what loading leaves undone, the first inference
does. ONNX Runtime copies weights twice by itself: out of the file, and into the layout of its kernels (prepacking).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sebsx_dnn_inference.builtin import SHIPPED, OnnxRuntime

if TYPE_CHECKING:
    from pathlib import Path

    from sebsx_dnn_inference.engines import ConversionTarget

_WEIGHTS = "weights.bin"
_LEAST_BYTES = 1024  # of a tensor that goes into the file of weights


class OnnxExternal(OnnxRuntime):
    """A single copy: weights lie in a file of their own, which is mapped, and are copied into the kernels' layout."""

    name = "onnx-external"
    summary = "ONNX Runtime, weights in a file of their own: one copy at loading"

    def convert(self, model: Path, folder: Path, target: ConversionTarget) -> str:
        """Write the weights beside the model."""
        import onnx  # heavy, and in the process of a conversion

        onnx.save(
            onnx.load(str(model)),
            str(folder / "model.onnx"),
            save_as_external_data=True,
            location=_WEIGHTS,
            size_threshold=_LEAST_BYTES,
        )
        return "model.onnx"


class OnnxMapped(OnnxRuntime):
    """No copy: the model is optimised here, so that loading changes no weight, and kernels take them as they are."""

    name = "onnx-mapped"
    summary = "ONNX Runtime, weights mapped: no copy at loading, no layout for kernels"

    def convert(self, model: Path, folder: Path, target: ConversionTarget) -> str:
        """Optimise the model for any processor, and write the weights beside it."""
        import onnxruntime  # heavy, and in the process of a conversion

        options = onnxruntime.SessionOptions()
        # What ALL does beyond is for the processor at hand.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(folder / "model.onnx")
        for key, value in (("file_name", _WEIGHTS), ("min_size_in_bytes", str(_LEAST_BYTES))):
            options.add_session_config_entry(f"session.optimized_model_external_initializers_{key}", value)
        onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        return "model.onnx"

    def source(self) -> Path:
        """Return the module."""
        return SHIPPED / "engine_onnx_mapped.py"


class OnnxShared(OnnxMapped):
    """No copy by the engine: weights are put into shared memory, which processes forked behind it share."""

    name = "onnx-shared"
    summary = "ONNX Runtime, weights in shared memory: no copy by the engine, no layout for kernels"

    def convert(self, model: Path, folder: Path, target: ConversionTarget) -> str:
        """Say beside the weights where each of them lies."""
        import onnx  # heavy, and in the process of a conversion
        from onnx.external_data_helper import ExternalDataInfo

        file = super().convert(model, folder, target)
        held = onnx.load(str(folder / file), load_external_data=False).graph.initializer
        places = [
            {
                "name": tensor.name,
                "kind": str(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)),
                "shape": list(tensor.dims),
                "offset": ExternalDataInfo(tensor).offset or 0,
            }
            for tensor in held
            if tensor.data_location == onnx.TensorProto.EXTERNAL
        ]
        (folder / "weights.json").write_text(json.dumps(places), encoding="utf-8")
        return file

    def source(self) -> Path:
        """Return the module."""
        return SHIPPED / "engine_onnx_shared.py"


LOADING = (OnnxExternal, OnnxMapped, OnnxShared)
