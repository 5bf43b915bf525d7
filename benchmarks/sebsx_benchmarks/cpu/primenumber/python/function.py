"""Count primes by trial division, as sysbench does."""

from __future__ import annotations

import math


def handler(event, context):
    """Return how many primes there are from 3 to the limit, and a checksum over them in order."""
    modulus = event["modulus"]
    primes = checksum = 0
    with context.phase("compute"):
        for candidate in range(3, event["limit"] + 1):
            for divisor in range(2, math.isqrt(candidate) + 1):
                if candidate % divisor == 0:
                    break
            else:
                primes += 1
                checksum = (31 * checksum + candidate) % modulus
    return {"primes": primes, "checksum": checksum}
