"""What platforms share exists once, in `sebsx/clouds/`: a backend is small, and nothing of it stands in another."""

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
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
BUDGET = 900
"""Lines of a backend that do something, those shipped into functions among them: comments and docstrings are free."""
LARGER = {
    # Only AWS measures on two architectures, from images as well as zips, by three triggers, with snapshots and with
    # sandboxes that are kept ready; only there are functions copied across architectures, with all that they have.
    "sebsx_aws": 1250,
    # Each function is an app with a plan of its own, on two sorts of plans; items are kept in two sorts of tables, each
    # with clients of its own in two languages.
    "sebsx_azure": 1315,
}


def sources() -> list[Path]:
    return [path for path in sorted(PLATFORMS.glob("sebsx_*/**/*")) if path.suffix in (".py", ".cjs", ".mjs")]


def unseen(path: Path, text: str, *, docstrings: bool) -> set[int]:
    """Return the numbers of the lines of imports, and of docstrings if they are not wanted."""
    nodes = list(ast.walk(ast.parse(text))) if path.suffix == ".py" else []
    left_out: list[ast.AST] = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    if docstrings:
        left_out += [node.body[0] for node in nodes if isinstance(node, DOCUMENTED) and ast.get_docstring(node)]
    spans = [(node.lineno, node.end_lineno or node.lineno) for node in left_out]  # type: ignore[attr-defined]
    return {number for first, last in spans for number in range(first, last + 1)}


def lines(path: Path, *, docstrings: bool = False) -> Iterator[tuple[int, str]]:
    """Yield the lines of a module but for imports, comments, what is empty, and docstrings if they are not wanted."""
    text = path.read_text(encoding="utf-8")
    hidden = unseen(path, text, docstrings=docstrings)
    for number, line in enumerate(text.splitlines(), 1):
        if number not in hidden and line.strip() and not line.lstrip().startswith(("#", "//", "*", "/*")):
            yield number, line.strip()


def size_of(backend: Path) -> int:
    return sum(1 for path in sources() if backend in path.parents for _ in lines(path, docstrings=True))


def test_backend_is_within_its_budget() -> None:
    sizes = {folder.name: size_of(folder) for folder in sorted(PLATFORMS.glob("sebsx_*")) if folder.is_dir()}
    assert sizes["sebsx_aws"] > BUDGET
    too_large = {name: size for name, size in sizes.items() if size > LARGER.get(name, BUDGET)}
    assert not too_large, "move what other platforms share into sebsx/clouds/, or name here what only this one can do"
    assert all(sizes[name] > BUDGET for name in LARGER), f"no reason is needed any more: {sizes}"


def test_lines_that_do_nothing_are_free(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text('"""Why,\nat length."""\n\nimport os\n\n\n# A reason.\ndef f():\n    """What."""\n    return os\n')
    assert [number for number, _ in lines(path, docstrings=True)] == [8, 10]


@pytest.mark.slow
def test_no_block_of_six_lines_stands_in_two_backends() -> None:
    owners: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for path in sources():
        known = list(lines(path))
        for first in range(len(known) - LINES + 1):
            block = tuple(line for _, line in known[first : first + LINES])
            if sum(map(len, block)) >= LETTERS:
                place = path.relative_to(PLATFORMS)
                owners[block].setdefault(place.parts[0], f"{place}:{known[first][0]}")
    twice = ["\n".join([" and ".join(found.values()), *block]) for block, found in owners.items() if len(found) > 1]
    assert not twice, "\n\n".join(twice)
