"""Train a logistic regression by gradient descent."""

from __future__ import annotations

import hashlib

import numpy as np

SCALE = 64
LEARNING_RATE = 1.0  # below 8 / (mean square length of an example), for which descent is stable


def draw(label, seed, count):
    """Return whole numbers from -128 to 127, drawn from label and seed by SHAKE-256."""
    return np.frombuffer(hashlib.shake_256((label + " " + seed).encode()).digest(count), dtype=np.int8)


def make_examples(rows, seed, hidden_weights):
    """Return examples and their labels, 0 or 1: on which side of a hidden plane each lies, give or take some noise."""
    values = draw("examples", seed, rows * len(hidden_weights)).reshape(rows, len(hidden_weights)).astype(np.float64)
    side = values @ np.array(hidden_weights, dtype=np.float64) + 16.0 * draw("noise", seed, rows)
    return values / SCALE, (side > 0).astype(np.float64)


def train(examples, labels, epochs):
    """Return weights and bias after so many steps down the gradient of the loss, from zero."""
    weights, bias = np.zeros(examples.shape[1]), 0.0
    for _ in range(epochs):
        errors = 1 / (1 + np.exp(-(examples @ weights + bias))) - labels
        weights -= LEARNING_RATE * (errors @ examples) / len(labels)
        bias -= LEARNING_RATE * errors.mean()
    return weights, bias


def evaluate(examples, labels, weights, bias):
    """Return the mean logistic loss, and how many examples the model puts on the right side."""
    margins = examples @ weights + bias
    losses = np.logaddexp(0, np.where(labels > 0, -margins, margins))
    return float(losses.mean()), int(((margins > 0) == (labels > 0)).sum())


def handler(event, context):
    """Return the model, and its loss and number of right answers on the examples it learnt from."""
    with context.phase("generate"):
        examples, labels = make_examples(event["rows"], event["seed"], event["hidden_weights"])
    with context.phase("compute"):
        weights, bias = train(examples, labels, event["epochs"])
    with context.phase("evaluate"):
        loss, correct = evaluate(examples, labels, weights, bias)
    return {
        "epochs": event["epochs"],
        "weights": weights.tolist(),
        "bias": float(bias),
        "loss": loss,
        "correct": correct,
    }
