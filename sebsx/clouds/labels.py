"""Our tags as labels: for providers that take nothing but short texts of lower-case letters, digits, `-` and `_`.

Nothing is lost: `decode` returns the tags that `encode` was given, whatever letters a name has. What does not fit
into one label goes on in further ones (`sebsx-owner`, `sebsx-owner_2`, ...).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 63
"""Characters of a value, at Google as in Kubernetes."""
_PREFIX = "sebsx-"
_FOREIGN = re.compile(r"[^a-z0-9-]")
_ESCAPED = re.compile(r"__([0-9a-f]+)_|_([a-z])")


def encode(tags: Mapping[str, str]) -> dict[str, str]:
    """Return labels that hold our tags: a capital as `_a`, any other foreign letter as its code point, `__e4_`."""
    labels = {}
    for key, value in tags.items():
        text = _FOREIGN.sub(_escaped, value)
        for place, first in enumerate(range(0, max(1, len(text)), LONGEST), 1):
            labels[key if place == 1 else f"{key}_{place}"] = text[first : first + LONGEST]
    return labels


def decode(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that labels hold; labels that are not ours stay as they are."""
    tags, parts = {}, dict[str, dict[int, str]]()
    for key, value in labels.items():
        name, _, place = key.partition("_")
        if key.startswith(_PREFIX) and (place.isdecimal() or not place):
            parts.setdefault(name, {})[int(place or 1)] = value
        else:
            tags[key] = value
    for name, values in parts.items():
        tags[name] = _ESCAPED.sub(_unescaped, "".join(values[place] for place in sorted(values)))
    return tags


def _escaped(found: re.Match[str]) -> str:
    letter = found[0]
    return f"_{letter.lower()}" if "A" <= letter <= "Z" else f"__{ord(letter):x}_"


def _unescaped(found: re.Match[str]) -> str:
    if found[2]:
        return found[2].upper()
    code = int(found[1], 16)
    return chr(code) if code <= 0x10FFFF else found[0]  # somebody else's
