"""A sieve of Eratosthenes."""

from __future__ import annotations


def handler(event, context):
    """Return how many primes there are below a number, and the largest."""
    below = event["below"]
    with context.phase("sieve"):
        sieve = bytearray([1]) * below
        sieve[:2] = b"\0\0"
        for number in range(2, int(below**0.5) + 1):
            if sieve[number]:
                sieve[number * number :: number] = bytes(len(range(number * number, below, number)))
    largest = sieve.rfind(1)
    return {"count": sum(sieve), "largest": largest if largest >= 0 else None}
