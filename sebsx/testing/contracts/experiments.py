"""The contract of an experiment: what it says of itself, and a plan that touches nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sebsx.contracts.scene import Scene
from sebsx.model import Capability, CellStatus, Factor, Plan, RunStatus, content_hash
from sebsx.model.factors import CORE_FACTORS
from sebsx.reading.services import QuietObserver
from sebsx.running import orchestrator
from sebsx.running.orchestrator import RunSpec
from sebsx.store import open_store
from sebsx.testing.contracts import metadata
from sebsx.testing.contracts.quiet import recorded_io
from sebsx.testing.fakes import FakePlatform, FakeSettings
from sebsx.testing.registries import registry_with

if TYPE_CHECKING:
    from pathlib import Path

    from sebsx.contracts.experiments import Experiment
    from sebsx.plugins import Registry


class ExperimentContract:
    """Every experiment: override the fixture `experiment`, and `settings` where the defaults make no design."""

    @pytest.fixture
    def experiment(self) -> Experiment[Any]:
        """Return the experiment under test."""
        raise NotImplementedError("override the fixture 'experiment'")

    @pytest.fixture
    def settings(self, experiment: Experiment[Any]) -> Any:
        """Return settings that make a design; the defaults unless overridden."""
        return experiment.Settings()

    @pytest.fixture
    def quick(self) -> Any:
        """Return settings that make a run of a few seconds on a platform in memory; None where none do."""
        return None

    @pytest.fixture
    def scene(self, fake_platform: FakePlatform, sebsx_registry: Registry) -> Scene:
        """Return a scene with a platform in memory."""
        return Scene(sebsx_registry, {fake_platform.name: fake_platform})

    def test_metadata_is_complete(self, experiment: Experiment[Any], sebsx_registry: Registry) -> None:
        cls = type(experiment)
        metadata.check_words(cls)
        metadata.check_settings(cls.Settings)
        assert all(isinstance(capability, Capability) for capability in cls.needs)
        assert cls.analyzer is None or cls.analyzer in sebsx_registry.analyzers, "its analyzer is not registered"
        assert cls.subject is None or cls.subject.isidentifier(), "its subject is not one word"

    def test_factors_are_declared(self, experiment: Experiment[Any], scene: Scene, settings: Any) -> None:
        own = type(experiment).factors
        names = [factor.name for factor in own]
        assert len(set(names)) == len(names), "two factors have one name"
        core = {factor.name for factor in CORE_FACTORS}
        used = {name for cell in experiment.plan(scene, settings).cells for name in cell.factors}
        assert used <= core | set(names), f"not declared in `factors`: {', '.join(sorted(used - core - set(names)))}"
        for factor in own:
            assert set(factor.of) <= core | set(names), f"{factor.name} follows from what nobody declares"
            assert Factor.read(json.loads(json.dumps(factor.stored()))) == factor

    def test_experiment_keeps_no_state(self, experiment: Experiment[Any]) -> None:
        assert type(experiment)().__dict__ == {}

    def test_plan_has_distinct_cells_with_work(self, experiment: Experiment[Any], scene: Scene, settings: Any) -> None:
        plan = experiment.plan(scene, settings)
        assert isinstance(plan, Plan)
        assert plan.cells, "the plan has no cells"
        assert plan.deployments > 0
        assert len({cell.hash for cell in plan.cells}) == len(plan.cells), "two cells have the same factors"
        for cell in plan.cells:
            assert cell.invocations > 0
            assert cell.duration_s is None or cell.duration_s >= 0
            assert cell.cost_usd is None or cell.cost_usd >= 0
        assert all(note and "\n" not in note for note in plan.notes)

    def test_plan_is_the_same_each_time(self, experiment: Experiment[Any], scene: Scene, settings: Any) -> None:
        first, second = (experiment.plan(scene, settings) for _ in range(2))
        assert [content_hash(cell.factors) for cell in first.cells] == [cell.hash for cell in second.cells]

    def test_plan_sends_nothing_and_deploys_nothing(
        self, experiment: Experiment[Any], scene: Scene, settings: Any, fake_platform: FakePlatform
    ) -> None:
        experiment.plan(scene, settings)  # lets lazy imports happen
        with recorded_io() as events:
            experiment.plan(scene, settings)
        assert [event for event in events if event.startswith(("socket", "subprocess"))] == []
        assert fake_platform.invocations == 0

    def test_run_gives_every_cell_a_result_and_leaves_nothing(
        self, experiment: Experiment[Any], quick: Any, tmp_path: Path
    ) -> None:
        if quick is None:
            pytest.skip("no settings make a quick run; override the fixture 'quick'")
        spec = RunSpec(type(experiment)(), quick, {FakePlatform.name: FakeSettings()}, seed=1)
        with open_store(tmp_path / "results.sqlite") as store:
            run = orchestrator.run(spec, registry_with(FakePlatform), store, QuietObserver())
            view = store.view(run.id)
            assert run.status is RunStatus.FINISHED, run.error
            assert view.cells(), "nothing was measured"
            assert CellStatus.RUNNING not in {cell.status for cell in view.cells()}, "a cell was never finished"
            assert view.counts(), "nothing was called"
            assert store.resources(run.id) == [], "something was left behind"
