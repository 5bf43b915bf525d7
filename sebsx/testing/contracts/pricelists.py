"""The contract of a price list: books that can be read, and offers that are refused with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sebsx.errors import UnsupportedError
from sebsx.pricing import bookfile
from sebsx.testing.contracts import metadata

if TYPE_CHECKING:
    from sebsx.contracts.pricelists import Pricelist


class PricelistContract:
    """Every price list: override the fixture `pricelist`."""

    @pytest.fixture
    def pricelist(self) -> Pricelist:
        """Return the price list under test."""
        raise NotImplementedError("override the fixture 'pricelist'")

    def test_metadata_is_complete(self, pricelist: Pricelist) -> None:
        metadata.check_words(type(pricelist))
        assert "\n" not in pricelist.offer_files

    def test_every_book_is_read_and_is_its_own(self, pricelist: Pricelist) -> None:
        books = [bookfile.read(path) for path in pricelist.books()]
        assert {book.provider for book in books} == {pricelist.name}
        assert len({book.effective for book in books}) == len(books), "two books are of one day"

    def test_document_that_is_no_offer_is_refused_with_a_reason(self, pricelist: Pricelist) -> None:
        wanted = ValueError if pricelist.offer_files else UnsupportedError
        documents: tuple[Any, ...] = ({}, [], {"unexpected": 1})
        for document in documents:
            with pytest.raises(wanted) as caught:
                pricelist.read_offer_file(document)
            assert str(caught.value)
