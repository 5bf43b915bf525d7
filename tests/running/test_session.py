"""A session on a platform that fails in ways that cannot be provoked: each failure is a stored result."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sebsx.cli.running import raise_for
from sebsx.contracts.agenda import Agenda
from sebsx.contracts.calls import Calls
from sebsx.contracts.experiments import Experiment
from sebsx.contracts.functions import FunctionSpec
from sebsx.contracts.runs import RunView
from sebsx.contracts.scene import Scene
from sebsx.contracts.schedules import Arrivals, Closed
from sebsx.contracts.session import Session
from sebsx.errors import PlatformError, UnsuccessfulError, UnsupportedError, UserError
from sebsx.model import (
    Capability,
    Cell,
    CellStatus,
    Deployment,
    FunctionConfig,
    Invocation,
    Kind,
    Package,
    Plan,
    RunStatus,
    StartType,
    Status,
)
from sebsx.model.clock import client_clock
from sebsx.running import environment, orchestrator
from sebsx.running.orchestrator import RunSpec
from sebsx.settings import NoSettings
from sebsx.store import Store
from sebsx.store.engine import Database
from sebsx.testing.fakes import FakePlatform, FakeSettings, Fault
from sebsx.testing.later import LaterPlatform
from sebsx.testing.registries import registry_with
from sebsx_eviction.experiment import Eviction, EvictionSettings
from sebsx_load.experiment import Load
from sebsx_load.shapes import LoadSettings
from sebsx_perf_cost.experiment import PerfCost, PerfCostSettings
from tests.orchestration import ECHO, Listener, failing, run_spec, store_in

TRANSACTIONS = 10


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))


@pytest.fixture
def store(tmp_path: Path):
    with store_in(tmp_path) as opened:
        yield opened


def measure(store: Store, platform: type[FakePlatform], **settings: object) -> RunView:
    run = orchestrator.run(run_spec(**settings), registry_with(platform), store, Listener())
    assert run.status in (RunStatus.FINISHED, RunStatus.UNSUCCESSFUL)
    return store.view(run.id)


def statuses(view: RunView) -> Counter[Status]:
    return Counter(invocation.status for invocation in view.invocations(kind=Kind.MEASURED))


def test_facts_to_repeat_a_run_are_stored_with_each_deployment(store: Store) -> None:
    view = measure(store, failing(), repetitions=4)
    (deployment,) = view.deployments()
    assert {value.deployment_id for value in view.values() if not value.metric.startswith("host.")} == {deployment.id}
    told = {value.metric: json.loads(value.text) for value in view.values() if value.text}
    sent = next(view.invocations()).bytes_out
    assert told["client.input"]["bytes"] == sent
    assert len(told["client.input"]["sha256"]) == 64
    assert "client.source" in told
    # A platform with an invoke of its own has no endpoint, and so no round trip.
    assert "client.round_trip_s" not in {value.metric for value in view.values()}


def test_cell_takes_few_transactions_and_git_is_asked_once_for_a_benchmark(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, asked = [], []
    begin, ask = Database._written, environment._git_state
    monkeypatch.setattr(Database, "_written", lambda self, **options: written.append(1) or begin(self, **options))
    monkeypatch.setattr(environment, "_git_state", lambda folder: asked.append(folder) or ask(folder))
    taken = []
    for memory_mib in ((128, 256), (128, 256, 512, 1024)):
        written.clear()
        asked.clear()
        measure(store, FakePlatform, memory_mib=memory_mib, start=("cold",), repetitions=1)
        taken.append(len(written))
        assert asked.count(Path(ECHO)) == 1
    few, more = taken
    assert (more - few) / 2 <= TRANSACTIONS  # a deployment of its own and one call each


WARM_UP = None  # the first invocation


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        (Fault.THROTTLED, Status.THROTTLED, "HTTP 429"),
        (Fault.LOST, Status.TIMEOUT, "timeout"),
        (Fault.REFUSED, Status.PLATFORM_ERROR, "connection refused"),
        (Fault.GARBLED, Status.FUNCTION_ERROR, "answer is not JSON"),
        (Fault.OUT_OF_MEMORY, Status.OUT_OF_MEMORY, "HTTP 507"),
    ],
)
def test_failed_invocation_is_stored_and_the_samples_are_still_taken(
    store: Store, fault: Fault, status: Status, reason: str
) -> None:
    view = measure(store, failing(WARM_UP, fault), repetitions=4)
    # Out of memory costs the sandbox: the call after it is cold, and does not count as warm.
    more = 1 if fault is Fault.OUT_OF_MEMORY else 0
    assert statuses(view) == {Status.OK: 4 + more, status: 1}
    (failed,) = view.invocations(status=status)
    assert reason in (failed.error or "")
    assert view.cells()[0].status is CellStatus.FINISHED


def test_cell_is_given_up_after_as_many_failures_as_allowed(store: Store) -> None:
    view = measure(store, failing(WARM_UP, *[Fault.THROTTLED] * 50), max_failures=4)
    (cell,) = view.cells()
    assert (cell.status, cell.error) == (CellStatus.FAILED, "throttled: HTTP 429")
    # A batch is not split: at least as many as allowed, at most one batch more.
    assert 4 <= statuses(view)[Status.THROTTLED] <= 4 + 3
    with pytest.raises(UnsuccessfulError, match=r"1 of 1 cells failed; .* invocations failed: throttled: HTTP 429"):
        raise_for(view.run, view.cells())


@pytest.mark.slow
def test_answer_without_a_known_start_counts_as_neither_cold_nor_warm(store: Store) -> None:
    view = measure(store, failing(WARM_UP, Fault.THROTTLED, Fault.REFUSED))
    unknown = [invocation for invocation in view.invocations() if invocation.start_type is StartType.UNKNOWN]
    assert [invocation.status for invocation in unknown] == [Status.THROTTLED, Status.PLATFORM_ERROR]
    assert statuses(view)[Status.OK] == 3


@pytest.mark.slow
def test_record_that_comes_late_is_filled_in_at_the_end(store: Store) -> None:
    view = measure(store, FakePlatform, platforms={"fake": FakeSettings(record_delay_polls=1)})
    assert statuses(view)[Status.OK] == 3
    for invocation in view.invocations(kind=Kind.MEASURED):
        assert invocation.provider_duration_s is not None
        assert invocation.start_evidence == '{"function": "warm", "provider": "warm"}'


def test_a_run_that_is_taken_up_again_meets_no_name_of_its_killed_process(store: Store) -> None:
    names: list[str] = []

    class Naming(FakePlatform):
        def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
            names.append(config.name)
            if len(names) == 1:
                raise KeyboardInterrupt
            return super().deploy(package, config)

    with pytest.raises(KeyboardInterrupt):
        orchestrator.run(run_spec(), registry_with(Naming), store, Listener())
    (interrupted,) = store.runs()
    orchestrator.run(replace(run_spec(), resume=interrupted.id), registry_with(Naming), store, Listener())
    assert len(set(names)) == 2


class Small(FakePlatform):
    """Takes no more than 256 MiB."""

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        if config.memory_mib > 256:
            raise UnsupportedError(f"{config.memory_mib} MiB are more than this account may have")
        return super().deploy(package, config)


def test_unsupported_cell_does_not_keep_the_others(store: Store) -> None:
    view = measure(store, Small, memory_mib=(128, 512, 256))
    assert [cell.status for cell in view.cells()] == ["finished", "unsupported", "finished"]
    assert "more than this account" in (view.cells()[1].error or "")
    assert [deployment.status for deployment in view.deployments()] == ["deleted", "unsupported", "deleted"]
    raise_for(view.run, view.cells())  # something was measured: no error


def test_warning_of_a_refused_deployment_names_the_benchmark_and_not_its_folder(store: Store) -> None:
    listener = Listener()
    orchestrator.run(run_spec(memory_mib=(512,)), registry_with(Small), store, listener)
    (warning,) = [text for text in listener.warnings if "more than this account" in text]
    assert str(ECHO) != "echo"
    assert warning.startswith("echo (")


def test_nothing_supported_is_a_platform_error(store: Store) -> None:
    view = measure(store, Small, memory_mib=(512, 1024))
    with pytest.raises(PlatformError, match="nothing could be measured: 512 MiB"):
        raise_for(view.run, view.cells())


def test_benchmark_whose_needs_a_platform_lacks_is_unsupported(store: Store) -> None:
    class Bare(FakePlatform):
        capabilities = frozenset({Capability.FORCE_COLD})

    view = measure(store, Bare, benchmarks=("crud-api",), size="test")
    assert [cell.status for cell in view.cells()] == [CellStatus.UNSUPPORTED]
    assert "'crud-api' needs table" in (view.cells()[0].error or "")


def test_no_way_to_force_a_cold_start_is_unsupported_and_warm_goes_on(store: Store) -> None:
    class Warm(FakePlatform):
        capabilities = FakePlatform.capabilities - {Capability.FORCE_COLD}

    view = measure(store, Warm, start=("cold", "warm"))
    assert [(cell.factors["start"], cell.status) for cell in view.cells()] == [
        ("cold", CellStatus.UNSUPPORTED),
        ("warm", CellStatus.FINISHED),
    ]


def test_every_batch_is_stored_before_observer_and_plugins_hear_of_it(store: Store) -> None:
    heard: list[tuple[int, int]] = []

    def stored(run, deployment, invocations):
        heard.append((len(invocations), sum(store.counts(run.id).values())))

    registry = registry_with(FakePlatform, sebsx_invocations_stored=stored)
    orchestrator.run(run_spec(start=("cold",)), registry, store, Listener())
    assert heard == [(1, 1), (1, 2), (1, 3)]


class Sweeping(PerfCost):
    """Calls one deployment with two inputs, and keeps a figure of each output."""

    def run(self, session: Session, settings: PerfCostSettings) -> None:
        (cell,) = self.plan(session.scene, settings).cells
        with (
            session.deployed(FunctionSpec.of(cell), [cell]) as function,
            session.measure(cell, function) as measurement,
        ):
            for held_s in (0.0, 0.25):
                read = {"duration_s": str(held_s)}
                measurement.function = session.called(
                    function, read, lambda output: {"phase.told_s": output["slept_s"]}
                )
                measurement.invoke(Closed(2))
            session.finish(measurement, CellStatus.FINISHED, "enough samples")


@pytest.mark.slow
def test_one_deployment_is_called_with_other_input_and_what_is_read_of_the_output_is_stored(store: Store) -> None:
    wanted = replace(run_spec(benchmarks=("sleep",), size="test", start=("warm",)), experiment=Sweeping())
    run = orchestrator.run(wanted, registry_with(FakePlatform), store, Listener())
    view = store.view(run.id)
    assert len(view.deployments()) == 1
    told = [call.samples["phase.told_s"] for call in view.invocations(kind=Kind.MEASURED)]
    assert [told_s >= 0.25 for told_s in told] == [False, False, True, True]


class Several(Experiment[NoSettings]):
    """Sends one batch in which every request has an input of its own."""

    name = "several"
    summary = "a test"

    def __init__(self, **spec: Any) -> None:
        self._spec = spec

    def plan(self, scene: Scene, settings: NoSettings) -> Plan:
        factors = {
            "platform": "fake",
            "benchmark": ECHO,
            "size": "default",
            "memory_mib": 128,
            "architecture": "x86_64",
        }
        return Plan((Cell({**factors, "language": "python", "timeout_s": 10.0}, 3),), deployments=1)

    def run(self, session: Session, settings: NoSettings) -> None:
        (cell,) = session.pending(self.plan(session.scene, settings))
        spec = FunctionSpec(**cell.factors, **self._spec)
        with session.deployed(spec, [cell]) as function:
            if function is None:
                return
            with session.measure(cell, function) as measurement:
                measurement.invoke(Closed(3), events=[{"do": "echo", "value": value} for value in ("c", "a", "bb")])
                session.finish(measurement, CellStatus.FINISHED, "enough")


def test_every_request_of_a_batch_may_have_an_input_of_its_own(store: Store) -> None:
    run = orchestrator.run(
        orchestrator.RunSpec(Several(), NoSettings(), {"fake": FakeSettings()}, seed=1),
        registry_with(FakePlatform), store, Listener(),
    )  # fmt: skip
    view = store.view(run.id)
    # The check holds each answer against the input that it belongs to.
    assert statuses(view) == {Status.OK: 3}
    sizes = [invocation.bytes_out for invocation in view.invocations()]
    assert [size - sizes[0] for size in sizes] == [0, 0, 1]


class ThroughTheDoor(Several):
    """Sends the same calls by each way that the one door has."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way

    def run(self, session: Session, settings: NoSettings) -> None:
        (cell,) = session.pending(self.plan(session.scene, settings))
        spec = replace(FunctionSpec(**cell.factors), platform="later")
        with session.deployed(spec, [cell]) as function:
            assert function is not None
            with session.measure(cell, function) as measurement:
                calls = Calls(
                    function=function,
                    schedule=Arrivals([0.0, 0.01, 0.02]),
                    cell_id=measurement.cell_id,
                    round=4,
                    events=[{"do": "echo", "value": value} for value in ("c", "a", "bb")],
                    read=lambda output: {"phase.length_s": float(len(output["result"]))},
                )
                self.send(session, calls)
                assert session.next_round == 5
                session.finish(measurement, CellStatus.FINISHED, "enough")

    def send(self, session: Session, calls: Calls) -> None:
        if self.way == "batch":
            assert len(session.send(calls).invocations) == 3
        elif self.way == "phase":
            told: list[Invocation] = []
            sent = session.send(calls, streamed=True, on_stored=told.extend)
            assert sent.health is not None
            assert (sent.health.sent, len(told)) == (3, 3)
        else:
            agenda = Agenda()
            agenda.add(calls, client_clock().now())
            (sent,) = session.send(agenda)
            assert (sent.calls, len(sent.invocations)) == (calls, 3)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["batch", "phase", "agenda"])
