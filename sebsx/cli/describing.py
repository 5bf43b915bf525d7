"""`sebsx show benchmark NAME`: what a benchmark is, and what can be chosen of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx.cli.app import App
    from sebsx.contracts.analyzers import Table
    from sebsx.contracts.benchmarks import Benchmark

# How code marks a phase, in the languages there are: `context.phase("download")`.
_PHASE = re.compile(rb"""\bphase\(\s*["']([a-z0-9_]+)["']""")
_MOST_BYTES = 1_000_000  # of a source file: data that lies beside the code marks nothing


def show_benchmark(app: App, name: str) -> None:
    """Print a benchmark by name or folder."""
    from sebsx.contracts.scene import Scene  # heavy

    benchmark = Scene(app.registry, {}).benchmark(name)
    document = _document(benchmark)
    facts = {
        "benchmark": f"{benchmark.name} (version {benchmark.version}): {benchmark.summary}",
        "category": benchmark.category,
        "languages": ", ".join(document["languages"]),
        "needs": ", ".join(document["needs"]),
        "memory": f"{benchmark.memory_mib} MiB by default",
        "time-out": f"{benchmark.timeout_s:g} s by default",
        "functions": ", ".join(document["functions"]),
        "variants": ", ".join(document["variants"]),
        "phases": ", ".join(document["phases"]),
        "groups": ", ".join(document["groups"]),
        "folder": document["folder"],
        "source": benchmark.source,
        "licence": benchmark.licence,
        "run it": f"sebsx run benchmark {name} --size {benchmark.default_size}",
    }
    app.console.result(
        document,
        *_tables(document),
        facts={key: text for key, text in facts.items() if text},
    )


def _document(benchmark: Benchmark) -> dict[str, Any]:
    steps = benchmark.steps
    return {
        "name": benchmark.name,
        "version": benchmark.version,
        "summary": benchmark.summary,
        "category": benchmark.category,
        "groups": list(benchmark.groups),
        "source": benchmark.source,
        "licence": benchmark.licence,
        "folder": str(benchmark.root),
        "sha256": benchmark.sha256,
        "languages": sorted(benchmark.languages),
        "needs": sorted(benchmark.needs),
        "memory_mib": benchmark.memory_mib,
        "timeout_s": benchmark.timeout_s,
        "functions": {name: part.summary for name, part in benchmark.functions.items()},
        "variants": {name: part.summary for name, part in benchmark.variants.items()},
        "phases": list(dict.fromkeys(_phases(benchmark))),
        "parameters": {
            name: {
                "type": parameter.type, "default": parameter.default, "minimum": parameter.minimum,
                "maximum": parameter.maximum, "help": parameter.help,
            }
            for name, parameter in benchmark.parameters.items()
        },
        "sizes": {
            size: {"parameters": dict(values), "expect_s": benchmark.expect.get(size)}
            for size, values in benchmark.sizes.items()
        },
        "default_size": benchmark.default_size,
        "steps": None
        if steps is None
        else {"parameter": steps.parameter, "first": steps.first, "last": steps.last, "count": steps.count},
    }  # fmt: skip


def _tables(document: dict[str, Any]) -> Iterator[Table]:
    """Yield the tables of parameters and of sizes; steps are the last row of those."""
    from sebsx.contracts.analyzers import Column, Table  # heavy

    if document["parameters"]:
        yield Table(
            "parameters",
            columns=[Column(key, key, essential=key == "help") for key in ("name", "type", "default", "range", "help")],
            rows=[
                {"name": name, **each, "default": str(each["default"]), "range": _range(each)}
                for name, each in document["parameters"].items()
            ],
            caption="-p NAME=VALUE",
        )
    rows = [
        {
            "size": f"{size} (default)" if len(document["sizes"]) > 1 and size == document["default_size"] else size,
            "parameters": ", ".join(f"{name}={value}" for name, value in each["parameters"].items()),
            "expect_s": each["expect_s"],
        }
        for size, each in document["sizes"].items()
    ]
    if steps := document["steps"]:
        ends = f"{steps['parameter']} from {steps['first']:,.10g} to {steps['last']:,.10g}"
        rows.append({"size": f"1 to {steps['count']}", "parameters": ends, "expect_s": None})
    columns = [
        Column("size", "size"),
        Column("parameters", "parameters", essential=True),
        Column("expect_s", "a call takes", unit="s"),
    ]
    yield Table("sizes", columns=columns, rows=rows, caption="--size SIZE; times are rough")


def _range(parameter: dict[str, Any]) -> str:
    low, high = parameter["minimum"], parameter["maximum"]
    if low is None and high is None:
        return ""
    return f"{'' if low is None else f'{low:,.10g}'}..{'' if high is None else f'{high:,.10g}'}"


def _phases(benchmark: Benchmark) -> Iterator[str]:
    """Yield the phases that the code of a benchmark marks, in the order in which they stand there."""
    for language in sorted(benchmark.languages):
        for function in benchmark.functions or ("",):
            for path in benchmark.code(language, function).files().values():
                if path.stat().st_size <= _MOST_BYTES:
                    yield from (name.decode() for name in _PHASE.findall(path.read_bytes()))
