"""Open and close file handles."""

from __future__ import annotations

import os
import pathlib
import tempfile

AT_ONCE = 64


def open_and_close(paths, handles):
    """Open and close `handles` files in turn, at most 64 at once.

    Returns:
        How many were opened, how many different handles were open at once, and the bytes that the kernel says are
        behind the first handle of each batch.
    """
    opened = at_once = seen_bytes = 0
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
    while opened < handles:
        held = []
        try:
            batch = range(opened, min(handles, opened + AT_ONCE))
            held.extend(os.open(paths[number % len(paths)], flags) for number in batch)
            seen_bytes += os.fstat(held[0]).st_size
        finally:
            for handle in held:
                os.close(handle)
        opened += len(held)
        at_once = max(at_once, len(set(held)))
    return opened, at_once, seen_bytes


def handler(event, context):
    """Return how many handles were opened, how many at once, and the bytes behind some of them."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(pathlib.Path(folder, f"{number:02}")) for number in range(len(event["file_bytes"]))]
        with context.phase("prepare"):
            for path, size in zip(paths, event["file_bytes"]):  # noqa: B905  # `strict` needs Python 3.10
                pathlib.Path(path).write_bytes(bytes(size))
        with context.phase("compute"):
            opened, at_once, seen_bytes = open_and_close(paths, event["handles"])
    return {"opened": opened, "at_once": at_once, "seen_bytes": seen_bytes}
