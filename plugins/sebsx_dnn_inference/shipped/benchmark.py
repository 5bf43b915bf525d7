"""Driver's side of a served model: packages what was converted, and holds outputs to those of the model as given."""

from __future__ import annotations

import json
import math
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_WORD_BYTES = 4  # as in the function's texts


def build(parameters, artifacts, target):
    """Put the converted model into the package, or into the storage."""
    known = json.loads((_HERE / "converted.json").read_text())
    folder = _HERE.parent.parent / "converted" / known["key"] / "model"
    for name in known["files"]:
        path = artifacts.uses(folder / name)
        if known["source"] == "storage":
            artifacts.store(path, name)
        else:
            artifacts.package(path, "model/" + name)


def payload(parameters, rng, storage, artifacts=()):
    """Return the batch, and where the model is if not in the package."""
    return {
        "batch": parameters["batch"],
        "tokens": parameters["tokens"],
        "threads": parameters["threads"],
        "text_bytes": parameters["text_bytes"],
        "files": dict(artifacts),
    }


def check(payload, output, storage):
    """Return None if the first item's output is that of the model as it was given."""
    expected = json.loads((_HERE / "expected.json").read_text())
    size, window = payload["text_bytes"], _WORD_BYTES * payload["tokens"]
    wanted_items = payload["batch"] * max(1, -(-size // (window * payload["batch"])))
    if output["items"] != wanted_items:
        return f"{output['items']} items were answered, not {wanted_items}"
    if 0 < size < window:  # a shorter text than the original was asked
        return None if all(map(math.isfinite, output["sample"])) else "output has numbers that are not finite"
    found, wanted = output["sample"], expected["sample"]
    if len(found) != len(wanted):
        return f"{len(found)} values were answered, where the model as given has {len(wanted)}"
    distances = [abs(one - other) for one, other in zip(found, wanted, strict=True)]
    allowed = expected["tolerance"] * expected["largest"]
    if wrong := [distance for distance in distances if not distance <= allowed]:  # NaN is wrong too
        return f"output differs by {wrong[0]:.3g} from that of the model as given; {allowed:.3g} is allowed"
    return None
