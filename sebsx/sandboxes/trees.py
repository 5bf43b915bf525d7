"""Unpacked and prepared packages that outlive a run, so that the next run does not unpack and compile again.

Beside the zip, in `prepared/`: a folder for each package, interpreter and number, its lock, and a list of its files.
A tree is lent to one user at a time and is that user's alone, so that nothing is copied: a copy would write hundreds
of megabytes, and a hard link is the same file, which a function may write into. Before a tree is lent again every file
must have the change time that it had when it was prepared, which no program can set; else it is made again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import time
import zipfile
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from sebsx.errors import DeployError
from sebsx.model import content_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sebsx.contracts.languages import Language
    from sebsx.model import Package

    _Files = dict[str, list[int]]  # see `_files`

FOLDER = "prepared"
SCHEMA = 1  # of a tree; a change of what is done to a package makes every tree another one
_LOCK = ".lock"
_FILES = ".json"
_NUMBERS = 8  # of the same package, lent at once
_UNUSED_S = 14 * 86400.0
_BLOCK = 1 << 18


class Trees:
    """What one user has borrowed.

    Args:
        private: Folder for packages beside whose zip nothing can be written, or that are lent too often.
    """

    def __init__(self, private: Path) -> None:
        self._private = private
        self._locks: list[int] = []
        self._turns = Lock()
        self._lent: dict[str, list[tuple[Path, _Files]]] = {}

    def lend(self, package: Package, language: Language) -> Path:
        """Return a folder with a package as it was prepared, nobody else's until `close`.

        The same one again for the same package, as long as no function has changed it.

        Raises:
            DeployError: If the package cannot be unpacked.
        """
        key = _key(package, language)
        lent = self._lent.setdefault(key, [])
        for root, files in lent:
            with contextlib.suppress(OSError):  # functions may be at work in it
                if _files(root) == files:
                    return root
        lent.append(self._from_shelf(package, language, key) or self._apart(package, language, key))
        return lent[-1][0]

    def prepare(self, package: Package, language: Language) -> None:
        """Make the tree of a package that `lend` returns later, where one can be kept. Safe in several threads.

        They take turns: a language uses all processors, and may find what it prepared for the package before.

        Raises:
            DeployError: If the package cannot be unpacked.
        """
        with self._turns, contextlib.suppress(OSError):
            shelf = _shelf(package)
            root = shelf / f"{_key(package, language)}.0"
            lock = _lock(root.with_name(root.name + _LOCK))
            if lock is None:  # it is lent, or another process makes it
                return
            try:
                _make_whole(package, language, root)
            finally:
                os.close(lock)

    def close(self) -> None:
        """Give everything back; no function may run in it any more. Harmless twice."""
        self._lent.clear()
        while self._locks:
            os.close(self._locks.pop())

    def _from_shelf(self, package: Package, language: Language, key: str) -> tuple[Path, _Files] | None:
        """Return a tree that is kept, made where there is none; None where none can be kept or all are lent."""
        try:
            shelf = _shelf(package)
            _discard_unused(shelf)
            for number in range(_NUMBERS):
                root = shelf / f"{key}.{number}"
                lock = _lock(root.with_name(root.name + _LOCK))
                if lock is None:
                    continue
                self._locks.append(lock)
                return root, _make_whole(package, language, root)
        except OSError:
            return None
        return None

    def _apart(self, package: Package, language: Language, key: str) -> tuple[Path, _Files]:
        root = self._private / f"{key}.{len(self._lent[key])}"
        try:
            _make(package, language, root)
            return root, _files(root)
        except OSError as exc:
            raise DeployError(f"package {str(package.path)!r} cannot be unpacked: {exc}") from exc


def unpack(package: Package, language: Language, root: Path) -> None:
    """Unpack a package to a folder that is not there, and let its language prepare it.

    Raises:
        DeployError: If the zip is damaged.
        OSError: If it cannot be read, or the folder not be written.
    """
    try:
        with zipfile.ZipFile(package.path) as archive:
            archive.extractall(root)
    except zipfile.BadZipFile as exc:
        raise DeployError(f"package {str(package.path)!r} cannot be unpacked: {exc}") from exc
    if language.host_version() == package.target.version:  # what this machine prepares, another version ignores
        language.prepare(root)


def _shelf(package: Package) -> Path:
    """Return the folder for trees beside a package, which is there."""
    shelf = package.path.parent / FOLDER
    shelf.mkdir(mode=0o700, exist_ok=True)
    return shelf


def _make_whole(package: Package, language: Language, root: Path) -> _Files:
    """See to it that a tree is there and as it was prepared; return its files."""
    whole = _whole(root)
    if whole is None:
        _make(package, language, root)
        whole = _write(root)
    return whole


def _make(package: Package, language: Language, root: Path) -> None:
    _remove(root)
    unpack(package, language, root)


def _remove(root: Path) -> None:
    """Remove a tree, whatever a function has put in its place, and its list.

    Raises:
        OSError: If something of it stays: nothing may be unpacked into it, or through it.
    """
    for path in (root, _list_of(root)):
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
            continue
        path.chmod(stat.S_IRWXU)
        with _not_too_deep():
            for base, folders, _ in os.walk(path):  # which descends once that is allowed
                for inner in (Path(base, name) for name in folders):
                    if not inner.is_symlink():
                        inner.chmod(stat.S_IRWXU)
            shutil.rmtree(path)


def _key(package: Package, language: Language) -> str:
    """Return what a tree depends on: the zip, and the interpreter that prepares it."""
    interpreter = [language.name, language.host_version(), list(language.command(Path("/")))]
    return f"{package.sha256[:32]}-{content_hash({'schema': SCHEMA, 'interpreter': interpreter})[:12]}"


def _lock(path: Path) -> int | None:
    """Return the descriptor of a lock that ends with this process; None while another has it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_nlink:  # else it was discarded meanwhile
            os.utime(lock)
            return lock
    except BlockingIOError:
        pass
    os.close(lock)
    return None


