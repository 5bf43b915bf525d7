"""Write files of text and compress each with gzip, on disk."""

from __future__ import annotations

import array
import gzip
import hashlib
import itertools
import operator
import os
import pathlib
import shutil
import sys
import tempfile
import zlib

MIB = 2**20
TEXT_BYTES = 2**17  # which repeats: deflate looks back no further than a quarter of it
SAMPLE_BYTES = 4096
HEADER_BYTES = 10  # of an archive without a name (RFC 1952)


def text(words, seed):
    """Return 128 KiB of the words, drawn by SHAKE-256, little-endian numbers of 32 bits, which every language can."""
    numbers = array.array("I", hashlib.shake_256(seed.encode("ascii")).digest(4 * (TEXT_BYTES // 5)))
    if sys.byteorder == "big":
        numbers.byteswap()
    encoded = [word.encode("ascii") for word in words]
    places = map(operator.mod, numbers, itertools.repeat(len(words)))
    return b" ".join(map(encoded.__getitem__, places))[:TEXT_BYTES]


def write_file(path, number, part, file_mib):
    """Write the text until the size is reached, and at last the file's number; it goes to disk and out of memory."""
    line = b"\nfile %d\n" % number
    with path.open("wb") as file:
        for _ in range(file_mib - 1):
            file.write(part)
        file.write(part[: MIB - len(line)])
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def compress(path, archive, level):
    """Compress a file to an archive, and wait until it is on the disk."""
    with path.open("rb") as source, archive.open("wb") as target:
        with gzip.GzipFile(filename="", mode="wb", compresslevel=level, fileobj=target, mtime=0) as packed:
            shutil.copyfileobj(source, packed, MIB)
        target.flush()
        os.fsync(target.fileno())


def checksum(archive, crc):
    """Return the length of what was compressed modulo 2**32, as the archive says (RFC 1952), and its CRC-32 so far."""
    with archive.open("rb") as file:
        file.seek(HEADER_BYTES)
        for block in iter(lambda: file.read(MIB), b""):
            crc = zlib.crc32(block, crc)
        file.seek(-4, os.SEEK_END)
        return int.from_bytes(file.read(), "little"), crc


def handler(event, context):
    """Return bytes before and after, of all files, the CRC-32 of all archives without their headers, and a sample.

    The sample is what the first 4 KiB of the text shrink to at each level: it tells apart libraries that find other
    matches at the same level.
    """
    with context.phase("generate"):
        small = text(event["words"], event["seed"])
        part = small * (MIB // TEXT_BYTES)
    input_bytes = archive_bytes = crc = 0
    with tempfile.TemporaryDirectory() as folder:
        path, archive = pathlib.Path(folder, "text"), pathlib.Path(folder, "text.gz")
        for number in range(event["files"]):
            with context.phase("prepare"):
                write_file(path, number, part, event["file_mib"])
            with context.phase("compute"):
                compress(path, archive, event["level"])
            with context.phase("verify"):
                length, crc = checksum(archive, crc)
            input_bytes += length
            archive_bytes += archive.stat().st_size
    with context.phase("verify"):
        sample = [len(zlib.compress(small[:SAMPLE_BYTES], level)) for level in range(1, 10)]
    return {
        "input_bytes": input_bytes,
        "archive_bytes": archive_bytes,
        "archives_crc32": format(crc, "08x"),
        "sample_bytes": sample,
    }
