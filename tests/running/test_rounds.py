"""Rounds: who has turns with whom, in which order, and what an experiment has to write for it."""

from __future__ import annotations

import inspect
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sebsx.contracts.experiments import Experiment
from sebsx.contracts.measurement import Measurement
from sebsx.contracts.runs import RunView
from sebsx.contracts.scene import Scene
from sebsx.contracts.schedules import Closed
from sebsx.contracts.session import Session
from sebsx.model import Cell, Design, Factor, Factors, Kind, Plan
from sebsx.reading.comparison import Options, compare_runs
from sebsx.running import orchestrator
from sebsx.running.limits import Limits
from sebsx.running.rounds import StoppingRule, groups, interleave
from sebsx.settings import setting
from sebsx.store import Store
from sebsx.testing.fakes import FakePlatform, FakeSettings, Fault
from sebsx.testing.registries import registry_with
from tests.orchestration import ECHO, Listener, failing, store_in


@dataclass(frozen=True)
class WordsSettings:
    rounds: int = setting(4, help="rounds", minimum=1)


class Words(Experiment[WordsSettings]):
    """Written as a stranger would: what lengths of answers cost, in turns."""

    name = "words"
    summary = "the echo of words of several lengths"
    Settings: ClassVar[type[Any]] = WordsSettings
    factors = (Factor(name="letters", base="1"),)

    def plan(self, scene: Scene, settings: WordsSettings) -> Plan:
        (platform,) = scene.platforms.values()
        common = {
            "platform": platform.name, "benchmark": "echo", "folder": ECHO, "size": "default", "language": "python",
            "architecture": platform.architectures[0], "memory_mib": 256, "timeout_s": 5.0,
        }  # fmt: skip
        cells = [Cell({**common, "letters": letters}, settings.rounds) for letters in (1, 10, 100)]
        return Plan(tuple(cells), deployments=len(cells), design=Design.RMIT)

    def run(self, session: Session, settings: WordsSettings) -> None:
        cells = session.pending(self.plan(session.scene, settings))
        interleave(session, cells, StoppingRule(repetitions=settings.rounds), self.turn, renew_every=2)

    def turn(self, measurement: Measurement, number: int) -> None:
        word = "a" * measurement.cell.factors["letters"]
        measurement.invoke(Closed(1), round=number, events=[{"do": "echo", "value": word}])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with store_in(tmp_path) as opened:
        yield opened


def wanted(rounds: int = 4, seed: int = 1, **more: Any) -> orchestrator.RunSpec:
    return orchestrator.RunSpec(Words(), WordsSettings(rounds), {"fake": FakeSettings()}, seed=seed, **more)


def orders(view: RunView) -> dict[int, list[int]]:
    letters = {cell.id: cell.factors["letters"] for cell in view.cells()}
    found: dict[int, list[int]] = defaultdict(list)
    for call in view.invocations(kind=Kind.MEASURED):
        found[call.round or 0].append(letters[call.cell_id])
    return found


def test_interleaving_takes_an_experiment_a_few_lines() -> None:
    source = "".join(inspect.getsource(method) for method in (Words.run, Words.turn))
    assert len([line for line in source.splitlines() if line.strip() and "def " not in line]) <= 4


class Bursts(Words):
    """Turns of different lengths."""

    name = "bursts"

    def plan(self, scene: Scene, settings: WordsSettings) -> Plan:
        plan = super().plan(scene, settings)
        cells = [replace(cell, invocations=settings.rounds * cell.factors["letters"]) for cell in plan.cells[:2]]
        return replace(plan, cells=tuple(cells), deployments=len(cells))

    def run(self, session: Session, settings: WordsSettings) -> None:
        cells = session.pending(self.plan(session.scene, settings))
        interleave(session, cells, lambda cell: StoppingRule(repetitions=cell.invocations), self.turn)

    def turn(self, measurement: Measurement, number: int) -> None:
        measurement.invoke(Closed(measurement.cell.factors["letters"]), round=number)


def test_turns_of_different_lengths_have_a_rule_of_their_own_and_the_same_rounds(store: Store) -> None:
    spec = orchestrator.RunSpec(Bursts(), WordsSettings(3), {"fake": FakeSettings()}, seed=1)
    view = store.view(orchestrator.run(spec, registry_with(FakePlatform), store, Listener()).id)
    assert [Counter(letters) for _, letters in sorted(orders(view).items())] == [Counter({1: 1, 10: 10})] * 3


