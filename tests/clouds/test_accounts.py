"""What every platform in an account does alike: it ends, deletes by kind, undoes, and says what it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sebsx.clouds import adopted, made, tags, targets
from sebsx.errors import PlatformError, UnsupportedError
from sebsx.model import Resource, Target
from sebsx.testing.contexts import context_for
from sebsx.testing.fakes import FakePlatform, MemoryLedger


class Ending:
    """Remembers what was asked of it; fails at the first."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def delete_all(self) -> None:
        self.asked.append("delete")
        raise PlatformError("in use")

    def close(self) -> None:
        self.asked.append("close")


def test_connections_are_closed_whatever_comes_of_deleting() -> None:
    ending = Ending()
    with pytest.raises(PlatformError):
        made.end(ending, ending)
    made.end(None, ending)
    assert ending.asked == ["delete", "close", "close"]


def test_kind_that_is_not_made_here_cannot_be_deleted() -> None:
    assert made.by_kind({"bucket": 1}, "bucket", "b") == 1
    with pytest.raises(UnsupportedError, match="'q' is of kind 'queue'"):
        made.by_kind({"bucket": 1}, "queue", "q")


@pytest.mark.parametrize(
    ("effective", "wanted"),
    [
        ({"adopted": "copy"}, ["delete"]),
        ({"adopted": "in place", "memory-change": "f@128"}, ["f@128"]),
        ({"adopted": "as it is"}, []),
    ],
)
def test_what_was_done_to_a_function_is_undone(effective: dict[str, str], wanted: list[str]) -> None:
    done: list[str] = []
    ledger = MemoryLedger()
    with ledger.creating("memory-change", "f@128"):
        pass
    deployment: Any = SimpleNamespace(effective=effective)
    adopted.undo(deployment, ledger, delete=lambda _: done.append("delete"), put_back=done.append)
    assert done == wanted
    assert (ledger.open == {}) == (wanted == ["f@128"])


@dataclass(frozen=True)
class Settings:
    region: str = "here"
    python: str = "3.12"
    nodejs: str = "22"


def test_settings_lead_to_where_a_resource_is() -> None:
    assert tags.in_region(Settings(), Resource("k", "n", platform="p", run_id="", region="there")).region == "there"
    assert tags.in_region(Settings(), Resource("k", "n", platform="p", run_id="")).region == "here"


def test_target_is_what_settings_name_and_nothing_else(tmp_path: Path) -> None:
    platform: Any = FakePlatform(Settings(), context_for(FakePlatform, tmp_path))  # type: ignore[arg-type]
    own = platform.architectures[0]
    assert targets.target_of(platform, "python", own) == Target(
        "python", "3.12", architecture=own, binaries="manylinux_2_28"
    )
    assert targets.target_of(platform, "nodejs", own) == Target("nodejs", "22", architecture=own)
    for language, architecture in (("cobol", own), ("python", "riscv")):
        with pytest.raises(UnsupportedError):
            targets.target_of(platform, language, architecture)
