"""Runs over platforms with different offers: what one cannot give is a result, what none can give is a mistake."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sebsx.errors import UnknownNameError, UnsupportedError, UserError
from sebsx.model import Between, OneOf, Target
from sebsx.model.options import TIER, VCPU
from sebsx.plugins import Registry
from sebsx.running import orchestrator
from sebsx.store import Store
from sebsx.store.reader import RunView
from sebsx.testing.fakes import FakePlatform, FakeSettings
from sebsx.testing.registries import registry_with
from tests.orchestration import Listener, run_spec, store_in


class Flex(FakePlatform):
    name = "flex"
    memory_mib = OneOf((512, 2048, 4096))
    options = (VCPU.offered(OneOf((1, 4)), default=1.0), TIER.offered(OneOf(("warm", "spot")), default="warm"))


class Coupled(FakePlatform):
    """Has less than four processors only with less than 4 GiB."""

    name = "coupled"

    def provision(self, memory_mib, options, architecture):
        found = super().provision(memory_mib, options, architecture)
        return found.refused("4096 MiB need 4 vCPU") if memory_mib >= 4096 and options.get("vcpu", 1) < 4 else found


BOTH = {"fake": FakeSettings(), "flex": FakeSettings()}


@pytest.fixture
def registry() -> Registry:
    return registry_with(FakePlatform, Flex, Coupled)


@pytest.fixture
def store(tmp_path: Path):
    with store_in(tmp_path) as opened:
        yield opened


def spec_of(platforms: Any = None, options: Any = None, **settings: Any) -> orchestrator.RunSpec:
    return replace(run_spec(platforms or BOTH, repetitions=1, **settings), options=options or {})


def measured(spec: orchestrator.RunSpec, registry: Registry, store: Store) -> tuple[RunView, Listener]:
    listener = Listener()
    run = orchestrator.run(spec, registry, store, listener)
    return store.view(run.id), listener


def test_request_is_rounded_up_on_one_platform_and_kept_on_the_other(registry: Registry, store: Store) -> None:
    spec = spec_of(memory_mib=(256,))
    plan = orchestrator.plan(spec, registry)
    assert [cell.provision.label for cell in plan.cells if cell.provision] == ["256 MiB", "256 -> 512 MiB"]

    view, _ = measured(spec, registry, store)
    cells, deployments = view.cells(), view.deployments()
    assert [cell.status for cell in cells] == ["finished", "finished"]
    levels = [(cell.factors["memory_mib"], cell.factors.get("memory_offered_mib")) for cell in cells]
    assert levels == [(256, None), (256, 512)]
    assert [(item.platform, item.memory_mib) for item in deployments] == [("fake", 256), ("flex", 512)]


def test_too_much_for_one_platform_is_unsupported_there(registry: Registry, store: Store) -> None:
    spec = spec_of(memory_mib=(8192,))
    plan = orchestrator.plan(spec, registry)
    reason = "8192 MiB is not offered; platform 'flex' has 512, 2048 or 4096 MiB"
    assert [cell.unsupported for cell in plan.cells] == [None, reason]
    assert (plan.invocations, plan.deployments) == (1, 1)
    assert f"1 cell is unsupported: {reason}" in plan.notes

    view, _ = measured(spec, registry, store)
    found = {cell.factors["platform"]: (cell.status, cell.error) for cell in view.cells()}
    assert found == {"fake": ("finished", None), "flex": ("unsupported", reason)}
    assert [item.status for item in view.deployments()] == ["deleted"], "what is known to be impossible is not tried"


def test_language_that_one_platform_does_not_run_is_unsupported_there(registry: Registry, store: Store) -> None:
    class Speechless(FakePlatform):
        """Runs nothing that is written in Python."""

        name = "speechless"

        def target(self, language: str, architecture: str) -> Target:
            raise UnsupportedError(f"platform 'speechless' does not run {language!r}")

    spec = spec_of({"fake": FakeSettings(), "speechless": FakeSettings()})
    both = registry_with(FakePlatform, Speechless)
    plan = orchestrator.plan(spec, both)
    assert [cell.unsupported for cell in plan.cells] == [None, "platform 'speechless' does not run 'python'"]
    view, _ = measured(spec, both, store)
    assert {cell.factors["platform"]: cell.status for cell in view.cells()} == {
        "fake": "finished", "speechless": "unsupported",
    }  # fmt: skip


def test_sizes_that_one_platform_rounds_to_the_same_are_measured_once(registry: Registry) -> None:
    plan = orchestrator.plan(spec_of(memory_mib=(128, 256, 512)), registry)
    assert [(cell.factors["platform"], cell.factors["memory_mib"]) for cell in plan.cells] == [
        ("fake", 128), ("fake", 256), ("fake", 512), ("flex", 512),
    ]  # fmt: skip
    assert "platform 'flex' gives 512 MiB for 128, 256 MiB, too: measured once, as 512 MiB" in plan.notes


@pytest.mark.parametrize(
    ("settings", "options", "words"),
    [
        ({"memory_mib": (10**8,)}, {}, "--memory 100000000: no platform offers it"),
        ({"memory_mib": (0,)}, {}, "--memory 0: no platform offers it"),
        ({}, {"vcpu": ("1000",)}, "--option vcpu=1000: no platform offers it"),
        ({}, {"vcpu": ("many",)}, "option vcpu=many: a number is wanted"),
        ({}, {"tier": ("gold",)}, "--option tier=gold: no platform offers it; there is warm or spot"),
        ({}, {"vcpu": ()}, "--option vcpu: write vcpu=VALUE,..."),
    ],
)
def test_what_exists_nowhere_is_a_mistake(registry: Registry, settings: Any, options: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        orchestrator.plan(spec_of(options=options, **settings), registry)


def test_option_that_nobody_has_suggests_the_nearest(registry: Registry) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'vcpu'"):
        orchestrator.plan(spec_of(options={"vcpus": ("1",)}), registry)


@pytest.mark.slow
def test_options_are_factors_of_one_interleaved_run(registry: Registry, store: Store) -> None:
    spec = spec_of({"fake": FakeSettings()}, {"vcpu": ("1", "2"), "package": ("zip", "image")})
    view, _ = measured(spec, registry, store)
    assert view.run.design == "rmit"
    levels = [(cell.factors["vcpu"], cell.factors["package"]) for cell in view.cells()]
    assert levels == [(1.0, "zip"), (1.0, "image"), (2.0, "zip"), (2.0, "image")]
    for cell, deployment in zip(view.cells(), view.deployments(), strict=True):
        wanted = {name: cell.factors[name] for name in ("vcpu", "package")}
        assert deployment.options == wanted
        assert {name: deployment.effective[name] for name in wanted} == wanted
    assert view.run.settings["options"] == {"vcpu": ["1", "2"], "package": ["zip", "image"]}


@pytest.mark.slow
def test_option_of_one_platform_is_unsupported_on_the_other(registry: Registry, store: Store) -> None:
    view, _ = measured(spec_of(options={"tier": ("spot",), "vcpu": ("2",)}, memory_mib=(512,)), registry, store)
    assert [(cell.factors["platform"], cell.status) for cell in view.cells()] == [
        ("fake", "unsupported"), ("flex", "finished"),
    ]  # fmt: skip
    assert view.cells()[0].error == "platform 'fake' has no option 'tier'"
    assert view.cells()[1].factors["vcpu_offered"] == 4


def test_what_does_not_go_together_is_unsupported(registry: Registry) -> None:
    plan = orchestrator.plan(
        spec_of({"coupled": FakeSettings()}, {"vcpu": ("1", "4")}, memory_mib=(512, 4096)), registry
    )
    assert [cell.unsupported for cell in plan.cells] == [None, None, "4096 MiB need 4 vCPU", None]


def test_resumed_run_asks_for_the_same_options(registry: Registry, store: Store) -> None:
    spec = spec_of({"fake": FakeSettings()}, {"vcpu": ("1", "2")})
    asked = {name: list(levels) for name, levels in spec.options.items()}
    again = replace(spec, options=asked)  # as a stored run has them
    hashes = [[cell.hash for cell in orchestrator.plan(one, registry).cells] for one in (spec, again)]
    assert hashes[0] == hashes[1]


def test_experiment_that_ignores_options_is_refused(registry: Registry) -> None:
    class Ignorant(type(run_spec().experiment)):  # type: ignore[misc]
        name = "ignorant"

        def plan(self, scene, settings):
            return super().plan(replace(scene, options={}), settings)

    with pytest.raises(UserError, match="experiment 'ignorant' does not accept options of functions, such as 'vcpu'"):
        orchestrator.plan(replace(spec_of(options={"vcpu": ("1",)}), experiment=Ignorant()), registry)


def test_platform_whose_offers_follow_its_settings(registry: Registry) -> None:
    class Priced(FakePlatform):
        name = "priced"

        def offers(self, architecture):
            return replace(super().offers(architecture), memory_mib=Between(256, 512))

    plan = orchestrator.plan(spec_of({"priced": FakeSettings()}, memory_mib=(128,)), registry_with(Priced))
    assert plan.cells[0].factors["memory_offered_mib"] == 256
