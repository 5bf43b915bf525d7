"""Allocate memory, write to it, and release it."""

from __future__ import annotations

import mmap


def handler(event, context):
    """Return how many bytes were written, and the sum of the bytes read back, one of each allocation."""
    size = event["block_bytes"]
    pattern = b"\x42" * size
    positions = event["positions"]
    written_bytes = total = 0
    with context.phase("compute"):
        for number in range(event["rounds"]):
            with mmap.mmap(-1, size) as block:
                written_bytes += block.write(pattern)
                total += block[positions[number % len(positions)]]
    return {"written_bytes": written_bytes, "total": total}
