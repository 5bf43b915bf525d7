"""Runs one handler of an unpacked package in a bare interpreter, with files behind storage and table.

A script, not a module: `python -I -S bare.py PACKAGE STORAGE < event`. It imports nothing of sebsx and runs on
Python 3.9. The last line it prints is the answer, JSON: `{"output": ...}` or `{"error": {...}}`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import pathlib
import sys
import time
import traceback
from typing import Any, Iterator
from urllib.parse import quote


class BareStorage:
    """The function's side of a storage: objects as files whose names are the quoted keys."""

    def __init__(self, root: str) -> None:
        self._root = pathlib.Path(root)

    def download(self, key: str) -> bytes:
        """Return an object."""
        return self._path(key).read_bytes()

    def upload(self, key: str, data: bytes) -> None:
        """Write an object."""
        self._root.mkdir(parents=True, exist_ok=True)
        self._path(key).write_bytes(data)

    def download_file(self, key: str, path: str) -> None:
        """Write an object to a file."""
        pathlib.Path(path).write_bytes(self.download(key))

    def upload_file(self, key: str, path: str) -> None:
        """Write a file to an object."""
        self.upload(key, pathlib.Path(path).read_bytes())

    def _path(self, key: str) -> pathlib.Path:
        return self._root / quote(key, safe="")


class BareTable:
    """Items in memory, copied by way of JSON as a real table would."""

    def __init__(self) -> None:
        self._items: dict[str, dict[str, str]] = {}

    def put(self, partition: str, sort: str, item: dict[str, Any]) -> None:
        """Write an item."""
        self._items.setdefault(partition, {})[sort] = json.dumps(item)

    def get(self, partition: str, sort: str) -> Any:
        """Return an item or None."""
        return json.loads(self._items.get(partition, {}).get(sort, "null"))

    def query(self, partition: str) -> list[Any]:
        """Return the items of a partition by sort key."""
        return [json.loads(text) for _, text in sorted(self._items.get(partition, {}).items())]

    def delete(self, partition: str, sort: str) -> None:
        """Remove an item."""
        self._items.get(partition, {}).pop(sort, None)


class BareContext:
    """The documented attributes of a handler's context, and the phases it marked."""

    def __init__(
        self, request_id: str, memory_mib: int, timeout_s: float, storage: BareStorage, table: BareTable
    ) -> None:
        self.request_id, self.memory_mib, self.timeout_s = request_id, memory_mib, timeout_s
        self.storage, self.table = storage, table
        self.phases_s: dict[str, float] = {}
        self._started = time.perf_counter()

    def remaining_s(self) -> float:
        """Return the seconds left."""
        return self.timeout_s - (time.perf_counter() - self._started)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Mark a phase."""
        started = time.perf_counter()
        yield
        self.phases_s[name] = self.phases_s.get(name, 0.0) + time.perf_counter() - started


def call(handler: Any, event: Any, context: BareContext) -> dict[str, Any]:
    """Return `{"output": ...}`, or `{"error": {...}}` if the handler raises."""
    try:
        return {"output": handler(event, context)}
    except Exception as exc:  # noqa: BLE001  # a function may fail in any way; that is its result
        return {"error": {"type": type(exc).__name__, "message": str(exc), "traceback": traceback.format_exc()}}


def main(package: str, storage_root: str) -> None:
    """Run the handler that the manifest names and print its answer on the last line."""
    sys.path.insert(0, package)
    manifest = json.loads((pathlib.Path(package) / "sebsx.json").read_text(encoding="utf-8"))
    module, _, function = manifest["handler"].rpartition(".")
    handler = getattr(importlib.import_module(module.replace("/", ".")), function)
    context = BareContext("bare", 1024, 300.0, BareStorage(storage_root), BareTable())
    answer = call(handler, json.load(sys.stdin), context)
    print("\n" + json.dumps(answer, allow_nan=False))  # noqa: T201  # the answer of this script


if __name__ == "__main__":
    main(*sys.argv[1:])
