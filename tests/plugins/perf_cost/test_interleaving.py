"""Cells measured in rounds: what a round holds, when it ends, and what an interruption leaves, on a fake platform."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.platforms import PlatformContext
from sebsx.contracts.runs import RunView
from sebsx.errors import UnsupportedError, UserError
from sebsx.model import Capability, CellStatus, Deployment, Design, FunctionConfig, Kind, Package, Reply, Status
from sebsx.running import orchestrator
from sebsx.store import Store
from sebsx.testing.fakes import FakePlatform, FakeSettings, Fault
from sebsx.testing.registries import registry_with
from sebsx_perf_cost.analyzer import PerfCostAnalyzer, PerfCostAnalyzerSettings
from tests.orchestration import Listener, Restoring, run_spec, store_in

Write = Callable[..., Path]
SWEEP = (128, 256, 512)


@pytest.fixture(autouse=True)
def _home(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with store_in(tmp_path) as opened:
        yield opened


def measure(store: Store, platform: type[FakePlatform] = FakePlatform, seed: int = 1, **settings: Any) -> RunView:
    wanted = replace(run_spec(**settings), seed=seed)
    return store.view(orchestrator.run(wanted, registry_with(platform), store, Listener()).id)


def turns(view: RunView, *levels: str) -> dict[int, list[Any]]:
    """Return for each round the levels of the invocations in the order in which they were sent."""
    factors = {cell.id: cell.factors for cell in view.cells()}
    found: dict[int, list[Any]] = defaultdict(list)
    for call in view.invocations(kind=Kind.MEASURED):
        assert call.round is not None
        assert call.cell_id is not None
        cell = factors[call.cell_id]
        found[call.round].append(tuple(cell[level] for level in levels) if len(levels) > 1 else cell[levels[0]])
    return found


@pytest.mark.slow
def test_every_round_has_each_condition_once_in_another_order(store: Store) -> None:
    view = measure(store, memory_mib=SWEEP, repetitions=8)
    assert view.run.design is Design.RMIT
    rounds = turns(view, "memory_mib")
    assert sorted(rounds) == list(range(8))
    assert {tuple(sorted(order)) for order in rounds.values()} == {SWEEP}
    assert len({tuple(order) for order in rounds.values()}) > 1


@pytest.mark.slow
def test_order_belongs_to_the_seed(store: Store) -> None:
    first, again, other = (
        turns(measure(store, memory_mib=SWEEP, repetitions=8, seed=s), "memory_mib") for s in (1, 1, 2)
    )
    assert first == again
    assert first != other


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "design"),
    [
        ({"memory_mib": (128,), "start": ("cold", "warm")}, Design.SEQUENTIAL),  # one condition
        ({"memory_mib": (128, 256)}, Design.RMIT),
        ({"memory_mib": (128, 256), "design": "sequential"}, Design.SEQUENTIAL),
        ({"memory_mib": (128,), "design": "rmit"}, Design.RMIT),
    ],
)
def test_whoever_compares_interleaves_unless_told_otherwise(
    store: Store, settings: dict[str, Any], design: Design
) -> None:
    view = measure(store, repetitions=1, **settings)
    assert view.run.design is design
    rounds = {call.round for call in view.invocations(kind=Kind.MEASURED)}
    assert rounds == ({0} if design is Design.RMIT else {None})


@pytest.mark.slow
def test_forced_cold_starts_take_no_sandbox_of_warm_cells(store: Store) -> None:
    view = measure(store, memory_mib=(128, 256), start=("cold", "warm"), repetitions=5)
    rounds = turns(view, "memory_mib", "start")
    everything = Counter((memory, start) for memory in (128, 256) for start in ("cold", "warm"))
    assert [Counter(order) for order in rounds.values()] == [everything] * 5
    factors = {cell.id: cell.factors["start"] for cell in view.cells()}
    assert all(call.start_type == factors[call.cell_id or 0] for call in view.invocations(kind=Kind.MEASURED))
    assert Counter(call.kind for call in view.invocations()) == {Kind.MEASURED: 20, Kind.WARMUP: 2}
    assert len(view.deployments()) == 4


@pytest.mark.slow
def test_burst_is_a_turn_and_sequential_stays_one_sandbox(store: Store) -> None:
    view = measure(store, start=("burst", "sequential"), design="rmit", burst_size=3, repetitions=6)
    counts = [Counter(order) for order in turns(view, "start").values()]
    assert counts == [{"burst": 3, "sequential": 1}] * 2 + [{"sequential": 1}] * 4
    cells = {cell.factors["start"]: cell.id for cell in view.cells()}
    calls = list(view.invocations(cell_id=cells["sequential"]))
    assert [call.start_type.value for call in calls] == ["cold"] + ["warm"] * 5


def blocks(view: RunView) -> dict[int, list[tuple[int, ...]]]:
    """Return for each cell the rounds of each of its sandboxes, warm-ups left out."""
    found: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for call in view.invocations(kind=Kind.MEASURED):
        found[call.cell_id or 0][call.sandbox_id or ""].append(call.round or 0)
    return {cell: [tuple(rounds) for rounds in sandboxes.values()] for cell, sandboxes in found.items()}


@pytest.mark.slow
def test_warm_sandboxes_are_renewed_in_the_same_rounds(store: Store) -> None:
    view = measure(store, memory_mib=(128, 256), repetitions=30)
    expected = [tuple(range(first, first + 3)) for first in range(0, 30, 3)]
    assert list(blocks(view).values()) == [expected] * 2
    assert Counter(call.kind for call in view.invocations()) == {Kind.MEASURED: 60, Kind.WARMUP: 20}
    assert all(call.start_type.value == "warm" for call in view.invocations(kind=Kind.MEASURED))


@pytest.mark.slow
def test_sandboxes_are_as_many_as_told_and_change_in_a_sequential_design_too(store: Store) -> None:
    view = measure(store, design="sequential", repetitions=12, sandboxes=6)
    assert [len(rounds) for rounds in blocks(view).values()] == [6]
    assert len(next(iter(blocks(measure(store, repetitions=5)).values()))) == 1  # six are not to be had


@pytest.mark.slow
def test_versions_are_measured_until_ten_percent_would_be_found(
    store: Store, write_function: Write, tmp_path: Path
) -> None:
    same = folder_of(write_function, tmp_path, "main", "{'v': __import__('time').sleep(0.002)}")
    view = versions(store, same, same, repetitions=30, detect=0.5, max_sandboxes=14)
    assert view.run.design is Design.RMIT  # of one folder, too
    pairs = [len(rounds) for rounds in blocks(view).values()]
    assert 10 <= min(pairs) == max(pairs) <= 14
    assert {cell.stop_reason for cell in view.cells()} == {"enough samples"}


@pytest.mark.slow
def test_turns_of_quick_functions_take_the_same_number_of_samples(store: Store) -> None:
    view = measure(store, memory_mib=(128, 256), repetitions=300)
    sizes = [set(Counter(order).values()) for order in turns(view, "memory_mib").values()]
    assert all(len(size) == 1 for size in sizes)
    assert 99 <= len(sizes) <= 110  # about a hundred rounds, of three samples each
    assert {cell.stop_reason for cell in view.cells()} == {"enough samples"}


class Choosy(FakePlatform):
    """Meets faults with one memory size only."""

    due: tuple[Fault | None, ...] = ()
    memory_mib_at_fault = 256

    def __init__(self, settings: FakeSettings, context: PlatformContext) -> None:
        super().__init__(settings, context)
        self._due = list(self.due)

    def invoke(self, deployment: Deployment, payload: bytes, timeout_s: float) -> Reply:
        if deployment.config.memory_mib == self.memory_mib_at_fault and self._due:
            self.faults = [self._due.pop(0)]
        return super().invoke(deployment, payload, timeout_s)


def choosy(*due: Fault | None) -> type[Choosy]:
    return type("ChoosyHere", (Choosy,), {"due": due})


@pytest.mark.slow
def test_all_go_on_until_the_last_has_enough_so_that_pairs_are_complete(store: Store) -> None:
    view = measure(store, choosy(None, Fault.THROTTLED, Fault.LOST), memory_mib=(128, 256), repetitions=4)
    rounds = turns(view, "memory_mib")
    assert {tuple(sorted(order)) for order in rounds.values()} == {(128, 256)}
    assert len(rounds) == 6  # two of them with a failure
    assert [(cell.status, cell.stop_reason) for cell in view.cells()] == [(CellStatus.FINISHED, "enough samples")] * 2
    assert Counter(call.status for call in view.invocations(kind=Kind.MEASURED))[Status.OK] == 10


@pytest.mark.slow
def test_cell_that_is_given_up_does_not_hold_up_the_others(store: Store) -> None:
    faults = [None, *[Fault.THROTTLED] * 100]
    view = measure(store, choosy(*faults), memory_mib=(128, 256), repetitions=5, max_failures=3)
    assert {cell.factors["memory_mib"]: (cell.status, cell.stop_reason) for cell in view.cells()} == {
        128: (CellStatus.FINISHED, "enough samples"), 256: (CellStatus.FAILED, "3 invocations failed"),
    }  # fmt: skip
    rounds = turns(view, "memory_mib")
    assert [sorted(order) for order in rounds.values()] == [[128, 256]] * 3 + [[128]] * 2


@pytest.mark.slow
def test_cell_that_reaches_its_cap_ends_alone(store: Store) -> None:
    faults = [None, *[Fault.THROTTLED] * 4]
    view = measure(store, choosy(*faults), memory_mib=(128, 256), repetitions=4, max_attempts=6)
    cells = {cell.factors["memory_mib"]: cell for cell in view.cells()}
    assert (cells[256].status, cells[256].stop_reason) == (CellStatus.FINISHED, "cap of 6 attempts reached")
    # Its peer had enough long before, and went on for the sake of pairs to the same cap.
    assert (cells[128].status, cells[128].stop_reason) == (CellStatus.FINISHED, "enough samples")
    assert len(turns(view, "memory_mib")) == 6


@pytest.mark.slow
@pytest.mark.parametrize(("platform", "start"), [(FakePlatform, "cold"), (Restoring, "restored")])
def test_idle_sandbox_that_the_platform_ended_is_warmed_up_before_the_next_turn(
    store: Store, platform: type[FakePlatform], start: str
) -> None:
    class Impatient(platform):  # type: ignore[misc, valid-type]  # either of the two
        """Ends the sandboxes of all other deployments whenever one is called, every fifth time."""

        def invoke(self, deployment: Deployment, payload: bytes, timeout_s: float) -> Reply:
            reply = super().invoke(deployment, payload, timeout_s)
            if self.invocations % 5 == 0:
                for name in list(self._packages):
                    if name != deployment.id:
                        self._sandboxes.pop(name, None)
            return reply

    view = measure(store, Impatient, memory_mib=SWEEP, repetitions=12)
    assert {cell.stop_reason for cell in view.cells()} == {"enough samples"}
    kinds = Counter((call.kind, call.start_type.value) for call in view.invocations())
    assert kinds[Kind.MEASURED, start] > 0  # how it is noticed; stored and not counted
    assert kinds[Kind.WARMUP, start] + kinds[Kind.WARMUP, "warm"] > 3
    counted = [call for call in view.invocations(kind=Kind.MEASURED) if call.start_type.value == "warm"]
    assert min(Counter(call.cell_id for call in counted).values()) >= 12


@pytest.mark.slow
def test_condition_that_cannot_be_deployed_leaves_the_others_interleaved(store: Store) -> None:
    class Small(FakePlatform):
        def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
            if config.memory_mib > 256:
                raise UnsupportedError(f"{config.memory_mib} MiB are more than this account may have")
            return super().deploy(package, config)

    view = measure(store, Small, memory_mib=SWEEP, repetitions=3)
    assert [cell.status for cell in view.cells()] == [CellStatus.FINISHED, CellStatus.FINISHED, CellStatus.UNSUPPORTED]
    assert {tuple(sorted(order)) for order in turns(view, "memory_mib").values()} == {(128, 256)}


@pytest.mark.slow
def test_without_a_way_to_force_cold_the_warm_ones_are_measured(store: Store) -> None:
    class Warm(FakePlatform):
        capabilities = FakePlatform.capabilities - {Capability.FORCE_COLD}

    view = measure(store, Warm, memory_mib=(128, 256), start=("cold", "warm"), repetitions=2)
    ends = Counter((cell.factors["start"], cell.status, cell.stop_reason) for cell in view.cells())
    assert ends == {
        ("cold", CellStatus.UNSUPPORTED, "no way to force a cold start"): 2,
        ("warm", CellStatus.FINISHED, "enough samples"): 2,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("most", "sizes"),
    [
        (6, [6]),
        (5, [3, 3]),  # cold apart from warm
        (2, [2, 1, 2, 1]),
        (1, [1] * 6),
    ],
)
def test_no_more_are_deployed_at_a_time_than_allowed(store: Store, most: int, sizes: list[int]) -> None:
    live: list[int] = []

    class Counting(FakePlatform):
        def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
            made = super().deploy(package, config)
            live.append(len(self._packages))
            return made

    listener = Listener()
    wanted = run_spec(memory_mib=SWEEP, start=("cold", "warm"), repetitions=1, max_deployed=most)
    run = orchestrator.run(wanted, registry_with(Counting), store, listener)
    assert max(live) == min(most, max(sizes))
    assert live == [place for size in sizes for place in range(1, size + 1)]
    assert {cell.status for cell in store.view(run.id).cells()} == {CellStatus.FINISHED}
    told = [text for text in listener.warnings if f"interleaved in {len(sizes)} groups" in text]
    assert len(told) == (0 if len(sizes) == 1 else 1)


@pytest.mark.slow
def test_groups_that_ran_at_different_times_share_no_round(store: Store) -> None:
    wanted = run_spec(memory_mib=SWEEP, start=("warm",), repetitions=2, max_deployed=1)
    run = orchestrator.run(wanted, registry_with(FakePlatform), store, Listener())
    view = store.view(run.id)
    rounds = [{item.round for item in view.invocations(cell_id=cell.id, kind=Kind.MEASURED)} for cell in view.cells()]
    assert all(rounds)
    assert len(set.union(*rounds)) == sum(map(len, rounds))


class Impatience(Listener):
    """Interrupts after so many batches."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self.batches = batches

    def progressed(self, cell: Any, done: int, failed: int) -> None:
        super().progressed(cell, done, failed)
        if len(self.progress) == self.batches:
            raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("batches", [1, 7, 8, 9])  # in the first round, and around the end of the third
