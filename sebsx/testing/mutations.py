"""Outputs that are wrong, and work that is done wrong: what a benchmark's check must notice."""

from __future__ import annotations

import copy
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sebsx.contracts import benchmarks
from sebsx.contracts.sources import source_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sebsx.contracts.benchmarks import Benchmark


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A function that does its work wrong: one piece of its code, and what takes its place.

    Args:
        what: What is wrong with the work, in a few words.
        old: A piece of the code, as it is written there; every occurrence is replaced.
        new: What takes its place; the function must still run.
        language: Of the code.
    """

    what: str
    old: str
    new: str
    language: str = "python"

    def of(self, benchmark: Benchmark, folder: Path) -> Benchmark:
        """Return a copy of a benchmark with this function, below a folder that does not exist yet.

        Raises:
            AssertionError: If the piece is nowhere in the code, so that nothing would be wrong with it.
        """
        shutil.copytree(benchmark.root, folder, ignore=shutil.ignore_patterns("__pycache__"))
        mutated = benchmarks.load(folder, capabilities=[str(need) for need in benchmark.needs])
        found = 0
        for path in source_files(mutated.code(self.language).folder):
            code = path.read_bytes()
            found += code.count(self.old.encode())
            path.write_bytes(code.replace(self.old.encode(), self.new.encode()))
        assert found, f"{self.what}: {self.old!r} is not in the code in {self.language}"
        return mutated


def wrong_shapes() -> list[Any]:
    """Return outputs that no benchmark may take for right."""
    return [None, {}, [], "", 0, {"unexpected": 1}]


def without(output: dict[str, Any], field: str) -> dict[str, Any]:
    """Return an output that lacks a field."""
    return {name: copy.deepcopy(value) for name, value in output.items() if name != field}


def changed(output: dict[str, Any], field: str) -> Iterator[dict[str, Any]]:
    """Yield outputs whose one field holds another value of the same type."""
    for value in _others(output[field]):
        if value != output[field]:
            yield copy.deepcopy(output) | {field: value}


def _others(value: Any) -> Iterator[Any]:
    """Yield values of the same type that differ; the later ones are further off."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value - 1, value * 2 + 1, -value - 1)
    elif isinstance(value, str):
        yield from (value[:-1] + ("0" if value[-1:] != "0" else "1"), value + "x", "")
    elif isinstance(value, list):
        yield from ([*value, *value, None], value[:-1])
    elif isinstance(value, dict):
        yield from ({}, {**value, "unexpected": 1})
        for name in value:
            yield from ({**value, name: other} for other in _others(value[name]))
    else:
        yield "not nothing"
