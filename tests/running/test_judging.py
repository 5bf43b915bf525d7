"""Runs in which little works: what they are called, in the store, on the command line and in every output."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from sebsx.cli.running import raise_for
from sebsx.errors import PlatformError, UnsuccessfulError
from sebsx.model import CellStatus, RunStatus
from sebsx.running import orchestrator
from sebsx.testing.fakes import FakePlatform, FakeSettings, Fault
from sebsx_load.experiment import Load
from sebsx_load.shapes import LoadSettings
from sebsx_perf_cost.experiment import PerfCost
from tests.orchestration import ECHO, Listener, failing, registry_with, run_spec, store_in
from tests.running.test_session import Small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sebsx_perf_cost.settings import PerfCostSettings

    from sebsx.contracts.runs import RunView
    from sebsx.contracts.session import Session
    from sebsx.store import Store
    from tests.support import Call, Cli


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with store_in(tmp_path) as store:
        yield store


def burst(store: Store, failures: int, calls: int = 10) -> RunView:
    """Send a burst of which so many calls fail."""
    faults = [Fault.THROTTLED] * failures + [None] * (calls - failures)
    spec = orchestrator.RunSpec(
        Load(), LoadSettings(benchmark=ECHO, rate="1000", requests=calls, warmups=0), {"fake": FakeSettings()}, seed=1
    )
    return store.view(orchestrator.run(spec, registry_with(failing(*faults)), store, Listener()).id)


@pytest.mark.slow
@pytest.mark.parametrize(("failures", "unsuccessful"), [(0, False), (8, False), (9, True), (10, True)])
def test_run_in_which_fewer_than_a_fifth_succeed_is_unsuccessful(
    store: Store, failures: int, unsuccessful: bool
) -> None:
    view = burst(store, failures)
    assert view.status is (RunStatus.UNSUCCESSFUL if unsuccessful else RunStatus.FINISHED)
    if unsuccessful:
        good = "none of 10 measured invocations succeeded" if failures == 10 else "only 1 of 10 measured invocations"
        assert (view.run.error or "").startswith(good)
        assert f"{failures} throttled" in (view.run.error or "")
        assert (view.run.error or "").endswith("; the first failed with throttled: HTTP 429")
        with pytest.raises(UnsuccessfulError):
            raise_for(view.run, view.cells())


class Idle(PerfCost):
    """Plans, and does nothing of it."""

    def run(self, session: Session, settings: PerfCostSettings) -> None: ...


def test_run_of_which_no_cell_was_begun_is_unsuccessful(store: Store) -> None:
    run = orchestrator.run(replace(run_spec(), experiment=Idle()), registry_with(FakePlatform), store, Listener())
    assert run.error == "nothing was measured: the experiment began no cell of its plan"
    with pytest.raises(UnsuccessfulError, match="began no cell"):
        raise_for(run, store.view(run.id).cells())


def test_run_in_which_nothing_was_measured_is_unsuccessful(store: Store) -> None:
    spec = run_spec(memory_mib=(512, 1024))
    run = orchestrator.run(spec, registry_with(Small), store, Listener())
    assert run.status is RunStatus.UNSUCCESSFUL
    assert (run.error or "").startswith("nothing was measured: 512 MiB are more")
    with pytest.raises(PlatformError, match="nothing could be measured"):
        raise_for(run, store.view(run.id).cells())


def test_failed_warm_ups_say_nothing_of_a_run(store: Store) -> None:
    spec = run_spec(repetitions=2)
    run = orchestrator.run(spec, registry_with(FakePlatform), store, Listener())
    assert run.status is RunStatus.FINISHED
    assert run.error is None


@pytest.mark.slow
def test_unsuccessful_run_is_told_by_every_output(
    sebsx: Cli, call: Call, write_function: Callable[..., Path], tmp_path: Path
) -> None:
    folder = write_function("raises", "def handler(event, context):\n    raise LookupError('nothing')\n")
    call("run", "benchmark", str(folder), "--repetitions", "2").assert_fails(6, "cells failed", "LookupError: nothing")
    (run,) = call("runs", "--json").json
    assert run["status"] == "unsuccessful"
    assert "none of " in run["error"]
    assert "unsuccessful: none of " in call("show", "last").stdout
    assert "is unsuccessful: none of " in call("analyze", "last").stdout
    assert call("report", "last", "-o", str(tmp_path / "page.html")).code == 0
    assert "is unsuccessful: none of " in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert call("export", "last", "-f", "junit", "-o", str(tmp_path / "junit.xml")).code == 0
    errors = [each.get("type") for each in ET.parse(tmp_path / "junit.xml").getroot().iter("error")]  # ours
    assert "unsuccessful" in errors
    call("run", "--resume", "last").assert_fails(2, "unsuccessful: none of ", "start another run")


def test_first_failure_is_told_and_not_the_last(store: Store) -> None:
    faults = (None, Fault.REFUSED, *[Fault.THROTTLED] * 50)
    run = orchestrator.run(run_spec(max_failures=4), registry_with(failing(*faults)), store, Listener())
    view = store.view(run.id)
    (cell,) = view.cells()
    assert cell.status is CellStatus.FAILED
    assert (cell.error or "").startswith("platform_error")
