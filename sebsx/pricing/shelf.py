"""The shelf: all price books there are, those that plugins bring and those that the user updated."""

from __future__ import annotations

import itertools
from functools import cached_property
from typing import TYPE_CHECKING

from sebsx.errors import UserError
from sebsx.pricing import bookfile
from sebsx.system.folders import data_folder, has_home

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from sebsx.contracts.registered import Registered
    from sebsx.pricing.books import PriceBook


class Shelf:
    """Finds the price book of a provider that is in force on a day. Files are read when first asked for, and once.

    Args:
        registry: Brings the price lists.
        folder: Where the user's own books lie, in a folder per provider; None for the user's data folder.
    """

    def __init__(self, registry: Registered, folder: Path | None = None) -> None:
        self._registry = registry
        self._folder = folder
        self._books: dict[str, list[PriceBook]] = {}

    @cached_property
    def folder(self) -> Path:
        """Where the user's own books lie."""
        return self._folder or data_folder() / "prices"

    def books(self, provider: str) -> list[PriceBook]:
        """Return the books of a provider, the oldest first.

        Raises:
            UnknownNameError: If no plugin brings prices of that provider; it suggests the nearest.
            UserError: If a book is wrong, or two are of the same day.
        """
        if provider not in self._books:
            shipped = self._registry.get("pricelists", provider)().books()
            has_own = self._folder is not None or has_home()
            own = sorted((self.folder / provider).glob("*.toml")) if has_own else []
            found = sorted((bookfile.read(path) for path in (*shipped, *own)), key=lambda book: book.effective)
            for book in found:
                if book.provider != provider:
                    raise UserError(f"price book {book.path!r} is of {book.provider!r}, not of {provider!r}")
            for earlier, later in itertools.pairwise(found):
                if earlier.effective == later.effective:
                    raise UserError(
                        f"two price books of {provider!r} take effect on {later.effective}: {earlier.path!r} and "
                        f"{later.path!r}; remove one"
                    )
            self._books[provider] = found
        return self._books[provider]

    def book(self, provider: str, at: date) -> PriceBook:
        """Return the book in force on a day: the newest that has taken effect.

        Raises:
            UserError: If the first book is of a later day.
        """
        books = self.books(provider)
        in_force = [book for book in books if book.effective <= at]
        if not in_force:
            first = f"the first is of {books[0].effective}" if books else "there is none"
            raise UserError(
                f"no price book of {provider!r} is in force on {at}; {first} (sebsx prices show {provider})"
            )
        return in_force[-1]
