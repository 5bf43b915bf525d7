from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sebsx.errors import UserError
from sebsx.sandboxes.files import PARTIAL, FileStorage

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_put_is_got(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "s")

    storage.put("a/b/c", b"one")
    storage.put("a/b/c", b"two")

    assert storage.get("a/b/c") == b"two"


@pytest.mark.parametrize("key", ["none", "a", "a/b/c"])
def test_missing_object_is_a_key_error(tmp_path: Path, key: str) -> None:
    storage = FileStorage(tmp_path)
    storage.put("a/b", b"")

    with pytest.raises(KeyError, match=key):
        storage.get(key)


def test_keys_are_sorted_and_chosen_by_prefix(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "s")
    assert storage.keys() == []
    for key in ("b", "a/2", "a/1", "ab"):
        storage.put(key, b"")
    (tmp_path / "s" / f"{PARTIAL}x").write_bytes(b"half")

    assert storage.keys() == ["a/1", "a/2", "ab", "b"]
    assert storage.keys("a") == ["a/1", "a/2", "ab"]
    assert storage.keys("a/") == ["a/1", "a/2"]


def test_delete_takes_a_prefix_and_may_find_nothing(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "s")
    for key in ("a/1", "a/2/3", "b"):
        storage.put(key, b"")

    storage.delete("a/")
    storage.delete("a/")

    assert storage.keys() == ["b"]
    assert not (tmp_path / "s" / "a").exists()
    storage.delete("")
    assert storage.keys() == []


@pytest.mark.parametrize("key", ["", "/a", "../a", "a/../b", "a//b", "a/", "./a", "a\0b"])
def test_key_that_could_leave_the_folder_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(UserError, match="cannot be used"):
        FileStorage(tmp_path).put(key, b"")


@pytest.mark.root
def test_folders_belong_to_the_user_named(tmp_path: Path) -> None:
    FileStorage(tmp_path / "s", owner=65534).put("a/b/c", b"")

    assert [(tmp_path / name).stat().st_uid for name in ("s", "s/a", "s/a/b")] == [65534] * 3
