"""Modules of packages are compiled once for each text, and lie in each package as if they had been compiled there."""

from __future__ import annotations

import importlib.util
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from sebsx_python.compiling import compile_folder

CODE = '"""Doc."""\n\n\ndef where():\n    def inner():\n        return 1 / 0\n    return inner\n'


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    return tmp_path / "shelf"


def package(tmp_path: Path, name: str, shelf: Path, **modules: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    for module, text in {"module": CODE, **modules}.items():
        (folder / f"{module}.py").write_text(text)
    compile_folder(folder, shelf)
    return folder


def on(shelf: Path) -> dict[Path, int]:
    return {path: path.stat().st_ino for path in shelf.rglob("*") if path.is_file()}


def test_compiled_module_is_what_python_would_have_made_there(tmp_path: Path, shelf: Path) -> None:
    package(tmp_path, "first", shelf)
    module = package(tmp_path, "second", shelf) / "module.py"

    made = Path(importlib.util.cache_from_source(module)).read_bytes()
    wanted = Path(str(py_compile.compile(str(module), str(tmp_path / "wanted.pyc")))).read_bytes()
    words = f"import sys; sys.path.insert(0, {str(module.parent)!r}); import module; print(module.where()())"
    done = subprocess.run([sys.executable, "-v", "-c", words], capture_output=True, text=True, check=False)

    assert made[:16] == wanted[:16]
    assert f'File "{module}", line 6, in inner' in done.stderr
    assert f"matches {module}" in done.stderr  # it was taken, not compiled again


def test_same_text_is_compiled_once(tmp_path: Path, shelf: Path) -> None:
    package(tmp_path, "first", shelf)
    before = on(shelf)

    package(tmp_path, "second", shelf, other="A = 1\n")

    assert before.items() <= on(shelf).items()
    assert len(on(shelf)) == len(before) + 1


def test_damaged_shelf_is_not_believed(tmp_path: Path, shelf: Path) -> None:
    package(tmp_path, "first", shelf)
    (place,) = on(shelf)
    place.write_bytes(place.read_bytes()[:-4] + b"oops")

    module = package(tmp_path, "second", shelf) / "module.py"

    assert Path(importlib.util.cache_from_source(module)).is_file()
    assert not place.read_bytes().endswith(b"oops")


def test_module_that_does_not_compile_is_left(tmp_path: Path, shelf: Path) -> None:
    folder = package(tmp_path, "first", shelf, broken="def\n")

    assert sorted(path.name.partition(".")[0] for path in (folder / "__pycache__").iterdir()) == ["module"]


def test_shelf_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    folder = package(tmp_path, "first", tmp_path / "file" / "shelf")

    assert len(list((folder / "__pycache__").iterdir())) == 1
