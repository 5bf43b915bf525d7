from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sebsx.contracts import benchmarks
from sebsx.contracts.experiments import Experiment
from sebsx.contracts.scene import Scene
from sebsx.errors import UnknownNameError, UserError
from sebsx.model import Design
from sebsx.plugins import Registry
from sebsx.testing.fakes import FakePlatform
from sebsx_perf_cost.experiment import PerfCost, PerfCostSettings
from tests.support import Call, Cli

MANIFEST = """
name = "{name}"
version = "1"
summary = "a member"
groups = [{groups}]
needs = [{needs}]
[parameters.n]
type = "int"
default = 1
[sizes]
{size} = {{ n = 1 }}
[languages.{language}]
"""


@pytest.fixture
def scene(tmp_path: Path, fake_platform: FakePlatform, sebsx_registry: Registry) -> Scene:
    """A pack of a third party: two suites of its own, and members that the platform cannot run."""
    members = {}
    for name, groups, needs, language, size in (
        ("plain", ("suite:fly", "suite:wide"), (), "python", "test"),
        ("hungry", ("suite:fly",), ("keep-alive-policy",), "python", "test"),
        ("foreign", ("suite:fly",), (), "cobol", "test"),
        ("unsized", ("suite:fly",), (), "python", "tiny"),
        ("loner", ("study:fly",), (), "python", "test"),
    ):
        root = tmp_path / name
        root.mkdir()
        words = {"groups": ", ".join(f'"{item}"' for item in groups), "needs": ", ".join(f'"{item}"' for item in needs)}
        text = MANIFEST.format(name=name, language=language, size=size, **words)
        (root / "benchmark.toml").write_text(text, encoding="utf-8")
        members[name] = benchmarks.load(root)
    registry = Registry(sebsx_registry.manager, sebsx_registry.plugins)
    registry._found["benchmarks"] = members
    registry._owners["benchmarks"] = dict.fromkeys(members, "fly")
    return Scene(registry, {fake_platform.name: fake_platform})


def planned(scene: Scene, **settings: Any) -> set[str]:
    experiment: Experiment[Any] = PerfCost()
    plan = experiment.plan(scene, PerfCostSettings(**settings))
    return {cell.factors["benchmark"] for cell in plan.cells}


def test_labels_make_suites_and_all_is_every_benchmark(scene: Scene) -> None:
    assert benchmarks.suites(scene.registry.benchmarks.values()) == {
        "all": ["foreign", "hungry", "loner", "plain", "unsized"],
        "fly": ["foreign", "hungry", "plain", "unsized"],
        "wide": ["plain"],
    }


def test_suite_runs_what_the_platform_can_and_says_what_is_left_out(scene: Scene) -> None:
    assert planned(scene, suite="fly", size="test") == {"plain"}
    assert planned(scene, suite="all", size="test") == {"plain", "loner"}
    assert planned(scene, suite="fly") == {"plain", "unsized"}
    notes = PerfCost().plan(scene, PerfCostSettings(suite="fly", size="test")).notes
    assert [note for note in notes if "left out" in note] == [
        "foreign is left out on fake: no code in 'python'",
        "hungry is left out on fake: needs keep-alive-policy",
        "unsized is left out on fake: no size 'test'",
    ]


def test_run_says_what_is_left_out(scene: Scene) -> None:
    told: list[str] = []
    session: Any = SimpleNamespace(
        run=SimpleNamespace(design=Design.SEQUENTIAL),
        scene=scene,
        observer=SimpleNamespace(warned=told.append),
        pending=lambda plan: [],
        prepare=list,
    )
    PerfCost().run(session, PerfCostSettings(suite="fly", size="test"))
    assert len(told) == 3
    assert "hungry is left out on fake: needs keep-alive-policy" in told


def test_suite_of_which_nothing_can_run_says_why(scene: Scene) -> None:
    with pytest.raises(UserError, match=r"nothing of suite 'wide' can run so; plain is left out .* 'go'"):
        planned(scene, suite="wide", language="go")


def test_unknown_suite_suggests_the_nearest(scene: Scene) -> None:
    with pytest.raises(
        UnknownNameError, match=r"suite 'wode' is not known; did you mean 'wide'\? \(sebsx list suites\)"
    ):
        planned(scene, suite="wode")


def test_names_and_a_suite_exclude_each_other(call: Call) -> None:
    said = call("plan", "benchmark", "sleep", "--suite", "all")
    said.assert_fails(2, "name benchmarks or --suite, not both")


def test_suite_is_listed_and_planned_from_the_command_line(call: Call) -> None:
    listed = {item["name"]: item["benchmarks"] for item in call("list", "suites", "--json").json}
    plan = call("plan", "benchmark", "--suite", "default", "--size", "test", "--start", "warm", "--json").json
    assert sorted(cell["factors"]["benchmark"] for cell in plan["cells"]) == listed["default"]
    everything = call("list", "benchmarks", "--json").json
    assert listed["all"] == sorted(item["name"] for item in everything)
    assert set(listed["default"]) <= set(listed["all"])


@pytest.mark.slow
@pytest.mark.network
def test_suite_runs(sebsx: Cli) -> None:
    document = sebsx.json(
        "run", "benchmark", "--suite", "default", "--size", "test", "--start", "warm", "--repetitions", "1"
    )
    assert {cell["status"] for cell in document["cells"]} == {"finished"}
    assert len(document["cells"]) == 6
