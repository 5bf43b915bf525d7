"""TVM: a compiler on the driver, and a runtime of a few megabytes in functions."""

from __future__ import annotations

import platform
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sebsx_dnn_inference.builtin import NUMPY, SHIPPED
from sebsx_dnn_inference.engines import InferenceEngine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx_dnn_inference.engines import ConversionTarget

_COMPILER = "apache-tvm==0.27.0 apache-tvm-ffi==0.1.14.post0"
_HERE = "arm64" if platform.machine().lower() in {"aarch64", "arm64"} else "x86_64"
# Level 3 has AVX2, which every x86 processor of AWS Lambda has.
_PROCESSORS = {"x86_64": {"kind": "llvm", "mcpu": "x86-64-v3"}, "arm64": {"kind": "llvm", "mattr": ["+neon"]}}
_LINKERS = ("g++", "clang++", "c++")


class Tvm(InferenceEngine):
    """Compiled by TVM's Relax without a schedule of its own: each operator as the plain loops that define it.

    Such code is up to hundreds of times slower than that of engines with kernels; searching for schedules takes hours.
    """

    name = "tvm"
    summary = "compiled by TVM, operators as plain loops (not tuned)"
    fixed_batch = True
    fixed_tokens = True
    architectures = (_HERE,)

    def lacking(self) -> str:
        """Return that the compiler or a linker is missing."""
        if not (find_spec("tvm") and find_spec("tvm_ffi")):
            return f"package 'tvm' is missing (pip install {_COMPILER})"
        if not any(map(shutil.which, _LINKERS)):
            return "no linker was found, which TVM makes libraries by; install g++ or clang"
        return ""

    def convert(self, model: Path, folder: Path, target: ConversionTarget) -> str:
        """Compile it for a batch and a length of text, and put TVM's runtime beside it."""
        import onnx  # heavy, and in the process of a conversion
        import tvm
        from tvm.relax.frontend.onnx import from_onnx

        graph = onnx.load(str(model)).graph
        held = {tensor.name for tensor in graph.initializer}
        shapes = {
            value.name: [
                size.dim_value or (target.tokens if place else target.batch)
                for place, size in enumerate(value.type.tensor_type.shape.dim)
            ]
            for value in graph.input
            if value.name not in held
        }
        module = from_onnx(onnx.load(str(model)), shape_dict=shapes, keep_params_in_input=False)
        compiled = tvm.compile(module, target=tvm.target.Target(_PROCESSORS[target.architecture]))
        compiled.export_library(str(folder / "model.so"))
        (folder / "inputs").write_text("\n".join(shapes), encoding="utf-8")
        runtime = next(path for place in tvm.__path__ for path in Path(place).rglob("libtvm_runtime.so"))
        shutil.copyfile(runtime, folder / "libtvm_runtime.so")
        return "model.so"

    def requirements(self, target: ConversionTarget) -> Sequence[str]:
        """Return what calls the runtime."""
        return ("apache-tvm-ffi==0.1.14.post0", NUMPY, "typing-extensions==4.16.0")

    def source(self) -> Path:
        """Return the module."""
        return SHIPPED / "engine_tvm.py"
