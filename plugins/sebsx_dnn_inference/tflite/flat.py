"""A TFLite file under construction: tensors, operators, and the flat buffer that they become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_ALIGNMENT = 16  # of weights, as the schema asks for
_MOST_BYTES = 2**31 - 1  # of a flat buffer
_KINDS = {
    "float32": schema.TensorType.FLOAT32,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "bool": schema.TensorType.BOOL,
}


class FlatModel:
    """One subgraph of TFLite. Tensors are known by their number."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: dict[int, int] = {}
        self._buffers: list[Any] = [schema.BufferT()]  # the first stands for "no data"
        self._constants: dict[tuple[Any, ...], int] = {}

    def tensor(self, name: str, shape: Sequence[int], kind: str, values: np.ndarray | None = None) -> int:
        """Add a tensor, and return its number.

        Args:
            name: For people.
            shape: Of a batch of one.
            kind: Numpy's word for its numbers.
            values: Of a constant.

        Raises:
            NotImplementedError: If there are no numbers of that kind.
        """
        if kind not in _KINDS:
            raise NotImplementedError(f"{name!r} has numbers of kind {kind}, which are not converted")
        made = schema.TensorT()
        made.name, made.shape, made.type, made.hasRank = name, [int(size) for size in shape], _KINDS[kind], True
        made.buffer = 0
        if values is not None:
            made.buffer = len(self._buffers)
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), dtype=np.uint8)
            self._buffers.append(buffer)
        self._tensors.append(made)
        return len(self._tensors) - 1

    def constant(self, values: Any, kind: str = "float32") -> int:
        """Return the tensor of a constant; small ones are kept once."""
        array = np.asarray(values, dtype=kind)
        key = (array.shape, kind, array.tobytes()) if array.size <= _ALIGNMENT else None
        if key is not None and key in self._constants:
            return self._constants[key]
        number = self.tensor(f"constant{len(self._tensors)}", array.shape, kind, array)
        if key is not None:
            self._constants[key] = number
        return number

    def operator(self, name: str, inputs: Sequence[int], output: int, options: str = "", **values: Any) -> Any:
        """Add an operator with one output, and return its options, which may still be changed.

        Args:
            name: As `BuiltinOperator` has it.
            inputs: Numbers of tensors; -1 for one that is left out.
            output: Number of a tensor.
            options: Name of its table of options, without `Options`.
            values: Of the options.
        """
        code = getattr(schema.BuiltinOperator, name)
        made = schema.OperatorT()
        made.opcodeIndex = self._codes.setdefault(code, len(self._codes))
        made.inputs, made.outputs = list(inputs), [output]
        if options:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, f"{options}Options")
            made.builtinOptions = getattr(schema, f"{options}OptionsT")()
            for key, value in values.items():
                setattr(made.builtinOptions, key, value)
        self._operators.append(made)
        return made.builtinOptions

    def write(self, path: Path, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """Write the file.

        Raises:
            NotImplementedError: If it is larger than a flat buffer can be.
        """
        size = sum(len(buffer.data) for buffer in self._buffers[1:])
        if size > _MOST_BYTES - 2**24:
            raise NotImplementedError(f"{size:,} bytes of weights do not fit a TFLite file of 2 GiB")
        graph, model = schema.SubGraphT(), schema.ModelT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs, graph.name = list(inputs), list(outputs), "main"
        for number in inputs:  # calls choose the batch
            self._tensors[number].shapeSignature = [-1, *self._tensors[number].shape[1:]]
        model.version, model.subgraphs, model.buffers = 3, [graph], self._buffers
        model.operatorCodes = [_code(code) for code in self._codes]
        model.description = "sebsx"
        builder = _Builder(size + 2**20)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        path.write_bytes(builder.Output())


class _Builder(flatbuffers.Builder):  # type: ignore[misc]  # the package has no types
    """Aligns bytes, which are weights."""

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802, N803  # its words
        found: int = super().StartVector(elemSize, numElems, _ALIGNMENT if elemSize == 1 else alignment)
        return found


def _code(code: int) -> Any:
    made = schema.OperatorCodeT()
    made.builtinCode = code
    made.deprecatedBuiltinCode = min(code, 127)
    made.version = 1
    return made
