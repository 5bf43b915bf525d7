"""Writes offer files in the true format of AWS's price list bulk API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# SKU -> region, usage type, tiers as (begin, end, USD). As in the real file: tiers in no order, free tier apart.
Products = Mapping[str, tuple[str | None, str, Sequence[tuple[str, str, str]]]]

LAMBDA: Products = {
    "TG3M4CAGBA3NYQBH": (
        "us-east-1",
        "Lambda-GB-Second",
        [
            ("6000000000", "15000000000", "0.0000150000"),
            ("0", "6000000000", "0.0000160000"),
            ("15000000000", "Inf", "0.0000133334"),
        ],
    ),
    "72SBSFWPMDTH8S3J": ("us-east-1", "Lambda-GB-Second-ARM", [("0", "Inf", "0.0000120000")]),
    "GU2ZS9HVP6QTQ7KE": ("us-east-1", "Request", [("0", "Inf", "0.0000002000")]),
    "K7BX6567RJ67A2KE": ("us-east-1", "Request-ARM", [("0", "Inf", "0.0000002000")]),
    "EUREQUESTS000000": ("eu-central-1", "EUC1-Request", [("0", "Inf", "0.0000002100")]),
    "EUREQUESTSARM000": ("eu-central-1", "EUC1-Request-ARM", [("0", "Inf", "0.0000001900")]),
    "EUMEMORY00000000": ("eu-central-1", "EUC1-Lambda-GB-Second", [("0", "Inf", "0.0000166667")]),
    "NEWREQUESTS00000": ("mx-central-1", "MXC1-Request", [("0", "Inf", "0.0000002100")]),
    "NEWMEMORY0000000": ("mx-central-1", "MXC1-Lambda-GB-Second", [("0", "Inf", "0.0000175000")]),
    "EDGE000000000000": ("us-east-1", "Lambda-Edge-Request", [("0", "Inf", "0.0000006000")]),
    "FREE000000000000": (None, "Global-Request", [("0", "1000000", "0.0000000000")]),
}


def offer_file(
    path: Path, products: Products = LAMBDA, *, code: str = "AWSLambda", published: str = "2026-10-19T21:00:00Z"
) -> Path:
    """Write an `index.json` and return its path."""
    path.write_text(json.dumps(document(products, code, published)), encoding="utf-8")
    return path


def document(products: Products, code: str, published: str) -> dict[str, Any]:
    """Return what an offer file holds."""
    return {
        "formatVersion": "v1.0",
        "disclaimer": "This pricing list is for informational purposes only.",
        "offerCode": code,
        "version": "20261019210000",
        "publicationDate": published,
        "products": {
            sku: {
                "sku": sku,
                "productFamily": "Serverless",
                "attributes": {
                    "servicecode": code,
                    "usagetype": usage,
                    "operation": "",
                    **({"location": region, "regionCode": region} if region else {"location": "Any"}),
                },
            }
            for sku, (region, usage, _) in products.items()
        },
        "terms": {"OnDemand": {sku: _terms(sku, tiers) for sku, (_, _, tiers) in products.items()}},
        "attributesList": {},
    }


def _terms(sku: str, tiers: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    dimensions = {
        f"{sku}.JRTCKXETXF.{number}": {
            "rateCode": f"{sku}.JRTCKXETXF.{number}",
            "description": f"${usd} per unit",
            "beginRange": begin,
            "endRange": end,
            "unit": "Requests",
            "pricePerUnit": {"USD": usd},
            "appliesTo": [],
        }
        for number, (begin, end, usd) in enumerate(tiers)
    }
    term = {
        "offerTermCode": "JRTCKXETXF",
        "sku": sku,
        "effectiveDate": "2026-10-01T00:00:00Z",
        "priceDimensions": dimensions,
        "termAttributes": {},
    }
    return {f"{sku}.JRTCKXETXF": term}
