"""Names that a provider takes: its rule as data, and how a name of ours is made to fit it."""

from __future__ import annotations

import hashlib
import string
from base64 import b32encode
from dataclasses import dataclass

_LOWER = string.ascii_lowercase + string.digits
_HASH_LETTERS = 10  # 50 bits: two of a million names of one account are alike once in 2,000 accounts


@dataclass(frozen=True, kw_only=True, slots=True)
class NamingRule:
    """What a provider takes as a name.

    A name made by it begins with a letter, ends with a letter or a digit, and is in lower case.

    Args:
        longest: Most characters.
        shortest: Fewest characters; a shorter name is filled up.
        marks: Characters that may stand between letters and digits, the one to be used in place of others first
            (`-_.`); empty where a provider takes letters and digits alone.
    """

    longest: int
    shortest: int = 1
    marks: str = "-"

    def __post_init__(self) -> None:
        if not self.longest >= _HASH_LETTERS + 2 or not 1 <= self.shortest <= self.longest:
            raise ValueError(f"names of {self.shortest} to {self.longest} characters cannot be distinguished")

    def fit(self, text: str) -> str:
        """Return `text` as the rule wants it: the same each time, and another for another text.

        Where something of it had to be left out or replaced, a hash of the whole stands at the end.
        """
        mark = self.marks[:1]
        kept = "".join(letter if letter in _LOWER + self.marks else mark for letter in text.lower())
        name = kept.strip(self.marks)
        if not name or name[0] not in string.ascii_lowercase:
            name = f"x{mark}{name}"
        if name == text and self.shortest <= len(name) <= self.longest:
            return name
        digest = b32encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=").lower()
        head = name[: self.longest - _HASH_LETTERS - len(mark)].rstrip(self.marks)
        filling = max(_HASH_LETTERS, self.shortest - len(head) - len(mark))
        return f"{head}{mark}{digest[:filling]}"
