"""Object storage as the driver sees it: where inputs are put for functions and outputs are checked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Storage(ABC):
    """A flat space of keys with `/` in them. All methods may be slow; none is in the measured path."""

    @abstractmethod
    def put(self, key: str, data: bytes) -> None:
        """Write an object, replacing one of that key."""

    @abstractmethod
    def get(self, key: str) -> bytes:
        """Return an object.

        Raises:
            KeyError: If there is none.
        """

    @abstractmethod
    def keys(self, prefix: str = "") -> Sequence[str]:
        """Return the keys that start with `prefix`, sorted."""

    @abstractmethod
    def delete(self, prefix: str) -> None:
        """Delete every object whose key starts with `prefix`; harmless when there is none."""
