"""A shopping cart on a key-value table."""

from __future__ import annotations

import hashlib


def handler(event, context):
    """Fill, read, change, list and empty a cart of this invocation's own; return what was read.

    Numbers are turned into int where they come back: some tables return decimals.
    """
    table = context.table
    cart = "cart-" + context.request_id
    with context.phase("create"):
        for item in event["items"]:
            table.put(cart, item["sku"], item)
    with context.phase("read"):
        looked_up = table.get(cart, event["lookup"])
    with context.phase("update"):
        for sku, quantity in event["updates"].items():
            item = dict(table.get(cart, sku))
            item["quantity"] = quantity
            table.put(cart, sku, item)
    with context.phase("delete"):
        for sku in event["removals"]:
            table.delete(cart, sku)
    with context.phase("query"):
        items = table.query(cart)
    lines = ["{} {} {}\n".format(item["sku"], int(item["quantity"]), int(item["price_cents"])) for item in items]
    with context.phase("clear"):
        for item in items:
            table.delete(cart, item["sku"])
        left = len(table.query(cart))
    return {
        "looked_up_cents": int(looked_up["price_cents"]),
        "items": len(items),
        "pieces": sum(int(item["quantity"]) for item in items),
        "total_cents": sum(int(item["quantity"]) * int(item["price_cents"]) for item in items),
        "cart_sha256": hashlib.sha256("".join(lines).encode("utf-8")).hexdigest(),
        "left": left,
    }
