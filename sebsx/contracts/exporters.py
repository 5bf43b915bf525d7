"""The contract of an exporter: how results leave for dashboards, spreadsheets and other tools."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sebsx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sebsx.contracts.runs import RunView

FOLDER_MARK = "sebsx.txt"  # in a folder that an exporter made: such a folder may be replaced
DATABASE_MARK = 0x73656273  # "sebs": PRAGMA application_id of a database that an exporter made

_HEAD_BYTES = 64
_BESIDE_A_DATABASE = ("-wal", "-shm", "-journal")
_SQLITE_MAGIC, _ID_AT = b"SQLite format 3\0", slice(68, 72)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which figures a user wants; none means all that the format has room for.

    Args:
        metrics: Names of metrics.
        statistics: Names of statistics (`p50`).
        fail_if: Thresholds (`p95>300ms`) to tell in place of those that the runs were made with.
    """

    metrics: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()
    fail_if: tuple[str, ...] = ()


EVERYTHING = Selection()


class Exporter(ABC):
    """Writes runs in one format. Deterministic order, stable names, no NaN, units in names; failing
    invocations are exported too, cold and warm ones apart. Stateless; `__init__` takes nothing.

    Class attributes:
        name: What a user types after `--format`.
        summary: One line.
        suffix: Ending of the file or folder, with the dot.
        chooses: What of a `Selection` it heeds: `metric`, `statistic`, `fail-if`, or nothing.
    """  # noqa: D205  # the first sentence needs two lines

    name: ClassVar[str]
    summary: ClassVar[str]
    suffix: ClassVar[str]
    chooses: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def export(self, runs: Sequence[RunView], destination: Path, selection: Selection = EVERYTHING) -> Sequence[Path]:
        """Write the runs to `destination` (replacing it) and return the files written.

        Raises:
            UserError: If the runs cannot be expressed in this format, or the file not be written.
        """


@contextmanager
def replacing(destination: Path) -> Iterator[Path]:
    """Yield where to write a file or folder; it takes the place of `destination` only when the block ends well.

    The one rule for everything that is written by name: what is there is replaced by its like alone, and only by a
    whole one. A link stays, and what it leads to is replaced.

    Raises:
        UserError: If it cannot be written, or something would be lost that is of another kind: a text where a database
            is written, a database that no exporter made (a store is one), a folder, a device or a pipe.
    """
    destination = destination.resolve() if destination.is_symlink() else destination
    part = destination.with_name(destination.name + ".part")
    try:
        _refuse_to_lose(destination)
        _remove(part)
        yield part
        if part.is_dir():
            _remove(destination)
        elif destination.is_file() and _kind(destination) not in (b"", _kind(part)):
            raise UserError(f"{str(destination)!r} holds something else; delete it, or name another")
        part.replace(destination)
    except OSError as error:
        raise UserError(f"{str(destination)!r} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            _remove(part)
            for ending in _BESIDE_A_DATABASE:
                part.with_name(part.name + ending).unlink(missing_ok=True)


def _kind(path: Path) -> bytes:
    """Return how a file begins, as far as that tells one kind from another; nothing for an empty one."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).lstrip()
    return head[:1] if head[:1] in (b"{", b"[", b"#") else head[:4]


def _refuse_to_lose(destination: Path) -> None:
    if destination.is_dir():
        if any(destination.iterdir()) and not (destination / FOLDER_MARK).is_file():
            raise UserError(f"{str(destination)!r} is a folder with something else in it; name one that is not there")
    elif destination.is_file():
        with destination.open("rb") as file:
            head = file.read(_ID_AT.stop)
        if head.startswith(_SQLITE_MAGIC) and int.from_bytes(head[_ID_AT], "big") != DATABASE_MARK:
            raise UserError(f"{str(destination)!r} is a database, maybe the store itself; name another file")
    elif destination.exists():
        raise UserError(f"{str(destination)!r} is a device or a pipe, not a file; name a file")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
