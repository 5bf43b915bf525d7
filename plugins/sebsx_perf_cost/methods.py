"""How the numbers of a report were made that its own tables add to those of every page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Method

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.analyzers import Table


def methods(tables: Sequence[Table]) -> Iterator[Method]:
    """Yield how the numbers were made of the tables that compare."""
    if {table.name for table in tables if table.rows} & {"cold-start", "versions"}:
        yield Method(
            of="ratios and differences of cold and warm, and of versions",
            unit="the sandbox, or a pair of them that shared rounds",
            interval="the number is the median of all ratios (differences), with the interval of its rank test "
            "(Hodges & Lehmann 1963)",
            silent="whether a verdict of a comparison would stand, which corrects for how many there are",
            page="docs/methods/perf-cost.md",
        )
    if any(table.name == "choices" for table in tables):
        yield Method(
            of="choices",
            unit="the condition, by its median and its mean cost",
            interval="conditions that cannot be distinguished are reported as ties",
            silent="sizes that were not measured, nor other input",
            page="docs/methods/perf-cost.md",
        )
