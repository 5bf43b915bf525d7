"""What a function is called with, and what must be in its answer: JSON in files or on the command line."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sebsx.errors import UserError


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
    if _is_json(words):
        return [Input("given", words.strip().encode())]
    found = [Input(Path(word).stem, _read(word, "payload")) for word in _split(words)]
    names = [item.name for item in found]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"two payload files are named {name!r}; results could not tell them apart")
    return found


def expectation(words: str) -> Any:
    """Return what an answer must hold, from JSON or a file of it; `...` (Ellipsis) for anything.

    Raises:
        UserError: If the file cannot be read or is not JSON.
    """
    if not words.strip():
        return ...
    return json.loads(words if _is_json(words) else _read(words, "expect"))


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
    return [words.strip()] if Path(words.strip()).is_file() else [word.strip() for word in words.split(",")]


def _read(word: str, what: str) -> bytes:
    path = Path(word).expanduser()
    try:
        data = path.read_bytes()
    except OSError as exc:
        reason = exc.strerror or exc
        raise UserError(f"{what} {word!r} is neither JSON nor a file that can be read: {reason}") from exc
    try:
        json.loads(data)
    except ValueError as exc:
        raise UserError(f"{what} file {word!r} is not JSON: {exc}") from exc
    return data


def _is_json(words: str) -> bool:
    try:
        json.loads(words)
    except ValueError:
        return False
    return True


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
