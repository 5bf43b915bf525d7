"""Reads AWS's public offer files (price list bulk API, JSON).

A file holds products by SKU with their attributes, and apart from them the terms: for each SKU the price dimensions,
one per tier of volume. What a product is stands in its usage type, which outside us-east-1 begins with a short name of
the region (`EUC1-Lambda-GB-Second`); the architecture is part of it. Free tiers are products of their own
(`Global-...`) or a first tier that costs nothing.

Source: https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/reading-service-price-list-file-for-services.html
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from sebsx.contracts.pricelists import OfferFile
from sebsx.model.prices import Key, Price, Tier

if TYPE_CHECKING:
    from collections.abc import Mapping

_ON_DEMAND, _PROVISIONED, _X86, _ARM = "on-demand", "provisioned", "x86_64", "arm64"
# Offer -> usage type -> meter, architecture, scheme, unit. What is the same on both architectures comes as x86_64.
_KNOWN: Mapping[str, Mapping[str, tuple[str, str, str, str]]] = {
    "AWSLambda": {
        "Request": ("request", "", "", "request"),
        "Request-ARM": ("request", _ARM, "", "request"),
        "Lambda-GB-Second": ("memory", _X86, _ON_DEMAND, "GB-s"),
        "Lambda-GB-Second-ARM": ("memory", _ARM, _ON_DEMAND, "GB-s"),
        "Lambda-Provisioned-GB-Second": ("memory", _X86, _PROVISIONED, "GB-s"),
        "Lambda-Provisioned-GB-Second-ARM": ("memory", _ARM, _PROVISIONED, "GB-s"),
        "Lambda-Provisioned-Concurrency": ("reserved", _X86, _PROVISIONED, "GB-s"),
        "Lambda-Provisioned-Concurrency-ARM": ("reserved", _ARM, _PROVISIONED, "GB-s"),
        "Lambda-Storage-GB-Second": ("ephemeral", "", "", "GB-s"),
        "Lambda-Storage-GB-Second-ARM": ("ephemeral", _ARM, "", "GB-s"),
        "Lambda-SnapStart-Restored-GB": ("restore", "", _ON_DEMAND, "GB"),
        "Lambda-SnapStart-Cached-GB-S": ("snapshot", "", "", "GB-s"),
    },
    "AmazonS3": {
        "Requests-Tier1": ("object.put", "", "", "request"),
        "Requests-Tier2": ("object.get", "", "", "request"),
        "TimedStorage-ByteHrs": ("object.stored", "", "", "GB-month"),
    },
    "AmazonDynamoDB": {
        "WriteRequestUnits": ("table.write", "", "", "WRU"),
        "ReadRequestUnits": ("table.read", "", "", "RRU"),
        "TimedStorage-ByteHrs": ("table.stored", "", "", "GB-month"),
    },
    "AmazonStates": {"StateTransition": ("workflow.transition", "", "", "transition")},
}
_REGION_PREFIX = re.compile(r"^[A-Z]{2,4}[0-9]?-")


def read_offer_file(document: Any) -> OfferFile:
    """Return the prices of an offer file that sebsx has a use for.

    Raises:
        ValueError: If it is not such a file, is of another service, or holds none of these prices in USD.
    """
    if not isinstance(document, dict) or not isinstance(document.get("products"), dict):
        raise ValueError("it has no products: is it an index.json of one service?")
    service = str(document.get("offerCode"))
    if service not in _KNOWN:
        raise ValueError(f"it is of offer {service!r}; prices are read from {', '.join(_KNOWN)}")
    try:
        terms = document["terms"]["OnDemand"]
        published = datetime.fromisoformat(document["publicationDate"]).date()
        prices = _prices(document["products"], terms, _KNOWN[service])
    except (KeyError, TypeError, AttributeError, InvalidOperation) as exc:
        raise ValueError(f"it is not laid out as an offer file: {type(exc).__name__} {exc}") from exc
    if not prices:
        raise ValueError(f"it holds no price of {service} in USD that sebsx uses")
    return OfferFile(published=published, version=str(document.get("version", "")), prices=_without_repetitions(prices))


def _prices(
    products: Mapping[str, Any], terms: Mapping[str, Any], known: Mapping[str, tuple[str, str, str, str]]
) -> dict[Key, Price]:
    prices: dict[Key, Price] = {}
    for sku, product in products.items():
        attributes = product["attributes"]
        usage, region = attributes.get("usagetype", ""), attributes.get("regionCode")
        found = known.get(_REGION_PREFIX.sub("", usage, count=1))
        if found is None or not region or sku not in terms:
            continue
        meter, architecture, scheme, unit = found
        price = _price(terms[sku], unit)
        key = Key(region, meter, architecture=architecture, scheme=scheme)
        if price is not None and prices.setdefault(key, price) != price:
            raise ValueError(f"it has two prices for {usage!r} in {region!r}")
    return prices


def _price(terms: Mapping[str, Any], unit: str) -> Price | None:
    """Return the price of a product by its newest term; None if it is not in USD."""
    term = max(terms.values(), key=lambda term: term["effectiveDate"])
    steps = sorted(
        (Decimal(step["beginRange"]), Decimal(step["pricePerUnit"]["USD"]).normalize())
        for step in term["priceDimensions"].values()
        if "USD" in step["pricePerUnit"]
    )
    if not steps:
        return None
    free = Decimal()
    if len(steps) > 1 and steps[0][1] == 0:
        free = steps[1][0]
        steps = [(begin - free, usd) for begin, usd in steps[1:]]
    return Price(unit, tuple(Tier(above=begin, usd=usd) for begin, usd in steps), free=free)


def _without_repetitions(prices: Mapping[Key, Price]) -> dict[Key, Price]:
    """Leave out prices of an architecture that are those of every architecture."""
    return {
        key: price
        for key, price in prices.items()
        if not key.architecture or prices.get(Key(key.region, key.meter, architecture="", scheme=key.scheme)) != price
    }
