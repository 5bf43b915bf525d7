"""The run's bucket as the driver sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.clouds.objects import Objects
from sebsx.clouds.refusals import passing_over
from sebsx_gcp.clients import pages_of
from sebsx_gcp.errors import ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_KIND = "application/octet-stream"


class GcsStorage(Objects):
    """Objects of one bucket.

    Args:
        client: Of Cloud Storage.
        bucket: Name of a bucket that exists.
    """

    def __init__(self, client: Any, bucket: str) -> None:
        super().__init__(ERRORS.explained, ERRORS.is_gone)
        self._client = client
        self._bucket = client.bucket(bucket)

    def write(self, key: str, data: bytes) -> None:
        """Write an object."""
        self._bucket.blob(key).upload_from_string(data, content_type=_KIND)

    def write_file(self, key: str, path: Path) -> None:
        """Write an object from a file."""
        self._bucket.blob(key).upload_from_filename(str(path), content_type=_KIND)

    def read(self, key: str) -> bytes:
        """Return an object."""
        return bytes(self._bucket.blob(key).download_as_bytes())

    def listed(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with `prefix`."""
        listing = self._client.list_blobs(self._bucket, prefix=prefix or None)
        return (blob.name for page in pages_of("list of objects", listing) for blob in page)

    def remove(self, keys: Sequence[str]) -> None:
        """Delete objects, one after the other: batches are a protocol of their own that emulators lack."""
        for key in keys:
            with passing_over(ERRORS.is_gone):
                self._bucket.blob(key).delete()
