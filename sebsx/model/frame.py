"""Invocations as arrays: what analyzers, comparisons and reports read, fast enough for millions of them."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Codes = NDArray[np.int32]
    Mask = NDArray[np.bool_]
    Places = NDArray[np.intp]


class Frame:
    """Columns of some invocations of one run, all in the order of their sequence.

    A column of numbers is an array of float64 with NaN where there is no value; a column of words is an array of
    codes into its few different words.

    Args:
        numbers: Columns of numbers by name.
        words: Columns of words by name: codes, and the word (or None) each code stands for.
    """

    def __init__(self, numbers: Mapping[str, Numbers], words: Mapping[str, tuple[Codes, Sequence[str | None]]]) -> None:
        self._numbers = numbers
        self._words = words

    def __len__(self) -> int:
        return next((len(column) for column in self._numbers.values()), 0)

    def __getitem__(self, name: str) -> Numbers:
        """Return a column of numbers, NaN where an invocation has none."""
        return self._numbers[name]

    def __contains__(self, name: str) -> bool:
        return name in self._numbers or name in self._words

    @property
    def names(self) -> list[str]:
        """The columns of numbers."""
        return list(self._numbers)

    @property
    def word_names(self) -> list[str]:
        """The columns of words."""
        return list(self._words)

    def known(self, name: str) -> Numbers:
        """Return a column of numbers without those that are not there."""
        import numpy as np  # heavy

        column = self._numbers[name]
        return column[~np.isnan(column)]

    def words(self, name: str) -> list[str | None]:
        """Return a column of words, one for each invocation."""
        codes, levels = self._words[name]
        return [levels[code] for code in codes]

    def codes(self, name: str) -> tuple[Codes, Sequence[str | None]]:
        """Return a column of words as codes, and the word that each code stands for."""
        return self._words[name]

    def equals(self, name: str, word: str | None) -> Mask:
        """Return which invocations have a word in a column."""
        import numpy as np  # heavy

        codes, levels = self._words[name]
        wanted = levels.index(word) if word in levels else -1
        equal: Mask = np.equal(codes, wanted)
        return equal

    def tally(self, name: str) -> dict[str | None, int]:
        """Return how often each word of a column occurs, those that do not left out."""
        import numpy as np  # heavy

        codes, levels = self._words[name]
        counts = np.bincount(codes, minlength=len(levels))
        return {level: int(count) for level, count in zip(levels, counts, strict=True) if count}

    def beside(self, other: Self) -> Self:
        """Return a frame of the same invocations with the columns of another one besides."""
        return type(self)({**self._numbers, **other._numbers}, {**self._words, **other._words})

    def only(self, names: Sequence[str]) -> Self:
        """Return a frame with some columns, by name or pattern (`phase.*_s`), that cannot be written to."""
        numbers = {name: column.view() for name, column in self._numbers.items() if _is_one_of(name, names)}
        for column in numbers.values():
            column.flags.writeable = False
        return type(self)(numbers, {name: column for name, column in self._words.items() if name in names})

    def where(self, mask: Mask | Places) -> Self:
        """Return the invocations of a mask, or at some places."""
        if mask.dtype == bool and mask.all():
            return self
        numbers = {name: column[mask] for name, column in self._numbers.items()}
        words = {name: (codes[mask], levels) for name, (codes, levels) in self._words.items()}
        return type(self)(numbers, words)


def joined(frames: Sequence[Frame]) -> Frame:
    """Return the invocations of several frames, one after the other; NaN where a frame lacks a column of numbers.

    Args:
        frames: At least one; all have the same columns of words.
    """
    import numpy as np  # heavy

    names = dict.fromkeys(name for frame in frames for name in frame.names)
    numbers = {
        name: np.concatenate([frame[name] if name in frame else np.full(len(frame), np.nan) for frame in frames])
        for name in names
    }
    words = {}
    for name in frames[0].word_names:
        seen = _Numbering()
        parts = [frame.codes(name) for frame in frames]
        renumbered = [np.array([seen[word] for word in levels], dtype=np.int32)[codes] for codes, levels in parts]
        words[name] = np.concatenate(renumbered), list(seen)
    return Frame(numbers, words)


def _is_one_of(name: str, patterns: Sequence[str]) -> bool:
    return name in patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def coded(words: Sequence[str | None]) -> tuple[Codes, Sequence[str | None]]:
    """Return a column of words as codes, and the word that each code stands for."""
    import numpy as np  # heavy

    seen = _Numbering()
    return np.array([seen[word] for word in words], dtype=np.int32), list(seen)


class _Numbering(dict[str | None, int]):
    """Numbers words in the order in which they are first asked for."""

    def __missing__(self, word: str | None) -> int:
        self[word] = len(self)
        return self[word]
