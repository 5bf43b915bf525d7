"""Makes a new price book of an older one and a provider's public offer file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from sebsx.errors import UserError
from sebsx.model.untrusted import parse_json

if TYPE_CHECKING:
    from datetime import date

    from sebsx.contracts.pricelists import Pricelist
    from sebsx.pricing.books import PriceBook

_TIMEOUT_S = 60.0
# AWS's largest file of use here has 14 MB; EC2's has 9 GB and nothing in it.
_MOST_BYTES = 256 * 1024 * 1024


def updated(pricelist: Pricelist, base: PriceBook, source: str, today: date) -> PriceBook:
    """Return the book that takes effect when an offer file was published.

    What the file does not say stays as it is in `base`: how invocations are counted, free tiers, other prices.

    Args:
        pricelist: Reads the file.
        base: The newest book.
        source: A path, or an http or https URL.
        today: When it is read.

    Raises:
        UserError: If the file cannot be read, is not an offer file, or is older than `base`.
    """
    data = _fetch(source)
    try:
        found = pricelist.read_offer_file(parse_json(data, _MOST_BYTES))
    except ValueError as exc:
        raise UserError(f"offers of {pricelist.name!r} in {source!r} cannot be used: {exc}") from exc
    if found.published < base.effective:
        raise UserError(f"offers in {source!r} are of {found.published}, older than the newest book {base}")
    prices = dict(base.prices)
    for key, price in found.prices.items():
        kept = base.prices.get(key)
        free = kept.free if kept and not price.free else price.free
        prices[key] = dataclasses.replace(price, free=free)
    where = f"{_public(source)} {found.version}".rstrip()
    text = f"{where}; all else from {base}"
    return dataclasses.replace(
        base, effective=found.published, retrieved=today, source=text, prices=prices, path="", sha256=""
    )


def _fetch(source: str) -> bytes:
    remote = "://" in source
    if remote and urlsplit(source).scheme not in ("http", "https"):
        raise UserError(f"offers at {source!r}: only http, https and files can be read")
    try:
        if not remote:
            return Path(source).read_bytes()
        with urlopen(source, timeout=_TIMEOUT_S) as answer:  # noqa: S310  # http and https only, checked above
            data: bytes = answer.read(_MOST_BYTES + 1)
    except (OSError, URLError) as exc:
        raise UserError(f"offers in {source!r} cannot be read: {exc}") from exc
    if len(data) > _MOST_BYTES:
        raise UserError(
            f"offers in {source!r} are larger than {_MOST_BYTES // 2**20} MiB; name the file of one service"
        )
    return data


def _public(source: str) -> str:
    """Return a URL without its query, which may be signed, or the name of a file."""
    return source.partition("?")[0] if "://" in source else Path(source).name
