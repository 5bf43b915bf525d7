"""Flip, rotate, filter, grey and scale an image."""

from __future__ import annotations

import hashlib
import io

from PIL import Image, ImageFilter

Image.preinit()  # loads the image formats now, not in the first call

SMOOTH = ImageFilter.Kernel((3, 3), (1, 2, 1, 2, 4, 2, 1, 2, 1), scale=16)


def digest_of(image):
    """Return the SHA-256 of the pixels, row by row."""
    return hashlib.sha256(image.tobytes()).hexdigest()


def handler(event, context):
    """Return digests of four pictures made of the image; upload the fifth, at half its size."""
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
        filtered = image.filter(SMOOTH)
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
        digests = {
            "flipped_sha256": digest_of(flipped),
            "rotated_sha256": digest_of(rotated),
            "filtered_sha256": digest_of(filtered),
            "grey_sha256": digest_of(grey),
        }
    digests["key"], digests["uploaded_bytes"] = key, len(out.getvalue())
    return digests
