"""What a function is called with, and what must be in its answer: JSON in files or on the command line."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sebsx.errors import UserError
from sebsx.system.homes import expanded

_INLINE = re.compile(r'[{\["]|-?[0-9][0-9.eE+-]*$|(true|false|null|NaN|-?Infinity)$')
_SHOWN = 80  # characters of what the user wrote, in messages


@dataclass(frozen=True, slots=True)
class Input:
    """One input.

    Args:
        name: Of its file without the suffix; `given` for one on the command line, empty for none.
        payload: The bytes that are sent.
    """

    name: str
    payload: bytes

    @property
    def sha256(self) -> str:
        """Digest of the bytes: another input is another cell, whatever its file is called."""
        return hashlib.sha256(self.payload).hexdigest()


def inputs(words: str) -> list[Input]:
    """Return the inputs that a setting names: one as JSON, or files with a comma between them; at least one.

    Raises:
        UserError: If a file cannot be read, is not JSON, or has the name of another.
    """
    if not words.strip():
        return [Input("", b"")]
    if is_inline(words):
        return [Input("given", _json(words.strip().encode(errors="surrogateescape"), "payload", words))]
    found = [Input(Path(word).stem, _read(word, "payload")) for word in _split(words)]
    counts = Counter(item.name for item in found)
    for name, count in counts.items():
        if count > 1:
            raise UserError(f"{count} payload files are named {name!r}; results could not tell them apart")
    return found


def expectation(words: str) -> Any:
    """Return what an answer must hold, from JSON or a file of it; `...` (Ellipsis) for anything.

    Raises:
        UserError: If the file cannot be read or is not JSON.
    """
    if not words.strip():
        return ...
    if is_inline(words):
        return json.loads(_json(words.strip().encode(errors="surrogateescape"), "expect", words))
    return json.loads(_read(words.strip(), "expect"))


def is_inline(words: str) -> bool:
    """Return whether a text is JSON by its form, and not the name of a file, whatever files there are.

    JSON begins with a bracket, a quotation mark or a digit, or is one of its three words; a file of such a name is
    written with its folder (`./1.json`).
    """
    return _INLINE.match(words.strip()) is not None


def missing(expected: Any, answer: Any, where: str = "answer") -> str | None:
    """Return what of `expected` is not in an answer, or None: objects may hold more, lists hold as many."""
    if expected is ...:
        return None
    if isinstance(expected, dict):
        if not isinstance(answer, dict):
            return f"{where} is {_short(answer)}, an object is expected"
        for key, item in expected.items():
            if key not in answer:
                return f"{where} has no {key!r}"
            if problem := missing(item, answer[key], f"{where}.{key}"):
                return problem
        return None
    if isinstance(expected, list):
        if not isinstance(answer, list) or len(answer) != len(expected):
            return f"{where} is {_short(answer)}, a list of {len(expected)} is expected"
        problems = (missing(item, answer[at], f"{where}[{at}]") for at, item in enumerate(expected))
        return next(filter(None, problems), None)
    same = answer == expected and isinstance(answer, bool) == isinstance(expected, bool)
    return None if same else f"{where} is {_short(answer)}, {_short(expected)} is expected"


def _split(words: str) -> list[str]:
    """Return the files of a list; a comma that belongs to a name has a backslash before it."""
    return [word.strip().replace("\\,", ",") for word in re.split(r"(?<!\\),", words)]


def _read(word: str, what: str) -> bytes:
    try:
        data = expanded(word).read_bytes()
    except (OSError, RuntimeError, ValueError) as exc:  # RuntimeError: `~nobody`
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else exc
        raise UserError(f"{what} {_cut(word)!r} is neither JSON nor a file that can be read: {reason}") from exc
    return _json(data, f"{what} file", word)


def _json(data: bytes, what: str, word: str) -> bytes:
    """Return bytes that are JSON.

    Raises:
        UserError: If they are not, or nested too deeply to be read back.
    """
    try:
        json.loads(data, parse_constant=_no_number)
    except RecursionError:
        raise UserError(f"{what} {_cut(word)!r} is nested too deeply") from None
    except ValueError as exc:
        raise UserError(f"{what} {_cut(word)!r} is not valid JSON: {exc}") from exc
    return data


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON number")


def _cut(word: str) -> str:
    return word if len(word) <= _SHOWN else f"{word[:_SHOWN]}..."


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