def _whole(root: Path) -> _Files | None:
    """Return the files of a tree that is as it was prepared, after removing what functions left in it; None of others.

    All are read once, because what was just unpacked would be in memory too: a cold start must not measure the disk.
    """
    try:
        if root.is_symlink():  # what it leads to is somebody else's
            return None
        digest, _, text = _list_of(root).read_text(encoding="utf-8").partition("\n")
        if digest != _digest(text):  # files that it lacks would be taken for what functions left
            return None
        wanted: _Files = json.loads(text)
        found = _files(root)
        if left := sorted(found.keys() - wanted.keys(), reverse=True):  # what is in a folder before it
            for name in left:
                (root / name).rmdir() if name.endswith("/") else (root / name).unlink()
            found = _files(root)
        if found != wanted:
            return None
        _read(root, found)
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return found


def _read(root: Path, names: Iterable[str]) -> None:
    """Read files, without an object of Python for each: there are thousands."""
    folder, buffers = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), [bytearray(_BLOCK)]
    try:
        for name in names:
            if not name.endswith("/"):
                file = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
                try:
                    while os.readv(file, buffers) == _BLOCK:
                        pass
                finally:
                    os.close(file)
    finally:
        os.close(folder)


def _write(root: Path) -> _Files:
    """Say what belongs in a tree, its last file, without which it is not whole; return it."""
    files = _files(root)
    text = json.dumps(files)
    _list_of(root).write_text(f"{_digest(text)}\n{text}", encoding="utf-8")
    return files


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _list_of(root: Path) -> Path:
    return root.with_name(root.name + _FILES)


def _files(root: Path) -> _Files:
    """Return what changes with each file, by path: where it lies, size, mode, time of change; of a folder, mode."""
    with _not_too_deep():
        return dict(_walk(str(root), ""))


@contextlib.contextmanager
def _not_too_deep() -> Iterator[None]:
    try:
        yield
    except RecursionError as exc:
        raise OSError(errno.ENAMETOOLONG, "folders are nested too deeply") from exc


def _walk(folder: str, prefix: str) -> Iterator[tuple[str, list[int]]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield f"{prefix}{entry.name}/", [entry.stat(follow_symlinks=False).st_mode]
                yield from _walk(entry.path, f"{prefix}{entry.name}/")
            else:
                found = entry.stat(follow_symlinks=False)
                yield f"{prefix}{entry.name}", [found.st_ino, found.st_size, found.st_mode, found.st_ctime_ns]


def _discard_unused(shelf: Path) -> None:
    """Remove trees that nobody has asked for in two weeks."""
    for path in shelf.glob(f"*{_LOCK}"):
        with contextlib.suppress(OSError):  # it is lent, or another process discards it
            if time.time() - path.stat().st_mtime > _UNUSED_S:
                _discard(path)


def _discard(path: Path) -> None:
    """Remove the tree of a lock, and the lock.

    Raises:
        OSError: If it is lent.
    """
    lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        root = path.with_suffix("")
        _remove(root)
        path.unlink()
    finally:
        os.close(lock)
