"""Copy objects within the object storage, by way of the function."""

from __future__ import annotations


def handler(event, context):
    """Download and upload one object after the other, then an index of them; return its key and the bytes moved."""
    storage, names = context.storage, event["names"]
    key = event["output_prefix"] + context.request_id
    downloaded = uploaded = 0
    lines = []
    for name in names:
        with context.phase("download"):
            data = storage.download(event["input_prefix"] + name)
        downloaded += len(data)
        lines.append(f"{len(data)} {name}\n")
        with context.phase("upload"):
            storage.upload(key + "/" + name, data)
        uploaded += len(data)
    with context.phase("index"):
        storage.upload(key + ".index", "".join(lines).encode())
    return {"key": key + ".index", "objects": len(lines), "downloaded_bytes": downloaded, "uploaded_bytes": uploaded}
