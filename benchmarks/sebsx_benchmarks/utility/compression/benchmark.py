"""Driver's side of compression: uploads generated text, and unpacks the archive to compare each file's digest."""

from __future__ import annotations

import functools
import hashlib
import io
import zipfile
import zlib

# How much smaller or larger than the driver's own deflate makes them files may be: Node.js's is up to 9 % better at
# level 1, 2 % from level 5 on, and its level 1 is 5 % worse than level 6 here.
_SMALLER, _LARGER = 0.15, 0.04
_LARGER_QUICKLY = 0.3  # up to level 3, where libraries differ most

_right = set()  # (input prefix, digest) of archives that were unpacked and found right: equal ones need not be again


def payload(parameters, rng, storage):
    """Upload the folder and return its keys, where the archive goes, and the level.

    The prefix is a digest of the contents: equal keys mean equal bytes, whoever uploads them.
    """
    lines = _lines(rng)
    contents = [_text(rng, lines, parameters["file_bytes"]) for _ in range(parameters["files"])]
    prefix = f"compression/{hashlib.sha256(b''.join(contents)).hexdigest()[:16]}-{len(contents)}"
    names = [f"{number:03}.txt" for number in range(len(contents))]
    for name, content in zip(names, contents, strict=True):
        storage.put(f"{prefix}/input/{name}", content)
    return {
        "input_prefix": f"{prefix}/input/",
        "names": names,
        "output_prefix": f"{prefix}/output/",
        "level": parameters["level"],
    }


def check(payload, output, storage):
    """Return None if the uploaded archive is the one described and holds exactly the files that went in."""
    key = output["key"]
    if not key.startswith(payload["output_prefix"]):
        return f"archive {key!r} is not below {payload['output_prefix']!r}"
    try:
        archive = storage.get(key)
    except KeyError:
        return f"archive {key!r} is not in the storage"
    digest = hashlib.sha256(archive).hexdigest()
    if output["archive_bytes"] != len(archive):
        return f"archive {key!r} has {len(archive)} bytes, the function said {output['archive_bytes']!r}"
    expected = _expected(payload["input_prefix"], tuple(payload["names"]), storage)
    if output["input_bytes"] != sum(size for size, _ in expected.values()):
        return f"input_bytes is {output['input_bytes']!r}, expected {sum(size for size, _ in expected.values())}"
    known = (payload["input_prefix"], payload["level"], digest)
    if known in _right:
        return None
    problem = _unpack(archive, expected) or _weigh(archive, payload, storage)
    if problem is None:
        _right.add(known)
    return problem


def _unpack(archive, expected):
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as folder:
            if sorted(folder.namelist()) != sorted(expected):
                return f"archive holds {sorted(folder.namelist())}, expected {sorted(expected)}"
            for name, (size, digest) in expected.items():
                content = folder.read(name)
                if len(content) != size or hashlib.sha256(content).hexdigest() != digest:
                    return f"file {name!r} in the archive is not what was uploaded"
                if folder.getinfo(name).compress_type != zipfile.ZIP_DEFLATED:
                    return f"file {name!r} is in the archive, but not compressed by deflate"
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as exc:
        return f"archive cannot be unpacked: {exc}"
    return None


def _weigh(archive, payload, storage):
    """Return None if the archive is about as small as the level makes it; libraries find other matches at a level."""
    wanted = _deflated(payload["input_prefix"], tuple(payload["names"]), payload["level"], storage)
    with zipfile.ZipFile(io.BytesIO(archive)) as folder:
        found = sum(entry.compress_size for entry in folder.infolist())
    larger = _LARGER if payload["level"] > 3 else _LARGER_QUICKLY
    if not (1 - _SMALLER) * wanted <= found <= (1 + larger) * wanted:
        return f"files take {found} bytes in the archive, at level {payload['level']} about {wanted} are expected"
    return None


@functools.lru_cache(maxsize=8)
def _deflated(prefix, names, level, storage):
    total = 0
    for name in names:
        packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)  # as in an archive, without a frame
        total += len(packer.compress(storage.get(prefix + name))) + len(packer.flush())
    return total


@functools.lru_cache(maxsize=8)
def _expected(prefix, names, storage):
    """Return size and digest of each file that went in, read back from the storage once."""
    contents = {name: storage.get(prefix + name) for name in names}
    return {name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in contents.items()}


def _lines(rng):
    """Return lines of made-up words: 160 kB, five times the window of deflate, so that text does not just repeat."""
    words = ["".join(rng.choices("aeinorstlcdu", k=rng.randint(2, 9))) for _ in range(2000)]
    return [" ".join(rng.choices(words, k=13)).encode() + b"\n" for _ in range(2000)]


def _text(rng, lines, size):
    return b"".join(rng.choices(lines, k=size // min(map(len, lines)) + 1))[:size]
