"""`sebsx list` and `sebsx plugins`: what there is, and what is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sebsx.cli.app import App, command
from sebsx.plugins import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.contracts.benchmarks import Benchmark


_SUITES = "suites"


@command("list")
@click.argument("kind", type=click.Choice((*KINDS, _SUITES)), metavar="KIND")
def list_command(app: App, kind: str) -> None:
    """List platforms, benchmarks, suites, experiments, collectors, analyzers, exporters, languages, channels, ..."""
    from sebsx.contracts.analyzers import Column, Table  # heavy

    documents = _suites(app) if kind == _SUITES else _registered(app, kind)
    keys = list(documents[0]) if documents else []
    columns = [Column(key, key) for key in keys]
    rows = [{key: _word(value) for key, value in document.items()} for document in documents]
    app.console.result(documents, Table("", columns, rows), text="" if documents else f"no {kind} (sebsx plugins)")


@command("plugins")
def plugins_command(app: App) -> None:
    """List the plugins that were found, with the broken ones and why."""
    from sebsx.cli.console import rows_table  # heavy

    documents = [
        {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "module": plugin.module,
            "status": "broken" if plugin.error else "ok",
            "error": plugin.error,
        }
        for plugin in app.registry.probed()
    ]
    columns = {key: key for key in ("name", "distribution", "version", "status", "error")}
    app.console.result(documents, rows_table("", columns, documents))


def _registered(app: App, kind: str) -> list[Mapping[str, Any]]:
    items = getattr(app.registry, kind)
    describe = _benchmark if kind == "benchmarks" else _plugin_class
    return [describe(name, items[name]) for name in sorted(items)]


def _suites(app: App) -> list[Mapping[str, Any]]:
    from sebsx.contracts.benchmarks import suites  # heavy

    found = suites(app.registry.benchmarks.values())
    return [{"name": name, "count": len(members), "benchmarks": members} for name, members in found.items()]


def _plugin_class(name: str, cls: Any) -> Mapping[str, Any]:
    document = {"name": name, "summary": cls.summary}
    if hasattr(cls, "capabilities"):
        document["architectures"] = list(cls.architectures)
        document["capabilities"] = sorted(cls.capabilities)
    return document


def _benchmark(name: str, benchmark: Benchmark) -> Mapping[str, Any]:
    return {
        "name": name,
        "category": benchmark.category,
        "summary": benchmark.summary,
        "languages": sorted(benchmark.languages),
        "needs": sorted(benchmark.needs),
        "sizes": [*benchmark.sizes, *([f"1..{benchmark.steps.count}"] if benchmark.steps else [])],
        "version": benchmark.version,
        "source": benchmark.source,
        "licence": benchmark.licence,
    }


def _word(value: Any) -> str:
    return ", ".join(map(str, value)) or "-" if isinstance(value, list) else str(value)


COMMANDS = (list_command, plugins_command)
