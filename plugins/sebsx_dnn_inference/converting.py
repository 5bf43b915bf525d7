"""Converts a model for an engine, on the driver, in a process of its own, and holds the result to the original.

What was converted is kept by everything it follows from: model, engine, its versions, architecture. The process has its
time and its peak memory measured; one that crashes or runs out of memory costs its own cells alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.errors import UserError
from sebsx.system.outside import visible
from sebsx_dnn_inference import models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx_dnn_inference.engines import ConversionTarget, InferenceEngine
    from sebsx_dnn_inference.models import NeuralModel

LONGEST_S = 3600.0
_MOST_INPUTS = 2**28  # numbers of one item, 2 GiB while they are made
_SEVERAL = 2  # items that what was converted is held to: a batch that it got wrong shows
_END_BYTES = 1 << 16  # of what a process prints
_WORDS = 300  # characters of its last line


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A model as an engine loads it.

    Args:
        key: Its folder, below `converted`.
        file: What is loaded.
        files: All of it, by name.
        duration_s: How long the conversion took, imports included.
        peak_bytes: Most memory that its process had.
        difference: Largest difference of its output from the original's, as a share of the largest value; None where
            this machine cannot load it (functions are checked at every call in any case).
    """

    key: str
    file: str
    files: tuple[str, ...]
    duration_s: float
    peak_bytes: int
    difference: float | None

    @property
    def size_bytes(self) -> int:
        """Size of all its files."""
        return sum((self.folder / name).stat().st_size for name in self.files)

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return models.folder() / "converted" / self.key / "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a model as given answers to the inputs of `shipped/inputs.py`: some values of the first item."""

    sample: tuple[float, ...]
    largest: float


def reference(model: NeuralModel, tokens: int) -> Reference:
    """Return what a model answers in ONNX Runtime, kept by the model.

    Raises:
        UserError: If it cannot be run: an operator that ONNX Runtime lacks, shapes that do not fit.
    """
    place = models.folder() / "references" / f"{model.sha256}-{tokens}.json"
    known = _reference(models.kept(place))
    if known is None:
        numbers = max(_numbers(each.shape, tokens) for each in model.inputs)
        if numbers > _MOST_INPUTS:
            raise UserError(
                f"model {model.name!r} takes {numbers:,} numbers an item, more than the {_MOST_INPUTS:,} that are "
                "made; choose fewer --tokens, or another model"
            )
        source = Path(__file__).parent / "shipped" / "engine_onnx.py"
        found = _answered(str(model.path), source, model, tokens, model.fixed_batch or 1)
        known = _reference(found)
        if known is None:
            raise UserError(f"model {model.name!r} answers no numbers, or none that are finite, so none can be checked")
        with models.writing(place.parent):
            models.written(place, json.dumps(found))
    return known


def _numbers(shape: Sequence[int | str], tokens: int) -> int:
    """Return how many numbers an input of one item has."""
    return math.prod(size if isinstance(size, int) else tokens if place else 1 for place, size in enumerate(shape))


def _reference(found: dict[str, Any] | None) -> Reference | None:
    """Return what a child told or a file holds; None where it is not all there, or not all numbers."""
    try:
        assert found is not None
        known = Reference(sample=tuple(map(float, found["sample"])), largest=float(found["largest"]))
    except (AssertionError, KeyError, TypeError, ValueError):
        return None
    return known if known.sample and all(map(math.isfinite, (*known.sample, known.largest))) else None


def convert(engine: InferenceEngine, model: NeuralModel, target: ConversionTarget) -> Converted:
    """Return a model as an engine loads it, converted now or before.

    Raises:
        UserError: If it cannot be converted, or what comes out answers otherwise than the model did.
    """
    key = _key(engine, model, target)
    folder = models.folder() / "converted" / key
    known = _whole(folder)
    if known is None:
        with models.writing(folder.parent), tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            made = Path(temporary, "made")
            (made / "model").mkdir(parents=True)
            document = {"engine": _place(engine), "model": str(model.path), "folder": str(made / "model")}
            found = _child({"task": "convert", "target": asdict(target), **document}, f"engine {engine.name!r}")
            sizes = _sizes(engine, made / "model")
            if not (isinstance(found["file"], str) and found["file"] in sizes):
                raise UserError(f"engine {engine.name!r} wrote no {found['file']!r}")
            models.written(made / "about.json", json.dumps({**found, "files": sizes}))
            models.moved(made, folder, lambda: _whole(folder) is not None)
            known = _whole(folder)
        if known is None:
            raise UserError(f"{str(folder)!r} was changed while it was written")
    difference = _difference(engine, model, folder / "model" / known["file"], target)
    if difference is not None and not difference <= engine.tolerance:
        raise UserError(
            f"engine {engine.name!r} changes what {model.name} answers: by {difference:.2g} of the largest value, "
            f"where {engine.tolerance:.2g} is allowed"
        )
    return Converted(
        key=key,
        file=known["file"],
        files=tuple(known["files"]),
        duration_s=known["duration_s"],
        peak_bytes=known["peak_bytes"],
        difference=difference,
    )


