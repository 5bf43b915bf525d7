"""Driver's side of dna-visualisation: makes a sequence, and draws it again by the published rule.

The rule: every base moves one to the right in two halves; A goes up and down, C down and up, T down twice, G up twice,
each by one half. Source: Lee, Squiggle: a user-friendly two-dimensional DNA sequence visualization tool (2019).
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json

TOLERANCE = 1e-6  # points are multiples of 0.5; libraries may divide to get there
_MOVES = {"A": (0.5, -0.5), "C": (-0.5, 0.5), "T": (-0.5, -0.5), "G": (0.5, 0.5)}
_LINE = 70  # characters, as the sequence archives write FASTA

_right = set()  # (input, digest) of results that were compared and found right


def payload(parameters, rng, storage):
    """Upload the sequence as FASTA and return its key and where the points go.

    Each base follows the one before it by odds that differ from base to base: the drawing wanders, as genes' do.
    """
    odds = {base: [rng.randint(1, 9) for _ in "ACGT"] for base in "ACGT"}
    successors = {base: "".join(rng.choices("ACGT", odds[base], k=997)) for base in "ACGT"}
    bases = ["A"]
    for number in rng.choices(range(997), k=parameters["bases"] - 1):
        bases.append(successors[bases[-1]][number])
    sequence = "".join(bases)
    lines = [sequence[start : start + _LINE] for start in range(0, len(sequence), _LINE)]
    fasta = "\n".join([">sebsx generated sequence", *lines, ""]).encode("ascii")
    prefix = f"dna-visualisation/{hashlib.sha256(fasta).hexdigest()[:16]}"
    storage.put(f"{prefix}/input.fasta", fasta)
    return {"input_key": f"{prefix}/input.fasta", "output_prefix": f"{prefix}/output/"}


def check(payload, output, storage):
    """Return None if the uploaded points are those of the sequence, and the function said what they are."""
    key = output["key"]
    if not key.startswith(payload["output_prefix"]):
        return f"result {key!r} is not below {payload['output_prefix']!r}"
    try:
        result = storage.get(key)
    except KeyError:
        return f"result {key!r} is not in the storage"
    digest = hashlib.sha256(result).hexdigest()
    if (output["result_bytes"], output["result_sha256"]) != (len(result), digest):
        return f"result {key!r} has {len(result)} bytes and digest {digest}, not what the function said"
    sequence = _sequence(payload["input_key"], storage)
    if (output["bases"], output["points"]) != (len(sequence), 2 * len(sequence) + 1):
        return f"{output['points']!r} points of {output['bases']!r} bases, expected 1 + 2 for each of {len(sequence)}"
    known = (payload["input_key"], digest)
    if known in _right:
        return None
    problem = _compare(result, sequence)
    if problem is None:
        _right.add(known)
    return problem


def _compare(result, sequence):
    try:
        points = json.loads(result)
    except ValueError as exc:
        return f"result is not JSON: {exc}"
    for name, expected in points_of(sequence).items():
        if len(points[name]) != len(expected):
            return f"result has {len(points[name])} values of {name}, expected {len(expected)}"
        for number, (value, wanted) in enumerate(zip(points[name], expected, strict=True)):
            if not abs(value - wanted) <= TOLERANCE:  # written so that NaN is wrong too
                return f"{name} of point {number} is {value!r}, expected {wanted!r}"
    return None


def points_of(sequence):
    """Return the coordinates of a sequence: where it starts, and two points for each base."""
    moves = itertools.chain.from_iterable(map(_MOVES.__getitem__, sequence))
    return {
        "x": [number / 2 for number in range(2 * len(sequence) + 1)],
        "y": list(itertools.accumulate(moves, initial=0.0)),
    }


@functools.lru_cache(maxsize=4)
def _sequence(key, storage):
    return "".join(storage.get(key).decode("ascii").splitlines()[1:])
