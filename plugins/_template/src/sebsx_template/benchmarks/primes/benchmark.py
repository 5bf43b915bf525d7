"""Driver's side of primes. The answers are known from the literature: the check shares no code with the function.

For a bound that is not a power of ten only the largest prime is checked.
"""

from __future__ import annotations

# The prime-counting function at powers of ten: https://oeis.org/A006880
KNOWN = {10**4: 1_229, 10**5: 9_592, 10**6: 78_498, 10**7: 664_579}


def payload(parameters, rng, storage):
    """Return the bound."""
    return {"below": parameters["below"]}


def check(payload, output, storage):
    """Return None if the count and the largest prime are right."""
    below = payload["below"]
    if below in KNOWN and output["count"] != KNOWN[below]:
        return f"counted {output['count']!r} primes below {below}, expected {KNOWN[below]}"
    largest = next(number for number in range(below - 1, 1, -1) if _is_prime(number)) if below > 2 else None
    if output["largest"] != largest:
        return f"largest prime below {below} is {output['largest']!r}, expected {largest}"
    return None


def _is_prime(number):
    return all(number % divisor for divisor in range(2, int(number**0.5) + 1))
