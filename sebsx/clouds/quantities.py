"""Amounts as Kubernetes writes them, and those who took over its way: `128Mi`, `0.5`, `500m`."""

from __future__ import annotations

import re
from typing import Any

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(?:(m)|([kKMGT])(i?))?")
_POWERS = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4}


def quantity(text: Any, *, binary: bool = False) -> float | None:
    """Return an amount as a number; None where the text is none.

    Args:
        text: As somebody else wrote it.
        binary: Whether `M` is a power of 1024 as well, as some providers mean it; in Kubernetes `Mi` alone is.
    """
    found = _QUANTITY.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    amount, thousandth, letter, of_1024 = found.groups()
    if thousandth:
        return float(amount) / 1000
    return float(amount) * (1024.0 if binary or of_1024 else 1000.0) ** _POWERS.get(letter or "", 0)
