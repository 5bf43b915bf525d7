"""Holds the rooms of docs/architecture.md: who may import whom, and what no file of core may do."""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import sebsx
from sebsx import plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

CORE = Path(sebsx.__file__).parent
TREE = CORE.parent
# Rows of the table in docs/architecture.md, lowest first; a module may import its own row and those above it there.
ROWS = (
    {"__init__", "model", "errors", "settings", "lazy", "interrupts", "stats"},
    {"contracts", "plugins", "pricing"},
    {"store", "sending", "building", "sandboxes", "running", "reading"},
    {"cli", "__main__"},
)
APART = {"runtime", "testing"}
PLUGIN_ROOTS = ("platforms", "benchmarks", "plugins")


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


CORE_FILES = files(CORE)
PLUGIN_FILES = [
    path for root in PLUGIN_ROOTS for path in files(TREE / root) if "_template" not in path.relative_to(TREE).parts
]


def label(path: Path) -> str:
    return path.relative_to(TREE).as_posix()


def room(path: Path) -> str:
    return path.relative_to(CORE).parts[0].removesuffix(".py")


def row(name: str) -> int:
    return next(number for number, names in enumerate(ROWS) if name in names)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path, *, at_runtime: bool = True) -> Iterator[str]:
    """Yield what a file imports; what only the type checker sees is left out if `at_runtime`."""
    nodes: list[ast.AST] = [tree_of(path)]
    while nodes:
        node = nodes.pop()
        if at_runtime and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            nodes.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or "runtime" in path.parts, f"{label(path)} imports relatively"
            if node.module == "sebsx":
                yield from (f"sebsx.{alias.name}" for alias in node.names)
            elif node.module:
                yield node.module
        nodes.extend(ast.iter_child_nodes(node))


@cache
def plugin_packages() -> set[str]:
    return {path.name for root in PLUGIN_ROOTS for path in (TREE / root).iterdir() if path.name.startswith("sebsx_")}


def test_there_is_something_to_look_at():
    assert len(CORE_FILES) > 15
    assert {"sebsx_python", "sebsx_local"} <= plugin_packages()
    assert any("building" in path.parts for path in CORE_FILES)


def test_every_room_of_core_has_its_row():
    rooms = {room(path) for path in CORE_FILES}
    assert rooms - set().union(*ROWS) - APART == set()


@pytest.mark.parametrize("path", [path for path in CORE_FILES if room(path) not in APART], ids=label)
def test_core_imports_only_its_own_row_and_lower_ones(path):
    own = row(room(path))
    for name in imports(path):
        if name == "sebsx" or not name.startswith("sebsx."):
            continue
        imported = name.split(".")[1]
        assert imported not in APART, f"imports {name}"
        if imported != "__version__":
            assert row(imported) <= own, f"{label(path)} reaches up to {name}"


@pytest.mark.parametrize("path", CORE_FILES, ids=label)
def test_core_imports_no_plugin(path):
    allowed = {"sebsx_runtime", "sebsx_wrapper", "sebsx_collectors"}  # names inside a package
    for name in imports(path, at_runtime=False):
        top = name.split(".")[0]
        assert not top.startswith("sebsx_") or top in allowed, f"imports {name}"


@cache
def registered_names() -> set[str]:
    registry = plugins.load()
    kinds = ("platforms", "benchmarks", "experiments", "exporters", "languages")
    return {name for kind in kinds for name in getattr(registry, kind)}


def branches_on(tree: ast.AST) -> Iterator[str]:
    """Yield words that code compares something with, or looks something up by."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Subscript):
            parts = [node.slice]
        else:
            continue
        for part in parts:
            for leaf in part.elts if isinstance(part, ast.Tuple | ast.Set | ast.List) else [part]:
                if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str):
                    yield leaf.value


# Words that a benchmark happens to be named by, and that mean something else in one file.
HOMONYMS = {"sebsx/store/engine.py": {"sqlite"}}  # the dialect that SQLAlchemy names


@pytest.mark.parametrize("path", [path for path in CORE_FILES if room(path) not in APART], ids=label)
def test_core_never_branches_on_a_plugins_name(path):
    words = set(branches_on(tree_of(path))) - HOMONYMS.get(label(path), set())
    assert words & registered_names() == set()


def test_branching_is_recognised():
    code = "a == 'one'; b in ('two', x); c['three']; f('four')\nmatch d:\n    case 'five': pass"
    assert set(branches_on(ast.parse(code))) == {"one", "two", "three", "five"}


@pytest.mark.parametrize("path", files(CORE / "runtime"), ids=label)
def test_runtime_imports_the_standard_library_only(path):
    allowed = sys.stdlib_module_names | {"sebsx_runtime", "sebsx_wrapper", "sebsx_collectors"}
    siblings = {sibling.stem for sibling in path.parent.glob("*.py")}
    assert {name.split(".")[0] for name in imports(path)} - allowed - siblings == set()


def shipped_into_functions(path: Path) -> bool:
    return bool({"wrapper", "shipped", "python"} & set(path.parts)) or path.name == "collector.py"


@pytest.mark.parametrize("path", PLUGIN_FILES, ids=label)
def test_plugin_imports_no_other_plugin(path):
    own = next(part for part in path.relative_to(TREE).parts if part.startswith("sebsx_"))
    others = plugin_packages() - {own}
    assert {name.split(".")[0] for name in imports(path, at_runtime=False)} & others == set()


@pytest.mark.parametrize("path", PLUGIN_FILES, ids=label)
def test_plugin_uses_neither_command_line_nor_orchestrator(path):
    assert {"sebsx.cli", "sebsx.cli.console", "sebsx.running.orchestrator"} & set(
        imports(path, at_runtime=False)
    ) == set()


@pytest.mark.parametrize("path", CORE_FILES + PLUGIN_FILES, ids=label)
def test_only_the_console_prints(path):
    if path == CORE / "cli" / "console.py" or path == CORE / "testing" / "bare.py" or shipped_into_functions(path):
        return
    calls = [node.func for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    assert [call for call in calls if isinstance(call, ast.Name) and call.id == "print"] == []


@pytest.mark.parametrize("path", CORE_FILES, ids=label)
def test_pytest_is_imported_by_the_test_kit_only(path):
    if room(path) != "testing":
        assert "pytest" not in {name.split(".")[0] for name in imports(path, at_runtime=False)}


def test_no_top_level_module_is_named_like_one_of_the_standard_library():
    ours = {path.stem for path in CORE.iterdir() if path.suffix == ".py" or path.is_dir()} - {"__init__", "__main__"}
    assert ours & sys.stdlib_module_names == set()


@pytest.mark.parametrize("path", [path for path in CORE_FILES + PLUGIN_FILES if path.stat().st_size], ids=label)
def test_module_starts_with_a_docstring_and_postponed_annotations(path):
    tree = tree_of(path)
    assert ast.get_docstring(tree)
    futures = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    defines = any(isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AnnAssign) for node in tree.body)
    shipped = {"runtime", "wrapper", "shipped"} & set(path.parts)  # there even this import costs a cold start time
    assert futures or not defines or shipped
