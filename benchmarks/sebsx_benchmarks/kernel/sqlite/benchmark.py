"""Driver's side of sqlite: looks the same cells up in a list."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import re
import struct

_CELLS = 9
_DRAWS = 4096


def payload(parameters, rng, storage):
    """Return the number of rows and of selects, and a seed."""
    return {"rows": parameters["rows"], "selects": parameters["selects"], "seed": rng.randbytes(16).hex()}


def check(payload, output, storage):
    """Return None if count and sum are right; the version is the runtime's own and only has to be one."""
    for name, expected in _expected(json.dumps(payload, sort_keys=True)).items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    if not re.fullmatch(r"3\.\d+\.\d+", output["sqlite_version"]):
        return f"sqlite_version is {output['sqlite_version']!r}, expected something like '3.45.1'"
    return None


@functools.lru_cache(maxsize=8)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    rows = payload["rows"]
    drawn = hashlib.shake_256(payload["seed"].encode()).digest(4 * (_CELLS * rows + _DRAWS))
    numbers = (number for (number,) in struct.iter_unpack("<I", drawn))
    cells = list(itertools.islice(numbers, _CELLS * rows))
    drawn = [cells[_CELLS * (number % rows) + number // 65536 % _CELLS] for number in itertools.islice(numbers, _DRAWS)]
    cycles, rest = divmod(payload["selects"], _DRAWS)
    return {"found": payload["selects"], "total": cycles * sum(drawn) + sum(drawn[:rest])}
