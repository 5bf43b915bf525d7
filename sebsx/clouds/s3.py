"""Object storage by the protocol of S3, at AWS or wherever a user has one: the driver's side of a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.clouds.pages import each_page
from sebsx.clouds.refusals import passing_over
from sebsx.contracts.storage import Storage
from sebsx.errors import UserError
from sebsx.system.lazy import require

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

GONE = frozenset({"NoSuchKey", "NoSuchBucket", "404", "NotFound"})
_LISTED = 1000  # objects in a request, by the API
_OURS = "BucketAlreadyOwnedByYou"


class S3Storage(Storage):
    """Objects of one bucket.

    Args:
        s3: The client of boto3.
        bucket: Name of a bucket that exists.
        explained: Returns a context that turns what boto3 raises into an error of ours; it is told what is being done.
    """

    def __init__(self, s3: Any, bucket: str, explained: Callable[[str], AbstractContextManager[None]]) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._explained = explained

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        with self._explained(f"write of object {key!r}"):
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=data)

    def put_file(self, key: str, path: Path) -> None:
        """Write an object from a file, in parts where it is large.

        Raises:
            UserError: If the file cannot be read.
        """
        if not path.is_file():
            raise UserError(f"file {str(path)!r} cannot be read: it is not a file")
        failed = require("boto3.exceptions", extra="aws").S3UploadFailedError
        with self._explained(f"write of object {key!r}"):
            try:
                self._s3.upload_file(str(path), self._bucket, key)
            except failed as exc:  # in which boto3 wraps the answer of the storage
                raise exc.__context__ or exc from None

    def get(self, key: str) -> bytes:
        """Return an object."""
        with self._explained(f"read of object {key!r}"), passing_over(lambda exc: code_of(exc) in GONE):
            return bytes(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())
        raise KeyError(key)

    def keys(self, prefix: str = "") -> Sequence[str]:
        """Return the keys that start with `prefix`."""
        with self._explained("list of objects"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            return sorted(
                item["Key"]
                for page in each_page("list of objects", pages, lambda page: page.get("NextContinuationToken"))
                for item in page.get("Contents", ())
            )

    def delete(self, prefix: str) -> None:
        """Delete objects, a thousand in each request."""
        keys = list(self.keys(prefix))
        for first in range(0, len(keys), _LISTED):
            objects = [{"Key": key} for key in keys[first : first + _LISTED]]
            with self._explained("delete of objects"):
                self._s3.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})


def make_bucket(s3: Any, name: str, region: str) -> None:
    """Make a bucket and return when it can be used."""
    # The first region has no constraint: S3 refuses its name there.
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    create_once(lambda: s3.create_bucket(Bucket=name, **place), _OURS)
    s3.get_waiter("bucket_exists").wait(Bucket=name)


def delete_bucket(s3: Any, name: str, explained: Callable[[str], AbstractContextManager[None]]) -> None:
    """Delete a bucket with all that is in it."""
    S3Storage(s3, name, explained).delete("")
    s3.delete_bucket(Bucket=name)


def create_once(create: Callable[[], Any], exists: str) -> Any | None:
    """Create something whose name is drawn for it; None where it is there: an earlier attempt's answer was lost.

    Args:
        create: Asks for it; the SDK asks again where no answer came.
        exists: AWS's name of the error that says that we have one of that name.
    """
    from botocore.exceptions import ClientError

    try:
        return create()
    except ClientError as exc:
        if code_of(exc) != exists:
            raise
        return None


def code_of(error: Any) -> str:
    """Return AWS's name of an error; empty for an exception that is none of AWS's."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def words_of(error: Any) -> str:
    """Return what a service said, or what it said at last of what was waited for."""
    told = getattr(error, "last_response", None) or {}
    told = told.get("Configuration", told)
    message = getattr(error, "response", {}).get("Error", {}).get("Message")
    return str(message or told.get("StateReason") or told.get("LastUpdateStatusReason") or error)


def listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as AWS's services take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
