"""AWS's offer files: what they say becomes prices, whatever else is in them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from sebsx import plugins
from sebsx.contracts.pricelists import OfferFile
from sebsx.errors import UnsupportedError
from sebsx.model.prices import Key
from tests.pricing.offers import LAMBDA, Products, document

LIST = plugins.load(["prices"]).get("pricelists", "aws")()


def read(products: Products = LAMBDA, code: str = "AWSLambda") -> OfferFile:
    return LIST.read_offer_file(document(products, code, "2026-10-19T21:00:00Z"))


def test_architecture_and_region_come_from_the_usage_type() -> None:
    prices = {key: price.usd for key, price in read().prices.items()}
    assert prices == {
        Key("us-east-1", "request"): Decimal("2e-7"),
        Key("us-east-1", "memory", architecture="x86_64", scheme="on-demand"): Decimal("0.000016"),
        Key("us-east-1", "memory", architecture="arm64", scheme="on-demand"): Decimal("0.000012"),
        Key("eu-central-1", "request"): Decimal("2.1e-7"),
        Key("eu-central-1", "request", architecture="arm64"): Decimal("1.9e-7"),  # another than that of x86_64
        Key("eu-central-1", "memory", architecture="x86_64", scheme="on-demand"): Decimal("0.0000166667"),
        Key("mx-central-1", "request"): Decimal("2.1e-7"),
        Key("mx-central-1", "memory", architecture="x86_64", scheme="on-demand"): Decimal("0.0000175"),
    }


def test_tiers_are_put_in_order() -> None:
    tiers = read().prices[Key("us-east-1", "memory", architecture="x86_64", scheme="on-demand")].tiers
    assert [(int(tier.above), str(tier.usd)) for tier in tiers] == [
        (0, "0.000016"),
        (6_000_000_000, "0.000015"),
        (15_000_000_000, "0.0000133334"),
    ]


def test_first_tier_that_costs_nothing_is_a_free_tier() -> None:
    steps = [("0", "25", "0.0000000000"), ("25", "Inf", "0.2500000000")]
    offers = read({"A": ("us-east-1", "TimedStorage-ByteHrs", steps)}, "AmazonDynamoDB")
    price = offers.prices[Key("us-east-1", "table.stored")]
    assert (price.usd, price.free) == (Decimal("0.25"), 25)
    assert price.of(Decimal(30), free_tier=True) == Decimal("1.25")


def test_other_services_have_meters_of_their_own() -> None:
    products: Products = {
        "A": ("eu-west-1", "EU-Requests-Tier1", [("0", "Inf", "0.000005")]),
        "B": ("eu-west-1", "EU-TimedStorage-ByteHrs", [("0", "51200", "0.023"), ("51200", "Inf", "0.022")]),
    }
    prices = read(products, "AmazonS3").prices
    assert prices[Key("eu-west-1", "object.put")].usd == Decimal("0.000005")
    assert len(prices[Key("eu-west-1", "object.stored")].tiers) == 2


def test_newest_term_holds() -> None:
    said = document({"A": ("us-east-1", "Request", [("0", "Inf", "0.1")])}, "AWSLambda", "2026-10-19T21:00:00Z")
    later = document({"A": ("us-east-1", "Request", [("0", "Inf", "0.2")])}, "AWSLambda", "2026-10-19T21:00:00Z")
    term = later["terms"]["OnDemand"]["A"]["A.JRTCKXETXF"]
    said["terms"]["OnDemand"]["A"]["A.LATER"] = {**term, "effectiveDate": "2026-10-02T00:00:00Z"}
    assert LIST.read_offer_file(said).prices[Key("us-east-1", "request")].usd == Decimal("0.2")


def _in_yuan(said: Any) -> None:
    for terms in said["terms"]["OnDemand"].values():
        for term in terms.values():
            for step in term["priceDimensions"].values():
                step["pricePerUnit"] = {"CNY": "1"}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda said: said.pop("products"), "it has no products"),
        (lambda said: said.update(offerCode="AmazonEC2"), "of offer 'AmazonEC2'; prices are read from AWSLambda"),
        (lambda said: said.pop("terms"), "not laid out as an offer file: KeyError 'terms'"),
        (lambda said: said.update(publicationDate=None), "not laid out as an offer file: TypeError"),
        (lambda said: said["products"].clear(), "it holds no price of AWSLambda in USD"),
        (_in_yuan, "it holds no price of AWSLambda in USD"),
    ],
)
def test_file_that_is_none_is_refused(spoil: Callable[[Any], object], words: str) -> None:
    said = document(LAMBDA, "AWSLambda", "2026-10-19T21:00:00Z")
    spoil(said)
    with pytest.raises(ValueError, match=words):
        LIST.read_offer_file(said)


def test_two_prices_for_one_thing_are_refused() -> None:
    products: Products = {
        "A": ("us-east-1", "Request", [("0", "Inf", "0.1")]),
        "B": ("us-east-1", "Request", [("0", "Inf", "0.2")]),
    }
    with pytest.raises(ValueError, match="two prices for 'Request' in 'us-east-1'"):
        read(products)


def test_provider_whose_offers_cannot_be_read_says_what_to_do() -> None:
    with pytest.raises(UnsupportedError, match="write a price book of your own"):
        plugins.load(["prices"]).get("pricelists", "gcp")().read_offer_file({})
