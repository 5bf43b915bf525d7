"""What holds for every benchmark that comes with sebsx."""

from __future__ import annotations

import ast
import copy
import itertools
import math
import random
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sebsx.contracts import benchmarks
from sebsx.errors import UnknownNameError, UserError
from sebsx.model import Capability
from sebsx_benchmarks.plugin import sebsx_register_benchmarks
from tests.support import interpreters

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import FolderStorage

    from sebsx.contracts.benchmarks import Benchmark

ALL = {
    benchmark.name: benchmark
    for root in sebsx_register_benchmarks()
    for benchmark in map(benchmarks.load, benchmarks.discover(root))
}
SIZES = ["test", "small", "large"]


def has_requirements(name: str) -> bool:
    return (ALL[name].code("python").folder / "requirements.txt").exists()


def marked(name: str, *more: Any) -> Any:
    """Return the name as a parameter, with a mark if calling it needs packages from the registry."""
    return pytest.param(name, marks=[*more, *([pytest.mark.network] if has_requirements(name) else [])])


every = pytest.mark.parametrize("name", ALL)
every_called = pytest.mark.parametrize("name", [marked(name) for name in ALL])


def make_payload(benchmark: Benchmark, size: str, storage: FolderStorage, seed: int = 1) -> dict[str, Any]:
    return benchmark.payload(benchmark.resolve(size, {}), random.Random(seed), storage)


def test_the_default_suite_is_complete() -> None:
    suite = {name for name, benchmark in ALL.items() if "suite:default" in benchmark.groups}

    assert suite == {"sleep", "dynamic-html", "graph-bfs", "compression", "crud-api", "thumbnailer"}


@every
def test_folder_is_named_by_category_and_name(name: str) -> None:
    assert (ALL[name].root.parent.name, ALL[name].root.name) == (ALL[name].category, name)


@every
def test_manifest_says_source_and_licence_and_how_long_each_size_takes(name: str) -> None:
    benchmark = ALL[name]

    assert benchmark.source
    assert benchmark.licence
    assert list(benchmark.sizes) == list(benchmark.expect) == SIZES
    assert benchmark.expect["test"] < benchmark.expect["small"] < benchmark.expect["large"] < benchmark.timeout_s


@every
def test_readme_names_every_parameter_size_and_dependency(name: str) -> None:
    readme = (ALL[name].root / "README.md").read_text()

    for word in [*ALL[name].parameters, *SIZES]:
        assert f"`{word}`" in readme or f"-p {word}=" in readme, word
    for requirement in pins(name):
        assert requirement in readme.lower(), requirement


@every
def test_function_is_python_3_9_and_never_imports_sebsx(name: str) -> None:
    tree = ast.parse((ALL[name].code("python").folder / "function.py").read_text(), feature_version=(3, 9))

    assert "sebsx" not in {module.split(".")[0] for module in imports(tree)}


@every
def test_driver_side_uses_the_standard_library_only(name: str) -> None:
    tree = ast.parse((ALL[name].root / "benchmark.py").read_text())

    assert {module.split(".")[0] for module in imports(tree)} <= sys.stdlib_module_names


@every
def test_payload_and_objects_depend_on_the_seed_alone(name: str, storage: FolderStorage) -> None:
    made = []
    for seed in (1, 1, 2):
        storage.delete("")
        payload = make_payload(ALL[name], "test", storage, seed)
        made.append((payload, {key: storage.get(key) for key in storage.keys()}))  # noqa: SIM118  # not a dict

    assert made[0] == made[1]
    assert made[0] != made[2] or name == "sleep", "nothing in sleep is random"


@every
def test_storage_is_used_only_if_the_manifest_asks_for_it(name: str, storage: FolderStorage) -> None:
    make_payload(ALL[name], "test", storage)

    assert bool(storage.keys()) == (Capability.STORAGE in ALL[name].needs)
    assert len(storage.keys()) <= 64


@every
def test_bad_parameters_are_refused_with_their_name(name: str) -> None:
    for parameter in ALL[name].parameters.values():
        if parameter.type == "str":
            continue
        assert parameter.minimum is not None
        assert parameter.maximum is not None
        for bad in ("many", "nan", parameter.minimum - 1, parameter.maximum + 1):
            with pytest.raises(UserError, match=rf"parameter '{parameter.name}' of benchmark '{name}'"):
                ALL[name].resolve("test", {parameter.name: bad})
        for good in (parameter.minimum, parameter.maximum):
            assert ALL[name].resolve("test", {parameter.name: good})[parameter.name] == good


@every
def test_misspelt_parameter_suggests_the_right_one(name: str) -> None:
    parameter = next(iter(ALL[name].parameters))

    with pytest.raises(UnknownNameError, match=f"did you mean '{parameter}'"):
        ALL[name].resolve("test", {parameter + "x": 1})


@every_called
def test_output_is_right_every_change_of_it_is_caught_and_the_readme_names_the_phases(
    name: str, storage: FolderStorage, invoke: Callable[..., dict[str, Any]]
) -> None:
    payload = make_payload(ALL[name], "test", storage)

    report = invoke(ALL[name], payload)
    output = report["output"]

    assert ALL[name].check(payload, output, storage) is None
    assert ALL[name].check(payload, output, storage) is None, "a second look must say the same"
    for key, wrong in changes(output):
        assert ALL[name].check(payload, wrong, storage), f"{key}: {wrong}"
    for wrong in (None, [], "right", 1, {}):
        assert ALL[name].check(payload, wrong, storage), wrong
    meaning = ALL[name].meaning
    assert meaning.subject
    assert meaning.fault({f"phase.{phase}_s": 0.0 for phase in report["phases"]}, output) is None
    readme = (ALL[name].root / "README.md").read_text()
    assert report["phases"]
    assert {phase for phase in report["phases"] if f"`{phase}`" not in readme} == set()


