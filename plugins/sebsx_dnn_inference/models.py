"""The models of a run: those that sebsx makes, and files of the user's; each is known by its SHA-256 and size."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.errors import UserError
from sebsx.system.folders import cache_folder
from sebsx.system.homes import expanded
from sebsx.system.lazy import require
from sebsx_dnn_inference import zoo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FOLDER = "dnn"
_POINTER = b"version https://git-lfs"  # the beginning of what stands in for a file that was not fetched
_BLOCK = 2**20
# Opset, layers and weights of our own models follow from the code: a change of it is another version.
_VERSION = 1
_KINDS = {1: "float32", 6: "int32", 7: "int64", 10: "float16", 11: "float64"}  # onnx.TensorProto, numpy's words
_OTHER_FORMATS = {
    ".tflite": "a TFLite model cannot be converted back; give the ONNX file that it was made from",
    ".pb": "export it first: pip install tf2onnx, python -m tf2onnx.convert --saved-model FOLDER --output model.onnx",
    ".h5": "export it first: pip install tf2onnx, python -m tf2onnx.convert --keras FILE --output model.onnx",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInput:
    """An input of a model.

    Args:
        name: In the model.
        kind: Numpy's word for its numbers, such as `float32`.
        shape: Sizes; a word stands for one that calls choose, the first of them for the batch.
    """

    name: str
    kind: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuralModel:
    """A model as one ONNX file.

    Args:
        name: What tables call it: its own name, or that of the file.
        path: Of the file.
        sha256: Of the file.
        size_bytes: Of the file.
        family: `cnn`, `transformer`, or `own` for a file of the user's.
        inputs: What it takes.
        parameters: How many it has.
        multiply_adds: For one item of a batch; None where nobody counted.
    """

    name: str
    path: Path
    sha256: str
    size_bytes: int
    family: str
    inputs: tuple[ModelInput, ...]
    parameters: int
    multiply_adds: int | None

    @property
    def reads_words(self) -> bool:
        """Whether all it takes are token numbers, a text an item."""
        return all(
            each.kind.startswith("int") and [isinstance(size, str) for size in each.shape] == [True, True]
            for each in self.inputs
        )

    @property
    def fixed_batch(self) -> int | None:
        """The only number of items that it takes at a time; None where calls choose."""
        first = [each.shape[0] for each in self.inputs if each.shape]
        fixed = [size for size in first if isinstance(size, int)]
        return fixed[0] if len(fixed) == len(first) and fixed else None


def folder() -> Path:
    """Return where models and what was made of them are kept until `sebsx clean --cache`."""
    return cache_folder() / FOLDER


def known(name: str) -> tuple[str, str]:
    """Return the name of a model in tables, and what identifies it before it is made.

    Raises:
        UserError: If there is neither a model nor a file of that name, or the file is none that can be served.
    """
    if not _is_file(name):
        return zoo.recipe(name).name, f"sebsx {_VERSION}"
    path = expanded(name)
    _check_format(path)
    return path.stem, _sha256(path)


def may_read_words(name: str) -> bool:
    """Return whether a model may take texts: a file is not opened for that, and one of ours says what it is."""
    return _is_file(name) or not zoo.recipe(name).side


def refusal(name: str) -> str:
    """Return why a file that is there cannot be served, as far as its name and its beginning tell; else nothing."""
    if not _is_file(name) or not os.path.isfile(expanded(name)):  # noqa: PTH113  # as below
        return ""
    try:
        _check_format(expanded(name))
    except UserError as exc:
        return str(exc)
    return ""


def named(names: Iterable[str]) -> dict[str, str]:
    """Return what identifies each of some models, by its name in tables; of a file that cannot be served, its digest.

    Raises:
        UserError: If there is none of a name, or two have one name in tables.
    """
    found: dict[str, str] = {}
    for given in names:
        path = expanded(given)
        name, identity = (path.stem, _sha256(path)) if refusal(given) else known(given)
        if found.setdefault(name, identity) != identity:
            raise UserError(f"two models are called {name!r}, the second is {given!r}; give its file another name")
    return found


def given(names: Iterable[str], name: str) -> str:
    """Return by what word of some a model was asked for that tables call by a name."""
    return next(word for word in names if (expanded(word).stem if _is_file(word) else word) == name)


def opened(name: str) -> NeuralModel:
    """Return a model by name or path, made if it is one of ours and was not made yet.

    Raises:
        UserError: If there is none, or the file is none that can be served.
        MissingDependencyError: If `onnx` is not installed.
    """
    require("onnx", extra="dnn")
    if _is_file(name):
        path = expanded(name).resolve()
        _check_format(path)
        return _read(path, path.stem, "own", None)
    recipe = zoo.recipe(name)
    path = folder() / "models" / f"{recipe.name}-{_VERSION}.onnx"
    about = path.with_suffix(".json")
    known = kept(about) or {}
    if not (path.is_file() and path.stat().st_size == known.get("size_bytes") and "multiply_adds" in known):
        with writing(path.parent), tempfile.TemporaryDirectory(dir=path.parent) as temporary:
            made = Path(temporary, path.name)
            counted = zoo.make(recipe.name, made)
            known = {"multiply_adds": counted.multiply_adds, "size_bytes": made.stat().st_size}
            made.replace(path)
            written(about, json.dumps(known))
    return _read(path, recipe.name, recipe.family, known["multiply_adds"])


def kept(path: Path) -> dict[str, Any] | None:
    """Return the object of a JSON file that was written before; None where there is none, or it is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Make a folder of the cache to write into.

    Raises:
        UserError: If it or anything in it cannot be written: a full disk costs what needs it, in one line.
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as exc:
        raise UserError(f"cache folder {str(place)!r} cannot be written: {exc.strerror or exc}") from exc


