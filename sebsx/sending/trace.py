"""Reads arrival times to replay: a CSV of one column, seconds or ISO 8601 points in time, with or without a header."""

from __future__ import annotations

import csv
import math
from array import array
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sebsx.contracts.schedules import Arrivals
from sebsx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read_trace(path: Path, speed: float = 1.0) -> Arrivals:
    """Return the arrivals of a file; the first is at 0, and `speed` 2 replays in half the time.

    The times stand in the first column, in ascending order; equal ones are simultaneous. ISO 8601 times without
    an offset are UTC. Memory: 8 bytes an arrival.

    Raises:
        UserError: If the file cannot be read, holds no times, or holds something else; it names the line.
    """
    times = array("d")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for number, value in _values(path, csv.reader(file)):
                if times and value < times[-1]:
                    raise _wrong(path, number, "is earlier than the one before; sort the file")
                times.append(value)
    except OSError as exc:
        raise UserError(f"trace {str(path)!r} cannot be read: {exc.strerror}") from exc
    except (UnicodeDecodeError, csv.Error) as exc:
        raise UserError(f"trace {str(path)!r} is not a CSV file of arrival times: {exc}") from exc
    if not times:
        raise UserError(f"trace {str(path)!r} holds no arrival times; give a CSV with one column of seconds")
    first = times[0]
    return Arrivals(array("d", ((value - first) / speed for value in times)))


def _values(path: Path, rows: Iterator[list[str]]) -> Iterator[tuple[int, float]]:
    heading_allowed = True
    dated: bool | None = None
    for number, row in enumerate(rows, 1):
        word = row[0].strip() if row else ""
        if not word:
            if any(cell.strip() for cell in row):
                raise _wrong(path, number, "is missing")
            continue
        value, is_date = _read(word)
        if value is None:
            if heading_allowed:
                heading_allowed = False
                continue
            raise _wrong(path, number, f"is {word[:40]!r}, neither seconds nor an ISO 8601 time")
        heading_allowed = False
        if dated is not None and dated != is_date:
            raise _wrong(path, number, "mixes seconds and points in time")
        dated = is_date
        if not math.isfinite(value) or value < 0:
            raise _wrong(path, number, f"is {word[:40]!r}; it must be a number of seconds from 0")
        yield number, value


def _read(word: str) -> tuple[float | None, bool]:
    try:
        return float(word), False
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(word)
    except ValueError:
        return None, False
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp(), True


def _wrong(path: Path, number: int, what: str) -> UserError:
    return UserError(f"trace {str(path)!r}, line {number}: the time {what}")
