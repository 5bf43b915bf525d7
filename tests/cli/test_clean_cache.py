"""`sebsx clean --cache`: what can be built again is deleted, and nothing that a run may be using."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sebsx.errors import EXIT_USAGE
from sebsx.store.owner import current_owner
from tests.support import Call, Cli


@pytest.fixture
def cache(sebsx: Cli, tmp_path: Path) -> Path:
    """A cache of its own, with a package in it."""
    folder = tmp_path / "cache"
    sebsx.environment["XDG_CACHE_HOME"] = str(folder)
    package = folder / "sebsx" / "packages" / "p.zip"
    package.parent.mkdir(parents=True)
    package.write_bytes(bytes(3 << 20))
    return folder / "sebsx"


def test_packages_are_deleted_when_asked(cache: Path, call: Call) -> None:
    assert call("--json", "clean").json == []
    (row,) = call("--json", "clean", "--cache", "--dry-run").json
    assert (row["kind"], row["name"], row["outcome"]) == ("cache", "3 MiB of packages", "would be deleted")
    assert (cache / "packages" / "p.zip").exists()
    (row,) = call("--json", "clean", "--cache").json
    assert row["outcome"] == "deleted"
    assert not (cache / "packages").exists()
    assert call("--json", "clean", "--cache").json == []


def test_packages_are_kept_while_a_run_is_under_way(cache: Path, call: Call) -> None:
    work = cache / "work" / "01JZ0000000000000000000000"
    work.mkdir(parents=True)
    (work / "owner.json").write_text(json.dumps(current_owner()))
    call("clean", "--cache").assert_fails(EXIT_USAGE, "a run is under way on this machine")
    assert (cache / "packages" / "p.zip").exists()
