from __future__ import annotations

import os
from pathlib import Path

import pytest

from sebsx.building import Packager
from sebsx.contracts import benchmarks
from sebsx.errors import UserError
from sebsx.model import Target

TARGET = Target("python", "3.12", architecture="x86_64", binaries="manylinux_2_28")
DRIVER = """
import pathlib
HERE = pathlib.Path(__file__).parent

def build(parameters, artifacts, target):
    log = HERE.with_name("log")
    log.write_text(log.read_text() + "built\\n" if log.exists() else "built\\n")
    words = artifacts.uses(HERE.with_name("words.txt")).read_text()
    made = artifacts.folder / "table.txt"
    made.write_text(words * parameters["times"] + target.architecture + target.variant)
    made.chmod(0o755)
    artifacts.package(made, "data/table.txt")
    artifacts.store(made)
"""
MANIFEST = """
name = "words"
version = "1"
summary = "s"
needs = ["storage"]
[parameters.times]
type = "int"
default = 2
[variants.fast]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "words"
    root.mkdir()
    (root / "benchmark.toml").write_text(MANIFEST)
    (root / "benchmark.py").write_text(DRIVER)
    (tmp_path / "words.txt").write_text("ab")
    return root


def build(folder, parameters=None, target=TARGET, **which):
    packager = Packager(folder.with_name("cache"))
    return packager.stage(benchmarks.load(folder), parameters or {"times": 2}, target, **which)


def times(folder):
    return len(folder.with_name("log").read_text().splitlines())


@pytest.mark.slow
def test_what_is_built_is_timed_kept_and_used_again(folder):
    first, second = build(folder), build(folder)
    assert first.packaged["data/table.txt"].read_text() == "ababx86_64"
    assert first.stored["table.txt"].read_text() == "ababx86_64"
    assert (first.cached, second.cached, times(folder)) == (False, True, 1)
    assert second.packaged == first.packaged
    assert second.digests == first.digests
    assert second.build_s == first.build_s > 0
    assert set(first.digests) == {"package/data/table.txt", "storage/table.txt"}
    assert os.access(first.packaged["data/table.txt"], os.X_OK)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "which"),
    [
        (lambda root: None, {"parameters": {"times": 3}}),
        (lambda root: None, {"target": Target("python", "3.12", architecture="arm64", binaries="manylinux_2_28")}),
        (lambda root: None, {"variant": "fast"}),
        (lambda root: (root / "note.txt").write_text("x"), {}),
        (lambda root: (root / "benchmark.py").write_text(DRIVER.replace('"built', '"made')), {}),
        (lambda root: root.with_name("words.txt").write_text("cd"), {}),
        (lambda root: [path.write_text("damaged") for path in root.with_name("cache").rglob("table.txt")], {}),
        (lambda root: [path.write_text("{}") for path in root.with_name("cache").rglob("built.json")], {}),
        (lambda root: [path.write_text("[") for path in root.with_name("cache").rglob("built.json")], {}),
    ],
)  # fmt: skip
def test_a_change_of_anything_that_is_read_builds_again(folder, change, which):
    build(folder)
    change(folder)
    again = build(folder, **which)
    assert (again.cached, times(folder)) == (False, 2)
    assert "damaged" not in again.packaged["data/table.txt"].read_text()


@pytest.mark.slow
def test_another_version_of_what_was_loaded_builds_again(folder, monkeypatch):
    build(folder)
    real = "sebsx.building.stages.metadata.version"
    monkeypatch.setattr(real, lambda name: "99")
    build(folder)
    assert times(folder) == 2


def test_a_benchmark_that_builds_nothing_has_no_stage(folder):
    (folder / "benchmark.py").write_text("")
    assert build(folder) is None
    assert not folder.with_name("cache").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 / 0", r"build\(\) of .*benchmark\.py' failed: ZeroDivisionError"),
        ("artifacts.package('nothing.txt')", "artifact 'nothing.txt' is not a file"),
        ("artifacts.uses('nothing.txt')", "artifact 'nothing.txt' is not a file"),
        ("artifacts.package(__file__, '../x')", "must be a path without"),
        ("artifacts.store(__file__); artifacts.store(__file__)", "is there twice"),
    ],
)
def test_build_that_fails_is_told_as_the_users_and_leaves_nothing(folder, line, message):
    (folder / "benchmark.py").write_text(f"def build(parameters, artifacts, target):\n    {line}\n")
    with pytest.raises(UserError, match=message):
        build(folder)
    assert not [path for path in folder.with_name("cache").rglob("*") if path.is_file()]