def test_one_door_means_the_same_by_each_way(store: Store, way: str) -> None:
    run = orchestrator.run(
        orchestrator.RunSpec(ThroughTheDoor(way=way), NoSettings(), {"later": FakeSettings()}, seed=1),
        registry_with(LaterPlatform), store, Listener(),
    )  # fmt: skip
    calls = sorted(store.view(run.id).invocations(), key=lambda each: each.client_intended_s)
    assert [call.status for call in calls] == [Status.OK] * 3  # the check holds each answer against its input
    assert [call.samples["phase.length_s"] for call in calls] == [1.0, 1.0, 2.0]
    assert {call.round for call in calls} == {4}


def test_files_of_a_deployment_are_in_its_package(store: Store) -> None:
    seen: list[set[str]] = []

    class Looking(FakePlatform):
        def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
            with zipfile.ZipFile(package.path) as archive:
                seen.append(set(archive.namelist()))
            return super().deploy(package, config)

    experiment = Several(files=(("more/words.txt", b"hello"),))
    request_ = orchestrator.RunSpec(experiment, NoSettings(), {"fake": FakeSettings()}, seed=1)
    orchestrator.run(request_, registry_with(Looking), store, Listener())
    assert {"more/words.txt", "function.py"} <= seen[0]


def test_deployment_that_needs_what_the_platform_lacks_is_unsupported(store: Store) -> None:
    experiment = Several(needs=frozenset({Capability.KEEP_ALIVE_POLICY}))
    request_ = orchestrator.RunSpec(experiment, NoSettings(), {"fake": FakeSettings()}, seed=1)
    run = orchestrator.run(request_, registry_with(FakePlatform), store, Listener())
    (cell,) = store.view(run.id).cells()
    assert cell.status is CellStatus.UNSUPPORTED
    assert "keep-alive-policy" in (cell.error or "")


