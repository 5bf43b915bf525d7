"""Flip, rotate, filter, grey and scale an image."""

from __future__ import annotations

import io
import zlib

from PIL import Image, ImageFilter

Image.preinit()  # loads the image formats now, not in the first call

SMOOTH = ImageFilter.Kernel((3, 3), (1, 2, 1, 2, 4, 2, 1, 2, 1), scale=16)
FILTERED = 4  # times


def checksum(image):
    """Return the CRC-32 of the pixels, row by row, as hexadecimal digits."""
    return format(zlib.crc32(image.tobytes()), "08x")


def handler(event, context):
    """Return checksums of four pictures made of the image; upload the fifth, at half its size."""
    with context.phase("download"):
        data = context.storage.download(event["input_key"])
    with context.phase("decode"):
        image = Image.open(io.BytesIO(data))
        image.load()
    with context.phase("flip"):
        flipped = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    with context.phase("rotate"):
        rotated = image.transpose(Image.Transpose.ROTATE_90)
    with context.phase("filter"):
        filtered = image
        for _ in range(FILTERED):
            filtered = filtered.filter(SMOOTH)
    with context.phase("grey"):
        grey = image.convert("L")
    with context.phase("resize"):
        small = image.reduce(2, box=(0, 0, image.width // 2 * 2, image.height // 2 * 2))
    with context.phase("encode"):
        out = io.BytesIO()
        small.save(out, format="PPM")
    key = event["output_prefix"] + context.request_id + ".ppm"
    with context.phase("upload"):
        context.storage.upload(key, out.getvalue())
    with context.phase("verify"):
        checksums = {
            "flipped_crc32": checksum(flipped),
            "rotated_crc32": checksum(rotated),
            "filtered_crc32": checksum(filtered),
            "grey_crc32": checksum(grey),
        }
    checksums["key"], checksums["uploaded_bytes"] = key, len(out.getvalue())
    return checksums
