"""Driver's side of primenumber: finds the primes with the sieve of Eratosthenes."""

from __future__ import annotations

import functools
import itertools
import json
import math


def payload(parameters, rng, storage):
    """Return the limit and the modulus of the checksum."""
    return {"limit": parameters["limit"], "modulus": rng.randrange(2**31, 2**32)}


def check(payload, output, storage):
    """Return None if number and checksum of the primes are right."""
    for name, expected in _expected(json.dumps(payload, sort_keys=True)).items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None


@functools.lru_cache(maxsize=8)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    primes = checksum = 0
    for prime in _odd_primes(payload["limit"]):
        primes += 1
        checksum = (31 * checksum + prime) % payload["modulus"]
    return {"primes": primes, "checksum": checksum}


def _odd_primes(limit):
    """Yield the primes from 3 to `limit`, which is at least 3."""
    is_prime = bytearray([1]) * (limit + 1)
    is_prime[4::2] = bytes(len(range(4, limit + 1, 2)))
    for number in range(3, math.isqrt(limit) + 1, 2):
        if is_prime[number]:
            is_prime[number * number :: number] = bytes(len(range(number * number, limit + 1, number)))
    return itertools.compress(range(3, limit + 1), is_prime[3:])