@pytest.mark.parametrize("name", [marked(name) for name, each in ALL.items() if Capability.STORAGE in each.needs])
def test_damaged_object_is_caught(name: str, storage: FolderStorage, invoke: Callable[..., dict[str, Any]]) -> None:
    payload = make_payload(ALL[name], "test", storage)
    output = invoke(ALL[name], payload)["output"]
    assert ALL[name].check(payload, output, storage) is None
    whole = storage.get(output["key"])
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1

    for damaged in (whole[:-10], whole + b"x", b"", bytes(flipped)):
        storage.put(output["key"], damaged)
        assert ALL[name].check(payload, output, storage), len(damaged)
    storage.delete(output["key"])
    assert "is not in the storage" in (ALL[name].check(payload, output, storage) or "")


@pytest.mark.soak
@every_called
def test_sizes_grow_in_work_and_fit_the_default_memory(
    name: str, storage: FolderStorage, invoke: Callable[..., dict[str, Any]]
) -> None:
    work = {
        "sleep": lambda report: report["output"]["slept_s"],
        "server-reply": lambda report: report["output"]["held_s"],
        "crud-api": lambda report: report["table_operations"],
    }.get(name, lambda report: report["cpu_s"])
    least: dict[str, float] = {}
    for _ in range(3):  # on a busy machine a call may cost more than it has to, never less
        reports = {}
        for size in SIZES:
            payload = make_payload(ALL[name], size, storage)
            reports[size] = invoke(ALL[name], payload)
            assert ALL[name].check(payload, reports[size]["output"], storage) is None
            least[size] = min(least.get(size, math.inf), work(reports[size]))
        if least["small"] > 2 * least["test"] and least["large"] > 2 * least["small"]:
            break

    assert least["small"] > 2 * least["test"], least
    assert least["large"] > 2 * least["small"], least
    assert reports["large"]["peak_bytes"] < 0.8 * ALL[name].memory_mib * 2**20


def pythons_of(name: str) -> list[str]:
    """Return the oldest and the newest interpreter here of those that a benchmark's README says it was tested on."""
    tested = re.search(r"Tested on Python ([\d., and\n]+)", (ALL[name].root / "README.md").read_text())
    assert tested, f"the README of {name} says on which Pythons it was tested"
    named = re.findall(r"\d\.\d+", tested[1])
    here = {version: interpreters()[version] for version in named if version in interpreters()}
    order = sorted(here, key=lambda version: int(version.partition(".")[2]))
    return [here[version] for version in dict.fromkeys([*order[:1], *order[-1:]])]


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize(("name", "python"), [(name, python) for name in ALL for python in pythons_of(name)])
def test_handler_runs_on_the_oldest_and_newest_python_its_readme_names(
    name: str, python: str, storage: FolderStorage, invoke: Callable[..., dict[str, Any]]
) -> None:
    payload = make_payload(ALL[name], "test", storage)

    output = invoke(ALL[name], payload, python=python)["output"]

    assert ALL[name].check(payload, output, storage) is None


@pytest.mark.slow
@pytest.mark.network
def test_requirements_are_complete_and_have_wheels_everywhere() -> None:
    command = [sys.executable, "-m", "uv", "pip", "compile", "-q", "--no-header", "--no-annotate"]
    files = [ALL[name].code("python").folder / "requirements.txt" for name in ALL if has_requirements(name)]
    resolving = {}
    for version, architecture in itertools.product(["3.11", "3.12", "3.13"], ["x86_64", "aarch64"]):
        target = ["--python-version", version, "--python-platform", f"{architecture}-manylinux_2_28"]
        resolving[version, architecture] = subprocess.Popen(
            [*command, *target, "--only-binary", ":all:", *files],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    told = {target: process.communicate() for target, process in resolving.items()}

    for target, process in resolving.items():
        stdout, stderr = told[target]
        assert process.returncode == 0, (target, stderr)
        found = set(re.findall(r"(?m)^([\w-]+)==", stdout))
        assert found == {pin for name in ALL for pin in pins(name)}, target


def pins(name: str) -> list[str]:
    """Return the names of the pinned packages; every line must be a pin."""
    if not has_requirements(name):
        return []
    lines = (ALL[name].code("python").folder / "requirements.txt").read_text().splitlines()
    matches = [re.fullmatch(r"([\w-]+)==[\d.]+(; python_version [<>=]+ \"[\d.]+\")?", line) for line in lines]
    assert all(matches), lines
    return [match[1] for match in matches if match]


def imports(tree: ast.AST) -> set[str]:
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}


def changes(output: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return outputs with one value dropped, changed, or of another type."""
    found = []
    for key, value in output.items():
        dropped = copy.copy(output)
        del dropped[key]
        changed = f"x{value[1:]}" if isinstance(value, str) else -1
        found += [(key, dropped), *((key, output | {key: wrong}) for wrong in (changed, None, [value]))]
    return found
