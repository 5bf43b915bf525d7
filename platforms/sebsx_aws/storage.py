"""The run's bucket as the driver sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.storage import Storage
from sebsx.errors import UserError
from sebsx_aws.clients import GONE, code_of, explained

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class S3Storage(Storage):
    """Objects of one bucket.

    Args:
        s3: The client.
        bucket: Name of a bucket that exists.
    """

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        with explained(f"write of object {key!r}"):
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=data)

    def put_file(self, key: str, path: Path) -> None:
        """Write an object from a file, in parts where it is large.

        Raises:
            UserError: If the file cannot be read.
        """
        if not path.is_file():
            raise UserError(f"file {str(path)!r} cannot be read: it is not a file")
        with explained(f"write of object {key!r}"):
            self._s3.upload_file(str(path), self._bucket, key)

    def get(self, key: str) -> bytes:
        """Return an object."""
        with explained(f"read of object {key!r}"):
            try:
                return bytes(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())
            except self._s3.exceptions.ClientError as exc:
                if code_of(exc) in {"NoSuchKey", *GONE}:
                    raise KeyError(key) from None
                raise

    def keys(self, prefix: str = "") -> Sequence[str]:
        """Return the keys that start with `prefix`."""
        with explained("list of objects"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            return sorted(item["Key"] for page in pages for item in page.get("Contents", ()))

    def delete(self, prefix: str) -> None:
        """Delete objects, a thousand in each request."""
        keys = list(self.keys(prefix))
        for first in range(0, len(keys), 1000):
            objects = [{"Key": key} for key in keys[first : first + 1000]]
            with explained("delete of objects"):
                self._s3.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})
