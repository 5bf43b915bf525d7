"""Several calls at once in one process: each is numbered, timed and explained by itself."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.platforms import NoSettings, Platform
from sebsx.model import RunStatus, StartType
from sebsx.running import orchestrator
from sebsx.testing.contexts import context_for
from sebsx.testing.contracts import PlatformContract
from sebsx.testing.fakes import MemoryLedger
from sebsx.testing.registries import registry_with
from sebsx_nodejs.language import NodejsLanguage
from sebsx_process.collector import ProcessCollector
from tests.orchestration import Listener, run_spec, store_in
from tests.packages import write_package
from tests.runtime.hosts import Host, HostPlatform

CALLS = 12
PYTHON = """
    import time
    time.sleep(0.3)  # a start that others wait for
    def handler(event, context):
        with context.phase("work"):
            time.sleep(event["s"])
        return context.request_id
"""
NODEJS = """
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
exports.handler = async (event, context) => {
  await context.phase('work', () => wait(event.s * 1000));
  if (event.throw) setTimeout(() => { throw new Error('nobody catches this'); }, 1);
  if (event.throw) await wait(1000);
  return event.s;
};
"""


@pytest.fixture(params=["python", "nodejs"])
def host(request: pytest.FixtureRequest, tmp_path: Path):
    source = ProcessCollector().source(request.param) or b""
    if request.param == "python":
        write_package(tmp_path, PYTHON, collectors={"process": source})
    else:
        if shutil.which("node") is None:
            pytest.skip("this machine has no Node.js")
        files = {
            **NodejsLanguage().runtime_files(),
            "sebsx_collectors/process.cjs": source,
            "function.js": NODEJS.encode(),
            "sebsx.json": json.dumps({"handler": "function.handler", "collectors": ["process"]}).encode(),
        }
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(content)
    opened = Host(tmp_path, request.param)
    yield opened
    opened.close()


def at_once(host: Host, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(len(events)) as pool:
        return [json.loads(body) for body in pool.map(lambda event: host.post(json.dumps(event).encode()), events)]


@pytest.mark.slow
def test_calls_at_once_have_numbers_phases_and_facts_of_their_own(host: Host) -> None:
    spans = [0.3 + 0.01 * number for number in range(CALLS)]

    told = [answer["sebsx"] for answer in at_once(host, [{"s": span_s} for span_s in spans])]
    (alone,) = at_once(host, [{"s": 0.0}])

    assert sorted(each["call"] for each in told) == list(range(1, CALLS + 1))
    assert [each["call"] for each in told if "facts" in each or "import_s" in each] == [1]
    assert len({each["sandbox"] for each in told}) == 1
    for each, span_s in zip(told, spans, strict=True):
        assert span_s - 0.002 <= each["samples"]["phase.work_s"] <= each["duration_s"]
        assert 1 <= each["concurrent"] < CALLS
        assert each["age_s"] >= each["duration_s"]
        assert set(each["samples"]) & {"process.cpu_user_s"} == set()
        assert each["samples"]["process.max_rss_bytes"] > 0
    assert max(each["concurrent"] for each in told) == CALLS - 1
    assert "concurrent" not in alone["sebsx"]
    assert "process.cpu_user_s" in alone["sebsx"]["samples"]


@pytest.mark.slow
def test_a_failed_load_is_told_to_all_that_waited_for_it(tmp_path: Path) -> None:
    write_package(tmp_path, "import time\ntime.sleep(0.2)\nraise OSError('no disk')\n")
    host = Host(tmp_path)
    try:
        answers = at_once(host, [{}] * 3)
    finally:
        host.close()

    assert [(answer["error"]["message"], answer["sebsx"]["call"]) for answer in answers] == [("no disk", 0)] * 3


@pytest.mark.slow
def test_two_bursts_onto_none_have_one_cold_start_each_and_no_warm_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    starts: Counter[StartType] = Counter()
    with store_in(tmp_path) as store:
        for _ in range(2):
            asked = run_spec({"host": NoSettings()}, repetitions=10, start=("burst",), burst_size=10)
            run = orchestrator.run(asked, registry_with(HostPlatform), store, Listener())
            assert run.status is RunStatus.FINISHED
            for item in store.view(run.id).invocations():
                starts[item.start_type] += 1
                waited = json.loads(item.start_evidence)
                assert item.start_type is not StartType.WAITED or 0 < waited["waited_s"] < item.latency_s

    assert starts[StartType.COLD] == 2
    assert starts[StartType.WAITED] == 18
    assert starts[StartType.WARM] == 0


class TestHost(PlatformContract):
    @pytest.fixture
    def platform(self, tmp_path: Path, ledger: MemoryLedger) -> Platform[Any]:
        return HostPlatform(NoSettings(), context_for(HostPlatform, tmp_path, ledger=ledger))
