"""What `check` and `doctor` find."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a problem is: an `error` stops the run, a `warning` is said and stored."""

    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something `check` or `doctor` found.

    Args:
        message: What is wrong, on what.
        advice: What to do about it; empty only where nothing can be done.
        severity: Whether a run is possible all the same.
    """

    message: str
    _: KW_ONLY
    advice: str = ""
    severity: Severity = Severity.ERROR
