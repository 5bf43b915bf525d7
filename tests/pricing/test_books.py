"""Price books: read strictly, found by date, and what they do not know is an error."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from sebsx import plugins
from sebsx.errors import UnknownNameError, UserError
from sebsx.pricing import Shelf, differences
from sebsx.pricing.bookfile import read, write

REGISTRY = plugins.load(["prices"])
TEXT = """
provider = "aws"
effective = 2030-01-02
retrieved = 2030-01-03
source = "a test"
[groups]
near = ["here", "there"]
[scheme.plain]
step_s = 0.001
[[price]]
meter = "request"
unit = "request"
regions = ["near"]
usd = 0.000001
[[price]]
meter = "memory"
unit = "GB-s"
architectures = ["x86_64"]
regions = ["near"]
tiers = [[0, 0.00002], [1_000, 0.00001]]
free = 5
"""


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "aws").mkdir()
    return Shelf(REGISTRY, tmp_path)


def add(shelf: Shelf, text: str = TEXT, name: str = "own") -> Path:
    path = shelf.folder / "aws" / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("provider", ["aws", "azure", "gcp"])
def test_shipped_book_says_the_same_after_writing_and_reading(provider: str, tmp_path: Path) -> None:
    books = Shelf(REGISTRY).books(provider)
    assert books
    for book in books:
        path = tmp_path / "copy.toml"
        path.write_text(write(book), encoding="utf-8")
        copy = read(path)
        assert differences(book, copy) == []
        assert (copy.schemes, copy.effective, copy.source) == (book.schemes, book.effective, book.source)


@pytest.mark.parametrize("provider", ["aws", "azure", "gcp"])
def test_every_region_of_a_shipped_book_has_a_price_for_an_architecture_it_names(provider: str) -> None:
    for book in Shelf(REGISTRY).books(provider):
        for region in book.regions:
            architectures = book.architectures(region)
            assert architectures
            scheme = next(name for name in book.schemes if book.architectures(region, name))
            for architecture in book.architectures(region, scheme):
                assert book.rates(region, architecture, scheme).prices["memory"].usd > 0


def test_prices_are_exact_as_written(shelf: Shelf) -> None:
    book = read(add(shelf))
    price = book.rates("there", "x86_64").prices["memory"]
    assert [(tier.above, tier.usd) for tier in price.tiers] == [(0, Decimal("0.00002")), (1000, Decimal("0.00001"))]
    assert price.free == 5


def test_book_in_force_is_the_newest_that_took_effect(shelf: Shelf) -> None:
    add(shelf)
    first = shelf.books("aws")[0]
    assert shelf.book("aws", date(2030, 1, 1)).effective < date(2030, 1, 2)
    assert shelf.book("aws", date(2030, 1, 2)).source == "a test"
    assert shelf.book("aws", first.effective) is first


def test_day_before_the_first_book_is_an_error_that_names_it(shelf: Shelf) -> None:
    with pytest.raises(UserError, match="in force on 2020-01-01; the first is of 2025-08-01"):
        shelf.book("aws", date(2020, 1, 1))


def test_two_books_of_one_day_are_refused(shelf: Shelf) -> None:
    add(shelf)
    add(shelf, name="second")
    with pytest.raises(UserError, match=r"two price books of 'aws' .* on 2030-01-02: .*own.*second.*remove one"):
        shelf.books("aws")


def test_book_in_the_folder_of_another_provider_is_refused(shelf: Shelf) -> None:
    add(shelf, TEXT.replace('"aws"', '"azure"'))
    with pytest.raises(UserError, match="is of 'azure', not of 'aws'"):
        shelf.books("aws")


def test_unknown_provider_suggests_the_nearest(shelf: Shelf) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'azure'"):
        shelf.books("azur")


@pytest.mark.parametrize(
    ("region", "architecture", "scheme", "words"),
    [
        ("us-east-11", "x86_64", "", "region 'us-east-11' of price book .* is not known; did you mean 'us-east-1'"),
        ("us-east-1", "riscv", "", "'riscv' has no price in 'us-east-1' under 'on-demand'.*has arm64, x86_64"),
        ("ca-west-1", "arm64", "", "'arm64' has no price in 'ca-west-1'.*has x86_64"),
        ("us-east-1", "x86_64", "on-deman", "did you mean 'on-demand'"),
    ],
)
def test_unknown_place_is_an_error_that_names_the_known(
    region: str, architecture: str, scheme: str, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        Shelf(REGISTRY).books("aws")[0].rates(region, architecture, scheme)


def test_service_without_a_price_in_a_region_names_those_that_have_one() -> None:
    book = Shelf(REGISTRY).books("aws")[0]
    with pytest.raises(UserError, match=r"'object\.put' has no price in 'eu-west-1' .*has us-east-1"):
        book.service("eu-west-1", "object.put")
    with pytest.raises(UnknownNameError, match=r"did you mean 'object\.put'"):
        book.service("us-east-1", "object.putt")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("usd = 0.000001", "usd = -0.000001", r"price 1 \(request\): price is -0.000001; it must be 0, or from"),
        ("usd = 0.000001", 'usd = "0.000001"', "is '0.000001', not a number"),
        ("usd = 0.000001", "usd = nan", "is NaN, not a number"),
        ("usd = 0.000001", "dollars = 0.000001", "'dollars' is not known"),
        ("usd = 0.000001", "usd = 1\nby_region = {here = 1}", "give one of usd, tiers and by_region"),
        ("effective = 2030-01-02", 'effective = "2030-01-02"', "effective must be a date"),
        ("effective = 2030-01-02", "effective = 2030-01-02T00:00:00", "effective must be a date"),
        ("[[0, 0.00002], [1_000, 0.00001]]", "[[5, 0.00002]]", "the first tier must begin at 0"),
        ("[[0, 0.00002], [1_000, 0.00001]]", "[[0, 1], [0, 2]]", "tiers must ascend"),
        ("[[0, 0.00002], [1_000, 0.00001]]", "[1]", "pairs of a volume and a price"),
        ("step_s = 0.001", "step_s = 0", "step_s must be more than 0"),
        ("step_s = 0.001", "", "step_s is None, not a number"),
        ("[scheme.plain]\nstep_s = 0.001", "[scheme]", "it has no scheme"),
        ('["here", "there"]', '["here", "here"]', "'here request' has a price already"),
        ('meter = "memory"', 'meter = "memory"\nscheme = "other"', "scheme 'other' is not described; has plain"),
        ('source = "a test"', 'source = "a test"\ncurrency = "CNY"', "only USD"),
        ('source = "a test"', "source = ", "cannot be read"),
        ('provider = "aws"', "", "provider is missing"),
    ],
)
def test_wrong_book_is_refused_and_the_place_named(shelf: Shelf, old: str, new: str, words: str) -> None:
    assert old in TEXT
    path = add(shelf, TEXT.replace(old, new, 1))
    with pytest.raises(UserError, match=words) as caught:
        shelf.books("aws")
    assert str(path) in str(caught.value)


def test_bytes_that_are_no_text_are_one_clear_error(shelf: Shelf) -> None:
    add(shelf).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="cannot be read"):
        shelf.books("aws")


def test_differences_are_what_changed_came_and_went(shelf: Shelf) -> None:
    old = read(add(shelf))
    new = read(add(shelf, TEXT.replace("0.000001", "0.000002").replace('"there"', '"yonder"')))
    found = {
        str(change.key): (change.old and change.old.usd, change.new and change.new.usd)
        for change in differences(old, new)
    }
    memory, before, after = Decimal("0.00002"), Decimal("0.000001"), Decimal("0.000002")
    assert found == {
        "here request": (before, after),
        "there request": (before, None),
        "there x86_64 memory": (memory, None),
        "yonder request": (None, after),
        "yonder x86_64 memory": (None, memory),
    }
