"""Writes the lists of docs/api.md: `python docs/api_page.py` after a public name was added.

What stands on the page is what plugins may rely on. A test holds it both ways: every name on it is there, every
name of a public module is on it, and the plugins of this repository use nothing else.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import pkgutil
from collections import defaultdict
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api_signatures import members, signature

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "api.md"
BEGIN, END = "<!-- names: begin -->", "<!-- names: end -->"
# Of these every public name is promised; of other modules what built-in plugins use.
WHOLE = (
    "sebsx",
    "sebsx.contracts",
    "sebsx.model",
    "sebsx.errors",
    "sebsx.settings",
    "sebsx.texts",
    "sebsx.system.lazy",
    "sebsx.stats",
)
_WHOLE_ROOMS = ("sebsx.contracts", "sebsx.model")
_ROOMS = {
    "sebsx": "From Python",
    "sebsx.contracts": "Contracts: what a plugin is written against",
    "sebsx.model": "Nouns",
    "sebsx.errors": "Errors, settings and optional packages",
    "sebsx.settings": "Errors, settings and optional packages",
    "sebsx.texts": "Errors, settings and optional packages",
    "sebsx.system.lazy": "Errors, settings and optional packages",
    "sebsx.stats": "Statistics",
    "sebsx.testing": "The test kit",
}
_OTHER = "Helpers that built-in plugins use as well"


def written() -> str:
    """Return the lists as they should stand on the page."""
    sections: dict[str, list[str]] = {title: [] for title in (*dict.fromkeys(_ROOMS.values()), _OTHER)}
    listed: dict[Any, str] = {}
    for module, names in sorted(names_by_module().items()):
        room = ".".join(module.split(".")[:2])
        lines = [f"**`{module}`**", "", *(line for name in names for line in _entry(module, name, listed)), ""]
        sections[_ROOMS.get(room, _OTHER)] += lines
    return "\n".join(line for title, lines in sections.items() if lines for line in (f"## {title}", "", *lines))


@cache
def names_by_module() -> Mapping[str, Sequence[str]]:
    """Return the public names, by the module that a plugin imports them from."""
    found: dict[str, set[str]] = defaultdict(set)
    for module in _whole_modules():
        found[module] |= set(_defined(module))
    whole = set(found)
    for module, name in used_by_plugins():
        if hasattr(import_module(module), "__path__") and _is_module(f"{module}.{name}"):
            found[f"{module}.{name}"] |= set(_defined(f"{module}.{name}"))
        elif module not in whole:
            found[module].add(name)
    return {module: sorted(names) for module, names in found.items() if names}


def used_by_plugins() -> Iterator[tuple[str, str]]:
    """Yield each module and name of sebsx that a plugin of this repository imports."""
    for root in ("platforms", "plugins", "benchmarks"):
        for path in sorted((ROOT / root).rglob("*.py")):
            if {"shipped", "wrapper", "python"} & set(path.relative_to(ROOT).parts):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "sebsx":
                    yield from ((node.module, alias.name) for alias in node.names)


def _whole_modules() -> Iterator[str]:
    for name in WHOLE:
        yield name
        if name in _WHOLE_ROOMS:
            yield from (f"{name}.{item.name}" for item in pkgutil.iter_modules(import_module(name).__path__))
    yield "sebsx.testing.contracts"


def _defined(module: str) -> Iterator[str]:
    """Yield the public names of a module: those it exports, else those it defines."""
    loaded = import_module(module)
    if module == "sebsx":
        yield from (name for name in dir(loaded) if name in loaded._API)  # noqa: SLF001  # what it offers lazily
        return
    if exported := getattr(loaded, "__all__", None):
        yield from exported
        return
    for node in ast.parse(inspect.getsource(loaded)).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        else:
            continue
        yield from (name for name in names if not name.startswith("_") and len(name) > 1 and name != "logger")


def _is_module(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _entry(module: str, name: str, listed: dict[Any, str]) -> Iterator[str]:
    """Yield the lines of a name: how it is used and what it is, and what its members are and give."""
    value = getattr(import_module(module), name)
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        yield f"- `{signature(name, value)}`"
        return
    if value in listed:
        yield f"- `{name}`: as `{listed[value]}.{name}`"
        return
    listed[value] = module
    about = _first_line(value)
    yield f"- `{signature(name, value)}`" + (f": {about}" if about else "")
    if inspect.isclass(value):
        yield from (f"  - `{member}`" for member in members(value, _listed_classes()))


@cache
def _listed_classes() -> frozenset[type]:
    found = (getattr(import_module(module), name) for module, names in names_by_module().items() for name in names)
    return frozenset(value for value in found if inspect.isclass(value))


def _first_line(value: Any) -> str:
    text = (inspect.getdoc(value) or "").partition("\n")[0].strip().removesuffix(".")
    return "" if text.startswith(f"{value.__name__}(") else text


def page() -> str:
    """Return the whole page as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n\n{written().strip()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
