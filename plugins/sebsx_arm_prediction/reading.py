"""Rows of files, streamed: CSV and JSON of SAAF and FaaS Runner, and CSV or Parquet that sebsx exported."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from operator import itemgetter
from typing import IO, TYPE_CHECKING, Any

from sebsx.errors import UserError
from sebsx.system.lazy import require
from sebsx_arm_prediction.names import is_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

_ROWS = 10_000  # of a chunk
_CHARACTERS = 1 << 20  # read at a time
_LONGEST = 64 << 20  # characters of one JSON object
_BEFORE_HEADER, _AFTER_ROWS = "Raw results of each run:", "Successful Runs:"
_LINES_BEFORE = 50  # in which a header must have come
_OPEN, _CLOSE = "{[(", "}])"
# FaaS Runner writes where an answer had no such attribute.
_NOTHING = frozenset({"", "NONE", "None", "null", "nan", "NaN"})


@dataclass
class Trouble:
    """What was passed over while a file was read.

    Attributes:
        read: Rows that were there.
        refused: How many were passed over, by the reason.
    """

    read: int = 0
    refused: dict[str, int] = field(default_factory=dict)

    def refuse(self, reason: str, rows: int = 1) -> None:
        """Count rows that are passed over."""
        self.refused[reason] = self.refused.get(reason, 0) + rows


def chunks_of(
    path: Path, choose: Callable[[Sequence[str]], Sequence[str]], trouble: Trouble
) -> Iterator[Mapping[str, Sequence[Any]]]:
    """Yield the rows of a file as columns, some thousand rows at a time.

    Args:
        path: A file, or a folder of JSON files, one for each answer.
        choose: Given the names of all columns, returns those that are wanted.
        trouble: What is passed over is counted there.

    Raises:
        UserError: If it cannot be read, or is of no known kind.
    """
    try:
        if path.is_dir():
            yield from _of_folder(path, choose, trouble)
            return
        if path.exists() and not path.is_file():  # it is read twice, and a pipe would wait for ever
            raise UserError(f"{str(path)!r} is neither a file nor a folder; write what it gives to a file first")
        with path.open("rb") as file:
            head = file.read(4096)
        if head.startswith(b"PAR1"):
            yield from _of_parquet(path, choose, trouble)
            return
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
            if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
                yield from _of_objects(_objects(text, path), choose, trouble)
            else:
                yield from _of_csv(text, path, choose, trouble)
    except OSError as exc:
        raise UserError(f"{str(path)!r} cannot be read: {_one_line(exc.strerror or str(exc))}") from exc
    except csv.Error as exc:
        raise UserError(f"{str(path)!r} is not a table that can be read: {exc}; is a quote left open?") from exc


def _of_parquet(
    path: Path, choose: Callable[[Sequence[str]], Sequence[str]], trouble: Trouble
) -> Iterator[Mapping[str, Sequence[Any]]]:
    parquet = require("pyarrow.parquet", extra="parquet")
    arrow = require("pyarrow", extra="parquet")
    try:
        with parquet.ParquetFile(path) as file:
            wanted = choose(file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=_ROWS, columns=list(wanted)):
                trouble.read += batch.num_rows
                yield {name: _fields(batch.column(name)) for name in wanted}
    except arrow.ArrowException as exc:
        raise UserError(f"{str(path)!r} is not a Parquet file that can be read: {_one_line(str(exc))}") from exc


def _fields(column: Any) -> Sequence[Any]:
    values: list[Any] = column.to_pylist()
    return list(map(_field, values)) if column.type.num_fields else values


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _of_csv(
    text: IO[str], path: Path, choose: Callable[[Sequence[str]], Sequence[str]], trouble: Trouble
) -> Iterator[Mapping[str, Sequence[Any]]]:
    """Yield the rows of a table, or of each `Raw results of each run` of a report; its averages are passed over."""
    lines = _without_null(text)
    found = False
    while (header := _header(lines, everywhere=not found)) is not None:
        found = True
        wanted = choose(header)
        places = [header.index(name) for name in wanted]
        for rows in _tables(lines, header, itemgetter(*places, places[0]), trouble):
            yield dict(zip(wanted, zip(*rows, strict=True), strict=False))
    if not found:
        raise UserError(
            f"{str(path)!r} has no line that names the columns of a profile: runtime_s, or SAAF's runtime, and more "
            "(sebsx import saaf --help)"
        )


def _without_null(text: IO[str]) -> Iterator[str]:
    """Yield lines that the reader of CSV takes: a killed writer leaves zero bytes."""
    for each in text:
        yield each.replace("\0", "") if "\0" in each else each


def _header(lines: Iterator[str], *, everywhere: bool) -> list[str] | None:
    """Return the names of the next table: behind the words that a report has before it, or of the first lines."""
    announced = False
    for place, text in enumerate(lines):
        if announced or (everywhere and place < _LINES_BEFORE):
            names = [name.strip() for name in next(csv.reader([text]), [])]
            if is_profile(names):
                return names
        announced = text.startswith(_BEFORE_HEADER) or (announced and not text.strip())
    return None


def _tables(
    lines: Iterator[str], header: list[str], pick: Callable[[list[str]], tuple[str, ...]], trouble: Trouble
) -> Iterator[list[tuple[str, ...]]]:
    """Yield what is wanted of the rows behind a header, some thousand at a time."""
    rows: list[tuple[str, ...]] = []
    for row in csv.reader(lines):
        if not row:
            continue
        if row[0].startswith(_AFTER_ROWS):
            break
        trouble.read += 1
        if len(row) != len(header):
            row = _joined(row)  # as it was meant
        if len(row) != len(header):
            trouble.refuse("fields that do not line up with the header")
            continue
        rows.append(pick(row))
        if len(rows) == _ROWS:
            yield rows
            rows = []
    if rows:
        yield rows


def _joined(row: list[str]) -> list[str]:
    """Return fields without those that commas within brackets tore apart: FaaS Runner quotes nothing."""
    found: list[str] = []
    depth = 0
    for text in row:
        if depth > 0:
            found[-1] += f",{text}"
        else:
            found.append(text)
        depth += sum(map(text.count, _OPEN)) - sum(map(text.count, _CLOSE))
    return found


def _of_folder(
    path: Path, choose: Callable[[Sequence[str]], Sequence[str]], trouble: Trouble
) -> Iterator[Mapping[str, Sequence[Any]]]:
    files = sorted(file for file in path.rglob("*.json") if file.is_file())
    if not files:
        raise UserError(f"folder {str(path)!r} holds no JSON files, of which FaaS Runner writes one for each answer")

    def objects() -> Iterator[Any]:
        for file in files:
            with file.open(encoding="utf-8-sig", errors="replace") as text:
                yield from _objects(text, file)

    yield from _of_objects(objects(), choose, trouble)


def _of_objects(
    objects: Iterator[Any], choose: Callable[[Sequence[str]], Sequence[str]], trouble: Trouble
) -> Iterator[Mapping[str, Sequence[Any]]]:
    answers: list[Mapping[str, Any]] = []
    for each in objects:
        trouble.read += 1
        answer = _answer(each)
        if answer is None:
            trouble.refuse("no run time")
            continue
        answers.append(answer)
        if len(answers) == _ROWS:
            yield _columns(answers, choose)
            answers = []
    if answers:
        yield _columns(answers, choose)


def _answer(value: Any) -> Mapping[str, Any] | None:
    """Return the attributes of an answer: of its body, where a gateway wrapped it."""
    if not isinstance(value, dict):
        return None
    body = value.get("body")
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            body = None
    if isinstance(body, dict) and is_profile(body):
        value = {**value, **body}
    return value if is_profile(value) else None


def _columns(
    answers: Sequence[Mapping[str, Any]], choose: Callable[[Sequence[str]], Sequence[str]]
) -> Mapping[str, Sequence[Any]]:
    names = dict.fromkeys(name for answer in answers for name in answer)
    return {name: [_field(answer.get(name)) for answer in answers] for name in choose(list(names))}


def _field(value: Any) -> Any:
    """Return a value as a field: what is not a scalar as JSON."""
    return json.dumps(value, sort_keys=True, default=str) if isinstance(value, dict | list) else value


def _objects(text: IO[str], path: Path) -> Iterator[Any]:
    """Yield the objects of an array, of lines, or of one after the other, without holding the file."""
    decoder, buffer, done, at = json.JSONDecoder(), "", False, 0
    while True:
        while at < len(buffer) and buffer[at] in " \t\r\n,[]":
            at += 1
        if at < len(buffer):
            try:
                value, at = decoder.raw_decode(buffer, at)
            except ValueError as exc:
                if done or len(buffer) - at > _LONGEST:
                    raise UserError(f"{str(path)!r} is not valid JSON: {exc}") from exc
            except RecursionError as exc:
                raise UserError(f"{str(path)!r} is nested too deeply for a profile") from exc
            else:
                yield value
                continue
        elif done:
            return
        more = text.read(_CHARACTERS)
        done = not more
        buffer, at = buffer[at:] + more, 0


def number(value: Any) -> float | None:
    """Return a field as a number, NaN where it is empty; None where it is something else, such as `true`."""
    if isinstance(value, bool):
        return None
    if value is None or (isinstance(value, str) and value.strip() in _NOTHING):
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