class Grouping(Experiment[NoSettings]):
    """Two calls measured as one, with words, a number and a file."""

    name = "grouping"
    summary = "two calls as one"
    Settings = NoSettings

    def plan(self, scene: Scene, settings: NoSettings) -> Plan:
        factors = {
            "platform": "fake", "benchmark": ECHO, "size": "default", "language": "python", "architecture": "x86_64",
            "memory_mib": 128, "timeout_s": 10.0,
        }  # fmt: skip
        return Plan((Cell(factors, 2),), deployments=1)

    def run(self, session: Session, settings: NoSettings) -> None:
        (cell,) = session.pending(self.plan(session.scene, settings))
        path = session.scene.platforms["fake"].workdir / "model.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"weights")
        with session.deployed(FunctionSpec.of(cell), [cell]) as function:
            assert function is not None
            with session.measure(cell, function) as measurement:
                measurement.invoke(Closed(1), Kind.WARMUP)
                with session.execution("workflow", measurement.cell_id, function, round=0) as group:
                    first, second = measurement.invoke(Closed(2))
                    group.figures["function.duration_s"] = 0.25
                session.record("client.input", "about this one", invocation=first)
                session.record("function.import_s", 0.5, invocation=second)
                session.keep(path, role="model", function=function, invocation=second)
                session.finish(measurement, CellStatus.FINISHED, "enough samples")


