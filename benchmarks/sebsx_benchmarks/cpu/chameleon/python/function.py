"""Render HTML tables with the template engine Chameleon."""

from __future__ import annotations

import hashlib
import pathlib
import zlib

from chameleon import PageTemplate

_PAGE = PageTemplate(pathlib.Path(__file__).with_name("table.pt").read_text(encoding="utf-8"))


def random_table(seed, rows, columns):
    """Return rows of numbers below 1,000,000 from xorshift32 with shifts 13, 17, 5."""
    x = seed
    table = []
    for _ in range(rows):
        row = []
        for _ in range(columns):
            x ^= (x << 13) & 0xFFFFFFFF
            x ^= x >> 17
            x ^= (x << 5) & 0xFFFFFFFF
            row.append(x % 1000000)
        table.append(row)
    return table


def handler(event, context):
    """Return how many bytes of HTML were rendered, the CRC-32 of all pages, and cells and SHA-256 of the last."""
    with context.phase("generate"):
        table = random_table(event["seed"], event["rows"], event["columns"])
    html_bytes = crc = 0
    page = b""
    with context.phase("compute"):
        for number in range(event["pages"]):
            page = _PAGE(caption=f"<{event['caption']} & {number}>", table=table).encode("utf-8")
            html_bytes += len(page)
            crc = zlib.crc32(page, crc)
    return {
        "html_bytes": html_bytes,
        "pages_crc32": format(crc, "08x"),
        "cells": page.count(b"<td>"),
        "page_sha256": hashlib.sha256(page).hexdigest(),
    }
