"""Render an HTML page from a template."""

from __future__ import annotations

import hashlib
import pathlib

import jinja2

_ENVIRONMENT = jinja2.Environment(autoescape=True, keep_trailing_newline=True)
_PAGE = _ENVIRONMENT.from_string(pathlib.Path(__file__).with_name("page.html").read_text(encoding="utf-8"))


def random_values(seed, count):
    """Return `count` numbers below 1,000,000 from xorshift32 with shifts 13, 17, 5, which every language can draw."""
    values = []
    x = seed
    for _ in range(count):
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        values.append(x % 1000000)
    return values


def handler(event, context):
    """Render the page and return its number of items, length in bytes and SHA-256."""
    with context.phase("generate"):
        values = random_values(event["seed"], event["count"])
    with context.phase("compute"):
        page = _PAGE.render(username=event["username"], values=values).encode("utf-8")
    return {"items": page.count(b"<li>"), "html_bytes": len(page), "html_sha256": hashlib.sha256(page).hexdigest()}
