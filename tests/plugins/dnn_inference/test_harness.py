"""What measuring adds to an inference, beside the same inference measured bare in the same process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sebsx.stats import median
from sebsx_dnn_inference import models, zoo
from tests.packages import write_package

pytestmark = pytest.mark.slow  # an interpreter with ONNX Runtime
_SHIPPED = Path(zoo.__file__).parents[1] / "shipped"
_SCRIPT = """
import json, sys, time
root = sys.argv[1]
sys.path.insert(0, root)
from sebsx_runtime.shim import Shim
shim = Shim(root)
shim.load()
event = {"batch": 1, "tokens": 128, "threads": 1, "text_bytes": 0}
shim.invoke(event, "first")
import function
held = function._served
values = held["inputs"].made(held["model"]["inputs"], 1, 128)
bare, measured = [], []
for number in range(300):
    begun = time.perf_counter()
    held["engine"].run(held["loaded"], values)
    bare.append(time.perf_counter() - begun)
    answer = json.loads(shim.invoke(event, "id-%d" % number).text)
    measured.append(answer["sebsx"]["samples"]["phase.inference_s"])
sys.stdout = sys.__stdout__
print(json.dumps([bare, measured]))
"""


def test_measuring_adds_at_most_a_millisecond_to_an_inference(tmp_path: Path) -> None:
    write_package(tmp_path, (_SHIPPED / "function.py").read_text())
    for name, place in (("inputs.py", "inputs.py"), ("engine_onnx.py", "engine.py")):
        shutil.copy(_SHIPPED / name, tmp_path / place)
    (tmp_path / "model").mkdir()
    zoo.make("text-cnn", tmp_path / "model" / "model.onnx")
    known = models.opened(str(tmp_path / "model" / "model.onnx"))
    about = {"inputs": models.as_document(known.inputs), "file": "model.onnx"}
    (tmp_path / "model.json").write_text(json.dumps(about))
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(tmp_path)], capture_output=True, text=True, check=True, timeout=100
    )
    bare, measured = json.loads(done.stdout.splitlines()[-1])
    assert median(bare) > 1e-5
    assert median(measured) - median(bare) <= 0.001
