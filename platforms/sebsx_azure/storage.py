"""The run's container of objects as the driver sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.contracts.storage import Storage
from sebsx.errors import UserError
from sebsx.system.lazy import require
from sebsx_azure.clients import EXTRA, explained

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class BlobStorage(Storage):
    """Objects of one container.

    Args:
        container: Client of a container that exists.
    """

    def __init__(self, container: Any) -> None:
        self._container = container

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        with explained(f"write of object {key!r}"):
            self._container.upload_blob(key, data, overwrite=True)

    def put_file(self, key: str, path: Path) -> None:
        """Write an object from a file, in parts where it is large.

        Raises:
            UserError: If the file cannot be read.
        """
        try:
            with path.open("rb") as file, explained(f"write of object {key!r}"):
                self._container.upload_blob(key, file, overwrite=True)
        except OSError as exc:
            raise UserError(f"file {str(path)!r} cannot be read: {exc.strerror}") from exc

    def get(self, key: str) -> bytes:
        """Return an object."""
        errors = require("azure.core.exceptions", extra=EXTRA)
        with explained(f"read of object {key!r}"):
            try:
                return bytes(self._container.download_blob(key).readall())
            except errors.ResourceNotFoundError:
                raise KeyError(key) from None

    def keys(self, prefix: str = "") -> Sequence[str]:
        """Return the keys that start with `prefix`."""
        with explained("list of objects"):
            return sorted(self._container.list_blob_names(name_starts_with=prefix or None))

    def delete(self, prefix: str) -> None:
        """Delete objects, one after the other: batches are a protocol of their own that emulators lack."""
        errors = require("azure.core.exceptions", extra=EXTRA)
        for key in self.keys(prefix):
            with explained(f"delete of object {key!r}"):
                try:
                    self._container.delete_blob(key)
                except errors.ResourceNotFoundError:
                    continue
