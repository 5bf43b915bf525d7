"""Driver's side of readmemory: the sum of an arithmetic progression in closed form."""

from __future__ import annotations


def payload(parameters, rng, storage):
    """Return block size, number of reads, and first word and difference of the words that fill the block."""
    return {
        "block_mib": parameters["block_mib"],
        "reads": parameters["reads"],
        "first": rng.getrandbits(63),
        "factor": rng.getrandbits(63) | 1,
    }


def check(payload, output, storage):
    """Return None if the whole block was read as often as asked for."""
    words = payload["block_mib"] * 2**20 // 8
    total = payload["reads"] * (words * payload["first"] + payload["factor"] * (words * (words - 1) // 2))
    expected = {"read_bytes": payload["reads"] * words * 8, "total": f"{total % 2**64:016x}"}
    for name, value in expected.items():
        if output[name] != value:
            return f"{name} is {output[name]!r}, expected {value!r}"
    return None
