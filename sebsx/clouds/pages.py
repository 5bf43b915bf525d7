"""Listings that come page by page: read to their end, which must come."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sebsx.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

P = TypeVar("P")

MOST_PAGES = 10_000
"""Pages after which a listing is given up: of objects, ten million."""


def each_page(what: str, pages: Iterable[P], following: Callable[[P], Hashable], most: int = MOST_PAGES) -> Iterator[P]:
    """Yield the pages of a listing.

    Args:
        what: What is listed, for the message: `list of objects`.
        pages: The pages; each is fetched when it is asked for.
        following: Returns the token by which the page after one will be asked for; empty for none.
        most: Pages after which it is given up.

    Raises:
        PlatformError: If a token comes again, as it would for ever, or the listing has not ended by then.
    """
    seen: set[Hashable] = set()
    for number, page in enumerate(pages, 1):
        yield page
        token = following(page)
        if token and (token in seen or number >= most):
            reason = "names a page that was read before" if token in seen else "names yet another"
            raise PlatformError(f"{what} does not end: page {number} {reason}; is the endpoint right?")
        seen.add(token)
