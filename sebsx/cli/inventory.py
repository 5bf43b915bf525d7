"""`sebsx list` and `sebsx plugins`: what there is, and what is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sebsx.cli.app import App, command
from sebsx.cli.values import Word
from sebsx.contracts.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.kinds import PluginKind
    from sebsx.model import Capability
    from sebsx.model.metrics import Metric


_SUITES, _OPTIONS, _WORDS = "suites", "options", "words"
# What a reader asks for last gives way first where there is little room.
_LATER = frozenset({"plugin", "version", "source", "licence", "capabilities", "benchmarks"})
# What a list is read for: never left out for want of room.
_PURPOSE = frozenset({"summary", "meaning", "help", "benchmarks"})


_KINDS = (*(kind.name for kind in KINDS), _SUITES, _OPTIONS, _WORDS)


class _Kind(Word):
    """A kind of things; those that plugins added are asked for where it is none of ours."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the word."""
        app = ctx.find_object(App) if ctx else None
        return (
            value if app and value not in _KINDS and value in app.registry.kinds else super().convert(value, param, ctx)
        )


@command(
    "list",
    help=f"List platforms, benchmarks, metrics and more.\n\nKIND is one of {', '.join(_KINDS)}, "
    "or a kind that a plugin adds (sebsx list kinds).",
)
@click.argument("kind", type=_Kind(_KINDS), metavar="KIND")
def list_command(app: App, kind: str) -> None:
    """List what there is of a KIND."""
    from sebsx.contracts.analyzers import Column, Table  # heavy

    documents = _MORE[kind](app) if kind in _MORE else _registered(app, kind)
    keys = list(documents[0]) if documents else []
    columns = [Column(key, key, essential=key in _PURPOSE) for key in sorted(keys, key=_LATER.__contains__)]
    rows = [{key: _word(value) for key, value in document.items()} for document in documents]
    app.console.result(
        documents, Table("", columns=columns, rows=rows), text="" if documents else f"no {kind} (sebsx plugins)"
    )


@command("plugins")
def plugins_command(app: App) -> None:
    """List the plugins, and why one is broken."""
    from sebsx.cli.console import rows_table  # heavy

    root = click.get_current_context().find_root()
    if isinstance(root.command, click.Group):
        root.command.list_commands(root)  # tells which commands of plugins are left out
    documents: list[dict[str, Any]] = [
        {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "module": plugin.module,
            "status": "broken" if plugin.error else "doubtful" if plugin.doubts else "ok",
            "error": plugin.error,
            "doubts": list(plugin.doubts),
        }
        for plugin in app.registry.probed()
    ]
    columns = {key: key for key in ("name", "distribution", "version", "status", "error")}
    rows = [{**document, "error": document["error"] or "; ".join(document["doubts"])} for document in documents]
    app.console.result(documents, rows_table("", columns, rows, essential=("status", "error")))


def _registered(app: App, kind: str) -> list[Mapping[str, Any]]:
    items = app.registry.of(kind)
    describe = _DESCRIBED.get(kind, _plugin_class)
    return [{**describe(name, items[name]), "plugin": app.registry.owner_of(kind, name)} for name in sorted(items)]


def _suites(app: App) -> list[Mapping[str, Any]]:
    from sebsx.contracts.benchmarks import suites  # heavy

    found = suites(app.registry.benchmarks.values())
    return [{"name": name, "count": len(members), "benchmarks": members} for name, members in found.items()]


def _options(app: App) -> list[Mapping[str, Any]]:
    """Return the options of functions, each as every platform offers it."""
    from sebsx.model.offers import spelt  # heavy

    return [
        {
            "name": option.name,
            "platform": name,
            "offer": "any" if option.offer is None else str(option.offer),
            "unit": option.unit,
            "default": "" if option.default is None else spelt(option.default),
            "help": option.help,
        }
        for name, option in sorted(
            ((name, option) for name, cls in app.registry.platforms.items() for option in cls.options),
            key=lambda found: (found[1].name, found[0]),
        )
    ]


def _words(_app: App) -> list[Mapping[str, Any]]:
    """Return what tables and messages call things."""
    from sebsx.reading.words import WORDS  # heavy

    return [{"name": word, "meaning": meaning} for word, meaning in WORDS.items()]


_MORE: dict[str, Callable[[App], list[Mapping[str, Any]]]] = {
    _SUITES: _suites, _OPTIONS: _options, _WORDS: _words,
}  # fmt: skip


def _plugin_class(name: str, cls: Any) -> Mapping[str, Any]:
    document = {"name": name, "summary": cls.summary}
    if hasattr(cls, "capabilities"):
        document["architectures"] = list(cls.architectures) if cls.deploys else []
        document["memory_mib"] = str(cls.memory_mib) if cls.deploys else ""
        document["options"] = [option.name for option in cls.options]
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


def _metric(name: str, metric: Metric) -> Mapping[str, Any]:
    return {"name": name, "unit": metric.unit, "better": metric.better.value, "meaning": metric.meaning}


def _capability(name: str, word: Capability) -> Mapping[str, Any]:
    return {"name": name, "meaning": word.meaning}


def _kind(name: str, kind: PluginKind) -> Mapping[str, Any]:
    return {
        "name": name,
        "title": kind.title,
        "hook": kind.hook,
        "contract": kind.base.replace(":", "."),
        "page": kind.page,
    }


# What a kind says of itself where it is not a class with a summary.
_DESCRIBED: dict[str, Callable[[str, Any], Mapping[str, Any]]] = {
    "benchmarks": _benchmark, "metrics": _metric, "capabilities": _capability, "kinds": _kind,
}  # fmt: skip


def _word(value: Any) -> str:
    return ", ".join(map(str, value)) or "-" if isinstance(value, list) else str(value)


COMMANDS = (list_command, plugins_command)
