"""Driver's side of chameleon: builds the last page by joining strings, and all pages from it."""

from __future__ import annotations

import functools
import hashlib
import json
import zlib

_MASK = 0xFFFFFFFF


def payload(parameters, rng, storage):
    """Return the table's shape, how many pages show it, a word for the caption, and a seed that is not 0."""
    shape = {name: parameters[name] for name in ("rows", "columns", "pages")}
    return {**shape, "caption": "".join(rng.choices("aeinorst", k=8)), "seed": rng.randrange(1, 2**32)}


def check(payload, output, storage):
    """Return None if the last page and the checksum and length of all are right."""
    for name, expected in _expected(json.dumps(payload, sort_keys=True)).items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None


@functools.lru_cache(maxsize=8)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    rows, columns, pages = payload["rows"], payload["columns"], payload["pages"]
    values = _values(payload["seed"])
    lines = ["\n".join(f"<td>{next(values)}</td>" for _ in range(columns)) for _ in range(rows)]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    head, tail = (
        f"<table>\n<caption>&lt;{payload['caption']} &amp; ".encode(),
        f"&gt;</caption>\n{body}\n</table>\n".encode(),
    )
    crc = html_bytes = 0
    for number in range(pages):
        page = b"%b%d%b" % (head, number, tail)
        html_bytes += len(page)
        crc = zlib.crc32(page, crc)
    return {
        "html_bytes": html_bytes,
        "pages_crc32": f"{crc:08x}",
        "cells": rows * columns,
        "page_sha256": hashlib.sha256(page).hexdigest(),
    }


def _values(seed):
    """Yield numbers below 1,000,000 from xorshift32 (Marsaglia 2003, shifts 13, 17, 5) without end."""
    state = seed
    while True:
        state ^= state << 13 & _MASK
        state ^= state >> 17
        state ^= state << 5 & _MASK
        yield state % 1_000_000
