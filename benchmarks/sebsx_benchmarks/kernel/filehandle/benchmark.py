"""Driver's side of filehandle: knows which file the first handle of each batch leads to."""

from __future__ import annotations

_AT_ONCE = 64
_FILES = 7  # no divisor of 64, so that the batches start at different files


def payload(parameters, rng, storage):
    """Return how many handles to open, and the sizes of the files they lead to."""
    return {"handles": parameters["handles"], "file_bytes": [rng.randrange(1, 4096) for _ in range(_FILES)]}


def check(payload, output, storage):
    """Return None if all handles were opened, in batches of 64, and led to the right files."""
    handles, sizes = payload["handles"], payload["file_bytes"]
    batches = -(-handles // _AT_ONCE)
    cycles, rest = divmod(batches, len(sizes))
    started_with = [sizes[batch * _AT_ONCE % len(sizes)] for batch in range(len(sizes))]
    expected = {
        "opened": handles,
        "at_once": min(handles, _AT_ONCE),
        "seen_bytes": cycles * sum(started_with) + sum(started_with[:rest]),
    }
    for name, value in expected.items():
        if output[name] != value:
            return f"{name} is {output[name]!r}, expected {value!r}"
    return None
