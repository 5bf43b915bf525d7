"""What `sebsx --help` says of commands is kept, and never said when it may be another."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from sebsx.cli import overview
from sebsx.cli.app import App, Described

MADE: list[Described] = [("Measure", [("run", "Build, deploy, call.")])]


class Maker:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> list[Described]:
        self.times += 1
        return MADE


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Maker()


@pytest.fixture
def kept_file(tmp_path: Path) -> Path:
    file = tmp_path / "cache" / "sebsx" / "help.json"
    file.parent.mkdir(parents=True)
    return file


def app(error: str | None = None, names: list[str] | None = None) -> App:
    made = App(plugin_names=names)
    made.__dict__["registry"] = SimpleNamespace(plugins=[SimpleNamespace(error=error)])
    return made


def test_commands_are_described_once(make: Maker) -> None:
    assert overview.kept(app(), make) == overview.kept(app(), make) == MADE
    assert make.times == 1


def test_commands_are_described_again_when_a_file_of_them_changed(
    make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("sebsx.of_a_test")
    module.__file__ = str(tmp_path / "of_a_test.py")
    Path(module.__file__).touch()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    overview.kept(app(), make)
    os.utime(module.__file__, ns=(1, 1))
    assert overview.kept(app(), make) == MADE
    assert make.times == 2


def test_commands_are_described_again_after_an_installation(
    make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    overview.kept(app(), make)
    (tmp_path / "a.txt").touch()
    overview.kept(app(), make)
    assert make.times == 1
    (tmp_path / "other-1.dist-info").mkdir()
    overview.kept(app(), make)
    assert make.times == 2


@pytest.mark.parametrize("asked", [app("it cannot be imported"), app(names=["local"])])
def test_broken_plugins_and_a_choice_of_plugins_are_not_kept(asked: App, make: Maker) -> None:
    overview.kept(asked, make)
    overview.kept(app(), make)
    assert make.times == 2


DAMAGED = ["", "[]", '{"made_of": {}}', '{"made_of": {"files": 1}, "commands": 2}', "[" * 100_000]


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_file_is_made_again(content: str, make: Maker, kept_file: Path) -> None:
    kept_file.write_text(content)
    assert overview.kept(app(), make) == MADE
    assert overview.kept(app(), make) == MADE
    assert make.times == 1


@pytest.mark.parametrize("word", ["7", "null", r'"\ud800"', r'"\u001b[31mred"'])
def test_words_that_cannot_be_printed_are_made_again(word: str, make: Maker, kept_file: Path) -> None:
    overview.kept(app(), make)
    kept_file.write_text(kept_file.read_text().replace('"Measure"', word))
    assert overview.kept(app(), make) == MADE
    assert make.times == 2


@pytest.mark.parametrize("put", [os.mkfifo, Path.mkdir])
def test_nothing_waits_or_piles_up_where_no_file_can_be(
    put: Callable[[Path], object], make: Maker, kept_file: Path
) -> None:
    put(kept_file)
    assert overview.kept(app(), make) == MADE
    assert list(kept_file.parent.iterdir()) == [kept_file]
