"""Scale an image down to a thumbnail."""

from __future__ import annotations

import io

from PIL import Image

Image.preinit()  # loads the image formats now, not in the first call


def handler(event, context):
    """Download the image, scale it to fit the bounds in its own shape, upload it as PNG."""
    with context.phase("download"):
        data = context.storage.download(event["input_key"])
    with context.phase("compute"):
        image = Image.open(io.BytesIO(data))
        image.thumbnail((event["width"], event["height"]))
        out = io.BytesIO()
        image.save(out, format="PNG")
    key = event["output_prefix"] + context.request_id + ".png"
    with context.phase("upload"):
        context.storage.upload(key, out.getvalue())
    return {
        "key": key,
        "width": image.width,
        "height": image.height,
        "thumbnail_bytes": len(out.getvalue()),
    }