def test_calls_inside_an_execution_belong_to_it_with_what_was_measured_of_them_together(store: Store) -> None:
    request = orchestrator.RunSpec(Grouping(), NoSettings(), {"fake": FakeSettings()}, seed=1)
    run = orchestrator.run(request, registry_with(failing(None, None, Fault.THROTTLED)), store, Listener())
    view = store.view(run.id)
    warmup, first, second = view.invocations()
    [execution] = view.executions()
    assert [each.execution for each in (warmup, first, second)] == [None, execution.id, execution.id]
    assert (execution.kind, execution.round, execution.figures) == ("workflow", 0, {"function.duration_s": 0.25})
    assert (execution.begin_s, execution.end_s) == (first.client_sent_s, second.client_done_s)
    assert (execution.status, execution.error) == (Status.THROTTLED, "HTTP 429")
    assert second.samples["function.import_s"] == 0.5
    [words] = [value for value in view.values() if value.text == "about this one"]
    assert (words.metric, words.sequence) == ("client.input", first.sequence)
    [artifact] = view.artifacts()
    assert (artifact.role, artifact.name, artifact.sequence) == ("model", "model.bin", second.sequence)
    with view.open_artifact(artifact) as file:
        assert file.read() == b"weights"


STAGED = """
def build(parameters, artifacts, target):
    made = artifacts.folder / "made.txt"
    made.write_text(f"for {target.function} {target.variant}")
    artifacts.package(made)


def payload(parameters, rng, storage, function, variant):
    return {"do": "echo", "value": f"{function} {variant}"}


def check(payload, output, storage):
    return None if output["value"] == payload["value"] else "another function answered"
"""
FUNCTION = "def handler(event, context):\n    return {'value': event['value']}\n"


