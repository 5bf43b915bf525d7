"""What platforms share exists once: no block of six lines stands in two backends."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import sebsx

PLATFORMS = Path(sebsx.__file__).parent.parent / "platforms"
LINES = 6
LETTERS = 60  # fewer are brackets


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a module but for imports, comments and what is empty."""
    text = path.read_text(encoding="utf-8")
    imports: set[int] = set()
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                imports |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    for number, line in enumerate(text.splitlines(), 1):
        if number not in imports and line.strip() and not line.lstrip().startswith(("#", "//", "*", "/*")):
            yield number, line.strip()


@pytest.mark.slow
def test_no_block_of_six_lines_stands_in_two_backends() -> None:
    owners: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for path in sorted(PLATFORMS.glob("sebsx_*/**/*")):
        if path.suffix not in (".py", ".cjs"):
            continue
        known = list(lines(path))
        for first in range(len(known) - LINES + 1):
            block = tuple(line for _, line in known[first : first + LINES])
            if sum(map(len, block)) >= LETTERS:
                place = path.relative_to(PLATFORMS)
                owners[block].setdefault(place.parts[0], f"{place}:{known[first][0]}")
    twice = ["\n".join([" and ".join(found.values()), *block]) for block, found in owners.items() if len(found) > 1]
    assert not twice, "\n\n".join(twice)
