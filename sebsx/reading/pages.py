"""The page of some runs: what every analyzer says of them, put together, rendered and written."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from sebsx.contracts.analyzers import Finding, Report
from sebsx.contracts.exporters import replacing
from sebsx.errors import PluginError, UserError
from sebsx.settings import public
from sebsx.texts import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sebsx.contracts.commands import Output
    from sebsx.contracts.runs import RunView
    from sebsx.plugins import Registry
    from sebsx.reading.reporting.repeating import Defaults


class Analyzing(Protocol):
    """Who knows the analyzers and their settings."""

    @property
    def registry(self) -> Registry:
        """The plugins."""
        ...

    @property
    def output(self) -> Output:
        """Where warnings go."""
        ...

    def analyze(self, runs: Sequence[RunView], analyzer: str | None = None) -> Report | None:
        """Return what an analyzer says of runs."""
        ...


def rendered(
    services: Analyzing,
    views: Sequence[RunView],
    analyzers: Sequence[str] = (),
    *,
    comparison: Report | None = None,
    target: str,
    options: Sequence[str] = (),
) -> str:
    """Return the page of runs as HTML.

    Args:
        services: Who analyzes.
        views: The runs.
        analyzers: Further ones to be heard.
        comparison: What a comparison says; None for none.
        target: Name of the file, for the command line that makes the page again.
        options: More words of that.
    """
    from sebsx.reading.reporting import build  # heavy
    from sebsx.reading.reporting.html import render

    said, checks = reports(services, views, analyzers)
    content = build(views, said, comparison, checks=checks, defaults=_defaults(services.registry, views))
    words = ["sebsx", "report", *(view.run.id for view in views), "-o", target]
    words += [word for name in analyzers for word in ("--analyzer", name)]
    return render(content, shlex.join([*words, *options]), datetime.now(UTC).isoformat(" ", "seconds"))


def write(target: Path, page: str) -> int:
    """Write a page, in place of an older one when it is whole, and return its size in bytes.

    Raises:
        UserError: If the file cannot be written, or holds something else.
    """
    data = page.encode("utf-8", "replace")
    with replacing(target) as part:
        part.write_bytes(data)
    return len(data)


def reports(services: Analyzing, views: Sequence[RunView], wanted: Sequence[str]) -> tuple[list[Report], list[Report]]:
    """Return what analyzers say: those of the experiments and wanted ones, then those that look at every run."""
    registry = services.registry
    experiments: dict[str, list[RunView]] = {}
    for view in views:
        experiments.setdefault(view.run.experiment, []).append(view)
    about: dict[str, list[RunView]] = {}
    for name, mine in experiments.items():
        experiment = registry.experiments.get(name)
        if experiment and experiment.analyzer in registry.analyzers:
            about.setdefault(str(experiment.analyzer), []).extend(mine)
    for name, analyzer in registry.analyzers.items():
        if analyzer.standard or name in wanted:
            about[name] = list(views)
    for name in wanted:
        registry.get("analyzers", name)
    _read(views, [registry.analyzers[name].columns for name in about])
    said: list[Report] = []
    checks: list[Report] = []
    for name, mine in about.items():
        if report := _part(services, mine, name):
            standard = registry.analyzers[name].standard and name not in wanted
            (checks if standard else said).append(report)
    return said, checks


def _defaults(registry: Registry, views: Sequence[RunView]) -> Defaults:
    """Return the defaults of the settings that runs were made with, as text."""
    wanted = {f"experiment.{view.run.experiment}" for view in views}
    wanted |= {f"platform.{name}" for view in views for name in view.run.settings.get("platforms") or {}}
    return {
        section.name: {key: as_text(value) for key, value in public(section.cls()).items()}
        for section in registry.sections()
        if section.name in wanted
    }


def _part(services: Analyzing, views: Sequence[RunView], name: str) -> Report | None:
    """Return what one analyzer says, or in its place why it says nothing: what the others say stands."""
    try:
        return services.analyze(views, name)
    except UserError as exc:
        text = f"analyzer {name!r} cannot read these runs: {exc}"
    except PluginError as exc:
        text = f"this part is missing: {exc}"
        services.output.warning(text)
    return Report(name, findings=[Finding(text, warning=True)])


def _read(views: Sequence[RunView], wanted: Iterable[Sequence[str]]) -> None:
    """Read at once what all who look at the runs want of them."""
    from sebsx.reading.reporting.measured import MORE_COLUMNS  # heavy

    columns = [*MORE_COLUMNS, *chain.from_iterable(wanted)]
    for view in views:
        view.frame(kind=None, more=columns)
