"""Driver's side of socket: counts the bits that say which kind each socket is."""

from __future__ import annotations


def payload(parameters, rng, storage):
    """Return how many sockets to open and 32 bits, used in turn from the lowest: 1 is a stream, 0 a datagram socket."""
    return {"sockets": parameters["sockets"], "kinds": rng.getrandbits(32)}


def check(payload, output, storage):
    """Return None if as many sockets of each kind were opened as asked for."""
    cycles, rest = divmod(payload["sockets"], 32)
    streams = cycles * payload["kinds"].bit_count() + (payload["kinds"] % (1 << rest)).bit_count()
    for name, expected in (("streams", streams), ("datagrams", payload["sockets"] - streams)):
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None
