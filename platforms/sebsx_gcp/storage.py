"""The run's bucket as the driver sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.storage import Storage
from sebsx.errors import UserError
from sebsx.system.lazy import require
from sebsx_gcp.clients import explained

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class GcsStorage(Storage):
    """Objects of one bucket.

    Args:
        client: Of Cloud Storage.
        bucket: Name of a bucket that exists.
    """

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = client.bucket(bucket)

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        with explained(f"write of object {key!r}"):
            self._bucket.blob(key).upload_from_string(data, content_type="application/octet-stream")

    def put_file(self, key: str, path: Path) -> None:
        """Write an object from a file, in parts where it is large.

        Raises:
            UserError: If the file cannot be read.
        """
        if not path.is_file():
            raise UserError(f"file {str(path)!r} cannot be read: it is not a file")
        with explained(f"write of object {key!r}"):
            self._bucket.blob(key).upload_from_filename(str(path), content_type="application/octet-stream")

    def get(self, key: str) -> bytes:
        """Return an object."""
        errors = require("google.api_core.exceptions", extra="gcp")
        with explained(f"read of object {key!r}"):
            try:
                return bytes(self._bucket.blob(key).download_as_bytes())
            except errors.NotFound:
                raise KeyError(key) from None

    def keys(self, prefix: str = "") -> Sequence[str]:
        """Return the keys that start with `prefix`."""
        with explained("list of objects"):
            return sorted(blob.name for blob in self._client.list_blobs(self._bucket, prefix=prefix or None))

    def delete(self, prefix: str) -> None:
        """Delete objects, one after the other: batches are a protocol of their own that emulators lack."""
        errors = require("google.api_core.exceptions", extra="gcp")
        for key in self.keys(prefix):
            with explained(f"delete of object {key!r}"):
                try:
                    self._bucket.blob(key).delete()
                except errors.NotFound:
                    continue
