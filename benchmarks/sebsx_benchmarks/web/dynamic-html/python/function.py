"""Render an HTML page from a template."""

from __future__ import annotations

import array
import hashlib
import itertools
import operator
import pathlib
import sys

import jinja2

_ENVIRONMENT = jinja2.Environment(autoescape=True, keep_trailing_newline=True)
_PAGE = _ENVIRONMENT.from_string(pathlib.Path(__file__).with_name("page.html").read_text(encoding="utf-8"))


def random_values(seed, count):
    """Return `count` numbers below 1,000,000 from SHAKE-256, of 32 bits each, which every language can draw."""
    drawn = array.array("I", hashlib.shake_256(seed.encode("ascii")).digest(4 * count))
    if sys.byteorder == "big":
        drawn.byteswap()
    return list(map(operator.mod, drawn, itertools.repeat(1000000)))


def handler(event, context):
    """Render the page and return its number of items, length in bytes and SHA-256."""
    with context.phase("generate"):
        values = random_values(event["seed"], event["count"])
    with context.phase("compute"):
        page = _PAGE.render(username=event["username"], values=values).encode("utf-8")
    return {"items": page.count(b"<li>"), "html_bytes": len(page), "html_sha256": hashlib.sha256(page).hexdigest()}
