"""Driver's side of json-dumps: writes the document by hand, without a JSON library."""

from __future__ import annotations

import hashlib

_ROUNDS = '{"rounds": %d, "records": ['


def payload(parameters, rng, storage):
    """Return the document as text, in the form that `json.dumps` gives it, and how often it goes round."""
    records = ", ".join(_record(rng, number) for number in range(parameters["records"]))
    return {"rounds": parameters["rounds"], "document": _ROUNDS % 0 + records + "]}"}


def check(payload, output, storage):
    """Return None if the last text is the first but for the count of rounds."""
    records = payload["document"].removeprefix(_ROUNDS % 0)
    text = (_ROUNDS % payload["rounds"] + records).encode()
    expected = {
        "rounds": payload["rounds"],
        "json_bytes": len(text),
        "json_sha256": hashlib.sha256(text).hexdigest(),
    }
    for name, value in expected.items():
        if output[name] != value:
            return f"{name} is {output[name]!r}, expected {value!r}"
    return None


def _record(rng, number):
    """Return an object with every kind of value; its floats end in quarters, so that each has one shortest text."""
    name = "".join(rng.choices(("a", "n", "r", "\\u00e9", "\\u4e16", '\\"', "\\\\", "\\n"), k=12))
    tags = ", ".join(f'"tag{rng.randrange(100)}"' for _ in range(3))
    return (
        f'{{"id": {number}, "name": "{name}", "price": {rng.randrange(10**6)}.{rng.choice(("25", "5", "75"))}, '
        f'"stock": {rng.randrange(-1000, 1000)}, "sold": {rng.choice(("true", "false", "null"))}, "tags": [{tags}]}}'
    )
