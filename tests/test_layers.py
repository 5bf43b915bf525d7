"""Holds the house of docs/architecture.md: its import contracts (in `pyproject.toml`) and what those cannot say."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grimp
import pytest

import sebsx
from sebsx import plugins
from tests.support import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CORE = Path(sebsx.__file__).parent
TREE = CORE.parent
APART = {"runtime", "testing"}
ENTRIES = 22
LAYERS_BROKEN = "Rooms import lower layers only, and not their siblings BROKEN"
CYCLE = 3
PLUGIN_ROOTS = ("platforms", "benchmarks", "plugins")
TYPE_ONLY = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sebsx.reading import conditions"


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


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes_of(path: Path) -> dict[type[ast.AST], list[Any]]:
    """Return the nodes of a file by their kind: each file is walked once, whatever is asked about it."""
    found: dict[type[ast.AST], list[Any]] = {}
    for node in ast.walk(tree_of(path)):
        found.setdefault(type(node), []).append(node)
    return found


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


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    options = ["--no-cache", "--no-logo", str(TREE / "pyproject.toml")]
    return subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, check=False)


def test_import_contracts_hold():
    done = lint_imports(TREE)
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        (
            "model/upward.py",
            "from sebsx.cli import app",
            LAYERS_BROKEN,
        ),
        ("store/typed.py", TYPE_ONLY, LAYERS_BROKEN),
        ("sending/named.py", "import sebsx_local", "Core uses neither plugins nor the test kit BROKEN"),
        ("attic/forgotten.py", "import json", "every child of every container must be declared as a layer"),
    ],
)
def test_import_that_breaks_a_contract_is_found(tmp_path, file, line, broken):
    shutil.copytree(CORE, tmp_path / "sebsx", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "sebsx" / file
    path.parent.mkdir(exist_ok=True)
    (path.parent / "__init__.py").touch()
    path.write_text(line)
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert broken in " ".join((done.stdout + done.stderr).split())


def tangles(graph: grimp.ImportGraph) -> list[set[str]]:
    """Return the groups of modules that reach each other, largest first."""
    reached = {module: graph.find_downstream_modules(module) for module in graph.modules}
    groups = {
        frozenset({module, *(other for other in reached[module] if module in reached[other])}) for module in reached
    }
    return sorted(map(set, groups), key=len, reverse=True)


def test_no_tangle_of_imports_over_more_than_three_files():
    graph = grimp.build_graph("sebsx", exclude_type_checking_imports=False, cache_dir=None)
    assert len(graph.modules) > 100
    assert [sorted(group) for group in tangles(graph) if len(group) > CYCLE] == []


def test_tangle_is_found():
    graph = grimp.ImportGraph()
    for importer, imported in (("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")):
        graph.add_import(importer=importer, imported=imported)
    assert [sorted(group) for group in tangles(graph)] == [["a", "b", "c"], ["d"]]


def test_house_has_few_doors_and_the_architecture_page_names_each():
    entries = {path.name for path in CORE.iterdir()} - {"__pycache__"}
    assert len(entries) <= ENTRIES
    rooms = {path.name + "/" * path.is_dir() for path in CORE.iterdir()} - {"__pycache__/", "py.typed"}
    page = (TREE / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert [name for name in sorted(rooms) if not name.startswith("__") and f"`{name}`" not in page] == []


@cache
def registered_names() -> set[str]:
    registry = plugins.load(BUILT_IN)
    kinds = ("platforms", "benchmarks", "experiments", "exporters", "languages")
    return {name for kind in kinds for name in getattr(registry, kind)}


def branches_on(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield words that code compares something with, or looks something up by."""
    for node in nodes:
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


# Words that a benchmark or an experiment happens to be named by, and that mean something else in one file.
HOMONYMS = {
    "sebsx/store/engine.py": {"sqlite"},  # the dialect that SQLAlchemy names
    "sebsx/contracts/parameters.py": {"float"},  # a type
    "sebsx/model/functions.py": {"function"},  # which one of a benchmark that has several
    "sebsx/clouds/adopted.py": {"function", "python"},  # the kind of a resource; a runtime, written without a dot
    "sebsx/clouds/accounts.py": {"function"},  # by which name the provider knows a deployment
}


def test_core_never_branches_on_a_plugins_name():
    for path in (path for path in CORE_FILES if room(path) not in APART):
        kinds = nodes_of(path)
        nodes = chain.from_iterable(kinds.get(kind, ()) for kind in (ast.Compare, ast.MatchValue, ast.Subscript))
        words = set(branches_on(nodes)) - HOMONYMS.get(label(path), set())
        assert words & registered_names() == set(), label(path)


def test_branching_is_recognised():
    code = "a == 'one'; b in ('two', x); c['three']; f('four')\nmatch d:\n    case 'five': pass"
    assert set(branches_on(ast.walk(ast.parse(code)))) == {"one", "two", "three", "five"}


def test_runtime_imports_the_standard_library_only():
    allowed = sys.stdlib_module_names | {"sebsx_runtime", "sebsx_wrapper", "sebsx_collectors"}
    for path in files(CORE / "runtime"):
        siblings = {sibling.stem for sibling in path.parent.glob("*.py")}
        assert {name.split(".")[0] for name in imports(path)} - allowed - siblings == set(), label(path)


def shipped_into_functions(path: Path) -> bool:
    return bool({"wrapper", "shipped", "python"} & set(path.parts)) or path.name == "collector.py"


def test_only_the_console_prints():
    allowed = {CORE / "cli" / "console.py", CORE / "testing" / "bare.py"}
    for path in CORE_FILES + PLUGIN_FILES:
        if path in allowed or shipped_into_functions(path):
            continue
        calls = [node.func for node in nodes_of(path).get(ast.Call, ())]
        assert [call for call in calls if isinstance(call, ast.Name) and call.id == "print"] == [], label(path)


def test_pytest_is_imported_by_the_test_kit_only():
    for path in (path for path in CORE_FILES if room(path) != "testing"):
        assert "pytest" not in {name.split(".")[0] for name in imports(path, at_runtime=False)}, label(path)


def test_no_top_level_module_is_named_like_one_of_the_standard_library():
    ours = {path.stem for path in CORE.iterdir() if path.suffix == ".py" or path.is_dir()} - {"__init__", "__main__"}
    assert ours & sys.stdlib_module_names == set()


def test_module_starts_with_a_docstring_and_postponed_annotations():
    for path in (path for path in CORE_FILES + PLUGIN_FILES if path.stat().st_size):
        tree = tree_of(path)
        assert ast.get_docstring(tree), label(path)
        futures = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
        defines = any(isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AnnAssign) for node in tree.body)
        shipped = {"runtime", "wrapper", "shipped"} & set(path.parts)  # there even this import costs a cold start time
        assert futures or not defines or shipped, label(path)


# Names of two classes each: a contract and what is handed out under it; a storage as the driver and as the function see
# it, whose code is shipped and imports nothing.
NAMES_OF_TWO = {"FileStorage", "S3Storage", "Services"}


def test_no_two_classes_have_the_same_name():
    places: dict[str, list[str]] = {}
    for path in (path for room in ("sebsx", "plugins", "platforms") for path in (TREE / room).rglob("*.py")):
        for node in nodes_of(path).get(ast.ClassDef, ()):
            if not node.name.startswith("_"):
                places.setdefault(node.name, []).append(f"{path.relative_to(TREE)}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1 and name not in NAMES_OF_TWO} == {}
