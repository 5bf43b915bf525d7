"""Which files of a folder are source: no caches, nothing compiled, and no link that leads out of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sebsx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

IGNORED_PARTS = frozenset(
    {"__pycache__", "node_modules", ".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
)
_LOCK_OF_AN_EDITOR = ".#"  # a link to nowhere that Emacs leaves beside a file with changes


def source_files(root: Path, inside: Path | None = None) -> list[Path]:
    """Return the files below `root` that are source, sorted by path.

    A link to a file and one to a folder are followed alike, as long as they stay in the folder: what lies outside is
    not the author's to hand out (a key, a password file), and changes unseen.

    Args:
        root: The folder; one that does not exist has no files.
        inside: What links may not leave; `root` if left out.

    Raises:
        UserError: If a link leaves the folder, points nowhere or runs in a circle, or a name is not UTF-8.
    """
    return sorted(_walk(root, (inside or root).resolve(), ()))


def is_source(name: str) -> bool:
    """Return whether a file or folder of that name can be source."""
    return name not in IGNORED_PARTS and not name.endswith(".pyc") and not name.startswith(_LOCK_OF_AN_EDITOR)


def _walk(folder: Path, inside: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as exc:
        raise UserError(f"folder {str(folder)!r} cannot be read: {exc.strerror or exc}") from exc
    above = (*above, folder.resolve())
    for entry in entries:
        path = Path(entry.path)
        if not is_source(entry.name):
            continue
        _check_name(entry.name, folder)
        if entry.is_symlink():
            _check_link(path, inside, above)
        if entry.is_dir():
            yield from _walk(path, inside, above)
        elif entry.is_file():
            yield path


def _check_name(name: str, folder: Path) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(name).decode(errors="backslashreplace")
        raise UserError(f"name of file '{shown}' in {str(folder)!r} is not UTF-8; rename it") from None


def _check_link(path: Path, inside: Path, above: tuple[Path, ...]) -> None:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: it links to itself
        raise UserError(
            f"link {str(path)!r} points nowhere ({_shown(path)}); remove it, or put the file there"
        ) from None
    if not target.is_relative_to(inside):
        raise UserError(
            f"link {str(path)!r} leads out of {str(inside)!r}, to {str(target)!r}, and is not followed; "
            "put a copy in its place if the function may have it"
        )
    if target in above:
        raise UserError(f"link {str(path)!r} runs in a circle, to {str(target)!r} above it; remove it")


def _shown(path: Path) -> str:
    return os.fsencode(path.readlink()).decode(errors="backslashreplace")
