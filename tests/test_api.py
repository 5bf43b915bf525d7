"""The promise: the public names of docs/api.md, and plugins that were written for each level so far."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from importlib import import_module
from pathlib import Path

import pytest

import sebsx
from sebsx.contracts.hookspecs import API_LEVEL
from sebsx.plugins import KINDS
from tests import forked

ROOT = Path(sebsx.__file__).parent.parent
LEVELS = sorted((ROOT / "tests" / "api_levels").glob("level_*.py"))
# What a plugin brings that is no class of its own: folders with code, and a shim.
NOT_IN_THE_EXAMPLE = {"benchmarks", "languages"}

LOAD = """
import json, sys
sys.path.insert(0, sys.argv[1])
from sebsx import plugins
registry = plugins.load()
(mine,) = [plugin for plugin in registry.probed() if plugin.name == "level"]
owned = {kind.name: [name for name in getattr(registry, kind.name) if registry.owner_of(kind.name, name) == "level"]
         for kind in plugins.KINDS}
print(json.dumps([mine.error, mine.doubts, owned, registry.facts().get("level-1")]))
"""
CALL = "import sys; sys.path.insert(0, sys.argv.pop(1)); from sebsx.cli import main; main()"


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    return import_module("api_page")


def public_classes(pages) -> list[type]:
    named = ((module, name) for module, names in pages.names_by_module().items() for name in names)
    found = (getattr(import_module(module), name) for module, name in named)
    return list(dict.fromkeys(value for value in found if inspect.isclass(value)))


@pytest.mark.slow
def test_page_lists_every_public_name_and_no_other(pages):
    assert pages.PAGE.read_text(encoding="utf-8") == pages.page(), "run: python docs/api_page.py"


def test_every_name_on_the_page_is_there(pages):
    for module, names in pages.names_by_module().items():
        for name in names:
            assert hasattr(import_module(module), name), f"{module}.{name}"


def test_page_shows_what_every_class_takes_and_its_methods_too(pages):
    text = pages.PAGE.read_text(encoding="utf-8")
    entries = [entry.splitlines() for entry in re.split(r"^- `", text, flags=re.MULTILINE)]
    for cls in public_classes(pages):
        mine = [lines for lines in entries if re.match(rf"{cls.__name__}\b(?!`: as )", lines[0])]
        fields = (
            [field.name for field in dataclasses.fields(cls) if field.init] if dataclasses.is_dataclass(cls) else []
        )
        assert any(all(f"{name}: " in lines[0] for name in fields) for lines in mine), (
            f"{cls.__name__} lacks its fields"
        )
        for name, value in vars(cls).items():
            if inspect.isfunction(value) and not name.startswith(("_", "test_")):
                taken = [f"{word}: " for word in list(inspect.signature(value).parameters)[1:]]
                said = [line for lines in mine for line in lines if line.startswith(f"  - `{name}(") and " -> " in line]
                assert any(all(word in line for word in taken) for line in said), f"{cls.__name__}.{name}"


def test_page_is_the_same_on_every_machine(pages):
    assert not re.search(r"0x[0-9a-f]{6}|/home/|/tmp/|/work/", pages.PAGE.read_text(encoding="utf-8"))


def test_dataclasses_take_at_most_two_fields_by_position_and_none_with_a_default(pages):
    known = [cls for cls in public_classes(pages) if dataclasses.is_dataclass(cls)]
    assert len(known) > 60
    for cls in known:
        by_position = [field for field in dataclasses.fields(cls) if field.init and not field.kw_only]
        assert len(by_position) <= 2, f"{cls.__name__}: {[field.name for field in by_position]}"
        for field in by_position:
            given = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            assert given, f"{cls.__name__}.{field.name} has a default, and is given by position"


def installed(folder: Path, source: Path) -> Path:
    """Install a plugin as pip would leave it, and return where."""
    (folder / "level_plugin.py").write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    information = folder / "level_dist-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: level-dist\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[sebsx]\nlevel = level_plugin\n")
    return folder


def python(code: str, *arguments: str) -> str:
    done, stdout, stderr = forked.python(code, *arguments)
    assert done == 0, stderr
    return stdout


def test_there_is_an_example_of_every_level():
    assert [path.stem for path in LEVELS] == [f"level_{number}" for number in range(1, API_LEVEL + 1)]


@pytest.mark.parametrize("source", LEVELS, ids=lambda path: path.stem)
def test_plugin_of_a_level_is_loaded_whole(source, tmp_path):
    error, doubts, owned, fact = json.loads(python(LOAD, str(installed(tmp_path, source))))
    assert (error, doubts, fact) == (None, [], True)
    assert {kind.name for kind in KINDS if not owned[kind.name]} == NOT_IN_THE_EXAMPLE


@pytest.mark.parametrize("source", LEVELS, ids=lambda path: path.stem)
def test_command_and_plan_of_a_level_run(source, tmp_path):
    place = str(installed(tmp_path, source))
    told = json.loads(python(CALL, place, "--json", "level-1", "greet", "Ada"))
    assert told == {"greeted": "Ada", "known": "level-1-exporter"}
    plan = json.loads(python(CALL, place, "--json", "plan", "level-1", "--platform", "level-1-platform"))
    assert (plan["experiment"], plan["deployments"]) == ("level-1-experiment", 1)
