"""The contract of object storage, as the driver sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sebsx.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from sebsx.contracts.storage import Storage


class StorageContract:
    """Every storage: override the fixture `storage` with an empty one."""

    @pytest.fixture
    def storage(self) -> Storage:
        """Return the storage under test."""
        raise NotImplementedError("override the fixture 'storage'")

    @pytest.mark.parametrize("data", [b"", b"\0\xff\r\n", b"x" * 300_000], ids=["empty", "binary", "large"])
    def test_object_comes_back_as_it_was_put(self, storage: Storage, data: bytes) -> None:
        storage.put("folder/object", data)
        assert storage.get("folder/object") == data

    @pytest.mark.parametrize("size", [0, 1, 300_000])
    def test_file_is_put_as_it_is(self, storage: Storage, tmp_path: Path, size: int) -> None:
        path = tmp_path / "file with spaces"
        path.write_bytes(b"\0\xff" * (size // 2) + b"x" * (size % 2))
        storage.put("folder/object", b"older, and longer")
        storage.put_file("folder/object", path)
        assert storage.get("folder/object") == path.read_bytes()
        assert list(storage.keys()) == ["folder/object"]

    def test_file_that_is_missing_is_named_and_leaves_what_was_there(self, storage: Storage, tmp_path: Path) -> None:
        storage.put("folder/object", b"as before")
        with pytest.raises(UserError, match="missing"):
            storage.put_file("folder/object", tmp_path / "missing")
        assert storage.get("folder/object") == b"as before"
        assert list(storage.keys()) == ["folder/object"]

    def test_put_replaces(self, storage: Storage) -> None:
        storage.put("object", b"first, and longer")
        storage.put("object", b"second")
        assert storage.get("object") == b"second"

    def test_missing_object_is_a_key_error(self, storage: Storage) -> None:
        storage.put("folder/object", b"x")
        for key in ("other", "folder", "folder/object/below"):
            with pytest.raises(KeyError):
                storage.get(key)

    def test_keys_are_those_of_the_prefix_sorted(self, storage: Storage) -> None:
        for key in ("b/2", "a/1", "b/1", "b/3/deep", "c"):
            storage.put(key, b"x")
        assert list(storage.keys("b/")) == ["b/1", "b/2", "b/3/deep"]
        assert list(storage.keys()) == ["a/1", "b/1", "b/2", "b/3/deep", "c"]
        assert list(storage.keys("nothing")) == []

    def test_delete_takes_the_prefix_and_nothing_else(self, storage: Storage) -> None:
        for key in ("run-1/a", "run-1/b", "run-10/a"):
            storage.put(key, b"x")
        storage.delete("run-1/")
        assert list(storage.keys()) == ["run-10/a"]

    def test_delete_of_nothing_is_harmless(self, storage: Storage) -> None:
        storage.put("object", b"x")
        storage.delete("nothing/")
        assert list(storage.keys()) == ["object"]
