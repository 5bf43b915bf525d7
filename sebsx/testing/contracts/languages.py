"""The contract of a language: what it ships, and that nothing is installed where nothing is pinned."""

from __future__ import annotations

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

    def test_code_that_pins_nothing_installs_nothing(self, language: Language, tmp_path: Path) -> None:
        target = Target(language.name, language.host_version() or "1", "x86_64")
        (tmp_path / "source").mkdir()
        (tmp_path / "out").mkdir()
        assert list(language.lock_files(tmp_path / "source")) == []
        assert list(language.install(tmp_path / "source", tmp_path / "out", target)) == []
        assert list((tmp_path / "out").iterdir()) == []