@pytest.mark.slow
def test_functions_and_variants_are_conditions_of_one_run_with_what_was_built_for_them(
    store: Store, tmp_path: Path
) -> None:
    seen: dict[str, str] = {}

    class Looking(FakePlatform):
        def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
            with zipfile.ZipFile(package.path) as archive:
                seen[archive.read("made.txt").decode()] = archive.read("data.txt").decode()
            return super().deploy(package, config)

    root = tmp_path / "staged"
    for name, text in {
        "benchmark.toml": 'name = "staged"\nversion = "1"\nsummary = "s"\n[functions.first]\n[functions.second]\n'
        "memory_mib = 1024\n[variants.fast]\n",
        "benchmark.py": STAGED,
        "first/python/function.py": FUNCTION,
        "second/python/function.py": FUNCTION,
        "first/python/data.txt": "plain",
        "second/python/data.txt": "plain",
        "variants/fast/first/python/data.txt": "fast",
        "variants/fast/second/python/data.txt": "fast",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    view = measure(
        store, Looking, benchmarks=(str(root),), functions=("first", "second"), variants=("", "fast"), repetitions=2
    )
    assert seen == {"for first ": "plain", "for first fast": "fast", "for second ": "plain", "for second fast": "fast"}
    named = {(cell.factors.get("function"), cell.factors.get("variant")): cell for cell in view.cells()}
    assert set(named) == {("first", None), ("first", "fast"), ("second", None), ("second", "fast")}
    assert named["second", "fast"].factors["memory_mib"] == 1024
    assert statuses(view) == {Status.OK: 2 * len(view.cells())}
    assert len({deployment.deployed_sha256 for deployment in view.deployments()}) == 4
    assert Counter(artifact.role for artifact in view.artifacts())["built"] == len(view.deployments())
    told = [json.loads(value.text or "") for value in view.values() if value.metric == "client.build"]
    assert all(each["files"].keys() == {"package/made.txt"} and each["build_s"] >= 0 for each in told)


SLOW = "import time\n\n\ndef handler(event, context):\n    time.sleep(event['duration_s'])\n    return {'value': 1}\n"


def parted(root: Path) -> str:
    """Make a benchmark with two functions, and a variant of the first alone."""
    for name, text in {
        "benchmark.toml": 'name = "parted"\nversion = "1"\nsummary = "s"\n'
        '[parameters.duration_s]\ntype = "float"\ndefault = 0.1\n'
        '[functions.first]\n[functions.second]\n[variants.fast]\nfunctions = ["first"]\n',
        "benchmark.py": "def payload(parameters, rng, storage):\n    return dict(parameters)\n\n\n"
        "def check(payload, output, storage):\n    return None\n",
        "first/python/function.py": SLOW,
        "second/python/function.py": SLOW,
        "variants/fast/first/python/data.txt": "fast",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return str(root)


PARTS: dict[str, Any] = {"functions": ("first", "second"), "variants": ("", "fast")}


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["perf-cost", "load", "eviction"])
def test_variant_that_a_function_does_not_have_is_an_unsupported_cell(
    store: Store, tmp_path: Path, experiment: str
) -> None:
    folder = parted(tmp_path / "parted")
    asked = {
        "perf-cost": lambda: run_spec(benchmarks=(folder,), repetitions=1, **PARTS),
        "load": lambda: RunSpec(Load(), LoadSettings(benchmark=folder, burst=2, **PARTS), {"fake": FakeSettings()}),
        "eviction": lambda: RunSpec(
            Eviction(),
            EvictionSettings(
                benchmark=folder, idle_s=(0.1,), d_init=(2,), repetitions=1, hold_s=(0.1,), max_void=1, **PARTS
            ),
            {"fake": FakeSettings()},
        ),
    }[experiment]()
    registry = registry_with(type("Later", (LaterPlatform,), {"name": "fake"}))
    why = "variant 'fast' of benchmark 'parted' is of first alone"
    plan = orchestrator.plan(asked, registry)
    parts = {(cell.factors.get("function"), cell.factors.get("variant")): cell.unsupported for cell in plan.cells}
    assert parts == {("first", None): None, ("first", "fast"): None, ("second", None): None, ("second", "fast"): why}
    cells = store.view(orchestrator.run(asked, registry, store, Listener()).id).cells()
    refused = [cell for cell in cells if cell.status == "unsupported"]
    assert [(cell.factors["function"], cell.factors["variant"], cell.error) for cell in refused] == [
        ("second", "fast", why)
    ]
    assert len(cells) == 4


def test_variant_that_none_of_the_functions_has_is_a_mistake(tmp_path: Path) -> None:
    spec = run_spec(benchmarks=(parted(tmp_path / "parted"),), functions=("second",), variants=("fast",))
    with pytest.raises(UserError, match="is of first alone"):
        orchestrator.plan(spec, registry_with(FakePlatform))


@pytest.mark.slow
def test_work_folder_of_a_run_is_for_the_eyes_of_its_owner(store: Store) -> None:
    modes: list[int] = []

    class Looking(FakePlatform):
        def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
            modes.append(self.workdir.parent.stat().st_mode & 0o777)
            return super().deploy(package, config)

    measure(store, Looking, repetitions=1)
    assert modes == [0o700]
