"""Run a benchmark's Python handler without a platform: in a bare interpreter, with the files of its package only."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from sebsx.contracts.storage import Storage, copy_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.model import Package

_BARE = Path(__file__).with_name("bare.py")


class HandlerError(AssertionError):
    """The handler raised; the message holds its traceback."""


class FolderStorage(Storage):
    """The driver's side of the storage that `run_handler` gives to the function: a folder of quoted keys."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        self._root.mkdir(parents=True, exist_ok=True)
        (self._root / quote(key, safe="")).write_bytes(data)

    def put_file(self, key: str, path: Path) -> None:
        """Write an object from a file."""
        self._root.mkdir(parents=True, exist_ok=True)
        copy_file(path, self._root / quote(key, safe=""))

    def get(self, key: str) -> bytes:
        """Return an object; KeyError if there is none."""
        try:
            return (self._root / quote(key, safe="")).read_bytes()
        except FileNotFoundError:
            raise KeyError(key) from None

    def keys(self, prefix: str = "") -> Sequence[str]:
        """Return matching keys, sorted."""
        names = (unquote(path.name) for path in self._root.glob("*"))
        return sorted(name for name in names if name.startswith(prefix))

    def delete(self, prefix: str) -> None:
        """Delete matching objects."""
        for key in self.keys(prefix):
            (self._root / quote(key, safe="")).unlink()


def unpack(package: Package, destination: Path) -> Path:
    """Unpack a package into a folder and return it."""
    with zipfile.ZipFile(package.path) as archive:
        archive.extractall(destination)  # our own zip
    return destination


def run_handler(package_root: Path, event: Mapping[str, Any], storage_root: Path, timeout_s: float = 300.0) -> Any:
    """Return what the handler of an unpacked Python package returns, after a trip through JSON.

    The interpreter is isolated (`-I -S`): it sees the package and the standard library, and neither sebsx nor
    anything else installed here.

    Args:
        package_root: Where the package was unpacked.
        event: Its input.
        storage_root: Folder behind `context.storage`; `FolderStorage` is the driver's side of it.
        timeout_s: After which the interpreter is killed.

    Raises:
        HandlerError: If the handler raises, does not import or returns no JSON.
        subprocess.TimeoutExpired: If it takes too long.
    """
    storage_root.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(_BARE), str(package_root), str(storage_root)],
        input=json.dumps(event),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        cwd=storage_root,
    )
    if done.returncode != 0:
        raise HandlerError(f"interpreter ended with {done.returncode}: {done.stderr}")
    answer = json.loads(done.stdout.splitlines()[-1])
    if "error" in answer:
        raise HandlerError(answer["error"]["traceback"])
    return answer["output"]
