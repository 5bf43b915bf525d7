from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sebsx import plugins
from sebsx.contracts.languages import Built
from sebsx.model import Target
from sebsx.testing.contracts import LanguageContract
from sebsx_python.language import PythonLanguage
from tests.plugins.wheels import make_wheel

TARGET = Target("python", "3.12", architecture="arm64", binaries="manylinux_2_28")


class TestContract(LanguageContract):
    @pytest.fixture
    def language(self) -> PythonLanguage:
        return PythonLanguage()

    @pytest.fixture
    def code(self, tmp_path: Path) -> Path:
        """Code whose dependencies lie beside it: a wheel, and a file that another one names."""
        folder = tmp_path / "code"
        folder.mkdir()
        make_wheel(folder, "words", "1.0")
        (folder / "function.py").write_text("import words")
        (folder / "requirements.txt").write_text("-r more.txt\n")
        (folder / "more.txt").write_text("./words-1.0-py3-none-any.whl\n")
        return folder


def test_plugin_registers_the_language():
    (registered,) = plugins.load(["python"]).languages.values()
    assert (registered.name, issubclass(registered, PythonLanguage)) == ("python", True)


def test_host_version_is_this_interpreter():
    done = subprocess.run([sys.executable, "-V"], capture_output=True, text=True, check=True)
    assert done.stdout.split()[1].startswith(PythonLanguage().host_version() + ".")


def test_command_runs_the_bootstrap_isolated_and_without_site(tmp_path):
    (tmp_path / "sebsx_runtime").mkdir()
    (tmp_path / "sebsx_runtime" / "bootstrap.py").write_text(
        "import json, sys; print(json.dumps([sys.flags.isolated, sys.flags.no_site, sys.version_info[:2]]))"
    )
    done = subprocess.run(PythonLanguage().command(tmp_path), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [1, 1, list(sys.version_info[:2])]


def test_runtime_is_every_module_of_the_shim_as_a_regular_package():
    import sebsx

    folder = Path(sebsx.__file__).parent / "runtime" / "python"
    expected = {f"sebsx_runtime/{path.name}": path.read_bytes() for path in folder.glob("*.py")}
    expected.setdefault("sebsx_runtime/__init__.py", b"")
    assert dict(PythonLanguage().runtime_files()) == expected


def test_requirements_and_the_files_they_include_are_inputs(tmp_path):
    (tmp_path / "requirements.txt").write_text("-r requirements-web.txt\n")
    (tmp_path / "requirements-web.txt").write_text("jinja2==3.1.4\n")
    (tmp_path / "notes.txt").write_text("not a lock\n")
    inputs = PythonLanguage().inputs(tmp_path, TARGET)
    names = [path.name for path in inputs.files if path.parent == tmp_path]
    assert names == ["requirements.txt", "requirements-web.txt"]
    assert inputs.facts["tool"].startswith("uv ")


def test_empty_requirements_need_no_installer(tmp_path, monkeypatch):
    (tmp_path / "requirements.txt").write_text("# nothing yet\n\n")
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: 1 / 0)
    assert PythonLanguage().inputs(tmp_path, TARGET) is None
    assert PythonLanguage().build(tmp_path, tmp_path / "out", TARGET) == Built()


def test_missing_requirements_need_no_installer(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: 1 / 0)
    assert PythonLanguage().inputs(tmp_path, TARGET) is None
    assert PythonLanguage().build(tmp_path, tmp_path / "out", TARGET) == Built()
