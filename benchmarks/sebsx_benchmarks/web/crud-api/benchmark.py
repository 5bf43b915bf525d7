"""Driver's side of crud-api: makes a list of products and works out the cart without a table."""

from __future__ import annotations

import functools
import hashlib
import json


def payload(parameters, rng, storage):
    """Return products in random order, one to look up, a third to change, and a fifth to remove."""
    numbers = rng.sample(range(100_000), parameters["items"])
    items = [
        {
            "sku": f"sku-{number:05}",
            "name": f"Product {number}",
            "price_cents": rng.randint(1, 100_000),
            "quantity": rng.randint(1, 9),
        }
        for number in numbers
    ]
    skus = [item["sku"] for item in items]
    return {
        "items": items,
        "lookup": rng.choice(skus),
        "updates": {sku: rng.randint(10, 99) for sku in rng.sample(skus, len(skus) // 3)},
        "removals": rng.sample(skus, len(skus) // 5),
    }


def check(payload, output, storage):
    """Return None if what was read, totals and contents of the cart are right, and it was emptied."""
    for name, expected in _expected(json.dumps(payload, sort_keys=True)).items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None


@functools.lru_cache(maxsize=8)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    prices = {item["sku"]: item["price_cents"] for item in payload["items"]}
    quantities = {item["sku"]: item["quantity"] for item in payload["items"]} | payload["updates"]
    remaining = sorted(prices.keys() - set(payload["removals"]))
    cart = "".join(f"{sku} {quantities[sku]} {prices[sku]}\n" for sku in remaining)
    return {
        "looked_up_cents": prices[payload["lookup"]],
        "items": len(remaining),
        "pieces": sum(quantities[sku] for sku in remaining),
        "total_cents": sum(quantities[sku] * prices[sku] for sku in remaining),
        "cart_sha256": hashlib.sha256(cart.encode()).hexdigest(),
        "left": 0,
    }
