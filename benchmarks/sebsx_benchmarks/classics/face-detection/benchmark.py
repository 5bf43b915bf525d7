"""Driver's side of face-detection: draws faces, and things that are nearly faces, and knows which is where."""

from __future__ import annotations

import functools
import hashlib
import json

CELL = 160  # pixels; each cell of the image holds one face, one decoy, or nothing
WINDOWS = (36, 43, 52, 62, 74, 89, 107, 128)  # sides of the windows looked through, each 1.2 times the one before

_STEPS_PER_WINDOW = 16
_SIDES = (44, 110)  # of the faces, in pixels
_CENTRE = 0.2  # how far the centre of a box may be off, in sides of the face
_RATIO = 1.4  # how much larger or smaller a box may be

_DARK = 0.25  # share of a face's light that its eyes and mouth have
# Name, centres, half width and half height of dark ellipses, in sides of the face.
_PARTS = (("eyes", ((0.3, 0.4), (0.7, 0.4)), 0.12, 0.08), ("mouth", ((0.5, 0.75),), 0.22, 0.06))


def payload(parameters, rng, storage):
    """Upload the image, and beside it the truth, which the function is not told."""
    image, faces = _scene(rng, parameters["width"], parameters["height"])
    prefix = f"face-detection/{hashlib.sha256(image).hexdigest()[:16]}"
    storage.put(f"{prefix}/input.pgm", image)
    storage.put(f"{prefix}/truth.json", json.dumps(faces).encode())
    return {"input_key": f"{prefix}/input.pgm", "output_prefix": f"{prefix}/output/", "windows": list(WINDOWS)}


def check(payload, output, storage):
    """Return None if every face was found once and nothing else, and the uploaded image shows the boxes."""
    key, boxes = output["key"], output["faces"]
    if not key.startswith(payload["output_prefix"]):
        return f"image {key!r} is not below {payload['output_prefix']!r}"
    image, truth = _inputs(payload["input_key"], storage)
    width, height, pixels = decode(image)
    looked_at = sum(_positions(width, side) * _positions(height, side) for side in payload["windows"])
    if output["looked_at"] != looked_at:
        return f"looked_at is {output['looked_at']!r}, expected {looked_at}"
    problem = _compare(boxes, truth)
    if problem is not None:
        return problem
    try:
        drawn = storage.get(key)
    except KeyError:
        return f"image {key!r} is not in the storage"
    if drawn != outlined(width, height, pixels, boxes):
        return f"image {key!r} is not the input with the boxes drawn in white"
    return None


def _compare(boxes, truth):
    left = [tuple(box) for box in boxes]
    for x, y, side in truth:
        near = [box for box in left if _same(box, x, y, side)]
        if len(near) != 1:
            return f"the face of {side} pixels at {x}, {y} was found {len(near)} times"
        left.remove(near[0])
    return f"{left[0]} is not a face" if left else None


def _same(box, x, y, side):
    centre_x, centre_y = box[0] + box[2] / 2, box[1] + box[2] / 2
    off = max(abs(centre_x - x - side / 2), abs(centre_y - y - side / 2))
    return off <= _CENTRE * side and side / _RATIO <= box[2] <= side * _RATIO


def _positions(length, side):
    return max(0, (length - side) // max(1, side // _STEPS_PER_WINDOW) + 1)


@functools.lru_cache(maxsize=4)
def _inputs(key, storage):
    return storage.get(key), json.loads(storage.get(key.replace("input.pgm", "truth.json")))


def decode(image):
    """Return width, height and pixels of a PGM that this module wrote."""
    _, size, _, pixels = image.split(b"\n", 3)
    width, height = map(int, size.split())
    return width, height, pixels


def outlined(width, height, pixels, boxes):
    """Return the image as PGM with a white line, one pixel wide, along the inner edge of each box."""
    drawn = bytearray(pixels)
    for x, y, side in boxes:
        first, last = y * width + x, (y + side - 1) * width + x
        drawn[first : first + side] = drawn[last : last + side] = b"\xff" * side
        drawn[first : last + 1 : width] = drawn[first + side - 1 : last + side : width] = b"\xff" * side
    return b"P5\n%d %d\n255\n" % (width, height) + bytes(drawn)


def _scene(rng, width, height):
    """Return an image as PGM, and the left, top and side of each face in it."""
    rows = [bytearray(_background(rng, width, y)) for y in range(height)]
    faces = []
    for number, (top, left) in enumerate(
        (top, left) for top in range(0, height - CELL + 1, CELL) for left in range(0, width - CELL + 1, CELL)
    ):
        side = rng.randint(*_SIDES)
        x, y = left + rng.randrange(CELL - side), top + rng.randrange(CELL - side)
        kind = "face" if number == 0 else rng.choice(("face", "face", "eyes", "mouth", "boxes", "nothing"))
        if kind == "boxes":
            _draw_boxes(rng, rows, x, y, side)
        elif kind != "nothing":
            _draw_head(rng, rows, x, y, side, {"face": ("eyes", "mouth")}.get(kind, (kind,)))
        if kind == "face":
            faces.append([x, y, side])
    noise = int.from_bytes(b"\x0f" * width, "big")
    pixels = b"".join(
        (int.from_bytes(row, "big") + (rng.getrandbits(8 * width) & noise)).to_bytes(width, "big") for row in rows
    )
    return b"P5\n%d %d\n255\n" % (width, height) + pixels, faces


def _background(rng, width, y):
    """Return a row of grey that gets lighter downwards, with a wave along it."""
    base = 60 + y // 8 % 60
    wave = bytes(base + (x if x < 32 else 63 - x) for x in range(64))
    return (wave * (width // 64 + 1))[:width]


def _draw_head(rng, rows, x, y, side, parts):
    """Draw a light disc with some of eyes and mouth in it; each is a dark ellipse."""
    light = rng.randint(150, 225)
    _draw_ellipse(rows, x + side / 2, y + side / 2, side / 2, side / 2, light)
    for name, centres, half_width, half_height in _PARTS:
        for across, down in centres if name in parts else ():
            centre = x + across * side, y + down * side
            _draw_ellipse(rows, *centre, half_width * side, half_height * side, round(_DARK * light))


def _draw_ellipse(rows, centre_x, centre_y, half_width, half_height, grey):
    for y in range(round(centre_y - half_height), round(centre_y + half_height)):
        rest = 1 - ((y + 0.5 - centre_y) / half_height) ** 2
        half = half_width * max(0.0, rest) ** 0.5
        start, end = round(centre_x - half), round(centre_x + half)
        rows[y][start:end] = bytes([grey]) * (end - start)


def _draw_boxes(rng, rows, x, y, side):
    """Draw four boxes of any grey, one in the other's way."""
    for _ in range(4):
        width, height = rng.randint(side // 4, side // 2), rng.randint(side // 4, side // 2)
        left, top, grey = x + rng.randrange(side - width), y + rng.randrange(side - height), rng.randrange(30, 230)
        for row in rows[top : top + height]:
            row[left : left + width] = bytes([grey]) * width
