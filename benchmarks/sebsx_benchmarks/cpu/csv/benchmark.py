"""Driver's side of csv: computes on the numbers of one period and multiplies, without making any CSV."""

from __future__ import annotations

import functools
import json

_PERIOD = 9973  # prime, so that every column goes through all values once in a period
_COLUMNS = 8
_MASK = 0xFFFFFFFF
_ADDED = ("characters", "sums", "products")


def payload(parameters, rng, storage):
    """Return the number of rows and a seed that is not 0."""
    return {"rows": parameters["rows"], "seed": rng.randrange(1, 2**32)}


def check(payload, output, storage):
    """Return None if counts and the figures of all columns are right."""
    for name, expected in _expected(json.dumps(payload, sort_keys=True)).items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None


@functools.lru_cache(maxsize=8)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    values = _values(payload["seed"])
    periods, rest = divmod(payload["rows"], _PERIOD)
    whole, part = _figures(values, _PERIOD), _figures(values, rest)
    lowest, highest = (whole if periods else part)["minima"], (whole if periods else part)["maxima"]
    added = {name: [periods * a + b for a, b in zip(whole[name], part[name], strict=True)] for name in _ADDED}
    return {
        "rows": payload["rows"],
        "csv_bytes": sum(added.pop("characters")),
        "minima": lowest,
        "maxima": highest,
        **added,
    }


def _figures(values, rows):
    """Return figures of each column over the first rows of a period; a field ends in a comma, the last in two bytes."""
    columns = [[values[row * step % _PERIOD] for row in range(rows)] for step in range(1, _COLUMNS + 1)]
    ends = [1] * (_COLUMNS - 1) + [2]
    return {
        "characters": [
            sum(len(str(value)) for value in column) + rows * end for column, end in zip(columns, ends, strict=True)
        ],
        "sums": [sum(column) for column in columns],
        "minima": [min(column, default=0) for column in columns],
        "maxima": [max(column, default=0) for column in columns],
        "products": [
            sum(a * b for a, b in zip(column, columns[(number + 1) % _COLUMNS], strict=True))
            for number, column in enumerate(columns)
        ],
    }


def _values(seed):
    """Return the numbers of a period, drawn by xorshift32 (Marsaglia 2003, shifts 13, 17, 5)."""
    values, state = [], seed
    for _ in range(_PERIOD):
        state ^= state << 13 & _MASK
        state ^= state >> 17
        state ^= state << 5 & _MASK
        values.append(state % 1_000_000)
    return values
