"""Find faces by a cascade of rectangle features on a summed-area table, as Viola and Jones (2001) do."""

from __future__ import annotations

import numpy as np

STEPS_PER_WINDOW = 16

# Parts of a window as left, top, right, bottom, in sides of the window.
LEFT_EYE, RIGHT_EYE = (0.22, 0.35, 0.38, 0.45), (0.62, 0.35, 0.78, 0.45)
BRIDGE, FOREHEAD = (0.46, 0.33, 0.54, 0.47), (0.35, 0.12, 0.65, 0.26)
LEFT_CHEEK, RIGHT_CHEEK = (0.18, 0.52, 0.36, 0.64), (0.64, 0.52, 0.82, 0.64)
MOUTH, CHIN = (0.34, 0.72, 0.66, 0.78), (0.40, 0.84, 0.60, 0.94)

DARKER = 0.6  # share of the light part's mean that the dark part of a stage may have

# Dark and light part of each stage; the first ones reject most windows.
CASCADE = (
    (LEFT_EYE, BRIDGE),
    (RIGHT_EYE, BRIDGE),
    (MOUTH, CHIN),
    (LEFT_EYE, LEFT_CHEEK),
    (RIGHT_EYE, RIGHT_CHEEK),
    (LEFT_EYE, FOREHEAD),
    (RIGHT_EYE, FOREHEAD),
    (MOUTH, LEFT_CHEEK),
    (MOUTH, RIGHT_CHEEK),
)


def decode(image):
    """Return the pixels of a PGM with a header of three lines."""
    _, size, _, pixels = image.split(b"\n", 3)
    width, height = map(int, size.split())
    return np.frombuffer(pixels, dtype=np.uint8).reshape(height, width)


def encode(pixels):
    """Return pixels as PGM."""
    return b"P5\n%d %d\n255\n" % (pixels.shape[1], pixels.shape[0]) + pixels.tobytes()


def summed_area(pixels):
    """Return the table whose element y, x is the sum of all pixels above and left of it."""
    table = np.zeros((pixels.shape[0] + 1, pixels.shape[1] + 1), dtype=np.int64)
    np.cumsum(pixels, axis=0, out=table[1:, 1:])
    np.cumsum(table[1:, 1:], axis=1, out=table[1:, 1:])
    return table


def mean_of(table, part, side, ys, xs):
    """Return the mean of the pixels in a part of each window, given the windows' top left corners."""
    left, top, right, bottom = (round(fraction * side) for fraction in part)
    upper, lower, before, after = ys + top, ys + bottom, xs + left, xs + right
    total = table[lower, after] - table[upper, after] - table[lower, before] + table[upper, before]
    return total / ((bottom - top) * (right - left))


def look_through(table, side):
    """Return the number of windows of one size, and those that pass every stage, as score, left, top and side."""
    step = max(1, side // STEPS_PER_WINDOW)
    ys, xs = np.arange(0, table.shape[0] - side, step), np.arange(0, table.shape[1] - side, step)
    looked_at = len(ys) * len(xs)
    ys, xs = ys[:, np.newaxis], xs[np.newaxis, :]
    scores = np.zeros((ys.size, xs.size))
    for number, (dark, light) in enumerate(CASCADE):
        ratio = mean_of(table, dark, side, ys, xs) / np.maximum(1, mean_of(table, light, side, ys, xs))
        passed = np.nonzero(ratio < DARKER)
        scores = scores[passed] + 1 - ratio[passed]
        # The first stage looks at the grid of all windows, the others at what is left of it.
        ys, xs = (ys[passed[0], 0], xs[0, passed[1]]) if number == 0 else (ys[passed], xs[passed])
    return looked_at, [(float(score), int(x), int(y), side) for score, x, y in zip(scores, xs, ys)]  # noqa: B905  # 3.9


def best_of(candidates):
    """Return the best candidate of each group that overlaps, as left, top and side, in reading order."""
    kept = []
    for _, x, y, side in sorted(candidates, reverse=True):
        overlaps = (
            abs(2 * x + side - 2 * a - other) < max(side, other)
            and abs(2 * y + side - 2 * b - other) < max(side, other)
            for a, b, other in kept
        )
        if not any(overlaps):
            kept.append((x, y, side))
    return sorted(kept, key=lambda box: (box[1], box[0]))


def outline(pixels, boxes):
    """Return the image with a white line along the inner edge of each box."""
    drawn = pixels.copy()
    for x, y, side in boxes:
        drawn[[y, y + side - 1], x : x + side] = 255
        drawn[y : y + side, [x, x + side - 1]] = 255
    return drawn


def handler(event, context):
    """Upload the image with a box around each face; return its key, the boxes, and how many windows were looked at."""
    with context.phase("download"):
        data = context.storage.download(event["input_key"])
    with context.phase("decode"):
        pixels = decode(data)
    with context.phase("compute"):
        table = summed_area(pixels)
        looked_at, candidates = 0, []
        for side in event["windows"]:
            count, found = look_through(table, side)
            looked_at += count
            candidates += found
        boxes = best_of(candidates)
    with context.phase("encode"):
        drawn = encode(outline(pixels, boxes))
    key = event["output_prefix"] + context.request_id + ".pgm"
    with context.phase("upload"):
        context.storage.upload(key, drawn)
    return {"key": key, "faces": [list(box) for box in boxes], "looked_at": looked_at}
