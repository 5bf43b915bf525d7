from __future__ import annotations

import json
import sys
import tomllib
from importlib import metadata, util
from pathlib import Path
from typing import Any

import pytest

import sebsx
from sebsx.system import installing


class Installed:
    """A distribution as an installer recorded it."""

    def __init__(self, origin: Any) -> None:
        self.origin = origin

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return None if self.origin is None else json.dumps(self.origin)


@pytest.mark.parametrize(
    ("origin", "requirement"),
    [
        (None, "'sebsx[aws]'"),
        ({"url": "file:///home/a%20b/sebsx", "dir_info": {"editable": True}}, "-e '/home/a b/sebsx[aws]'"),
        ({"url": "file:///src/sebsx", "dir_info": {}}, "'/src/sebsx[aws]'"),
        (
            {"url": "https://git.example/o/sebsx", "vcs_info": {"vcs": "git", "requested_revision": "v0.1.0"}},
            "'sebsx[aws] @ git+https://git.example/o/sebsx@v0.1.0'",
        ),
    ],
)
def test_line_installs_from_where_sebsx_came(monkeypatch: pytest.MonkeyPatch, origin: Any, requirement: str) -> None:
    monkeypatch.setattr(metadata, "distribution", lambda _name: Installed(origin))
    assert installing.command("aws").endswith(f" install {requirement}") or "--python" in installing.command("aws")
    assert installing.command("aws").endswith(f" {requirement}")


def test_line_uses_what_installs_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(util, "find_spec", lambda _name: object())
    monkeypatch.setenv("PATH", "/nowhere")
    assert installing.command("aws").startswith(f"{tmp_path}/python -m pip install ")
    beside = tmp_path / "pip"
    beside.write_text("#!/bin/sh\n")
    beside.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installing.command("aws").startswith("pip install ")
    monkeypatch.setattr(util, "find_spec", lambda _name: None)
    assert installing.command("aws").startswith(f"{tmp_path}/python -m ensurepip && ")
    beside.rename(tmp_path / "uv")
    assert installing.command("aws").startswith(f"uv pip install --python {tmp_path}/python ")


def test_extra_all_has_every_extra_of_who_measures() -> None:
    root = Path(sebsx.__file__).parent.parent
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (every,) = extras["all"]
    assert set(every.removeprefix("sebsx[").removesuffix("]").split(",")) == set(extras) - {
        "all",
        "testing",
        "dev",
        "docs",
    }


def test_extras_that_are_not_whole_are_named_with_what_they_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    found = metadata.distribution

    def distribution(name: str) -> metadata.Distribution:
        if name in ("onnx", "pytest-timeout"):  # one of an extra for those who measure, one for those who develop
            raise metadata.PackageNotFoundError(name)
        return found(name)

    before = installing.missing()
    monkeypatch.setattr(metadata, "distribution", distribution)
    assert installing.missing() == {**before, "dnn": [*before.get("dnn", []), "onnx"]}
