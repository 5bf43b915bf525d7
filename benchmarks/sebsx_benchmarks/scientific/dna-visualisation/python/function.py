"""Turn a DNA sequence into points."""

from __future__ import annotations

import hashlib
import json

import squiggle


def handler(event, context):
    """Download a FASTA file, transform its sequence, upload the points as JSON; return key, counts and SHA-256."""
    with context.phase("download"):
        fasta = context.storage.download(event["input_key"])
    with context.phase("compute"):
        sequence = "".join(fasta.decode("ascii").splitlines()[1:])
        x, y = squiggle.transform(sequence)
        result = json.dumps({"x": x, "y": y}).encode("ascii")
    key = event["output_prefix"] + context.request_id + ".json"
    with context.phase("upload"):
        context.storage.upload(key, result)
    return {
        "key": key,
        "bases": len(sequence),
        "points": len(x),
        "result_bytes": len(result),
        "result_sha256": hashlib.sha256(result).hexdigest(),
    }
