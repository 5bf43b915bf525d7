"""Tables of a manifest, read strictly: an unknown key, a missing one and a wrong type are one clear line.

    table = read(path)
    name = table.text("name")
    for label, entry in table.tables("parameters").items():
        ...
    table.done()

`done` refuses every key that nothing asked for, and suggests the nearest that was.
"""

from __future__ import annotations

import copy
import math
import tomllib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sebsx.errors import UnknownNameError, UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NEEDED: Any = object()


class ManifestTable:
    """One table of a TOML file.

    Args:
        values: What it holds.
        path: The file, for messages.
        name: As in its header (`parameters.words`); empty for the whole file.
    """

    def __init__(self, values: Mapping[str, Any], path: Path, name: str = "") -> None:
        self._values = values
        self._path = path
        self._name = name
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        self._asked.add(key)
        return key in self._values

    @property
    def where(self) -> str:
        """The table and its file, for messages: `[defaults] of '/b/benchmark.toml'`."""
        return f"[{self._name}] of {str(self._path)!r}" if self._name else repr(str(self._path))

    @property
    def keys(self) -> tuple[str, ...]:
        """What it holds, in the order of the file; asking for it accepts any key."""
        self._asked.update(self._values)
        return tuple(self._values)

    def any(self, key: str, default: Any = _NEEDED) -> Any:
        """Return a value of whatever type."""
        self._asked.add(key)
        if key not in self._values and default is _NEEDED:
            raise UserError(f"{self.where} needs {key!r}")
        return self._values.get(key, default)

    def text(self, key: str, default: str = _NEEDED) -> str:
        """Return a string."""
        return self._typed(key, default, "a string", lambda value: isinstance(value, str))  # type: ignore[no-any-return]  # checked

    def flag(self, key: str, default: bool = _NEEDED) -> bool:
        """Return true or false."""
        return self._typed(key, default, "true or false", lambda value: isinstance(value, bool))  # type: ignore[no-any-return]  # checked

    def integer(self, key: str, default: int = _NEEDED, minimum: int = 1) -> int:
        """Return an integer that is not below `minimum`."""
        return self._typed(  # type: ignore[no-any-return]  # checked
            key, default, f"an integer of at least {minimum}", lambda value: _is_integer(value) and value >= minimum
        )

    def number(self, key: str, default: float | None = _NEEDED, above: float = -math.inf) -> float:
        """Return a finite number above a bound; whatever `default` is comes back as it is."""
        wanted = "a number" if above == -math.inf else f"a number above {above:g}"
        return self._typed(key, default, wanted, lambda value: _is_number(value) and value > above)  # type: ignore[no-any-return]  # checked

    def words(self, key: str) -> tuple[str, ...]:
        """Return a list of strings, empty if it is not there."""
        return tuple(self._typed(key, (), "a list of strings", _is_words))

    def table(self, key: str) -> ManifestTable:
        """Return a table inside of it, empty if it is not there."""
        values = self._typed(key, {}, "a table", lambda value: isinstance(value, dict))
        return ManifestTable(values, self._path, f"{self._name}.{key}" if self._name else key)

    def tables(self, key: str) -> dict[str, ManifestTable]:
        """Return the tables inside of a table, by name in the order of the file."""
        outer = self.table(key)
        return {name: outer.table(name) for name in outer.keys}  # not a mapping

    def refused(self, key: str, wanted: str) -> UserError:
        """Return the error that a value is not what is wanted."""
        return UserError(f"{key!r} in {self.where} is {_short(self._values.get(key))}: {wanted} is wanted")

    def done(self) -> None:
        """Refuse every key that nothing asked for.

        Raises:
            UnknownNameError: If there is one; the message names the nearest that is known.
        """
        for key in self._values:
            if key not in self._asked:
                raise UnknownNameError("key", key, self._asked, of=self.where)

    def _typed(self, key: str, default: Any, wanted: str, fits: Any) -> Any:
        self._asked.add(key)
        if key not in self._values:
            if default is _NEEDED:
                raise UserError(f"{self.where} needs {key!r}, {wanted}")
            return default
        if not fits(self._values[key]):
            raise self.refused(key, wanted)
        return self._values[key]


def read(path: Path) -> ManifestTable:
    """Return the whole of a TOML file.

    Raises:
        FileNotFoundError: If there is no such file.
        UserError: If it cannot be read or is not TOML.
    """
    try:
        return ManifestTable(copy.deepcopy(_parsed(path.read_text(encoding="utf-8"))), path)
    except FileNotFoundError:
        raise
    except RecursionError:
        raise UserError(f"{str(path)!r} cannot be read: it is nested too deeply") from None
    except (OSError, ValueError) as exc:  # TOML's own error, and an integer of more digits than Python reads
        raise UserError(f"{str(path)!r} cannot be read: {exc}") from exc


@lru_cache(maxsize=256)
def _parsed(text: str) -> dict[str, Any]:
    """Return what a text of TOML holds; a program that runs many times reads the same manifests each time."""
    return tomllib.loads(text)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return _is_integer(value) and abs(value) < 2**1000  # what a float can say


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
