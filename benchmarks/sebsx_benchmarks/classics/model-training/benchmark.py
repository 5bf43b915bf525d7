"""Driver's side of model-training: judges the weights on the same examples, one by one and without numpy.

The loss of a logistic regression is convex: where its gradient is nearly zero, there is its minimum, whichever way
led there. So the weights need not be computed again to know that they were trained.
"""

from __future__ import annotations

import functools
import hashlib
import math
import operator

FEATURES = 16

_SCALE = 64  # values of a feature are whole numbers from -128 to 127 divided by this
_LARGEST_GRADIENT = 0.02  # of the loss by any weight; after two steps it is still 0.06 and more
_right = set()  # (rows, seed, output) of models that were found right


def payload(parameters, rng, storage):
    """Return number of examples and epochs, the hidden weights that label the examples, and the seed of all else."""
    return {
        "rows": parameters["rows"],
        "epochs": parameters["epochs"],
        "seed": rng.randbytes(16).hex(),
        "hidden_weights": [rng.choice((-1, 1)) * rng.randint(2, 9) for _ in range(FEATURES)],
    }


def check(payload, output, storage):
    """Return None if loss and accuracy are those of the weights, and no other weights would be much better."""
    weights, bias = output["weights"], output["bias"]
    known = (payload["rows"], payload["seed"], *weights, bias, output["loss"], output["correct"], output["epochs"])
    if known in _right:
        return None
    if len(weights) != FEATURES or output["epochs"] != payload["epochs"]:
        return f"there are {len(weights)} weights after {output['epochs']!r} epochs"
    examples, labels = _examples(payload["rows"], payload["seed"], tuple(payload["hidden_weights"]))
    margins = [sum(map(operator.mul, example, weights)) / _SCALE + bias for example in examples]
    correct = sum((margin > 0) == label for margin, label in zip(margins, labels, strict=True))
    if output["correct"] != correct:
        return f"correct is {output['correct']!r}, expected {correct}"
    loss = math.fsum(_loss(margin, label) for margin, label in zip(margins, labels, strict=True)) / len(labels)
    if not math.isclose(output["loss"], loss, rel_tol=1e-9):
        return f"loss is {output['loss']!r}, expected {loss!r}"
    gradient = _gradient(examples, margins, labels)
    if not gradient <= _LARGEST_GRADIENT:
        return f"the model is not trained: the loss still falls by {gradient:.3f} along one weight"
    _right.add(known)
    return None


def _loss(margin, label):
    signed = margin if label else -margin
    return math.log1p(math.exp(-signed)) if signed > -30 else -signed


def _gradient(examples, margins, labels):
    """Return the largest derivative of the loss by a weight or the bias."""
    errors = [(1 + math.tanh(margin / 2)) / 2 - label for margin, label in zip(margins, labels, strict=True)]
    slopes = [sum(map(operator.mul, errors, column)) / _SCALE for column in zip(*examples, strict=True)]
    return max(map(abs, [*slopes, sum(errors)])) / len(labels)


@functools.lru_cache(maxsize=2)
def _examples(rows, seed, hidden_weights):
    """Return the examples as rows of signed bytes, and whether each belongs to the class."""
    values = memoryview(hashlib.shake_256(f"examples {seed}".encode()).digest(rows * FEATURES)).cast("b")
    noise = memoryview(hashlib.shake_256(f"noise {seed}".encode()).digest(rows)).cast("b")
    examples = [values[start : start + FEATURES].tolist() for start in range(0, len(values), FEATURES)]
    labels = [
        sum(map(operator.mul, example, hidden_weights)) + 16 * extra > 0
        for example, extra in zip(examples, noise, strict=True)
    ]
    return examples, labels
