"""Load from the command line and on a platform in memory, against numbers worked out by hand."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from sebsx.cli.running import raise_for
from sebsx.contracts.runs import RunView
from sebsx.contracts.scene import Scene
from sebsx.errors import ThresholdError
from sebsx.model import CellStatus, Kind, Status
from sebsx.reading.conditions import conditions
from sebsx.running import orchestrator
from sebsx.store import Store, open_store
from sebsx.system import priority
from sebsx.testing.contexts import context_for
from sebsx.testing.fakes import FakePlatform, FakeSettings, Fault
from sebsx.testing.registries import registry_with
from sebsx_load.experiment import Load
from sebsx_load.shapes import LoadSettings
from tests.orchestration import ECHO, Listener, failing, store_in
from tests.support import Cli, wait_until

pytestmark = pytest.mark.slow  # loads that last for seconds

SLEEP = ("run", "load", "sleep", "-p", "duration_s=0.02", "--warmups", "2")
# A shared machine may be too busy for its generator, which the run then says: the rows are the same.
DONE = (0, 1)


def rows(cli: Cli, columns: str) -> list[tuple[float, ...]]:
    query = f"SELECT {columns} FROM invocation WHERE kind = 'measured' ORDER BY client_intended_s"
    return [tuple(row) for row in cli.rows(query)]


def values(cli: Cli) -> dict[str, float]:
    query = "SELECT m.name, v.value FROM run_value v JOIN metric m ON m.id = v.metric_id ORDER BY v.id"
    return {name: value for name, value in cli.rows(query) if name.startswith("generator.")}


def test_constant_rate_is_kept_and_every_time_is_stored(sebsx: Cli) -> None:
    said = sebsx.say(*SLEEP, "--rate", "40", "--duration", "2s", "--json")
    assert said.code in DONE, said.stderr
    times = rows(sebsx, "client_intended_s, client_sent_s, client_connected_s, client_first_byte_s, client_done_s")
    assert len(times) == 80
    start = times[0][0]
    assert [row[0] - start for row in times] == pytest.approx([0.025 * n for n in range(80)], abs=1e-5)
    for intended, sent, connected, first, done in times:
        assert intended <= sent <= connected <= first <= done
        assert done - sent >= 0.02
    assert values(sebsx)["generator.dropped"] == 0
    assert values(sebsx)["generator.duration_s"] >= 2 - 0.025
    (cell,) = sebsx.rows("SELECT status, stop_reason FROM cell")
    assert cell == ("finished", "the load ended") if said.code == 0 else cell[0] == "invalid"
    assert sebsx.rows("SELECT kind, count(*) FROM invocation GROUP BY kind ORDER BY kind") == [
        ("measured", 80),
        ("warmup", 2),
    ]


def test_providers_figures_are_added_when_the_phase_is_over(sebsx: Cli) -> None:
    assert sebsx.say(*SLEEP, "--rate", "20", "--requests", "10").code in DONE
    found = rows(sebsx, "provider_duration_s, provider_billed_s, start_evidence")
    assert len(found) == 10
    for duration_s, billed_s, evidence in found:
        assert duration_s >= 0.02
        assert billed_s >= 0.02
        assert '"function"' in str(evidence)
        assert '"provider"' in str(evidence)
    (facts,) = sebsx.rows("SELECT count(*) FROM sandbox WHERE facts LIKE '%python%'")
    assert facts[0] >= 1


def test_trace_is_replayed_at_its_times(sebsx: Cli) -> None:
    times = [0.0, 0.1, 0.1, 0.15, 0.7, 1.4]
    (sebsx.home / "trace.csv").write_text("seconds\n" + "\n".join(str(7 + at) for at in times))
    assert sebsx.say(*SLEEP, "--trace", "trace.csv", "--speed", "2").code in DONE
    found = [intended for (intended,) in rows(sebsx, "client_intended_s")]
    assert [intended - found[0] for intended in found] == pytest.approx([at / 2 for at in times], abs=1e-5)


def test_another_trace_of_the_same_name_is_another_load(tmp_path: Path) -> None:
    registry, path = registry_with(FakePlatform), tmp_path / "trace.csv"
    scene = Scene(registry, {"fake": FakePlatform(FakeSettings(), context_for(FakePlatform, tmp_path))})
    hashes = []
    for times in ("0\n1\n", "0\n2\n", "0\n1\n"):
        path.write_text(times)
        (cell,) = Load().plan(scene, LoadSettings(benchmark=ECHO, trace=str(path))).cells
        hashes.append(cell.hash)
    assert hashes[0] == hashes[2] != hashes[1]


def test_what_is_due_beyond_the_cap_is_stored_as_dropped(sebsx: Cli) -> None:
    said = sebsx.say("run", "load", "sleep", "-p", "duration_s=0.5", "--burst", "7", "--max-in-flight", "4")
    assert said.code in DONE, said.stderr
    found = rows(sebsx, "status, client_intended_s, error")
    assert [row[0] for row in found].count("ok") == 4
    assert [row[0] for row in found].count("dropped") == 3
    assert len({row[1] for row in found}) == 1
    assert values(sebsx)["generator.dropped"] == 3
    assert values(sebsx)["generator.in_flight_max"] == 4
    assert values(sebsx)["generator.first"] == float(not priority.refusal())
    assert "3 of 7 ended as dropped" in said.stdout


def test_users_wait_for_their_answers(sebsx: Cli) -> None:
    words = ("--users", "3", "--spawn-rate", "10", "--think", "0.05..0.1", "--duration", "1.5s")
    assert sebsx.say(*SLEEP, *words).code in DONE
    found = rows(sebsx, "client_sent_s, client_done_s")
    # A user's cycle is at least 0.02 + 0.05 s, and the three begin at 0, 0.1 and 0.2 s.
    assert 3 <= len(found) <= (1.5 + 1.4 + 1.3) / 0.07 + 3
    assert "generator.first" not in values(sebsx)  # it waits for answers: there are no times to keep
    events = sorted([(sent, 1) for sent, _ in found] + [(done, -1) for _, done in found])
    in_flight = 0
    for _, change in events:
        in_flight += change
        assert in_flight <= 3


def test_killed_load_keeps_all_but_its_last_second(sebsx: Cli) -> None:
    process = sebsx.start(*SLEEP, "--rate", "50", "--duration", "100s")
    wait_until(lambda: sebsx.count("invocation") >= 60, process)
    killed_s = time.time()
    process.kill()
    process.communicate()
    kept = rows(sebsx, "client_intended_s, client_done_s")
    assert killed_s - max(done for _, done in kept) < 1.5
    # Nothing in between is missing: every request up to there was due 0.02 s after the one before.
    times = [intended for intended, _ in kept]
    assert [round((at - times[0]) / 0.02) for at in times][:50] == list(range(50))
    assert sebsx.json("runs")[0]["status"] == "interrupted"


def test_interrupted_load_stores_what_it_has_and_can_be_gone_on_with(sebsx: Cli) -> None:
    process = sebsx.start(*SLEEP, "--rate", "50", "--duration", "100s", start_new_session=True)
    wait_until(lambda: sebsx.count("invocation") >= 30, process)
    interrupted_s = time.time()
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "sebsx run --resume" in stderr
    assert interrupted_s - max(done for (done,) in rows(sebsx, "client_done_s")) < 0.5
    assert sebsx.rows("SELECT status FROM run") == [("interrupted",)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": "fast"}, "'fast' is neither a number nor a range"),
        ({"rate": "-3"}, "must be 0 or more"),
        ({"rate": "nan"}, "must be 0 or more"),
        ({"rate": "0"}, "`rate` '0': must be more than 0"),
        ({"rate": "0..1e9"}, "`rate` .*: must be more than 0, .* and at most 100000"),
        ({"steps": (0.0,)}, "`steps`: one must have a rate above 0"),
        ({"rate": "5", "users": 3}, "`rate` and `users` are different loads"),
        ({"rate": "5", "think": "1"}, "`think` says nothing of a load by `rate`"),
        ({"burst": 5, "duration": "3s"}, "`duration` says nothing of a load by `burst`"),
        ({"rate": "5", "duration": "soon"}, "'soon' is not a duration"),
        ({"rate": "5", "duration": "0s"}, "`duration` must be more than 0"),
        ({"rate": "5", "ramp": "9s"}, "`ramp` goes from one rate to another"),
        ({"rate": "0..5", "ramp": "9s", "duration": "3s"}, "`duration` must be at least as long as `ramp`"),
        ({"users": 3, "think": "3..2"}, "goes backwards"),
        ({"users": 3, "max_in_flight": 2}, "`max_in_flight` says nothing of a load by `users`"),
    ],
)
def test_settings_that_make_no_load_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LoadSettings(**settings)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "say what to put under load"),
        (("sleep",), "say which load"),
        (("sleep", "--rate", "fast"), "'fast' is neither a number nor a range"),
        (("sleep", "--trace", "none.csv"), "trace 'none.csv' cannot be read"),
    ],
)
def test_mistake_is_told_in_one_line(sebsx: Cli, words: tuple[str, ...], message: str) -> None:
    sebsx.say("plan", "load", *words).assert_fails(2, message)


@pytest.mark.parametrize(
    ("settings", "calls", "duration_s"),
    [
        ({"rate": "50", "duration": "30s"}, 1500, 30.1),
        ({"rate": "50", "requests": 100}, 100, 2.1),
        ({"rate": "0..100", "ramp": "1m"}, 3000, 60.1),
        ({"rate": "0..100", "ramp": "60s", "duration": "70s"}, 4000, 70.1),
        ({"steps": (10.0, 20.0), "step": "500ms"}, 15, 1.1),
        ({"burst": 12}, 12, 0.1),
        # Each user's cycle is 0.1 s of answer and 0.9 s of thinking in the mean.
        ({"users": 10, "think": "0.8..1", "duration": "20s"}, 200, 20.0),
    ],
)
def test_expectation_of_a_plan(settings: dict[str, Any], calls: int, duration_s: float) -> None:
    assert LoadSettings(**settings).expected(0.1) == (calls, pytest.approx(duration_s))


def test_plan_says_how_many_calls_and_how_long(sebsx: Cli) -> None:
    plan = sebsx.json("plan", "load", "sleep", "--rate", "0..100", "--ramp", "60s")
    assert plan["invocations"] == 3000
    assert plan["duration_s"] == pytest.approx(60, abs=2)


@pytest.fixture
def store(tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))
    with store_in(tmp_path) as opened:
        yield opened


def measure(store: Store, platform: type[FakePlatform], **settings: object) -> RunView:
    request = orchestrator.RunSpec(Load(), LoadSettings(**settings), {"fake": FakeSettings()}, seed=1)  # type: ignore[arg-type]
    run = orchestrator.run(request, registry_with(platform), store, Listener())
    return store.view(run.id)


class Slow(FakePlatform):
    """Answers one call at a time, each after 30 ms."""

    def invoke(self, deployment, payload, timeout_s):
        begun_s = time.monotonic()
        while time.monotonic() < begun_s + 0.03:
            time.sleep(0.005)
        return super().invoke(deployment, payload, timeout_s)


def test_generator_that_cannot_keep_up_is_invalid_and_response_time_tells_what_service_time_hides(store: Store) -> None:
    # 20 requests due every 10 ms, each holding the generator for 30 ms: request i leaves at 30 i ms or later, which is
    # 20 i ms after its time.
    view = measure(store, Slow, benchmark=ECHO, rate="100", requests=20)
    (cell,) = view.cells()
    assert cell.status is CellStatus.INVALID
    assert "the generator was late" in str(cell.stop_reason)
    with pytest.raises(ThresholdError, match="1 of 1 cells are invalid: the generator was late"):
        raise_for(view.run, view.cells())
    measured = list(view.invocations(kind=Kind.MEASURED))
    start = measured[0].client_intended_s
    for i, each in enumerate(measured):
        assert each.client_intended_s - start == pytest.approx(0.01 * i, abs=1e-3)
        assert each.client_done_s - each.client_intended_s >= 0.02 * i
    service = sorted(each.latency_s for each in measured)
    assert service[len(service) // 2] < 0.02 * 19


def test_platform_without_an_endpoint_is_stored_while_it_goes_on(store: Store) -> None:
    heard: list[int] = []

    def stored(run, deployment, invocations):
        heard.append(len(invocations))

    request = orchestrator.RunSpec(
        Load(), LoadSettings(benchmark=ECHO, rate="40", duration="1s", warmups=0), {"fake": FakeSettings()}, seed=1
    )
    orchestrator.run(request, registry_with(FakePlatform, sebsx_invocations_stored=stored), store, Listener())
    assert sum(heard) == 40
    assert len(heard) > 1


def test_failures_are_results_and_a_load_of_nothing_else_is_failed(store: Store) -> None:
    view = measure(store, failing(None, Fault.THROTTLED, Fault.LOST), benchmark=ECHO, burst=10)
    counts = {status: n for (kind, status, _), n in view.counts().items() if kind is Kind.MEASURED}
    assert counts == {Status.OK: 8, Status.THROTTLED: 1, Status.TIMEOUT: 1}
    all_lost = measure(store, failing(None, *[Fault.THROTTLED] * 10), benchmark=ECHO, burst=10)
    (cell,) = all_lost.cells()
    assert (cell.status, cell.error) == (CellStatus.FAILED, "throttled: HTTP 429")


def test_poisson_arrivals_of_a_seed_are_the_same_each_time(store: Store) -> None:
    settings = {"benchmark": ECHO, "rate": "200", "arrivals": "poisson", "requests": 40}
    gaps = []
    for _ in range(2):
        times = [
            each.client_intended_s for each in measure(store, FakePlatform, **settings).invocations(kind=Kind.MEASURED)
        ]
        gaps.append([at - times[0] for at in times])
    assert gaps[0] == pytest.approx(gaps[1], abs=2e-3)
    assert len({round(at, 3) for at in gaps[0]}) > 30


def test_resumed_load_begins_again_and_only_the_last_phase_counts(tmp_path: Path, store: Store) -> None:
    from sebsx_load.analyzer import IntervalSettings, LoadAnalyzer

    class Interrupting(FakePlatform):
        calls = 0

        def invoke(self, deployment, payload, timeout_s):
            type(self).calls += 1
            if type(self).calls == 6:
                raise KeyboardInterrupt
            return super().invoke(deployment, payload, timeout_s)

    request = orchestrator.RunSpec(
        Load(), LoadSettings(benchmark=ECHO, burst=10, warmups=0), {"fake": FakeSettings()}, seed=1
    )
    registry = registry_with(Interrupting)
    with pytest.raises(KeyboardInterrupt):
        orchestrator.run(request, registry, store, Listener())
    (interrupted,) = store.runs()
    assert sum(store.counts(interrupted.id).values()) == 5
    orchestrator.run(orchestrator.replace(request, resume=interrupted.id), registry, store, Listener())
    view = store.view(interrupted.id)
    assert sum(view.counts().values()) == 15
    report = LoadAnalyzer().analyze([view], IntervalSettings())
    assert report.tables[0].rows[0]["requests"] == 10
    assert any("5 invocations of an interrupted phase" in finding.text for finding in report.findings)
    assert [(each.attempt, each.status) for each in view.phases()] == [(1, "broken_off"), (2, "finished")]
    assert [condition.frame["batch"].tolist() for condition in conditions([view], ["batch"])] == [[1.0] * 10]
    assert len(list(view.rows("measured"))) == 10
    assert sum(n for (kind, _, _), n in view.counts().items() if kind is Kind.BROKEN_OFF) == 5


def test_store_is_free_for_others_while_load_goes_on(sebsx: Cli) -> None:
    process = sebsx.start(*SLEEP, "--rate", "50", "--duration", "60s")
    try:
        wait_until(lambda: sebsx.count("invocation") >= 20, process)
        with open_store(sebsx.store) as store:
            for _ in range(3):
                store.artifacts.mention(os.urandom(16).hex(), "log", 1, sebsx.home, {})
        assert process.poll() is None  # the load still went on
        assert sebsx.rows("SELECT count(*) FROM artifact WHERE kind = 'log'") == [(3,)]
    finally:
        process.terminate()
        process.communicate(timeout=60)
