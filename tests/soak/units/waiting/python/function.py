"""Wait for a time that depends on the hash seed, and take no processor meanwhile from whoever sends the load."""

import time

LUCK = hash("luck") % 1000 / 1000  # uniform, so that sandboxes lie 4.6 % apart


def handler(event, context):
    """Return after 0.18 to 0.22 s."""
    time.sleep(0.2 * (0.92 + 0.16 * LUCK))
    return {"waited": True}
