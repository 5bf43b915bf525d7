"""A user without a home is told what to set, and what needs no folder of theirs works without."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sebsx.errors import UserError
from sebsx.system import folders
from tests.support import Call

VARIABLES = ("HOME", "SEBSX_STORE", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")
USAGE = 2


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user that the system does not know, as in a container that runs as a number."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)


@pytest.mark.usefixtures("homeless")
def test_folder_without_a_home_is_an_error_with_advice() -> None:
    for folder, variable in ((folders.cache_folder, "XDG_CACHE_HOME"), (folders.data_folder, "XDG_DATA_HOME")):
        with pytest.raises(UserError, match=f"has no home folder, and no {variable} is set; set HOME"):
            folder()
    assert folders.config_folder() is None
    assert not folders.has_home()


@pytest.mark.usefixtures("homeless")
def test_folder_that_is_named_needs_no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folders.cache_folder() == tmp_path / "sebsx"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("list", "platforms"), 0),
        (("prices", "show"), 0),
        (("plan", "benchmark", "sleep"), USAGE),
        (("runs",), USAGE),
        (("run", "benchmark", "sleep", "--size", "test"), USAGE),
        (("clean", "--yes"), USAGE),
        (("doctor",), USAGE),
    ],
)
def test_unknown_user_is_told_what_to_do(call: Call, homeless: None, words: tuple[str, ...], code: int) -> None:
    said = call(*words)
    assert "Traceback" not in said.stderr
    assert said.code == code, said.stderr
    if code:
        assert "set HOME" in said.stderr + said.stdout


@pytest.mark.slow
def test_run_goes_without_a_home_where_its_folders_are_named(
    call: Call, homeless: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SEBSX_STORE", str(tmp_path / "s.sqlite"))
    assert call("plan", "benchmark", "sleep").code == 0
    assert call("run", "benchmark", "sleep", "--size", "test", "--start", "warm", "--repetitions", "2").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["sebsx", "sebsx/work", "sebsx/packages"])
def test_cache_that_cannot_be_written_ends_a_run_in_one_line(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kept: str
) -> None:
    place = tmp_path / "cache" / kept
    place.parent.mkdir(parents=True)
    place.write_text("a file where a folder belongs, which stops root as well", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    said = call("run", "benchmark", "sleep", "--size", "test", "--start", "warm", "--repetitions", "1")
    said.assert_fails(USAGE, str(place), "cannot be", "make it writable")
    assert [run["status"] for run in call("--json", "runs").json] in ([], ["failed"])
    assert not list(tmp_path.glob("cache/sebsx/work/*"))


def test_folder_is_removed_though_something_that_ends_wrote_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    remove, tries = shutil.rmtree, []

    def remove_and_write_once(path: Path, **options: bool) -> None:
        remove(path, **options)
        tries.append(path)
        if len(tries) == 1:
            (path / "late").mkdir(parents=True)

    (folder / "first").mkdir(parents=True)
    monkeypatch.setattr(shutil, "rmtree", remove_and_write_once)
    assert folders.remove_folder(folder)
    assert len(tries) == 2
    assert not folder.exists()


@pytest.mark.root
def test_folder_that_cannot_be_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_REMOVAL_S", 0.1)
    folder = tmp_path / "work"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(folder)], check=True)
    try:
        assert not folders.remove_folder(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
