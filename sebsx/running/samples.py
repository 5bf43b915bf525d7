"""Which names the samples of an answer may have: those of registered metrics, and so many of a family."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

# Names that functions make up, within a family such as `phase.*_s`: each is a row of the store for ever.
_MOST_MADE_UP = 1000


class Names:
    """Tells whether names are those of metrics. A function may make up the names of its phases, up to a bound.

    Args:
        metrics: Names that are registered; a `*` makes one a family.
    """

    def __init__(self, metrics: Iterable[str]) -> None:
        every = set(metrics)
        self._families = [name for name in every if "*" in name]
        self._known = every.difference(self._families)
        self._left = _MOST_MADE_UP

    def fault(self, names: AbstractSet[str]) -> str | None:
        """Return what is wrong with some names, None if nothing is."""
        if names <= self._known:
            return None
        for name in names - self._known:
            if "*" in name or not any(fnmatchcase(name, family) for family in self._families):
                return f"metric {name!r} is not registered"
            if not self._left:
                return f"metric {name!r} is one of more than {_MOST_MADE_UP} names that the function made up"
            self._left -= 1
            self._known.add(name)
        return None
