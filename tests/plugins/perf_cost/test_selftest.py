"""The self-test: identical code against itself on a fake platform, the time limit, and what the command says."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sebsx.contracts.runs import RunView
from sebsx.model import Design, RunStatus
from sebsx.reading.comparison.same_code import same_code
from sebsx.running import orchestrator
from sebsx.running.orchestrator import RunSpec
from sebsx.settings import NoSettings
from sebsx.store import Store, open_store
from sebsx.testing.fakes import FakePlatform, FakeSettings
from sebsx.testing.registries import registry_with
from sebsx_perf_cost.selftest import experiment
from sebsx_perf_cost.selftest.analyzer import METRICS, SelfTestAnalyzer
from sebsx_perf_cost.selftest.experiment import SelfTest, SelfTestSettings
from tests.orchestration import ECHO, Listener, store_in
from tests.reading.test_same_code import CHANGED, world
from tests.support import Call, Cli

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _home(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with store_in(tmp_path) as opened:
        yield opened


def measure(
    store: Store, platform: type[FakePlatform] = FakePlatform, listener: Listener | None = None, **settings: Any
) -> RunView:
    wanted = SelfTestSettings(benchmark=ECHO, repetitions=6, detect=0, **settings)
    spec = RunSpec(SelfTest(), wanted, {"fake": FakeSettings()}, seed=1)
    return store.view(orchestrator.run(spec, registry_with(platform), store, listener or Listener()).id)


def test_each_trial_is_a_whole_comparison_in_rounds_of_its_own(store: Store) -> None:
    listener = Listener()
    view = measure(store, listener=listener, trials=3)
    assert (view.run.design, view.run.status) == (Design.RMIT, RunStatus.FINISHED)
    assert listener.plan is not None
    assert "3 comparisons of identical code, each of 6 sandboxes a side, in at most 600 s" in listener.plan.notes
    found = same_code(view, METRICS)
    assert [(one.metric.name, len(one.trials)) for one in found] == [(metric.name, 3) for metric in METRICS]
    assert {trial.ratio.n for one in found for trial in one.trials} == {6}


def test_no_trial_begins_that_would_not_be_done_in_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count(step=40)  # each look at the clock is 40 s after the last
    monkeypatch.setattr(experiment, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    listener = Listener()
    view = measure(store, listener=listener, trials=5, max_time_s=100)
    assert view.run.status is RunStatus.FINISHED
    assert len(same_code(view, METRICS)[0].trials) == 1
    assert listener.warnings == ["the time limit of 100 s ended it after 1 of 5 trials (--max-time)"]


class Interrupted(FakePlatform):
    """The user presses Ctrl-C in the second trial."""

    def invoke(self, *arguments: Any) -> Any:
        if self.invocations == 40:
            raise KeyboardInterrupt
        return super().invoke(*arguments)


def test_ctrl_c_keeps_what_was_measured(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt):
        measure(store, Interrupted, trials=3)
    view = store.view("last")
    assert view.run.status is RunStatus.INTERRUPTED
    assert len(same_code(view, METRICS)[0].trials) == 1


def test_analyzer_warns_of_noise_that_is_none_of_the_codes(store: Store) -> None:
    calm = SelfTestAnalyzer().analyze([world(store).finish()], NoSettings())
    noisy = SelfTestAnalyzer().analyze([world(store, functions=0.05, number=2).finish()], NoSettings())
    assert [finding.warning for finding in calm.findings if "more than 5 % can by chance" in finding.text] == []
    assert any(finding.warning and "more than 5 % can by chance" in finding.text for finding in noisy.findings)
    assert calm.answers[0].startswith("fake, client.latency_s: identical code differs by up to ")
    assert [len(table.rows) for table in calm.tables] == [2, 5, 5]


def test_command_says_beforehand_what_it_takes(call: Call) -> None:
    said = call("selftest", "--benchmark", ECHO, "--trials", "1", "--max-time", "2")
    assert said.code == 0, said.stderr
    assert said.stderr.startswith("1 comparison of identical code, each of 10 to 60 sandboxes a side, in at most 2 s\n")
    lines = [line.removeprefix("warning: ") for line in said.stderr.splitlines()]
    assert len(set(lines)) == len(lines)


def test_command_says_once_that_nothing_can_be_said(sebsx: Cli, call: Call) -> None:
    with open_store(sebsx.store) as store:
        kept = world(store, codes=CHANGED).finish().run.id
    said = call("selftest", "--run", kept)
    assert "nothing can be said of identical code here" in " ".join(said.stdout.split())
    assert "nothing can be said" not in said.stderr


def test_what_was_measured_is_said_again_and_stands_beside_a_verdict(sebsx: Cli, call: Call) -> None:
    with open_store(sebsx.store) as store:
        kept = world(store, functions=0.05).finish().run.id
        world(store, trials=1, factor=1.055, codes=CHANGED, number=9).finish()
    said = call("--json", "selftest", "--run", kept).json
    assert [one["trials"] for one in said["same_code"]] == [5, 5]
    words = said["same_code"][0]["words"]
    assert words in " ".join(call("compare", "last").stdout.split())
    gate = call("compare", "last", "--fail-on", "regression")
    assert gate.code == 1
    assert gate.error.endswith(" % in all of 5 trials)")
    assert "no larger than what identical code shows on this machine" in gate.error
    assert call("report", "last", "--compare", "-o", "page.html").code == 0
    assert words in unescape((sebsx.home / "page.html").read_text(encoding="utf-8"))
