"""TF-IDF weights of the words of reviews."""

from __future__ import annotations

import hashlib
import math
import re

WORD = re.compile("[a-z]+")


def count_words(text):
    """Return a dict of counts for each line: how often each word is in it, in lower case."""
    counted = []
    for line in text.splitlines():
        counts = {}
        for word in WORD.findall(line.lower()):
            counts[word] = counts.get(word, 0) + 1
        counted.append(counts)
    return counted


def inverse_frequencies(counted):
    """Return ln((1 + n) / (1 + f)) + 1 for each word that is in f of n reviews."""
    frequencies = {}
    for counts in counted:
        for word in counts:
            frequencies[word] = frequencies.get(word, 0) + 1
    above = 1 + len(counted)
    return {word: math.log(above / (1 + frequency)) + 1 for word, frequency in frequencies.items()}


def weights_of(counts, inverse):
    """Return the weight of each word, count times inverse frequency, scaled to a vector of length 1."""
    raw = {word: count * inverse[word] for word, count in counts.items()}
    length = math.sqrt(sum(weight * weight for weight in raw.values())) or 1.0
    return {word: weight / length for word, weight in raw.items()}


def write_line(weights):
    """Return the weights of a review as `word:weight`, by word, with six digits."""
    return " ".join([f"{word}:{weights[word]:.6f}" for word in sorted(weights)]) + "\n"


def handler(event, context):
    """Upload the features of the reviews; return their key, length and SHA-256, and what was counted."""
    with context.phase("download"):
        text = context.storage.download(event["input_key"]).decode("ascii")
    with context.phase("compute"):
        counted = count_words(text)
        inverse = inverse_frequencies(counted)
        lines = [write_line(weights_of(counts, inverse)) for counts in counted]
    with context.phase("encode"):
        features = "".join(lines).encode("ascii")
    key = event["output_prefix"] + context.request_id + ".txt"
    with context.phase("upload"):
        context.storage.upload(key, features)
    return {
        "key": key,
        "reviews": len(counted),
        "words": sum(sum(counts.values()) for counts in counted),
        "terms": len(inverse),
        "features_bytes": len(features),
        "features_sha256": hashlib.sha256(features).hexdigest(),
    }