def test_interrupted_rounds_are_left_and_new_ones_complete_the_pairs(store: Store, batches: int) -> None:
    registry, wanted = registry_with(FakePlatform), run_spec(memory_mib=SWEEP, repetitions=5)
    with pytest.raises(KeyboardInterrupt):
        orchestrator.run(wanted, registry, store, Impatience(batches))
    (run,) = store.runs()
    kept = [(call.sequence, call.round, call.cell_id) for call in store.view(run.id).invocations(kind=Kind.MEASURED)]
    assert len(kept) == batches
    view = store.view(orchestrator.run(replace(wanted, resume=run.id), registry, store, Listener()).id)
    after = [(call.sequence, call.round, call.cell_id) for call in view.invocations(kind=Kind.MEASURED)]
    assert after[:batches] == kept
    rounds = turns(view, "memory_mib")
    whole = [number for number, order in rounds.items() if sorted(order) == list(SWEEP)]
    cut = [number for number in rounds if number not in whole]
    assert len(whole) == 5
    assert cut == ([] if batches == 9 else [batches // 3])
    assert len(rounds[cut[0]] if cut else []) == batches % 3  # not gone on with at another time
    assert {cell.stop_reason for cell in view.cells()} == {"enough samples"}


def folder_of(write_function: Write, tmp_path: Path, place: str, code: str = "{}", driver: str = "") -> Path:
    """Return a version of the benchmark `mine`, in a folder of its own."""
    root = write_function(place, f"def handler(event, context):\n    return {code}\n", driver=driver)
    manifest = root / "benchmark.toml"
    manifest.write_text(manifest.read_text().replace(f'name = "{place}"', 'name = "mine"'), encoding="utf-8")
    return root


def versions(store: Store, new: Path, base: Path, **settings: Any) -> RunView:
    return measure(store, benchmarks=(str(new),), against=str(base), **{"repetitions": 2, "detect": 0.0, **settings})


@pytest.mark.slow
def test_version_is_measured_against_its_base(store: Store, write_function: Write, tmp_path: Path) -> None:
    base = folder_of(write_function, tmp_path, "main", "{'v': 1}")
    new = folder_of(write_function, tmp_path, "branch", "{'v': 2}")
    view = versions(store, new, base)
    assert view.run.design is Design.RMIT
    assert [(cell.factors["benchmark"], cell.factors["version"]) for cell in view.cells()] == [
        ("mine", "base"), ("mine", "new"),
    ]  # fmt: skip
    assert [Counter(order) for order in turns(view, "version").values()] == [{"base": 1, "new": 1}] * 2
    first, second = view.deployments()
    assert (first.benchmark, second.benchmark) == ("mine", "mine")
    assert first.benchmark_sha256 != second.benchmark_sha256
    assert first.requested["name"] != second.requested["name"]
    report = PerfCostAnalyzer().analyze([view], PerfCostAnalyzerSettings())
    assert any("measured in two versions" in finding.text for finding in report.findings)
    assert not any("inputs" in finding.text for finding in report.findings)
    rows = next(table for table in report.tables if table.name == "latency").rows
    assert [(row["benchmark"], row["version"]) for row in rows] == [("mine", "base"), ("mine", "new")]


@pytest.mark.slow
def test_versions_draw_the_same_input_from_the_seed(store: Store, write_function: Write, tmp_path: Path) -> None:
    driver = "def payload(parameters, rng, storage):\n    return {'n': rng.random()}\n"
    folders = [folder_of(write_function, tmp_path, place, driver=driver) for place in ("branch", "main")]
    report = PerfCostAnalyzer().analyze([versions(store, *folders)], PerfCostAnalyzerSettings())
    assert not any("inputs" in finding.text for finding in report.findings)


@pytest.mark.slow
@pytest.mark.parametrize("design", ["rmit", "sequential"])
def test_versions_with_inputs_of_their_own_are_told(
    store: Store, write_function: Write, tmp_path: Path, design: str
) -> None:
    drivers = [f"def payload(parameters, rng, storage):\n    return {{'n': {n}}}\n" for n in (1, 2)]
    folders = [
        folder_of(write_function, tmp_path, place, driver=driver)
        for place, driver in zip(("branch", "main"), drivers, strict=True)
    ]
    report = PerfCostAnalyzer().analyze([versions(store, *folders, design=design)], PerfCostAnalyzerSettings())
    (finding,) = [finding for finding in report.findings if "different inputs" in finding.text]
    assert finding.warning


@pytest.mark.slow
def test_same_version_twice_is_said_to_be_the_same(store: Store, write_function: Write, tmp_path: Path) -> None:
    folder = folder_of(write_function, tmp_path, "main")
    report = PerfCostAnalyzer().analyze([versions(store, folder, folder)], PerfCostAnalyzerSettings())
    assert any("both hold the same files" in finding.text for finding in report.findings)


@pytest.mark.slow
def test_base_takes_everything_but_its_code_from_the_new_one(
    store: Store, write_function: Write, tmp_path: Path
) -> None:
    base, new = (folder_of(write_function, tmp_path, place) for place in ("main", "branch"))
    for root, memory_mib, timeout_s in ((base, 128, 5), (new, 512, 9)):
        with (root / "benchmark.toml").open("a", encoding="utf-8") as file:
            file.write(f"[defaults]\nmemory_mib = {memory_mib}\ntimeout_s = {timeout_s}\n")
    view = versions(store, new, base)
    asked = [(item.requested["memory_mib"], item.requested["timeout_s"]) for item in view.deployments()]
    assert asked == [(512, 9), (512, 9)]


def test_two_folders_of_one_name_are_refused(store: Store, write_function: Write, tmp_path: Path) -> None:
    folders = tuple(str(folder_of(write_function, tmp_path, place)) for place in ("main", "branch"))
    with pytest.raises(UserError, match=r"two benchmarks are named 'mine'.*--against"):
        measure(store, benchmarks=folders)


@pytest.mark.parametrize("benchmarks", [(), ("sleep", "graph-bfs")])
def test_against_takes_one_benchmark(benchmarks: Sequence[str]) -> None:
    with pytest.raises(ValueError, match="`against` takes exactly one benchmark"):
        run_spec(benchmarks=tuple(benchmarks), against="sleep")
