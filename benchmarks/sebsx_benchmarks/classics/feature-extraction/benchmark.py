"""Driver's side of feature-extraction: writes the reviews, and works out each weight from the words it put in."""

from __future__ import annotations

import collections
import functools
import hashlib
import itertools
import math

TOLERANCE = 1.5e-6  # the function writes six digits, rounded

_VOCABULARY = 3000
_right = set()  # (input key, digest) of features that were compared and found right


def payload(parameters, rng, storage):
    """Upload the reviews, one a line, and return their key and where the features go."""
    text = "".join(f"{review}\n" for review in _reviews(rng, parameters["reviews"])).encode()
    prefix = f"feature-extraction/{hashlib.sha256(text).hexdigest()[:16]}"
    storage.put(f"{prefix}/reviews.txt", text)
    return {"input_key": f"{prefix}/reviews.txt", "output_prefix": f"{prefix}/output/"}


def check(payload, output, storage):
    """Return None if the counts and the uploaded weights are right."""
    key = output["key"]
    if not key.startswith(payload["output_prefix"]):
        return f"features {key!r} are not below {payload['output_prefix']!r}"
    try:
        data = storage.get(key)
    except KeyError:
        return f"object {key!r} is not in the storage"
    digest = hashlib.sha256(data).hexdigest()
    reviews, frequencies = _counted(payload["input_key"], storage)
    expected = {
        "features_bytes": len(data),
        "features_sha256": digest,
        "reviews": len(reviews),
        "terms": len(frequencies),
        "words": sum(map(len, reviews)),
    }
    for name, value in expected.items():
        if output[name] != value:
            return f"{name} is {output[name]!r}, expected {value!r}"
    if (payload["input_key"], digest) in _right:
        return None
    problem = _compare(data.decode(), reviews, frequencies)
    if problem is None:
        _right.add((payload["input_key"], digest))
    return problem


def _compare(features, reviews, frequencies):
    lines = features.splitlines()
    if len(lines) != len(reviews):
        return f"there are features of {len(lines)} reviews, expected {len(reviews)}"
    rarity = {term: 1 + math.log((1 + len(reviews)) / (1 + count)) for term, count in frequencies.items()}
    for number, (line, words) in enumerate(zip(lines, reviews, strict=True)):
        found = {term: float(weight) for term, _, weight in (entry.partition(":") for entry in line.split())}
        raw = collections.defaultdict(float)
        for word in words:
            raw[word] += rarity[word]
        length = math.hypot(*raw.values())
        if found.keys() != raw.keys():
            return f"review {number} has {len(found)} terms, expected {len(raw)}, or others"
        for term, weight in raw.items():
            if not abs(found[term] - weight / length) <= TOLERANCE:  # written so that NaN is wrong too
                return f"term {term!r} of review {number} weighs {found[term]}, expected {weight / length:.6f}"
    return None


@functools.lru_cache(maxsize=4)
def _counted(key, storage):
    """Return the words of each review, and in how many reviews each word is."""
    reviews = [line.translate(_LETTERS).split() for line in storage.get(key).decode().splitlines()]
    return reviews, collections.Counter(itertools.chain.from_iterable(map(set, reviews)))


# Upper case becomes lower, what is not a letter a space.
_LETTERS = {
    code: chr(code).lower() if chr(code).isalpha() else " " for code in range(128) if not "a" <= chr(code) <= "z"
}


def _reviews(rng, count):
    """Yield reviews of 20 to 60 invented words, whose frequency falls with their rank as in language (Zipf)."""
    words = sorted({"".join(rng.choices("aeinorstlcdu", k=rng.randint(3, 9))) for _ in range(_VOCABULARY)})
    rng.shuffle(words)
    totals = list(itertools.accumulate(1 / rank for rank in range(1, len(words) + 1)))
    for number in range(count):
        drawn = rng.choices(words, cum_weights=totals, k=rng.randint(20, 60))
        drawn[0] = drawn[0].capitalize()
        drawn[len(drawn) // 2] += rng.choice((",", ";", " -", "..."))
        yield f"{number % 5 + 1}/5: {' '.join(drawn)}{rng.choice('.!?')}"
