"""Content hashes, and what they can be made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from math import isfinite
from typing import Any


def content_hash(value: Any) -> str:
    """Return the SHA-256 of `value` as canonical JSON: key order and spacing do not matter."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def is_json(value: Any) -> bool:
    """Tell whether JSON holds a value: words, finite numbers, None, and mappings and lists of these."""
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and is_json(item) for name, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_json, value))
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))
