"""Named work and facts of a benchmark, from its manifest to the store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sebsx.model import Kind, Status
from sebsx.model.meaning import FACTS, SUBJECT
from sebsx.running import orchestrator
from sebsx.store import Store
from sebsx.testing.fakes import FakePlatform
from tests.orchestration import Listener, registry_with, run_spec, store_in

MANIFEST = 'name = "reader"\nversion = "1"\nsummary = "reads"\nsubject = ["read"]\nfacts = ["how"]\n'
FUNCTION = """
def handler(event, context):
    with context.phase("prepare"):
        pass
    with context.phase("read"):
        pass
    return {"how": HOW}
"""


@pytest.fixture(autouse=True)
def _home(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))


@pytest.fixture
def store(tmp_path: Path):
    with store_in(tmp_path) as opened:
        yield opened


def measured(store: Store, folder: Path, manifest: str = MANIFEST, how: str = '"direct"', repetitions: int = 3):
    (folder / "python").mkdir(parents=True)
    (folder / "benchmark.toml").write_text(manifest)
    (folder / "python" / "function.py").write_text(FUNCTION.replace("HOW", how))
    listener = Listener()
    spec = run_spec(benchmarks=(str(folder),), repetitions=repetitions)
    run = orchestrator.run(spec, registry_with(FakePlatform), store, listener)
    view = store.view(run.id)
    facts = [json.loads(value.text or "") for value in view.values() if value.metric == FACTS]
    return list(view.invocations(kind=Kind.MEASURED)), facts, listener.warnings


def test_each_call_has_its_named_work_and_each_way_is_stored_once(store: Store, tmp_path: Path) -> None:
    calls, facts, _ = measured(store, tmp_path / "b")

    assert [call.samples[SUBJECT] for call in calls] == [call.samples["phase.read_s"] for call in calls]
    assert facts == [{"how": "direct"}]


def test_phase_that_is_not_marked_makes_the_output_wrong(store: Store, tmp_path: Path) -> None:
    calls, _, _ = measured(store, tmp_path / "b", MANIFEST.replace('["read"]', '["raed"]'))

    assert {call.status for call in calls} == {Status.WRONG_OUTPUT}
    assert "phase 'raed'" in (calls[0].error or "")
    assert "did you mean 'read'?" in (calls[0].error or "")
    assert SUBJECT not in calls[0].samples


def test_so_many_ways_are_stored_and_the_rest_is_warned_of(store: Store, tmp_path: Path) -> None:
    _, facts, warnings = measured(store, tmp_path / "b", how="context.request_id", repetitions=20)

    assert len(facts) == 16
    assert len([text for text in warnings if "more than 16 ways" in text]) == 1
