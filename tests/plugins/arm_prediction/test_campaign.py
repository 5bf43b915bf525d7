"""Campaigns on fakes and on this machine: what is deployed, called and stored, and what goes wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest

from sebsx import plugins
from sebsx.errors import UserError
from sebsx.model import CellStatus, Design, Kind, RunStatus
from sebsx.running import orchestrator
from sebsx.running.limits import Limits
from sebsx.running.orchestrator import RunSpec
from sebsx.store import Store, open_store
from sebsx.testing.fakes import FakePlatform, FakeSettings
from sebsx.testing.registries import registry_with
from sebsx_arm_prediction.experiment import ArmPrediction
from sebsx_arm_prediction.settings import CampaignSettings
from sebsx_arm_prediction.steps import line, stored_steps
from tests.orchestration import Listener, store_in
from tests.support import Cli

# Waiting is not slowed by other work on the machine: 2 ms, and 1 ms for each unit.
WAITS = "import time\ndef handler(event, context):\n    time.sleep(0.002 + event['n'] / 1000)\n    return {}\n"
FAILS = "def handler(event, context):\n    raise ValueError('not today')\n"
MANIFEST = """
[parameters.n]
type = "float"
default = 1
minimum = 0
maximum = 10000
[sizes]
test = { n = 5 }
[steps]
parameter = "n"
first = 100
last = 4000
"""


class OtherPlatform(FakePlatform):
    """A second machine."""

    name = "other"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))


@pytest.fixture
def store(tmp_path: Path):
    with store_in(tmp_path) as opened:
        yield opened


@pytest.fixture
def waits(write_function: Callable[..., Path]) -> str:
    return str(write_function("waits", WAITS, manifest=MANIFEST))


def settings(*benchmarks: str, **more: Any) -> CampaignSettings:
    wanted = {"benchmarks": benchmarks, "steps": 3, "runs": 2, "run_times": "0.01s..0.04s", **more}
    return CampaignSettings(**wanted)


def run(store: Store, chosen: CampaignSettings, *names: str, **more: Any):
    registry = registry_with(FakePlatform, OtherPlatform)
    platforms = {name: FakeSettings() for name in names or ("fake", "other")}
    spec = RunSpec(ArmPrediction(), chosen, platforms, seed=1, **more)
    return store.view(orchestrator.run(spec, registry, store, Listener()).id)


def planned(chosen: CampaignSettings, *names: str, **more: Any):
    registry = plugins.load()
    platforms = {name: registry.platforms[name].Settings(**more) for name in names}
    return orchestrator.plan(RunSpec(ArmPrediction(), chosen, platforms), registry)


@pytest.mark.slow
def test_each_function_is_deployed_once_for_a_machine_and_a_campaign(store: Store, waits: str) -> None:
    view = run(store, settings(waits))

    assert view.status is RunStatus.FINISHED
    assert view.run.design is Design.RMIT
    assert Counter(item.platform for item in view.deployments()) == {"fake": 2, "other": 2}
    levels = [(cell.factors["campaign"], cell.factors["side"], cell.factors["size"]) for cell in view.cells()]
    assert levels == list(product(("train", "test"), ("from", "to"), ("1", "20", "40")))
    assert {cell.status for cell in view.cells()} == {CellStatus.FINISHED}
    assert set(Counter(view.frame()["cell_id"]).values()) == {2}


@pytest.mark.slow
def test_both_machines_meet_in_every_round_of_a_campaign(store: Store, waits: str) -> None:
    frame = run(store, settings(waits)).frame()
    cells = defaultdict(set)
    for number, cell in zip(frame["round"], frame["cell_id"], strict=True):
        cells[number].add(cell)
    assert [len(met) for met in cells.values()] == [6, 6, 6, 6]


@pytest.mark.slow
def test_steps_take_the_run_times_asked_for(store: Store, waits: str) -> None:
    chosen = settings(waits, runs=3, steps=2, run_times="0.1s..0.3s", campaigns=("train",))
    view = run(store, chosen)
    (found,) = stored_steps(view).values()
    # 2 ms + n / 1000 s: 100 ms are n = 98, and 300 ms are n = 298.
    assert found.first == pytest.approx(98, abs=20)
    assert found.last == pytest.approx(298, abs=30)
    shortest = {
        cell.factors["size"]: min(view.column("function.duration_s", cell_id=cell.id, kind=Kind.MEASURED))
        for cell in view.cells()
        if cell.factors["side"] == "from"
    }
    assert shortest == {"1": pytest.approx(0.1, rel=0.3), "40": pytest.approx(0.3, rel=0.3)}


@pytest.mark.slow
def test_work_of_a_smaller_size_is_done_where_the_least_of_the_default_takes_too_long(
    store: Store, write_function: Callable[..., Path]
) -> None:
    code = "import time\ndef handler(event, context):\n    time.sleep(event['n'] * event['each_s'])\n    return {}\n"
    manifest = (
        MANIFEST.replace('"float"', '"int"').replace("minimum = 0", "minimum = 1")
        + '[parameters.each_s]\ntype = "float"\ndefault = 0.5\n'
    ).replace("{ n = 5 }", "{ n = 5, each_s = 0.001 }\nsmall = { n = 5, each_s = 0.2 }\nlarge = { n = 9 }")
    pieces = str(write_function("pieces", code, manifest=manifest))
    view = run(store, settings(pieces, campaigns=("train",), runs=1), "fake")
    (found,) = stored_steps(view).values()
    assert found.size == "test"
    assert {cell.status for cell in view.cells()} == {CellStatus.FINISHED}
    assert max(view.column("function.duration_s", kind=Kind.MEASURED)) < 0.2  # the least of the others' run times


@pytest.mark.slow
def test_one_platform_is_a_pair_with_itself(store: Store, waits: str) -> None:
    view = run(store, settings(waits, campaigns=("train",)), "fake")
    assert [item.platform for item in view.deployments()] == ["fake", "fake"]
    assert {cell.factors["side"] for cell in view.cells()} == {"from", "to"}


@pytest.mark.slow
def test_two_memory_sizes_of_one_platform_are_a_pair(store: Store, waits: str) -> None:
    view = run(store, settings(waits, campaigns=("train",), memory_mib=512, to_memory_mib=1024), "fake")
    assert [item.memory_mib for item in view.deployments()] == [512, 1024]


@pytest.mark.slow
def test_function_that_fails_is_a_result_and_the_others_go_on(
    store: Store, waits: str, write_function: Callable[..., Path]
) -> None:
    fails = str(write_function("fails", FAILS, manifest=MANIFEST))
    view = run(store, settings(fails, waits, campaigns=("train",)))
    by_name = defaultdict(set)
    for cell in view.cells():
        by_name[cell.factors["benchmark"]].add((cell.status, cell.stop_reason))
    assert by_name["waits"] == {(CellStatus.FINISHED, "enough samples")}
    assert by_name["fails"] == {(CellStatus.FAILED, "no steps")}
    assert "not today" in next(cell.error or "" for cell in view.cells() if cell.factors["benchmark"] == "fails")
    # Without steps it is not deployed where it would be predicted.
    assert Counter((item.platform, item.benchmark) for item in view.deployments()) == {
        ("fake", "fails"): 1, ("fake", "waits"): 1, ("other", "waits"): 1,
    }  # fmt: skip


@pytest.mark.slow
def test_interrupted_campaign_goes_on_with_the_same_steps(store: Store, waits: str) -> None:
    chosen = settings(waits)
    cut = run(store, chosen, limits=Limits(max_invocations=22))
    assert cut.status is RunStatus.INTERRUPTED
    before = stored_steps(cut)

    view = run(store, chosen, resume=cut.run.id)

    assert view.status is RunStatus.FINISHED
    assert stored_steps(view) == before
    assert len([value for value in view.values() if value.metric == "arm-prediction.steps"]) == 1
    assert min(Counter(view.frame()["cell_id"]).values()) == 2


@pytest.mark.slow
def test_more_functions_than_may_be_deployed_are_measured_in_groups(
    store: Store, waits: str, write_function: Callable[..., Path]
) -> None:
    more = [str(write_function(f"waits-{number}", WAITS, manifest=MANIFEST)) for number in range(2)]
    most = 0

    class Counting(FakePlatform):
        def deploy(self, package: Any, config: Any) -> Any:
            nonlocal most
            most = max(most, len(self._packages) + 1)
            return super().deploy(package, config)

    registry = registry_with(Counting)
    chosen = settings(waits, *more, campaigns=("train",), max_deployed=4, steps=2, runs=1)
    spec = RunSpec(ArmPrediction(), chosen, {"fake": FakeSettings()}, seed=1)
    view = store.view(orchestrator.run(spec, registry, store, Listener()).id)
    assert view.status is RunStatus.FINISHED
    assert most == 4


@pytest.mark.slow
def test_new_sandboxes_serve_the_later_samples(store: Store, waits: str) -> None:
    view = run(store, settings(waits, campaigns=("train",), runs=4, sandboxes=2), "fake")
    frame = view.frame(more=["sandbox_id"])
    by_cell = defaultdict(set)
    for cell, sandbox in zip(frame["cell_id"], frame.words("sandbox_id"), strict=True):
        by_cell[cell].add(sandbox)
    assert {len(served) for served in by_cell.values()} == {2}


@pytest.mark.slow
def test_paper_preset_is_the_study_and_is_priced_before_it_starts() -> None:
    plan = planned(CampaignSettings(preset="paper"), "aws", "aws-arm", region="us-east-1")
    assert len(plan.cells) == 18 * 40 * 2 * 2
    assert plan.invocations == 18 * 40 * 100 * 2 * 2
    trained = [cell for cell in plan.cells if cell.factors["split"] == "train"]
    assert sum(cell.invocations for cell in trained if cell.factors["campaign"] == "train") == 88_000
    # 288,000 calls of 62 s on average with 3008 MiB, x86 at 0.0000166667 and ARM at 0.0000133334 USD per GB-s.
    assert plan.cost_usd == pytest.approx(144_000 * 62 * 3008 / 1024 * 0.0000300001, rel=0.01)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run_times": "4s"}, "write both ends"),
        ({"run_times": "5s..4s"}, "`run_times` '5s..4s' goes backwards"),
        ({"run_times": "4s..4s"}, "must grow"),
        ({"run_times": "4s..soon"}, "`run_times` '4s..soon' is not a duration"),
        ({"steps": 1}, "2 or more"),
        ({"campaigns": ()}, "must name one or both"),
    ],
)
def test_settings_that_make_no_campaign_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CampaignSettings(**changes)


def test_run_times_are_written_as_every_other_duration() -> None:
    assert CampaignSettings(run_times="4s..2m").ends_s == (4.0, 120.0)
    assert CampaignSettings(run_times="500ms..1.5s").ends_s == (0.5, 1.5)
    assert CampaignSettings(run_times="4..120").ends_s == (4.0, 120.0)


def test_three_platforms_are_refused() -> None:
    with pytest.raises(UserError, match="takes a pair of platforms, not local, docker, docker-arm"):
        planned(CampaignSettings(), "local", "docker", "docker-arm")


def test_benchmark_without_steps_is_refused() -> None:
    with pytest.raises(UserError, match="'sleep' has no numbered steps"):
        planned(CampaignSettings(benchmarks=("sleep",)), "local")


def test_function_kept_back_must_be_there() -> None:
    with pytest.raises(UserError, match="--unseen 'csv' is not among the benchmarks: float"):
        planned(CampaignSettings(benchmarks=("float",), unseen=("csv",)), "local")


def test_users_say_which_functions_are_kept_back() -> None:
    plan = planned(CampaignSettings(benchmarks=("float", "thread"), unseen=("thread",)), "local")
    assert {(cell.factors["benchmark"], cell.factors["split"]) for cell in plan.cells} == {
        ("float", "train"),
        ("thread", "unseen"),
    }


@pytest.mark.slow
def test_steps_are_found_where_noise_hides_the_line(store: Store, write_function: Callable[..., Path]) -> None:
    # The same time whatever the work: a line through it has no slope to be solved for.
    code = "import time\ndef handler(event, context):\n    time.sleep(0.01)\n    return {}\n"
    view = run(
        store, settings(str(write_function("flat", code, manifest=MANIFEST)), campaigns=("train",), runs=1), "fake"
    )
    (found,) = stored_steps(view).values()
    assert found.first < found.last
    assert {cell.status for cell in view.cells()} == {CellStatus.FINISHED}


def test_line_weighs_relative_errors_alike() -> None:
    base_s, unit_s = line([(0, 1.0), (10, 2.0), (100, 11.0)])
    assert (base_s, unit_s) == pytest.approx((1.0, 0.1))
    with pytest.raises(UserError, match="does not scale"):
        line([(1, 2.0), (10, 1.0)])


@pytest.mark.slow
def test_several_functions_are_called_at_a_time_and_never_one_twice(
    sebsx: Cli, write_function: Callable[..., Path]
) -> None:
    folders = [str(write_function(f"waits-{number}", WAITS, manifest=MANIFEST)) for number in range(3)]
    sebsx.say(
        "run", "experiment", "arm-prediction", "--benchmarks", ",".join(folders), "--steps", "2", "--runs", "2",
        "--run-times", "0.1s..0.2s", "--parallel", "4", "--campaigns", "train",
    )  # fmt: skip
    with open_store(sebsx.store) as store:
        view = store.view(store.runs()[0].id)
        assert {cell.status for cell in view.cells()} == {CellStatus.FINISHED}
        spans = defaultdict(list)
        for call in view.invocations(kind=Kind.MEASURED):
            spans[call.deployment_id].append((call.client_sent_s, call.client_done_s))
    every = sorted(span for those in spans.values() for span in those)
    assert any(later[0] < earlier[1] for earlier, later in pairwise(every))
    for those in spans.values():
        ordered = sorted(those)
        assert all(later[0] >= earlier[1] for earlier, later in pairwise(ordered))
