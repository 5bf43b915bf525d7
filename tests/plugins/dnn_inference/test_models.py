"""Models of sebsx are what was published, the same everywhere; files of the user's are taken or refused in one line."""

from __future__ import annotations

import hashlib
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest

from sebsx.errors import UserError
from sebsx_dnn_inference import models, zoo
from sebsx_dnn_inference.shipped import inputs
from tests.plugins.dnn_inference.planted import identity_model


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_model_is_the_same_bytes_on_every_machine(tmp_path: Path) -> None:
    made = zoo.make("squeezenet", tmp_path / "model.onnx")
    digest = hashlib.sha256((tmp_path / "model.onnx").read_bytes()).hexdigest()
    assert made.parameters == zoo.recipe("squeezenet").parameters == 1_235_496
    assert digest.startswith("a92efe12a26d"), "weights, layers or their order changed: that is another version"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["shufflenet", "mobilenet-v2", "mnasnet", "efficientnet-b0", "resnet18", "inception-v3", "bert-mini", "text-cnn"],
)
def test_model_has_the_published_number_of_parameters_and_answers_in_numbers(name: str, tmp_path: Path) -> None:
    import onnxruntime

    path = tmp_path / "model.onnx"
    made, recipe = zoo.make(name, path), zoo.recipe(name)
    assert made.parameters == recipe.parameters
    onnx.checker.check_model(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    known = models.opened(str(path))
    given = inputs.made(models.as_document(known.inputs), 2, 16)
    output = session.run(None, given)[0]
    assert len(output) == 2
    assert np.isfinite(output).all()
    assert np.abs(output[0] - output[1]).max() > 0, "two inputs have one answer"


@pytest.mark.parametrize(
    ("name", "gflops"),
    # He et al. 2016, table 1; Sandler et al. 2018; Iandola et al. count 0.35 of SqueezeNet 1.1.
    [("squeezenet", 0.35), ("mobilenet-v2", 0.30)],
)
def test_multiply_adds_are_those_published(name: str, gflops: float, tmp_path: Path) -> None:
    assert zoo.make(name, tmp_path / "model.onnx").multiply_adds / 1e9 == pytest.approx(gflops, rel=0.03)


def test_first_item_of_an_input_is_the_same_in_every_batch() -> None:
    what = [
        {"name": "input", "kind": "float32", "shape": ["batch", 3, 4]},
        {"name": "ids", "kind": "int64", "shape": ["n", "tokens"]},
    ]
    one, many = inputs.made(what, 1, 5), inputs.made(what, 16, 5)
    assert many["input"].shape == (16, 3, 4)
    assert many["ids"].shape == (16, 5)
    assert (one["input"][0] == many["input"][0]).all()
    assert (one["ids"][0] == many["ids"][0]).all()
    assert len(np.unique(many["input"])) == many["input"].size


def test_windows_of_a_text_are_the_items_of_a_batch() -> None:
    what = [{"name": "ids", "kind": "int64", "shape": ["batch", "tokens"]}]
    given = inputs.made(what, 6, 5)["ids"]
    groups = [group["ids"] for group in inputs.windows(inputs.text(4 * 28), what, 2, 5)]  # 28 words
    assert [group.shape for group in groups] == [(2, 5)] * 3
    read = np.concatenate(groups).ravel()
    assert (read[:28] == given.ravel()[:28]).all()
    assert (read[28:] == 0).all()
    assert len(inputs.text(10)) == 10


def test_file_of_the_users_is_known_by_its_digest(tmp_path: Path) -> None:
    path = identity_model(tmp_path / "mine.onnx")
    name, identity = models.known(str(path))
    model = models.opened(str(path))
    assert (name, identity) == ("mine", model.sha256)
    assert [(each.name, each.kind, each.shape) for each in model.inputs] == [("input", "float32", ("batch", 8))]


class Evil:
    """Runs code when it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("/tmp/never"),)  # never read


def write_zip(path: Path, member: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, b"")


@pytest.mark.parametrize(
    ("name", "write", "told"),
    [
        ("no.onnx", lambda path: None, "does not exist"),
        ("bad.onnx", lambda path: path.write_bytes(b"\xff" * 64), "cannot be read as ONNX"),
        ("empty.onnx", lambda path: path.write_bytes(b""), "is empty"),
        ("pointer.onnx", lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"),
        ("pipe.onnx", os.mkfifo, "is not a regular file"),
        ("nothing.onnx", lambda path: path.write_bytes(b"\x08\x08"), "is not a model"),
        ("scalar.onnx", lambda path: identity_model(path, shape=[]), "is a single number; the first size is the batch"),
        ("text.txt", lambda path: path.write_text("hello"), "is not an ONNX file"),
        ("whole.pt", lambda path: path.write_bytes(pickle.dumps(Evil())), "runs code of its own when it is read"),
        ("script.pt", lambda path: write_zip(path, "script/constants.pkl"), "TorchScript module needs PyTorch"),
        ("small.tflite", lambda path: path.write_bytes(b"TFL3"), "give the ONNX file"),
        ("saved", lambda path: path.mkdir(), "tf2onnx"),
    ],
)
def test_file_that_cannot_be_served_is_refused_in_one_line(name: str, write, told: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write(path)
    with pytest.raises(UserError) as caught:
        models.opened(str(path))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_unknown_model_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'resnet18'"):
        models.opened("resnet81")
