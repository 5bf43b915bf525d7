"""Legends count samples: a figure says of how many observations each of its series is."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[3]
DRAWN = sorted(
    (path.relative_to(ROOT).as_posix(), call.lineno)
    for folder in ("sebsx", "plugins", "platforms")
    for path in (ROOT / folder).rglob("*.py")
    if "Figure(" in (text := path.read_text(encoding="utf-8"))
    for call in ast.walk(ast.parse(text))
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Figure"
    and "samples" not in {keyword.arg for keyword in call.keywords}
)  # fmt: skip


def test_every_figure_counts_its_samples() -> None:
    assert DRAWN == []