@pytest.mark.slow
def test_every_round_has_each_cell_once_in_an_order_that_belongs_to_the_seed(store: Store) -> None:
    registry = registry_with(FakePlatform)
    first, again, other = (
        orders(store.view(orchestrator.run(wanted(8, seed), registry, store, Listener()).id)) for seed in (1, 1, 2)
    )
    assert {tuple(sorted(order)) for order in first.values()} == {(1, 10, 100)}
    assert len({tuple(order) for order in first.values()}) > 1
    assert first == again != other


@pytest.mark.slow
def test_rounds_are_pairs_and_the_declared_base_is_found(store: Store) -> None:
    run = orchestrator.run(wanted(12), registry_with(FakePlatform), store, Listener())
    report = compare_runs([store.view(run.id)], (), Options(metrics=("client.latency_s",)))
    assert report.paired
    assert {row.cells()["n"] for row in report.rows} == {"6 pairs"}  # of sandboxes, each of two rounds
    assert report.base.startswith("letters 1 ")
    assert {row.condition for row in report.rows} == {"echo 256 MiB (letters 10)", "echo 256 MiB (letters 100)"}


@pytest.mark.slow
def test_interrupted_rounds_are_taken_up_with_a_new_one(store: Store) -> None:
    registry = registry_with(FakePlatform)
    cut = orchestrator.run(wanted(6, limits=Limits(max_invocations=8)), registry, store, Listener())
    orchestrator.run(wanted(6, resume=cut.id), registry, store, Listener())
    found = orders(store.view(cut.id))
    taken = Counter(letters for order in found.values() for letters in order)
    assert sorted(taken.values()) == [6, 7, 7]  # all go on until the last has enough
    assert [number for number, order in sorted(found.items()) if len(order) < 3] == [2]
    assert {cell.status for cell in store.view(cut.id).cells()} == {"finished"}


@pytest.mark.slow
def test_cell_that_fails_too_often_is_given_up_alone(store: Store) -> None:
    platform = failing(*[Fault.THROTTLED] * 30)
    run = orchestrator.run(wanted(4), registry_with(platform), store, Listener())
    view = store.view(run.id)
    assert {cell.stop_reason for cell in view.cells()} == {"10 invocations failed"}


def cells_of(versions: Sequence[str], memory_mib: Sequence[int], starts: Sequence[str]) -> list[Cell]:
    return [
        Cell({"benchmark": "b", "benchmark_sha256": version, "version": version, "memory_mib": size, "start": start}, 1)
        for version in versions
        for size in memory_mib
        for start in starts
    ]


SIDES = Factors.of([Factor(name="version", base="base", implies=("benchmark", "folder"))])


def levels(found: Sequence[Sequence[Cell]], name: str) -> list[list[Any]]:
    return [[cell.factors[name] for cell in group] for group in found]


def test_all_are_one_group_where_the_platform_has_room() -> None:
    cells = cells_of(("base", "new"), (128, 256), ("cold", "warm"))
    assert groups(cells, SIDES, 8) == [cells]
    assert groups([], SIDES, 8) == []


@pytest.mark.parametrize("most", [2, 3, 4, 5])
def test_both_sides_are_in_one_group_whatever_the_room(most: int) -> None:
    cells = cells_of(("base", "new"), (128, 256, 512), ("cold", "warm"))
    found = groups(cells, SIDES, most)
    assert sorted(cell.hash for group in found for cell in group) == sorted(cell.hash for cell in cells)
    for group in found:
        assert len(group) <= most
        sides: Mapping[tuple[Any, Any], int] = Counter((c.factors["memory_mib"], c.factors["start"]) for c in group)
        assert set(sides.values()) == {2}
        assert len({cell.factors["start"] for cell in group}) == 1


def test_sides_are_torn_apart_only_where_even_two_are_too_many() -> None:
    assert levels(groups(cells_of(("base", "new"), (128,), ("warm",)), SIDES, 1), "version") == [["base"], ["new"]]


def test_groups_are_of_about_the_same_length() -> None:
    found = groups(cells_of(("new",), range(128, 128 + 10), ("warm",)), SIDES, 4)
    assert sorted(map(len, found)) == [2, 4, 4]