def _whole(folder: Path) -> dict[str, Any] | None:
    """Return what is known of a conversion that is kept; None where it is not there, or not all of it."""
    known = models.kept(folder / "about.json")
    try:
        assert known is not None
        sizes = {name: (folder / "model" / name).stat().st_size for name in known["files"]}
        whole = sizes == known["files"] and known["file"] in sizes and {"duration_s", "peak_bytes"} <= known.keys()
    except (AssertionError, KeyError, TypeError, OSError):
        return None
    return known if whole else None


def _sizes(engine: InferenceEngine, folder: Path) -> dict[str, int]:
    """Return the files that an engine made, with their sizes.

    Raises:
        UserError: If it made something else, which would not arrive in a function.
    """
    if not folder.is_dir():
        raise UserError(f"engine {engine.name!r} removed the folder that it was to write into")
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_file():
            raise UserError(f"engine {engine.name!r} wrote {path.name!r}, which is not a file; only files are shipped")
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}


def _difference(engine: InferenceEngine, model: NeuralModel, path: Path, target: ConversionTarget) -> float | None:
    """Return how far a converted model is from the original, in the first item of a batch of several."""
    wanted = reference(model, target.tokens)
    batch = model.fixed_batch or (target.batch if engine.fixed_batch else _SEVERAL)
    try:
        found = _answered(str(path), engine.source(), model, target.tokens, batch)
    except ModuleNotFoundError:
        return None
    if found["items"] != batch:
        raise UserError(f"engine {engine.name!r} answers {found['items']} items to a batch of {batch} by {model.name}")
    return distance(found["sample"], wanted, f"engine {engine.name!r} changes what {model.name} answers")


def distance(sample: Sequence[float], wanted: Reference, what: str) -> float:
    """Return the largest difference of values from the original's, as a share of its largest; NaN where one is NaN.

    Args:
        sample: What was answered.
        wanted: What the original answers.
        what: What is wrong where they do not fit, for messages.

    Raises:
        UserError: If there are more values, or fewer.
    """
    if len(sample) != len(wanted.sample):
        raise UserError(
            f"{what}: {len(sample)} values were looked at, where the model as given has {len(wanted.sample)}"
        )
    distances = [abs(one - other) for one, other in zip(sample, wanted.sample, strict=True)]
    if any(map(math.isnan, distances)):
        return math.nan  # which `max` may pass over
    return max(distances) / (wanted.largest or 1.0)


def _answered(path: str, source: Path, model: NeuralModel, tokens: int, batch: int) -> dict[str, Any]:
    """Return what a converted model answers on this machine.

    Raises:
        ModuleNotFoundError: If the engine's runtime is not installed here.
        UserError: If it fails.
    """
    document = {
        "task": "answer",
        "path": path,
        "source": str(source),
        "inputs": models.as_document(model.inputs),
        "tokens": tokens,
        "batch": batch,
    }
    found = _child(document, f"model {model.name!r} in {source.stem!r}")
    if "missing" in found:
        raise ModuleNotFoundError(found["missing"])
    return found


def _child(document: dict[str, Any], what: str) -> dict[str, Any]:
    """Return what the process of a task says.

    Raises:
        UserError: If it fails, in whatever way.
    """
    with tempfile.TemporaryDirectory() as folder:
        task, result, printed = (Path(folder, name) for name in ("task.json", "result.json", "printed"))
        task.write_text(json.dumps(document), encoding="utf-8")
        code = _ended(
            [sys.executable, "-m", "sebsx_dnn_inference.child", str(result), str(os.getpid())], task, printed, what
        )
        found = models.kept(result) if code == 0 else None
        said = _last_line(printed)
    if found is not None:
        return found
    if code < 0:
        raise UserError(f"{what} was ended by signal {-code}; is there enough memory?")
    raise UserError(f"{what} failed: {said or f'exit code {code}'}")


def _ended(command: list[str], task: Path, printed: Path, what: str) -> int:
    """Return the exit code of a process; it and all that it started have ended then, whatever happens meanwhile.

    Raises:
        UserError: If it takes too long.
    """
    with task.open("rb") as given, printed.open("wb") as output:  # not pipes, which what it starts would hold open
        process = subprocess.Popen(
            command, stdin=given, stdout=subprocess.DEVNULL, stderr=output, start_new_session=True
        )
        try:
            return process.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            raise UserError(f"{what} took more than {LONGEST_S:g} s") from None
        finally:
            with suppress(ProcessLookupError, PermissionError):  # macOS: a group of zombies
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _last_line(printed: Path) -> str:
    with printed.open("rb") as file:
        file.seek(max(0, printed.stat().st_size - _END_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return visible(next((line.strip() for line in reversed(lines) if line.strip()), "")[:_WORDS])


def _place(engine: InferenceEngine) -> str:
    cls = type(engine)
    return f"{cls.__module__}:{cls.__qualname__}"


def _key(engine: InferenceEngine, model: NeuralModel, target: ConversionTarget) -> str:
    parts = [
        model.sha256,
        _place(engine),
        *engine.requirements(target),
        target.architecture,
        str(target.batch if engine.fixed_batch else 0),
        str(target.tokens if engine.fixed_tokens else 0),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
