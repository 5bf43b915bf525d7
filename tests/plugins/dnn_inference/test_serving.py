"""What a function answers is held to the model as given, and models of one name are told apart."""

from __future__ import annotations

import json
import math
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sebsx.errors import UserError
from sebsx_dnn_inference import converting, models, serving
from tests.plugins.dnn_inference.planted import identity_model


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., str | None]:
    """Return what the benchmark of a served model says of an answer to a batch of 2."""
    shutil.copy(Path(serving.__file__).parent / "shipped" / "benchmark.py", tmp_path)
    expected = {"sample": [1.0, 2.0, 3.0], "largest": 10.0, "tolerance": 0.01}
    (tmp_path / "expected.json").write_text(json.dumps(expected))
    called: Any = runpy.run_path(str(tmp_path / "benchmark.py"))["check"]
    event = {"batch": 2, "tokens": 5, "text_bytes": 0}

    def said(sample: list[float], items: int = 2, text_bytes: int = 0) -> str | None:
        found: str | None = called(event | {"text_bytes": text_bytes}, {"items": items, "sample": sample}, None)
        return found

    return said


@pytest.mark.parametrize(
    ("sample", "told"),
    [
        ([1.0, 2.0625, 3.0], None),
        ([1.0, 2.2, 3.0], "output differs by 0.2 "),
        ([1.0, float("nan"), 3.0], "output differs by nan "),
        ([1.0, 2.0], "2 values were answered, where the model as given has 3"),
    ],
)
def test_answer_is_held_to_the_model_as_given(
    check: Callable[[list[float]], str | None], sample: list[float], told: str | None
) -> None:
    said = check(sample)
    assert said is None if told is None else (said or "").startswith(told)


def test_text_has_as_many_windows_as_it_is_long(check: Callable[..., str | None]) -> None:
    right, other = [1.0, 2.0, 3.0], [7.0, 7.0, 7.0]
    assert check(right, items=4, text_bytes=41) is None  # windows of 20 bytes, in pairs
    assert check(right, items=3, text_bytes=41) == "3 items were answered, not 4"
    assert "differs" in (check(other, items=2, text_bytes=20) or "")
    assert check(other, text_bytes=19) is None  # shorter than what the original was asked
    assert check([math.nan], text_bytes=19) == "output has numbers that are not finite"


def test_conversion_is_held_to_all_values_of_the_original() -> None:
    wanted = converting.Reference(sample=(1.0, 2.0, 3.0), largest=10.0)
    assert converting.distance([1.0, 2.5, 3.0], wanted, "it") == 0.05
    assert math.isnan(converting.distance([1.0, float("nan"), 3.0], wanted, "it"))
    with pytest.raises(UserError, match="it: 2 values were looked at, where the model as given has 3"):
        converting.distance([1.0, 2.0], wanted, "it")


def test_folder_that_another_process_made_meanwhile_is_taken(tmp_path: Path) -> None:
    mine, kept, half = (tmp_path / name for name in ("mine", "kept", "half"))
    for folder, text in ((mine, "mine"), (kept, "kept")):
        folder.mkdir()
        (folder / "about.json").write_text(text)
    half.mkdir()
    (half / "part").touch()
    models.moved(mine, kept, (kept / "about.json").is_file)
    assert [path.read_text() for path in kept.iterdir()] == ["kept"]
    models.moved(mine, half, (half / "about.json").is_file)  # as a killed process leaves it
    assert [path.read_text() for path in half.iterdir()] == ["mine"]


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    own = str(identity_model(tmp_path / "squeezenet.onnx"))
    with pytest.raises(UserError, match="two models are called 'squeezenet', the second is"):
        models.named(["squeezenet", own])
    assert models.named([own, own]).keys() == {"squeezenet"}
