"""Object storage by a provider's SDK, as the driver sees it: a subclass has the calls, and this what they guarantee."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from sebsx.clouds.refusals import passing_over
from sebsx.contracts.storage import Storage
from sebsx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path


class Objects(Storage):
    """Objects of a bucket that exists.

    Args:
        explained: Returns a context that turns what the SDK raises into an error of ours; told what is being done.
        is_missing: Whether an exception of the SDK says that there is no such object.
    """

    def __init__(
        self, explained: Callable[[str], AbstractContextManager[None]], is_missing: Callable[[BaseException], bool]
    ) -> None:
        self._explained = explained
        self._is_missing = is_missing

    @abstractmethod
    def write(self, key: str, data: bytes) -> object:
        """Write an object."""

    @abstractmethod
    def write_file(self, key: str, path: Path) -> object:
        """Write an object from a file that can be read, in parts where it is large."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """Return an object; where there is none, raise what `is_missing` knows."""

    @abstractmethod
    def listed(self, prefix: str) -> Iterable[str]:
        """Return the keys that start with `prefix`, in any order."""

    @abstractmethod
    def remove(self, keys: Sequence[str]) -> object:
        """Delete objects; those that are gone already are no error."""

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        with self._explained(f"write of object {key!r}"):
            self.write(key, data)

    def put_file(self, key: str, path: Path) -> None:
        """Write an object from a file, in parts where it is large.

        Raises:
            UserError: If the file cannot be read.
        """
        try:
            path.open("rb").close()
        except OSError as exc:
            raise UserError(f"file {str(path)!r} cannot be read: {exc.strerror}") from exc
        with self._explained(f"write of object {key!r}"):
            self.write_file(key, path)

    def get(self, key: str) -> bytes:
        """Return an object."""
        with self._explained(f"read of object {key!r}"), passing_over(self._is_missing):
            return self.read(key)
        raise KeyError(key)

    def keys(self, prefix: str = "") -> Sequence[str]:
        """Return the keys that start with `prefix`."""
        with self._explained("list of objects"):
            return sorted(self.listed(prefix))

    def delete(self, prefix: str) -> None:
        """Delete every object whose key starts with `prefix`."""
        keys = self.keys(prefix)
        with self._explained("delete of objects"):
            self.remove(keys)
