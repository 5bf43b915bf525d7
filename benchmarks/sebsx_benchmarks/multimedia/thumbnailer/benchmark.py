"""Driver's side of thumbnailer: draws the image, and compares the thumbnail with its own box-filtered one.

PNG is written and read here with zlib alone, so that the driver needs no image library and the thumbnail
is judged by code that has nothing in common with what made it. Format: https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
import struct
import zlib

TOLERANCE = 6.0  # mean absolute difference of a channel, of 255; filters differ by 1 to 3, wrong images by 20 and more

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {2: 3, 6: 4}  # colour type -> bytes per pixel at 8 bits: RGB, RGB with alpha

_right = set()  # (image, bounds, digest) of thumbnails that were compared and found right


def payload(parameters, rng, storage):
    """Upload the image and return its key, where the thumbnail goes, and its bounds in pixels."""
    image = encode(_draw(rng, parameters["source_width"], parameters["source_height"]))
    prefix = f"thumbnailer/{hashlib.sha256(image).hexdigest()[:16]}"
    storage.put(f"{prefix}/input.png", image)
    return {
        "input_key": f"{prefix}/input.png",
        "output_prefix": f"{prefix}/output/",
        "width": parameters["width"],
        "height": parameters["height"],
    }


def check(payload, output, storage):
    """Return None if the uploaded thumbnail has the right size and shows the image."""
    key = output["key"]
    if not key.startswith(payload["output_prefix"]):
        return f"thumbnail {key!r} is not below {payload['output_prefix']!r}"
    try:
        data = storage.get(key)
    except KeyError:
        return f"thumbnail {key!r} is not in the storage"
    if output["thumbnail_bytes"] != len(data):
        return f"thumbnail {key!r} has {len(data)} bytes, the function said {output['thumbnail_bytes']!r}"
    known = (payload["input_key"], payload["width"], payload["height"], hashlib.sha256(data).hexdigest())
    size = (output["width"], output["height"])
    if (known, size) in _right:
        return None
    problem = _compare(payload, data, size, storage)
    if problem is None:
        _right.add((known, size))
    return problem


def _compare(payload, data, size, storage):
    try:
        thumbnail = decode(data)
    except (ValueError, struct.error, zlib.error) as exc:
        return f"thumbnail is not a readable PNG: {exc}"
    width, height = len(thumbnail[0]) // 3, len(thumbnail)
    if size != (width, height):
        return f"thumbnail is {width} x {height}, the function said {size[0]!r} x {size[1]!r}"
    image = _image(payload["input_key"], storage)
    wanted_width, wanted_height = _fitted(len(image[0]) // 3, len(image), payload["width"], payload["height"])
    if abs(width - wanted_width) > 1 or abs(height - wanted_height) > 1:  # libraries round differently
        return f"thumbnail is {width} x {height}, expected {wanted_width} x {wanted_height}"
    if width > payload["width"] or height > payload["height"]:
        return f"thumbnail is {width} x {height}, more than {payload['width']} x {payload['height']}"
    difference = _difference(thumbnail, _shrunk(payload["input_key"], width, height, storage))
    if difference > TOLERANCE:
        return f"thumbnail differs from the image by {difference:.1f} of 255 on average, more than {TOLERANCE}"
    return None


def encode(rows):
    """Return a PNG of RGB rows, 3 bytes a pixel."""
    header = struct.pack(">IIBBBBB", len(rows[0]) // 3, len(rows), 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 3)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def decode(data):
    """Return the RGB rows of a PNG with 8 bits a channel, not interlaced; alpha is dropped.

    Raises:
        ValueError: If it is not such a PNG, or is damaged.
    """
    chunks = _chunks(data)
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if depth != 8 or colour not in _CHANNELS or interlaced:
        raise ValueError(f"depth {depth}, colour type {colour} or interlacing is not what a thumbnail has")
    step = _CHANNELS[colour]
    stride = width * step + 1
    pixels = zlib.decompress(chunks[b"IDAT"])
    if not width or not height or len(pixels) != stride * height:
        raise ValueError(f"it has {len(pixels)} bytes of pixels for {width} x {height}")
    rows = []
    above = bytes(stride - 1)
    for start in range(0, len(pixels), stride):
        above = _unfiltered(pixels[start], pixels[start + 1 : start + stride], above, step)
        rows.append(above)
    if step == 3:
        return rows
    return [bytes(value for index, value in enumerate(row) if index % 4 != 3) for row in rows]


def _chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _chunks(data):
    """Return contents by kind, those of one kind joined; checks signature, lengths and checksums."""
    if not data.startswith(_SIGNATURE):
        raise ValueError("the signature is missing")
    found = {b"IHDR": b"", b"IDAT": b""}
    position = len(_SIGNATURE)
    while b"IEND" not in found:
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        content = data[position + 8 : position + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, position + 8 + length)
        if checksum != zlib.crc32(kind + content):
            raise ValueError(f"the checksum of chunk {kind!r} is wrong")
        found[kind] = found.get(kind, b"") + content
        position += 12 + length
    return found


def _unfiltered(kind, row, above, step):
    """Undo the filter of one row (PNG specification, section 9.2)."""
    if kind == 0:
        return row
    if kind == 2:
        return bytes((value + up) & 255 for value, up in zip(row, above, strict=True))
    if kind not in (1, 3, 4):
        raise ValueError(f"filter {kind} does not exist")
    predict = {1: lambda left, up, corner: left, 3: lambda left, up, corner: (left + up) // 2, 4: _paeth}[kind]
    current = bytearray(step)  # one pixel of zeros stands left of the row
    corners = bytes(step) + above
    for index, value in enumerate(row):
        current.append((value + predict(current[index], above[index], corners[index])) & 255)
    return bytes(current[step:])


def _paeth(left, up, corner):
    estimate = left + up - corner
    by_left, by_up, by_corner = abs(estimate - left), abs(estimate - up), abs(estimate - corner)
    if by_left <= by_up and by_left <= by_corner:
        return left
    return up if by_up <= by_corner else corner


def _draw(rng, width, height):
    """Return rows of an image: a diagonal wave of colours, 12 rectangles of one colour, and noise as from a camera.

    Rows are cut from one long wave and painted by slices; noise of 3 bits is added to a row as one large number,
    which cannot carry, since no value is above 255 - 7. So millions of pixels take a second.
    """
    period = max(width, height) * 2
    wave = bytes(
        int(124 + 124 * math.sin(2 * math.pi * (turns * position / period + shift)))
        for position in range(width + height)
        for turns, shift in ((1, 0.0), (2, 0.3), (3, 0.6))
    )
    boxes = []
    for _ in range(12):
        left, top = rng.randrange(width * 3 // 4), rng.randrange(height * 3 // 4)
        size = rng.randint(min(width, height) // 8, min(width, height) // 3)
        colour = bytes(rng.randrange(249) for _ in range(3))
        boxes.append((left, min(width, left + size), top, top + size, colour))
    low_bits = int.from_bytes(b"\x07" * (3 * width), "big")
    rows = []
    for y in range(height):
        row = bytearray(wave[3 * y : 3 * (y + width)])
        for left, right, top, bottom, colour in boxes:
            if top <= y < bottom:
                row[3 * left : 3 * right] = colour * (right - left)
        noise = rng.getrandbits(24 * width) & low_bits
        rows.append((int.from_bytes(row, "big") + noise).to_bytes(3 * width, "big"))
    return rows


def _fitted(width, height, most_width, most_height):
    """Return the largest size of the same shape within the bounds; images are never enlarged."""
    scale = min(1, most_width / width, most_height / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


@functools.lru_cache(maxsize=2)
def _image(key, storage):
    return decode(storage.get(key))


@functools.lru_cache(maxsize=4)
def _shrunk(key, width, height, storage):
    """Return the image scaled by an exact box filter: each value is the mean over the area that its pixel covers."""
    image = _image(key, storage)
    area = len(image[0]) // 3 * len(image)
    return [[total / area for total in _row_of_boxes(sums, width)] for sums in _sums_of_rows(image, height)]


def _sums_of_rows(image, height):
    """Yield the sum of the rows that each of `height` new rows covers, in units of 1/height of an old row.

    A row is one large number with 32 bits for each value, so that adding two rows is one addition; sums stay
    below 255 * 10000.
    """
    values = len(image[0])
    for start in range(0, height * len(image), len(image)):
        end = start + len(image)
        total = 0
        for index in range(start // height, -(-end // height)):
            lanes = bytearray(4 * values)
            lanes[::4] = image[index]
            covered = min(end, (index + 1) * height) - max(start, index * height)
            total += covered * int.from_bytes(lanes, "little")
        yield struct.unpack(f"<{values}I", total.to_bytes(4 * values, "little"))


def _row_of_boxes(sums, width):
    """Return the values of a new row, in units of 1/width of an old pixel: differences of the running integral."""
    old_width = len(sums) // 3
    row = [0] * (3 * width)
    for channel in range(3):
        values = (*sums[channel::3], 0)
        before = [0, *itertools.accumulate(values)]
        integral = [
            width * before[edge // width] + edge % width * values[edge // width]
            for edge in range(0, (width + 1) * old_width, old_width)
        ]
        row[channel::3] = [after - until for until, after in itertools.pairwise(integral)]
    return row


def _difference(thumbnail, expected):
    values = [abs(a - b) for row, want in zip(thumbnail, expected, strict=True) for a, b in zip(row, want, strict=True)]
    return sum(values) / len(values)