def written(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
        made = Path(temporary, path.name)
        made.write_text(text, encoding="utf-8")
        made.replace(path)


def moved(made: Path, folder: Path, whole: Callable[[], bool]) -> None:
    """Put a folder that was made where it is kept, unless another process was faster.

    Args:
        made: The folder, on the same file system.
        folder: Where it is to be.
        whole: Whether what is there is all there; if not, a killed process left it, or it was damaged.
    """
    try:
        made.rename(folder)
    except OSError:  # there is one
        if not whole():
            shutil.rmtree(folder, ignore_errors=True)
            made.rename(folder)


def as_document(inputs: Iterable[ModelInput]) -> list[dict[str, Any]]:
    """Return inputs as what a function reads."""
    return [asdict(each) for each in inputs]


def _is_file(name: str) -> bool:
    return "/" in name or name.startswith((".", "~")) or Path(name).suffix != ""


def _check_format(path: Path) -> None:
    if os.path.isdir(path):  # noqa: PTH112  # unlike pathlib's it takes a name that is too long
        raise UserError(f"model {str(path)!r} is a folder; {_OTHER_FORMATS['.pb']}")
    if not os.path.isfile(path):  # noqa: PTH113  # as above
        if os.path.exists(path):  # noqa: PTH110  # as above
            raise UserError(f"model {str(path)!r} is not a regular file")
        raise UserError(f"model {str(path)!r} does not exist; models of sebsx are {', '.join(zoo.RECIPES)}")
    if path.suffix in {".pt", ".pth", ".bin", ".pkl"}:
        raise UserError(f"model {str(path)!r}: {_of_torch(path)}")
    if path.suffix in _OTHER_FORMATS:
        raise UserError(f"model {str(path)!r}: {_OTHER_FORMATS[path.suffix]}")
    if path.suffix != ".onnx":
        raise UserError(f"model {str(path)!r} is not an ONNX file (.onnx)")
    try:
        with path.open("rb") as file:
            beginning = file.read(len(_POINTER))
    except OSError as exc:
        raise UserError(f"model {str(path)!r} cannot be read: {exc.strerror or exc}") from exc
    if not beginning:
        raise UserError(f"model {str(path)!r} is empty")
    if beginning == _POINTER:
        raise UserError(f"model {str(path)!r} is a pointer of Git LFS and not the file itself; fetch it: git lfs pull")


def _of_torch(path: Path) -> str:
    """Return why a file of PyTorch's is not taken: one that is a pickle runs code when it is read."""
    how = "export it where it was trained: torch.onnx.export(model.eval(), example, 'model.onnx')"
    try:
        with zipfile.ZipFile(path) as archive:
            scripted = any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        scripted = False
    if scripted:
        return f"a TorchScript module needs PyTorch to be converted; {how}"
    return f"it is a pickle, which runs code of its own when it is read, and is never opened; {how}"


def _read(path: Path, name: str, family: str, multiply_adds: int | None) -> NeuralModel:
    """Return what an ONNX file says of itself.

    Raises:
        UserError: If it is none.
    """
    import onnx  # heavy, and an extra
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(path), load_external_data=False)
    except (DecodeError, OSError, ValueError) as exc:
        raise UserError(f"model {str(path)!r} cannot be read as ONNX: {type(exc).__name__}: {exc}") from exc
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = tuple(_input(value, path) for value in model.graph.input if value.name not in held)
    if not inputs or not model.graph.output:
        raise UserError(f"model {str(path)!r} is not a model: it has {len(inputs)} inputs and no layer")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise UserError(f"model {str(path)!r} keeps weights in other files; save it as one: onnx.save(onnx.load(FILE))")
    parameters = sum(_count(tensor.dims) for tensor in model.graph.initializer)
    return NeuralModel(
        name=name,
        path=path,
        sha256=_sha256(path),
        size_bytes=path.stat().st_size,
        family=family,
        inputs=inputs,
        parameters=zoo.RECIPES[name].parameters if family != "own" else parameters,
        multiply_adds=multiply_adds,
    )


def _input(value: Any, path: Path) -> ModelInput:
    tensor = value.type.tensor_type
    if tensor.elem_type not in _KINDS:
        raise UserError(f"model {str(path)!r}: input {value.name!r} is of a kind that cannot be made (numbers only)")
    if not tensor.shape.dim:
        raise UserError(f"model {str(path)!r}: input {value.name!r} is a single number; the first size is the batch")
    if any(size.dim_value < 0 for size in tensor.shape.dim):
        raise UserError(f"model {str(path)!r}: input {value.name!r} has a negative size")
    shape = tuple(size.dim_value or size.dim_param or f"size{index}" for index, size in enumerate(tensor.shape.dim))
    return ModelInput(name=value.name, kind=_KINDS[tensor.elem_type], shape=shape)


def _count(sizes: Iterable[int]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
