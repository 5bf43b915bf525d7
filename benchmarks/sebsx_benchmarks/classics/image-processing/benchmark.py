"""Driver's side of image-processing: draws the image, and works the same operations out in integers.

A row of pixels is one large number with a lane of 16 or 32 bits for each value, so that adding two rows, or weighting
one, is one operation of the interpreter and millions of pixels take a second. No lane is ever so full that it carries.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import zlib

# Luma of ITU-R BT.601 in units of 1 / 65536, as Pillow has it: L = 0.299 R + 0.587 G + 0.114 B.
_LUMA = (19595, 38470, 7471)


def payload(parameters, rng, storage):
    """Upload the image and return its key, and where the small image goes."""
    width, height = parameters["width"], parameters["height"]
    image = b"P6\n%d %d\n255\n" % (width, height) + b"".join(_draw(rng, width, height))
    prefix = f"image-processing/{hashlib.sha256(image).hexdigest()[:16]}"
    storage.put(f"{prefix}/input.ppm", image)
    return {"input_key": f"{prefix}/input.ppm", "output_prefix": f"{prefix}/output/"}


def check(payload, output, storage):
    """Return None if the checksums of all pictures are right, and the uploaded one is the image at half its size."""
    key = output["key"]
    if not key.startswith(payload["output_prefix"]):
        return f"image {key!r} is not below {payload['output_prefix']!r}"
    try:
        data = storage.get(key)
    except KeyError:
        return f"image {key!r} is not in the storage"
    if output["uploaded_bytes"] != len(data):
        return f"image {key!r} has {len(data)} bytes, the function said {output['uploaded_bytes']!r}"
    checksums, small = _expected(payload["input_key"], storage)
    for name, checksum in checksums.items():
        if output[name] != checksum:
            return f"{name} is {output[name]!r}, expected {checksum!r}"
    if data != small:
        return f"image {key!r} is not the one uploaded at half its size, or not as PPM"
    return None


@functools.lru_cache(maxsize=4)
def _expected(key, storage):
    """Return the checksum of the pixels of each result, and the small image as PPM."""
    width, rows = decode(storage.get(key))
    small = halved(rows)
    checksums = {
        "flipped_crc32": _checksum(mirrored(rows)),
        "rotated_crc32": _checksum(rotated(rows)),
        "filtered_crc32": _checksum(smoothed(smoothed(smoothed(smoothed(rows))))),
        "grey_crc32": _checksum(grey(rows)),
    }
    return checksums, b"P6\n%d %d\n255\n" % (width // 2, len(rows) // 2) + b"".join(small)


def _checksum(rows):
    return f"{zlib.crc32(b''.join(rows)):08x}"


def decode(image):
    """Return width and RGB rows of a PPM that this module wrote."""
    _, size, _, pixels = image.split(b"\n", 3)
    width, height = map(int, size.split())
    return width, [pixels[start : start + 3 * width] for start in range(0, 3 * width * height, 3 * width)]


def mirrored(rows):
    """Return the rows with left and right exchanged."""
    flipped = []
    for row in rows:
        backwards = bytearray(row)
        for channel in range(3):
            backwards[channel::3] = row[channel::3][::-1]
        flipped.append(bytes(backwards))
    return flipped


def rotated(rows):
    """Return the rows turned by a quarter against the clock: the last column becomes the first row."""
    pixels, stride = b"".join(rows), len(rows[0])
    turned = []
    for start in range(stride - 3, -1, -3):
        line = bytearray(3 * len(rows))
        for channel in range(3):
            line[channel::3] = pixels[start + channel :: stride]
        turned.append(bytes(line))
    return turned


def grey(rows):
    """Return a byte for each pixel: its luma, rounded."""
    width = len(rows[0]) // 3
    half = int.from_bytes(b"\0\x80\0\0" * width, "little")
    result = []
    for row in rows:
        total = half + sum(weight * _lanes(row[channel::3], 4) for channel, weight in enumerate(_LUMA))
        result.append(total.to_bytes(4 * width, "little")[2::4])
    return result


def smoothed(rows):
    """Return rows weighted by 1 2 1, 2 4 2, 1 2 1, over 16 and rounded; pixels of the border stay as they are."""
    inner = len(rows[0]) - 6
    across = []
    for row in rows:
        lanes = _lanes(row, 2)
        across.append(lanes + 2 * (lanes >> 48) + (lanes >> 96))  # a pixel has 3 lanes of 16 bits
    half = int.from_bytes(b"\x08\0" * inner, "little")
    result = [rows[0]]
    for above, row, (line, below) in zip(across, rows[1:-1], itertools.pairwise(across[1:]), strict=False):
        total = (above + 2 * line + below & (1 << 16 * inner) - 1) + half >> 4
        result.append(row[:3] + total.to_bytes(2 * inner + 1, "little")[: 2 * inner : 2] + row[-3:])
    return [*result, rows[-1]]


def halved(rows):
    """Return rows of the mean of each 2 x 2 pixels, rounded; what is left over at the edges is cut off."""
    width = len(rows[0]) // 6
    half = int.from_bytes(b"\2\0" * width, "little")
    result = []
    for upper, lower in zip(rows[::2], rows[1::2], strict=False):
        line = bytearray(3 * width)
        for channel in range(3):
            values = [row[start::6][:width] for row in (upper, lower) for start in (channel, channel + 3)]
            total = half + sum(_lanes(value, 2) for value in values) >> 2
            line[channel::3] = total.to_bytes(2 * width, "little")[::2]
        result.append(bytes(line))
    return result


def _lanes(values, size):
    """Return bytes as one number that has a lane of `size` bytes for each."""
    lanes = bytearray(size * len(values))
    lanes[::size] = values
    return int.from_bytes(lanes, "little")


def _draw(rng, width, height):
    """Yield rows of an image: slopes of colour that change direction at random, and noise as from a camera."""
    low_bits = int.from_bytes(b"\x1f" * (3 * width), "big")
    slope = bytes(range(224)) + bytes(range(223, -1, -1))
    long = slope * (-(-(3 * width) // len(slope)) + 1)
    start = 0
    for _ in range(height):
        start = (start + rng.choice((1, 1, 2, 5))) % len(slope)
        noise = rng.getrandbits(24 * width) & low_bits
        yield (int.from_bytes(long[start : start + 3 * width], "big") + noise).to_bytes(3 * width, "big")
