"""Compiles the modules of a package, each text once: what many packages hold, such as numpy, is taken from a shelf.

Run as `python -I compiling.py FOLDER SHELF`. The shelf holds code by a digest of its text, for this interpreter, each
behind a digest of its own; it can be removed at any time. What lies in the package is as `compileall` would have made
it: it names its own file, and holds for the text as it was when it was compiled.
"""

from __future__ import annotations

import hashlib
import importlib.util
import marshal
import os
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from types import CodeType

_MUCH_BYTES = 1 << 20  # of text, from which on several processes are worth their start
_PIECE = 32
_DIGEST_BYTES = 32
_UNUSED_S = 14 * 86400.0
_MASK = 0xFFFF_FFFF


def compile_module(path: Path, shelf: Path) -> None:
    """Write the compiled form of a module beside it; one that does not compile fails when it is imported."""
    text, found = path.read_bytes(), path.stat()
    key = hashlib.sha256(text).hexdigest()
    place = shelf / key[:2] / key
    code = _taken(place)
    if code is None:
        try:
            code = compile(text, str(path), "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError):
            return
        _put(place, code)
    compiled = Path(importlib.util.cache_from_source(path))
    compiled.parent.mkdir(exist_ok=True)
    # PEP 552: no flags, time and size of the text.
    numbers = (0, int(found.st_mtime) & _MASK, found.st_size & _MASK)
    head = importlib.util.MAGIC_NUMBER + b"".join(number.to_bytes(4, "little") for number in numbers)
    _replace(compiled, head + marshal.dumps(_moved(code, str(path))))


def compile_folder(folder: Path, shelf: Path) -> None:
    """Compile every module below a folder."""
    paths = sorted(folder.rglob("*.py"))
    one = partial(compile_module, shelf=shelf / sys.implementation.cache_tag / importlib.util.MAGIC_NUMBER.hex())
    if sum(path.stat().st_size for path in paths) < _MUCH_BYTES:
        for path in paths:
            one(path)
        return
    from concurrent.futures import ProcessPoolExecutor  # half of the start of this program

    with ProcessPoolExecutor() as processes:
        for _ in processes.map(one, paths, chunksize=_PIECE):
            pass
    _discard_unused(shelf)


def _taken(place: Path) -> CodeType | None:
    """Return code from the shelf; None where there is none, or it is damaged."""
    try:
        data = place.read_bytes()
        if hashlib.sha256(data[_DIGEST_BYTES:]).digest() != data[:_DIGEST_BYTES]:
            return None
        os.utime(place)
    except OSError:
        return None
    code = marshal.loads(data[_DIGEST_BYTES:])  # noqa: S302  # our own, as its digest says
    return code if isinstance(code, CodeType) else None


def _put(place: Path, code: CodeType) -> None:
    """Put code on the shelf, if that can be written."""
    data = marshal.dumps(code)
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(place, hashlib.sha256(data).digest() + data)
    except OSError:
        pass


def _replace(path: Path, data: bytes) -> None:
    """Write a file, of which others see all or nothing."""
    number, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(number, "wb") as file:
        file.write(data)
    Path(name).chmod(0o644)
    Path(name).replace(path)


def _moved(code: CodeType, name: str) -> CodeType:
    """Return code that says that it comes from a file."""
    if code.co_filename == name:
        return code
    consts = tuple(_moved(item, name) if isinstance(item, CodeType) else item for item in code.co_consts)
    return code.replace(co_filename=name, co_consts=consts)


def _discard_unused(shelf: Path) -> None:
    """Remove what no package held in two weeks."""
    for path in shelf.glob("*/*/*/*"):
        try:
            if time.time() - path.stat().st_mtime > _UNUSED_S:
                path.unlink()
        except OSError:  # another process removes it as well
            pass


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    compile_folder(Path(sys.argv[1]), Path(sys.argv[2]))
