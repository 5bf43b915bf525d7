"""The title of a page: what was measured where, what was varied, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.model import Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sebsx.contracts.runs import RunView

_MOST_NAMES = 2
_IN_PLURAL = {
    "memory_mib": "memory sizes", "size": "input sizes", "architecture": "architectures", "language": "languages",
    "function": "functions", "variant": "variants",
}  # fmt: skip
_NOT_COUNTED = frozenset({"benchmark", "platform", "start", "folder"})


def title(views: Sequence[RunView]) -> str:
    """Return the title of a page of some runs: `graph-bfs on local: 5 memory sizes, 29 Nov 2026`."""
    deployments = [one for view in views for one in view.deployments()]
    benchmarks = _named((one.benchmark for one in deployments), "benchmarks")
    platforms = _named((one.platform for one in deployments), "platforms")
    what = benchmarks or _named((view.run.experiment for view in views), "experiments")
    where = f" on {platforms}" if platforms else ""
    return f"{what}{where}: {', '.join([*_varied(views), _days(views)])}"


def _named(names: Iterable[str], several: str) -> str:
    """Return different names, or how many there are where they are more than a title holds."""
    different = [name for name in dict.fromkeys(names) if name]
    return " and ".join(different) if len(different) <= _MOST_NAMES else f"{len(different)} {several}"


def _varied(views: Sequence[RunView]) -> Iterator[str]:
    """Yield how many levels the first factors have that the runs vary."""
    levels: dict[str, set[str]] = {}
    titles: dict[str, str] = {}
    for view in views:
        varied = [
            factor for factor in view.run.factors.declared
            if factor.role is Role.VARIED and factor.name not in _NOT_COUNTED
        ]  # fmt: skip
        for cell in view.cells():
            for factor in varied:
                titles.setdefault(factor.name, factor.title)
                levels.setdefault(factor.name, set()).add(factor.show(cell.factors.get(factor.name)))
    several = {name: len(shown - {""}) for name, shown in levels.items() if len(shown - {""}) > 1}
    for name, count in list(several.items())[:_MOST_NAMES]:
        yield f"{count} {_IN_PLURAL.get(name) or f'levels of {titles[name]}'}"


def _days(views: Sequence[RunView]) -> str:
    first, last = (pick(view.run.started_at.date() for view in views) for pick in (min, max))
    end = f"{last.day} {last:%b %Y}"
    return end if first == last else f"{first.day} {first:%b %Y} to {end}"
