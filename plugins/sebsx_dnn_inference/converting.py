"""Converts a model for an engine, on the driver, in a process of its own, and holds the result to the original.

What was converted is kept by everything it follows from: model, engine, its versions, architecture. The process has its
time and its peak memory measured; one that crashes or runs out of memory costs its own cells alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.errors import UserError
from sebsx_dnn_inference import models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx_dnn_inference.engines import ConversionTarget, InferenceEngine
    from sebsx_dnn_inference.models import NeuralModel

LONGEST_S = 3600.0
_SAMPLE = 32


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
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        source = Path(__file__).parent / "shipped" / "engine_onnx.py"
        found = _answered(str(model.path), source, model, tokens)
        models.written(place, json.dumps(found))
    known = json.loads(place.read_text(encoding="utf-8"))
    return Reference(sample=tuple(known["sample"]), largest=known["largest"])


def convert(engine: InferenceEngine, model: NeuralModel, target: ConversionTarget, tokens: int) -> Converted:
    """Return a model as an engine loads it, converted now or before.

    Raises:
        UserError: If it cannot be converted, or what comes out answers otherwise than the model did.
    """
    key = _key(engine, model, target)
    folder = models.folder() / "converted" / key
    about = folder / "about.json"
    if not about.is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            made = Path(temporary, "made")
            (made / "model").mkdir(parents=True)
            document = {"engine": _place(engine), "model": str(model.path), "folder": str(made / "model")}
            found = _child({"task": "convert", "target": asdict(target), **document}, f"engine {engine.name!r}")
            files = sorted(path.name for path in (made / "model").iterdir())
            if found["file"] not in files:
                raise UserError(f"engine {engine.name!r} wrote no {found['file']!r}")
            models.written(made / "about.json", json.dumps({**found, "files": files}))
            models.moved(made, folder, about.name)
    known = json.loads(about.read_text(encoding="utf-8"))
    difference = _difference(engine, model, folder / "model" / known["file"], tokens)
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


def _difference(engine: InferenceEngine, model: NeuralModel, path: Path, tokens: int) -> float | None:
    wanted = reference(model, tokens)
    try:
        found = _answered(str(path), engine.source(), model, tokens)
    except ModuleNotFoundError:
        return None
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


def _answered(path: str, source: Path, model: NeuralModel, tokens: int) -> dict[str, Any]:
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
    command = [sys.executable, "-m", "sebsx_dnn_inference.child"]
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        try:
            done = subprocess.run(
                [*command, str(result)],
                input=json.dumps(document),
                capture_output=True,
                text=True,
                timeout=LONGEST_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UserError(f"{what} took more than {LONGEST_S:g} s") from None
        if done.returncode == 0 and result.is_file():
            found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
            return found
    if done.returncode < 0:
        raise UserError(f"{what} was ended by signal {-done.returncode}; is there enough memory?")
    raise UserError(f"{what} failed: {_last(done.stderr.splitlines()) or f'exit code {done.returncode}'}")


def _last(lines: Sequence[str]) -> str:
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:300]


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
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
