"""A listing that does not end is refused, and no page is fetched before it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

import pytest

from sebsx.clouds.pages import each_page
from sebsx.clouds.selfhosted import paged
from sebsx.errors import PlatformError
from sebsx_azure.clients import listed


def test_listing_is_read_to_its_end() -> None:
    assert list(each_page("list of trees", ["a", "b", ""], lambda page: page)) == ["a", "b", ""]
    assert list(each_page("list of trees", ["", ""], lambda page: page, most=2)) == ["", ""]


def test_page_is_fetched_when_it_is_asked_for() -> None:
    fetched = []

    def pages() -> Iterator[int]:
        for number in count(1):
            fetched.append(number)
            yield number

    assert list(islice(each_page("list of trees", pages(), lambda page: page), 2)) == [1, 2]
    assert fetched == [1, 2]


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ("aaa", "list of trees does not end: page 2 names a page that was read before"),
        ("abab", "list of trees does not end: page 3 names a page that was read before"),
        ("abcdef", "list of trees does not end: page 4 names yet another"),
    ],
)
def test_listing_that_does_not_end_is_refused(tokens: str, said: str) -> None:
    with pytest.raises(PlatformError, match=said):
        list(each_page("list of trees", tokens, lambda page: page, most=4))


def test_listing_of_azures_libraries_that_does_not_end_is_refused() -> None:
    paging = pytest.importorskip("azure.core.paging")
    endless = paging.ItemPaged(lambda token: token, lambda _answer: ("more", ["tree"]))
    with pytest.raises(PlatformError, match="list of trees does not end: page 2"):
        list(listed("list of trees", endless))


def test_listing_by_what_comes_before_that_does_not_end_is_refused() -> None:
    assert list(paged(lambda skip: list(range(skip, min(skip + 2, 5))), 2)) == [0, 1, 2, 3, 4]
    with pytest.raises(PlatformError, match="the listing does not end: page 2 names a page that was read before"):
        list(paged(lambda _skip: ["a", "b"], 2))
