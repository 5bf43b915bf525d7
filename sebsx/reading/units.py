"""Numbers with their units, as people read them."""

from __future__ import annotations

from sebsx.contracts.analyzers import Estimate
from sebsx.texts import DURATIONS

_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))
_BYTES = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
_RATES = tuple((factor, f"{name}/s") for factor, name in _BYTES)
_SCALES = {"s": _SECONDS, "bytes": _BYTES, "bytes/s": _RATES}
_SIZES = {"": 1, "B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}


def show(value: object, unit: str = "") -> str:
    """Return a table cell as text: `12.3 ms [12.0, 12.9]` for an estimate, `-` for nothing.

    Args:
        value: A number in `unit`, a word, an `Estimate` or None.
        unit: `s`, `bytes`, `bytes/s`, `USD`, `1` for a share, `count`, or empty.
    """
    if isinstance(value, Estimate):
        return _show_estimate(value, unit)
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return _show_number(float(value), unit)


def many(n: int, noun: str) -> str:
    """Return a count with its noun: `1 run`, `2 runs`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def percent(share: float, digits: int = 0) -> str:
    """Return a share in percent: `67.8 %`."""
    return f"{100 * share:.{digits}f} %"


def duration(seconds: float) -> str:
    """Return a duration for plans and progress: `42 s`, `3 min 20 s`, `2 h 5 min`."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, rest_min = divmod(minutes, 60)
    if hours:
        return f"{hours} h {rest_min} min"
    return f"{minutes} min {rest_s} s" if minutes else f"{rest_s} s"


def parse_duration(text: str) -> float:
    """Return seconds from `30`, `30s`, `500ms`, `2m`, `1.5h`, `7d`.

    Raises:
        ValueError: If it is something else, or negative.
    """
    number = text.strip().rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = text.strip()[len(number) :].strip() or "s"
    try:
        seconds = float(number) * DURATIONS[unit]
    except (ValueError, KeyError):
        raise ValueError(f"{text!r} is not a duration (e.g. 30s, 500ms, 2m or 1h)") from None
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{text!r} is not a duration: it must be 0 or more")
    return seconds


def parse_durations(text: str) -> tuple[float, float]:
    """Return both ends of `2s..3m` in seconds, or the same time twice for `2s`; in `4..5m` both are minutes.

    Raises:
        ValueError: If it is something else, or the longer time comes first.
    """
    low, dots, high = (part.strip() for part in text.partition(".."))
    if dots and low and high and low[-1].isdigit():
        low += high.lstrip("0123456789. ")
    try:
        ends = parse_duration(low), parse_duration(high if dots else low)
    except ValueError:
        raise ValueError(f"{text!r} is not a duration, or a range of two (e.g. 30s or 4s..2m)") from None
    if ends[0] > ends[1]:
        raise ValueError(f"{text!r} goes backwards: the smaller comes first")
    return ends


def parse_bytes(text: str) -> int:
    """Return bytes from `100`, `64KiB`, `300 kB`, `1MiB`.

    Raises:
        ValueError: If it is something else, not a whole number of bytes, or negative.
    """
    number = text.strip().rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    try:
        size = float(number) * _SIZES[text.strip()[len(number) :].strip().upper()]
    except (ValueError, KeyError):
        raise ValueError(f"{text!r} is not a size (e.g. 100, 64KiB or 1MB)") from None
    if not 0 <= size < float("inf") or size != int(size):
        raise ValueError(f"{text!r} is not a size: it must be a whole number of bytes, 0 or more")
    return int(size)


def parse_range(text: str) -> tuple[float, float]:
    """Return both ends of `0..100`, or the same number twice for `50`.

    Raises:
        ValueError: If it is something else, or negative.
    """
    first, dots, last = text.partition("..")
    try:
        ends = float(first), float(last if dots else first)
    except ValueError:
        raise ValueError(f"{text!r} is neither a number nor a range; write it as 50 or 0..100") from None
    if not all(0 <= end < float("inf") for end in ends):
        raise ValueError(f"{text!r} must be 0 or more")
    return ends


def _show_estimate(estimate: Estimate, unit: str) -> str:
    if estimate.value is None:
        return estimate.note or "-"
    text = _show_number(estimate.value, unit)
    if estimate.low is not None and estimate.high is not None:
        low, high = (_bare(end, estimate.value, unit) for end in (estimate.low, estimate.high))
        text += f" [{low}, {high}]"
    return f"{text} ({estimate.note})" if estimate.note else text


def _show_number(value: float, unit: str) -> str:
    if unit == "USD":
        return f"${_bare(value, value, unit)}"
    if unit == "1":
        return f"{_bare(value, value, unit)} %"
    if unit in ("count", ""):
        return f"{value:.0f}" if value == int(value) else _three_digits(value)
    return f"{_bare(value, value, unit)} {scale(value, unit)[1]}".rstrip()


def _bare(value: float, beside: float, unit: str) -> str:
    """Return a number without its unit, on the scale that suits the one beside it."""
    if unit == "USD":
        return f"{value:.4g}"
    if unit == "1":
        share = value * 100
        return f"{share:.3g}" if abs(share) < 1000 else f"{share:.0f}"
    return _three_digits(value / scale(beside, unit)[0])


def scale(value: float, unit: str) -> tuple[float, str]:
    """Return the factor and name of the largest step of a unit that keeps the number at 1 or more: (0.001, `ms`)."""
    steps = _SCALES.get(unit, ((1.0, unit),))
    if value == 0:
        return next(step for step in steps if step[0] == 1.0)
    for factor, name in steps:
        if abs(value) >= factor:
            return factor, name
    return steps[-1]


def _three_digits(value: float) -> str:
    magnitude = abs(value)
    if magnitude == 0:
        return "0"
    if magnitude >= 99.95:  # three digits before the point, after rounding
        return f"{value:.0f}"
    return f"{value:.1f}" if magnitude >= 9.995 else f"{value:.2f}"  # three digits in all
