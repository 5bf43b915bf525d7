"""Writes the page of each registered benchmark, from its manifest and README, and the table of all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sebsx import plugins
from sebsx.contracts import benchmarks
from sebsx.reading.units import duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sebsx.contracts.benchmarks import Benchmark

_LINK_TO_A_FILE = re.compile(r"\[([^\]]+)\]\((?!https?:|#)[^)]*\)")
_FIRST_HEADING = re.compile(r"\A\s*# .*\n")


def write(folder: Path) -> list[Path]:
    """Write `index.md` and one page per benchmark into a folder, remove pages of others, and return the pages."""
    found = plugins.load().benchmarks
    folder.mkdir(parents=True, exist_ok=True)
    texts = {f"{name}.md": page(benchmark) for name, benchmark in found.items()}
    texts["index.md"] = index([found[name] for name in sorted(found)])
    for stale in set(folder.glob("*.md")) - {folder / name for name in texts}:
        stale.unlink()
    for name, text in texts.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:  # unchanged pages are not built again
            path.write_text(text, encoding="utf-8")
    return sorted(folder / name for name in texts)


def index(known: Sequence[Benchmark]) -> str:
    """Return the table of all benchmarks, and of the suites."""
    rows = [
        (
            f"[{benchmark.name}]({benchmark.name}.md)",
            benchmark.category,
            benchmark.summary,
            ", ".join(sorted(benchmark.languages)),
            ", ".join(sorted(benchmark.needs)) or "-",
            f"1..{benchmark.steps.count}" if benchmark.steps else "-",
        )
        for benchmark in known
    ]
    suites = [(f"`{name}`", ", ".join(members)) for name, members in benchmarks.suites(known).items()]
    names = "\n".join(benchmark.name for benchmark in known)
    parts = (
        "# Benchmarks",
        f"{len(known)} benchmarks are registered; `sebsx list benchmarks` shows them too.",
        table(("name", "category", "what it does", "languages", "needs", "steps"), rows),
        "## Suites",
        table(("suite", "benchmarks"), suites),
        f"```{{toctree}}\n:hidden:\n\n{names}\n```",
    )
    return "\n\n".join(parts) + "\n"


def page(benchmark: Benchmark) -> str:
    """Return the page of one benchmark: what the manifest says, then its README."""
    facts = [
        ("category", benchmark.category),
        ("version", benchmark.version),
        ("groups", ", ".join(f"`{group}`" for group in benchmark.groups)),
        ("source", benchmark.source),
        ("licence", benchmark.licence),
        ("languages", ", ".join(sorted(benchmark.languages))),
        ("needs", ", ".join(sorted(benchmark.needs))),
        ("memory", f"{benchmark.memory_mib} MiB"),
        ("time-out", duration(benchmark.timeout_s)),
        ("named work", ", ".join(f"`{phase}`" for phase in benchmark.meaning.subject)),
        ("works in a program of its own", "yes" if benchmark.external_binary else ""),
    ]
    parts = [
        f"# {benchmark.name}",
        f"{benchmark.summary[0].upper()}{benchmark.summary[1:]}.",
        f"    sebsx run benchmark {benchmark.name} --size {benchmark.default_size}",
        table(("", ""), [(what, text) for what, text in facts if text]),
        *_parameters(benchmark),
        "## Sizes",
        table(("size", "parameters", "about"), list(_sizes(benchmark))),
    ]
    readme = benchmark.root / "README.md"
    if readme.is_file():
        text = _FIRST_HEADING.sub("", readme.read_text(encoding="utf-8"))
        parts += ["## How it works", _LINK_TO_A_FILE.sub(r"\1", text).strip()]
    return "\n\n".join(parts) + "\n"


def _parameters(benchmark: Benchmark) -> list[str]:
    if not benchmark.parameters:
        return []
    rows = []
    for name, parameter in benchmark.parameters.items():
        ends = [f"{end:,.10g}" if end is not None else "" for end in (parameter.minimum, parameter.maximum)]
        limits = f"{ends[0]} to {ends[1]}".strip() if any(ends) else ""
        rows.append((f"`{name}`", parameter.type, f"`{parameter.default}`", limits, parameter.help))
    return ["## Parameters", table(("name", "type", "default", "range", "meaning"), rows)]


def _sizes(benchmark: Benchmark) -> Iterable[tuple[str, str, str]]:
    for size, values in benchmark.sizes.items():
        text = ", ".join(f"`{name}={value}`" for name, value in values.items())
        expected_s = benchmark.expect.get(size)
        yield f"`{size}`", text, "" if expected_s is None else f"{expected_s:g} s"
    steps = benchmark.steps
    if steps is not None:
        ends = f"`{steps.parameter}` from {steps.first:g} to {steps.last:g}"
        yield f"`1` ... `{steps.count}`", f"{ends}, in equal steps of `{steps.parameter}`^{steps.growth:g}", ""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
