"""Writes the benchmark that serves a converted model: a folder as any benchmark's, named by its content."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sebsx_dnn_inference import models

if TYPE_CHECKING:
    from sebsx_dnn_inference.converting import Converted, Reference
    from sebsx_dnn_inference.engines import ConversionTarget, InferenceEngine
    from sebsx_dnn_inference.models import NeuralModel

PACKAGE, STORAGE = "package", "storage"
WORD_BYTES = 4  # of a word of the texts that functions make
_SHIPPED = Path(__file__).parent / "shipped"

_MANIFEST = """\
name = "dnn-inference"
version = "1"
summary = "serves one model, an inference a call"
category = "inference"
{needs}
subject = ["inference"]

[defaults]
memory_mib = 1024
timeout_s = 300

[languages.python]
handler = "function.handler"

[parameters.batch]
type = "int"
default = 1
help = "items of one inference"
minimum = 1

[parameters.tokens]
type = "int"
default = 128
help = "length of a text"
minimum = 1

[parameters.text_bytes]
type = "int"
default = 0
help = "size of a text that is read in windows of `tokens` words; 0 for `batch` items"
minimum = 0

[parameters.threads]
type = "int"
default = 0
help = "threads of an operator; 0 for the processors that the sandbox sees"
minimum = 0
"""


def folder_of(
    engine: InferenceEngine,
    model: NeuralModel,
    converted: Converted,
    expected: Reference,
    target: ConversionTarget,
    *,
    source: str,
) -> Path:
    """Return the folder of the benchmark that serves a converted model.

    Args:
        engine: What serves it.
        model: The original.
        converted: What the engine loads.
        expected: What the original answers.
        target: What it was converted for.
        source: Where the function has the model from: `package` or `storage`.
    """
    files = {
        "benchmark.toml": _MANIFEST.format(needs='needs = ["storage"]' if source == STORAGE else "").encode(),
        "benchmark.py": (_SHIPPED / "benchmark.py").read_bytes(),
        "converted.json": _json({"key": converted.key, "files": converted.files, "source": source}),
        "expected.json": _json({"sample": expected.sample, "largest": expected.largest, "tolerance": engine.tolerance}),
        "python/function.py": (_SHIPPED / "function.py").read_bytes(),
        "python/inputs.py": (_SHIPPED / "inputs.py").read_bytes(),
        "python/engine.py": engine.source().read_bytes(),
        "python/model.json": _json({"inputs": models.as_document(model.inputs), "file": converted.file}),
        "python/requirements.txt": "".join(f"{line}\n" for line in engine.requirements(target)).encode(),
    }
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    folder = models.folder() / "serving" / digest.hexdigest()[:24]
    if not _holds(folder, files):
        _write(folder, files)
    return folder


def _holds(folder: Path, files: dict[str, bytes]) -> bool:
    try:
        return all((folder / name).read_bytes() == content for name, content in files.items())
    except OSError:
        return False


def _write(folder: Path, files: dict[str, bytes]) -> None:
    with models.writing(folder.parent), tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary, "made")
        for name, content in files.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_bytes(content)
        models.moved(made, folder, lambda: _holds(folder, files))


def _json(document: object) -> bytes:
    return json.dumps(document, sort_keys=True).encode()
