"""Write files of text and compress each with gzip, on disk."""

from __future__ import annotations

import gzip
import os
import pathlib
import shutil
import tempfile

MIB = 2**20


def text(seed):
    """Return 1 MiB of words, drawn from 2,048 invented ones by xorshift32 with shifts 13, 17, 5."""
    x = seed

    def draw():
        nonlocal x
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        return x

    words = []
    for _ in range(2048):
        letters = draw()
        words.append(bytes(97 + (letters >> 4 * place) % 16 for place in range(2 + letters % 7)))
    drawn = bytearray()
    while len(drawn) < MIB:
        drawn += words[draw() % 2048] + b" "
    return bytes(drawn[:MIB])


def write_file(path, number, part, file_mib):
    """Write a line with the file's number and the text until the size is reached; it goes to disk and out of memory."""
    line = b"file %d\n" % number
    with path.open("wb") as file:
        file.write(line)
        for _ in range(file_mib - 1):
            file.write(part)
        file.write(part[: MIB - len(line)])
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


def trailer(archive):
    """Return CRC-32 and length modulo 2**32 of what was compressed, from the last 8 bytes of the archive (RFC 1952)."""
    with archive.open("rb") as file:
        file.seek(-8, os.SEEK_END)
        return int.from_bytes(file.read(4), "little"), int.from_bytes(file.read(4), "little")


def handler(event, context):
    """Return bytes before and after, of all files, and the CRC-32 that the last archive says of its contents."""
    with context.phase("generate"):
        part = text(event["seed"])
    input_bytes = archive_bytes = crc = 0
    with tempfile.TemporaryDirectory() as folder:
        path, archive = pathlib.Path(folder, "text"), pathlib.Path(folder, "text.gz")
        for number in range(event["files"]):
            with context.phase("prepare"):
                write_file(path, number, part, event["file_mib"])
            with context.phase("compute"):
                compress(path, archive, event["level"])
            crc, length = trailer(archive)
            input_bytes += length
            archive_bytes += archive.stat().st_size
    return {"input_bytes": input_bytes, "archive_bytes": archive_bytes, "crc32": format(crc, "08x")}
