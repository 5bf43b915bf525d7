"""The contract of a language: what it ships, and that it says all that it reads."""

from __future__ import annotations

import platform
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

from sebsx.model import Target
from sebsx.testing.contracts import metadata

if TYPE_CHECKING:
    from sebsx.contracts.languages import Language


class LanguageContract:
    """Every language: override the fixture `language`."""

    @pytest.fixture
    def language(self) -> Language:
        """Return the language under test."""
        raise NotImplementedError("override the fixture 'language'")

    def test_metadata_is_complete(self, language: Language) -> None:
        metadata.check_words(type(language))
        assert language.wrapper_suffix.startswith(".")
        version = language.host_version()
        assert version is None or version[0].isdigit()

    def test_runtime_files_stay_in_a_folder_of_their_own(self, language: Language) -> None:
        files = language.runtime_files()
        assert files
        for name in files:
            path = PurePosixPath(name)
            assert path.parts[0].startswith("sebsx_"), f"{name!r} may hide a file of the function"
            assert not path.is_absolute()
            assert ".." not in path.parts

    def test_runtime_files_are_the_same_each_time(self, language: Language) -> None:
        assert dict(language.runtime_files()) == dict(language.runtime_files())

    def test_command_starts_a_file_of_the_package(self, language: Language, tmp_path: Path) -> None:
        command = language.command(tmp_path)
        assert Path(command[0]).is_file() or not Path(command[0]).is_absolute()
        started = [Path(word).relative_to(tmp_path) for word in command if word.startswith(str(tmp_path))]
        assert started, "the command starts nothing of the package"
        assert all(path.parts[0].startswith("sebsx_") for path in started)

    @pytest.fixture
    def code(self, tmp_path: Path) -> Path:
        """Return a folder of code to build; override it with code that has dependencies or is compiled."""
        folder = tmp_path / "code"
        folder.mkdir()
        return folder

    def test_what_is_built_is_the_same_each_time(self, language: Language, code: Path, tmp_path: Path) -> None:
        first, second = (_build(language, code, tmp_path / name) for name in ("first", "second"))
        assert first == second

    def test_build_reads_nothing_that_inputs_leaves_out(self, language: Language, code: Path, tmp_path: Path) -> None:
        """What it reads unseen would be measured stale: without those files it builds the same."""
        inputs = language.inputs(code, _target(language))
        if inputs is None:
            assert _build(language, code, tmp_path / "out") == {}
            return
        before = _build(language, code, tmp_path / "before")
        told = {path.resolve() for path in inputs.files}
        for path in code.rglob("*"):
            if path.is_file() and path.resolve() not in told:
                path.unlink()
        assert _build(language, code, tmp_path / "after") == before


def _target(language: Language) -> Target:
    machine = {"x86_64": "x86_64", "amd64": "x86_64"}.get(platform.machine().lower(), "arm64")
    return Target(language.name, language.host_version() or "1", architecture=machine)


def _build(language: Language, code: Path, out: Path) -> dict[str, bytes]:
    out.mkdir()
    language.build(code, out, _target(language))
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
