"""A conversion is measured, kept, and held to what the original answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from sebsx.errors import UserError
from sebsx_dnn_inference import models
from sebsx_dnn_inference.builtin import OnnxRuntime, Quantised
from sebsx_dnn_inference.converting import convert
from sebsx_dnn_inference.engines import ConversionTarget, InferenceEngine
from tests.plugins.dnn_inference.planted import Crashing, Failing, Planted, Wrong, identity_model

pytestmark = pytest.mark.slow  # each starts a process or two
TARGET = ConversionTarget(architecture="x86_64", batch=1)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))  # where the planted engines are


@pytest.fixture
def model(tmp_path: Path) -> models.NeuralModel:
    return models.opened(str(identity_model(tmp_path / "same.onnx")))


def test_conversion_is_made_once_and_says_what_it_took(model: models.NeuralModel) -> None:
    first, second = convert(OnnxRuntime(), model, TARGET, 16), convert(OnnxRuntime(), model, TARGET, 16)
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
    ],
)
def test_conversion_that_fails_is_told_in_one_line(
    engine: InferenceEngine, told: str, model: models.NeuralModel
) -> None:
    with pytest.raises(UserError) as caught:
        convert(engine, model, TARGET, 16)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_planted_engine_passes(model: models.NeuralModel) -> None:
    assert convert(Planted(), model, TARGET, 16).difference == pytest.approx(0, abs=1e-6)


def test_quantised_weights_are_a_quarter_and_change_the_answer_a_little() -> None:
    model = models.opened("squeezenet")
    converted = convert(Quantised(), model, TARGET, 16)
    assert 0.2 < converted.size_bytes / model.size_bytes < 0.35
    assert converted.difference is not None
    assert 0 < converted.difference < Quantised.tolerance
