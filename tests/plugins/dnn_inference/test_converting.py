"""A conversion is measured, kept, and held to what the original answers."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sebsx.errors import UserError
from sebsx_dnn_inference import converting, models
from sebsx_dnn_inference.builtin import OnnxRuntime, Quantised
from sebsx_dnn_inference.converting import convert, reference
from sebsx_dnn_inference.engines import ConversionTarget, InferenceEngine
from sebsx_dnn_inference.loading import LOADING
from tests.plugins.dnn_inference.planted import (
    Crashing,
    Failing,
    Nested,
    Planted,
    Untidy,
    Wrong,
    identity_model,
)

pytestmark = pytest.mark.slow  # each starts a process or two
TARGET = ConversionTarget(architecture="x86_64", batch=1, tokens=16)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))  # where the planted engines are


@pytest.fixture
def model(tmp_path: Path) -> models.NeuralModel:
    return models.opened(str(identity_model(tmp_path / "same.onnx")))


def test_conversion_is_made_once_and_says_what_it_took(model: models.NeuralModel) -> None:
    first, second = convert(OnnxRuntime(), model, TARGET), convert(OnnxRuntime(), model, TARGET)
    assert first == second
    assert first.difference == 0
    assert first.size_bytes == model.size_bytes
    assert first.duration_s > 0
    assert first.peak_bytes > 10 * 2**20


@pytest.mark.parametrize(
    ("engine", "told"),
    [
        (Wrong(), "changes what same answers: by 0.5 of the largest value, where 0.001 is allowed"),
        (Crashing(), "was ended by signal 11"),
        (Failing(), "operator 'Identity' is not known"),
        (Nested(), "wrote 'weights', which is not a file; only files are shipped"),
    ],
)
def test_conversion_that_fails_is_told_in_one_line(
    engine: InferenceEngine, told: str, model: models.NeuralModel
) -> None:
    with pytest.raises(UserError) as caught:
        convert(engine, model, TARGET)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_planted_engine_passes(model: models.NeuralModel) -> None:
    assert convert(Planted(), model, TARGET).difference == pytest.approx(0, abs=1e-6)


def test_ways_to_load_change_no_answer() -> None:
    model = models.opened("text-cnn")
    for engine in LOADING:
        assert (convert(engine(), model, TARGET).difference or 0.0) < 1e-5, engine.name


def test_quantised_weights_are_a_quarter_and_change_the_answer_a_little() -> None:
    model = models.opened("squeezenet")
    converted = convert(Quantised(), model, TARGET)
    assert 0.2 < converted.size_bytes / model.size_bytes < 0.35
    assert converted.difference is not None
    assert 0 < converted.difference < Quantised.tolerance


def waited(happened: Callable[[], bool]) -> bool:
    """Whether something happens, sooner or later."""
    for _ in range(6000):
        if happened():
            return True
        time.sleep(0.01)
    return False


def ended(process: int) -> bool:
    """Whether a process is gone, or dead and not yet asked for."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


def test_what_an_engine_starts_and_prints_does_no_harm(model: models.NeuralModel) -> None:
    converted = convert(Untidy(), model, TARGET)
    left = int((converted.folder / converted.file).read_text())
    assert waited(lambda: ended(left))


def test_killed_sebsx_leaves_no_conversion_running(model: models.NeuralModel) -> None:
    script = (
        "import sys; from sebsx_dnn_inference import converting, models;"
        "from sebsx_dnn_inference.engines import ConversionTarget;"
        "from tests.plugins.dnn_inference.planted import Hanging;"
        "target = ConversionTarget(architecture='x86_64', batch=1, tokens=16);"
        "converting.convert(Hanging(), models.opened(sys.argv[1]), target)"
    )
    driver = subprocess.Popen([sys.executable, "-c", script, str(model.path)])
    told = model.path.parent / "processes"
    try:
        assert waited(lambda: told.exists() and told.read_text().endswith("\n"))
    finally:
        driver.kill()
        driver.wait()
    assert waited(lambda: all(ended(int(word)) for word in told.read_text().split()))


def test_conversion_that_takes_too_long_is_ended_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converting, "LONGEST_S", 1.0)
    (tmp_path / "task").touch()
    hanging = ["/bin/sh", "-c", "sleep 1000 & echo $! >&2; wait"]
    with pytest.raises(UserError, match="engine 'x' took more than 1 s"):
        converting._ended(hanging, tmp_path / "task", tmp_path / "printed", "engine 'x'")
    assert waited(lambda: ended(int((tmp_path / "printed").read_text())))


def test_what_is_damaged_in_the_cache_is_made_again(model: models.NeuralModel) -> None:
    first = convert(OnnxRuntime(), model, TARGET)
    known = next((models.folder() / "references").iterdir())
    about = first.folder.parent / "about.json"
    whole = json.loads(about.read_text())
    for damage in ("", "[]", json.dumps({**whole, "files": ["model.onnx"]}), json.dumps({**whole, "file": "other"})):
        about.write_text(damage)
        assert converting._whole(about.parent) is None
    about.write_text(json.dumps(whole))
    (first.folder / first.file).unlink()
    known.write_text("{")
    again = convert(OnnxRuntime(), model, TARGET)
    assert (again.key, again.size_bytes, again.difference) == (first.key, first.size_bytes, 0)
    assert json.loads(known.read_text())["sample"]


def test_cache_that_cannot_be_written_is_one_line(model: models.NeuralModel, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UserError, match=r"cache folder .* cannot be written: Not a directory"):
        convert(Planted(), model, TARGET)


def test_model_that_takes_too_much_or_answers_no_number_is_refused(model: models.NeuralModel, tmp_path: Path) -> None:
    import dataclasses

    (given,) = model.inputs
    large = dataclasses.replace(model, inputs=(dataclasses.replace(given, shape=("batch", 2**20, 2**20)),))
    with pytest.raises(UserError, match="takes 1,099,511,627,776 numbers an item"):
        reference(large, 16)
    assert converting._reference({"sample": [1.0, math.nan], "largest": 1.0}) is None
