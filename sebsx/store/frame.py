"""Invocations as arrays: what analyzers, comparisons and reports read, fast enough for millions of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

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

    def joined(self, numbers: Mapping[str, Numbers]) -> Self:
        """Return a frame with more columns of numbers, as long as these."""
        return type(self)({**self._numbers, **numbers}, self._words)

    def where(self, mask: Mask | Places) -> Self:
        """Return the invocations of a mask, or at some places."""
        numbers = {name: column[mask] for name, column in self._numbers.items()}
        words = {name: (codes[mask], levels) for name, (codes, levels) in self._words.items()}
        return type(self)(numbers, words)


class FrameBuilder:
    """Takes in pages of rows and makes a frame of them, so that no more than a page of Python objects exists.

    Args:
        numbers: Names of the columns of numbers, in the order of the rows.
        words: Columns of words that follow in the same rows, as codes into the words that are given.
        texts: Columns of words that come in rows of their own (`add_texts`), in their order.
    """

    def __init__(self, numbers: Sequence[str], words: Mapping[str, Sequence[str]], texts: Sequence[str] = ()) -> None:
        self._numbers = numbers
        self._words = words
        self._pages: list[Numbers] = []
        self._texts: dict[str, list[Codes]] = {name: [] for name in texts}
        self._seen = {name: _Numbering() for name in texts}

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take in a page of rows of numbers and codes; at least one.

        Raises:
            ValueError: If something is no number, or a word none of those that are known.
        """
        import numpy as np  # heavy

        # The whole page at once takes half as long as column by column.
        page = np.ascontiguousarray(np.array(rows, dtype=np.float64).T)
        if np.isnan(page[len(self._numbers) :]).any():
            raise ValueError("a word that nobody knows")
        self._pages.append(page)

    def add_texts(self, rows: Sequence[Sequence[str | None]]) -> None:
        """Take in a page of rows of words; at least one."""
        import numpy as np  # heavy

        for (name, codes), column in zip(self._texts.items(), zip(*rows, strict=True), strict=True):
            seen = self._seen[name]
            codes.append(np.array([seen[word] for word in column], dtype=np.int32))

    def build(self) -> Frame:
        """Return the frame."""
        import numpy as np  # heavy

        def column(place: int) -> Numbers:
            return np.concatenate([np.empty(0), *(page[place] for page in self._pages)])

        numbers = {name: column(place) for place, name in enumerate(self._numbers)}
        words: dict[str, tuple[Codes, Sequence[str | None]]] = {
            name: (column(place).astype(np.int32), list(levels))
            for place, (name, levels) in enumerate(self._words.items(), start=len(numbers))
        }
        for name, codes in self._texts.items():
            words[name] = np.concatenate([np.empty(0, dtype=np.int32), *codes]), list(self._seen[name])
        return Frame(numbers, words)


class _Numbering(dict[str | None, int]):
    """Numbers words in the order in which they are first asked for."""

    def __missing__(self, word: str | None) -> int:
        self[word] = len(self)
        return self[word]
