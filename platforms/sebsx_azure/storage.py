"""The run's container of objects as the driver sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.clouds.objects import Objects
from sebsx.clouds.refusals import passing_over
from sebsx_azure.clients import listed
from sebsx_azure.errors import ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class BlobStorage(Objects):
    """Objects of one container.

    Args:
        container: Client of a container that exists.
    """

    def __init__(self, container: Any) -> None:
        super().__init__(ERRORS.explained, ERRORS.is_gone)
        self._container = container

    def write(self, key: str, data: bytes) -> None:
        """Write an object."""
        self._container.upload_blob(key, data, overwrite=True)

    def write_file(self, key: str, path: Path) -> None:
        """Write an object from a file, in parts where it is large."""
        with path.open("rb") as file:
            self._container.upload_blob(key, file, overwrite=True)

    def read(self, key: str) -> bytes:
        """Return an object."""
        return bytes(self._container.download_blob(key).readall())

    def listed(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with `prefix`."""
        return listed("list of objects", self._container.list_blob_names(name_starts_with=prefix or None))

    def remove(self, keys: Sequence[str]) -> None:
        """Delete objects, one after the other: batches are a protocol of their own that emulators lack."""
        for key in keys:
            with passing_over(ERRORS.is_gone):
                self._container.delete_blob(key)
