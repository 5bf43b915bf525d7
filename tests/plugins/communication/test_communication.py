"""The experiment on this machine: known latencies and rates come back, faults are results, nothing is left behind."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.channels import Channel
from sebsx.contracts.runs import RunView
from sebsx.errors import UserError
from sebsx.model import CellStatus, Design, Kind, Status
from sebsx.plugins import Registry
from sebsx.running import orchestrator
from sebsx.settings import Section, SettingsReader
from sebsx.store import Store
from sebsx.testing.contexts import context_for
from sebsx.testing.fakes import FakePlatform, FakeSettings
from sebsx.testing.registries import registry_with
from sebsx_communication.analyzer import CommunicationAnalyzer, IntervalSettings
from sebsx_communication.costs import operations_usd
from sebsx_communication.exchanges import exchanged
from sebsx_communication.experiment import Communication
from sebsx_communication.settings import CommunicationSettings
from tests.orchestration import Listener, store_in
from tests.perf import communication as perf
from tests.plugins.communication.conftest import ShapingProxy, free_port, redis_keys
from tests.support import Cli, assert_nothing_left

pytestmark = pytest.mark.slow  # whole runs

FEW: dict[str, Any] = {"rounds": 1, "round_trips": 5, "warmups": 1, "stream_messages": 3, "sizes": ("1", "4KiB")}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with store_in(tmp_path) as opened:
        yield opened


@pytest.fixture(autouse=True)
def cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))


def request(resume: str | None = None, local: dict[str, Any] | None = None, **settings: Any) -> orchestrator.RunSpec:
    registry = registry_with()
    section = Section("platform.local", registry.platforms["local"].Settings)
    platform = section.cls(**(local or {})) if local else SettingsReader([], [section]).read("platform.local").value
    return orchestrator.RunSpec(
        Communication(), CommunicationSettings(**{**FEW, **settings}), {"local": platform}, seed=1, resume=resume
    )


def measure(store: Store, registry: Registry | None = None, listener: Listener | None = None, **more: Any) -> RunView:
    run = orchestrator.run(request(**more), registry or registry_with(), store, listener or Listener())
    return store.view(run.id)


def table(view: RunView, name: str) -> list[Any]:
    report = CommunicationAnalyzer().analyze([view], IntervalSettings())
    return next(list(each.rows) for each in report.tables if each.name == name)


def statuses(view: RunView) -> dict[tuple[str, int], CellStatus]:
    return {(cell.factors["channel"], cell.factors["message_bytes"]): cell.status for cell in view.cells()}


@pytest.mark.slow
def test_every_channel_of_this_machine_is_measured_and_leaves_nothing(
    sebsx: Cli, redis: int, shared_cache: Path
) -> None:
    words = ("--rounds", "2", "--round-trips", "6", "--sizes", "1,4KiB,300KiB", "--stream-messages", "3")
    said = sebsx.say(
        "run", "experiment", "communication", "--channel-settings", f"redis.address=127.0.0.1:{redis}", *words
    )
    assert said.code == 0, said.stderr
    assert "the model's choice is the fastest measured at" in said.stdout or "starved" in said.stdout
    cells = sebsx.rows("SELECT factors, status, error FROM cell")
    factors = [json.loads(text) for text, _, _ in cells]
    found = {
        (of["channel"], of["message_bytes"]): (status, error)
        for of, (_, status, error) in zip(factors, cells, strict=True)
    }
    assert len(found) == 15
    assert found.pop(("table", 300 * 1024))[0] == "unsupported"
    assert {status for status, _ in found.values()} == {"finished"}, found
    assert redis_keys(redis) == []
    assert_nothing_left(sebsx.say)
    assert sebsx.say("report", "last", "-o", "report.html").code == 0
    page = (sebsx.home / "report.html").read_text(encoding="utf-8")
    assert "Latency of a message by its size" in page
    assert "Bandwidth of a stream by size" in page


def test_cells_are_interleaved_and_every_exchange_has_two_sandboxes(store: Store) -> None:
    view = measure(store, channels=("storage", "tcp"), rounds=2)
    assert view.run.design is Design.RMIT
    assert set(statuses(view).values()) == {CellStatus.FINISHED}
    ends = list(view.invocations(kind=Kind.MEASURED))
    assert len(ends) == 2 * 2 * 2 * 2  # channels, sizes, rounds, ends
    for batch in {item.batch for item in ends}:
        pair = [item for item in ends if item.batch == batch]
        assert len({item.sandbox_id for item in pair}) == 2
        assert [item.cell_id for item in pair] == [pair[0].cell_id] * 2
    exchanges = [each for each in view.executions() if each.purpose is Kind.MEASURED]
    assert [each.kind for each in exchanges] == ["exchange"] * 8
    for exchange in exchanges:
        pair = [item for item in ends if item.execution == exchange.id]
        assert [(item.cell_id, item.round) for item in pair] == [(exchange.cell_id, exchange.round)] * 2
        assert exchange.duration_s == max(item.client_done_s for item in pair) - min(
            item.client_sent_s for item in pair
        )
    # Each round has sandboxes of its own, so that it is a unit.
    assert not {item.sandbox_id for item in ends if item.round == 0} & {
        item.sandbox_id for item in ends if item.round == 1
    }
    assert [each.blocks for each in exchanged(view)] == [exchanged(view)[0].blocks] * 4
    assert len(set(exchanged(view)[0].blocks)) == 2
    by_round = [{item.cell_id for item in ends if item.round == number} for number in (0, 1)]
    assert by_round[0] == by_round[1]
    assert len(by_round[0]) == 4
    for each in exchanged(view):
        assert [len(trips) for trips in each.trips_s] == [5, 5]
        assert each.same_sandbox == 0
        # A message is written once, and read once and as often as it was not there yet.
        assert {name: count for name, count in each.per_message().items() if name in ("put", "send")} in (
            {"put": 1.0},
            {"send": 1.0},
        )


def test_price_of_a_message_is_the_time_of_both_functions_and_its_operations(store: Store) -> None:
    # 0.001 USD for a GiB-second, 2 GiB, two functions: 0.004 USD for each second that a message travels.
    view = measure(store, local={"price_per_gb_s_usd": 0.001}, channels=("tcp", "storage"), memory_mib=(2048,))
    rows = table(view, "sizes")
    assert {row["channel"] for row in rows} == {"tcp", "storage"}
    for row in rows:
        if row["channel"] == "tcp":
            assert row["operations_usd"] == 0
            assert row["message_usd"] == pytest.approx(row["latency_s"].value * 0.004)
        else:
            assert row["operations_usd"] is row["message_usd"] is None  # requests of a file system have no price


def test_interrupted_run_goes_on_with_the_cells_that_are_left(store: Store) -> None:
    class Stop(Listener):
        def progressed(self, cell: Any, done: int, failed: int) -> None:
            super().progressed(cell, done, failed)
            if len(self.progress) == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(store, channels=("storage", "tcp"), rounds=2, listener=Stop())
    (run,) = store.runs()
    before = {item.sequence: item.batch for item in store.view(run.id).invocations(kind=Kind.MEASURED)}
    view = measure(store, channels=("storage", "tcp"), rounds=2, resume=run.id)
    assert set(statuses(view).values()) == {CellStatus.FINISHED}
    after = {item.sequence for item in view.invocations(kind=Kind.MEASURED)}
    cut = {item.sequence for item in view.invocations(kind=Kind.BROKEN_OFF)}  # the exchange that was interrupted
    assert {before[sequence] for sequence in cut} == {max(before.values())}
    assert before.keys() <= after | cut
    assert len(after) == 16


def test_refusing_server_is_a_result_and_the_others_are_measured(store: Store) -> None:
    listener = Listener()
    options = {"redis.address": f"127.0.0.1:{free_port()}"}
    view = measure(store, channels=("redis", "tcp"), channel_settings=options, listener=listener)
    assert {status for (name, _), status in statuses(view).items() if name == "tcp"} == {CellStatus.FINISHED}
    refused = [cell for cell in view.cells() if cell.factors["channel"] == "redis"]
    assert [cell.status for cell in refused] == [CellStatus.UNSUPPORTED] * 2
    assert all("refused" in (cell.error or "") for cell in refused)
    assert sum("not reachable" in warning for warning in listener.warnings) == 1
    # Tried under a cap, and what was tried is stored.
    tried = [item for item in view.invocations(kind=Kind.WARMUP) if item.status is not Status.OK]
    assert len(tried) == 2 * 3
    report = CommunicationAnalyzer().analyze([view], IntervalSettings())
    (told,) = [finding for finding in report.findings if ": unsupported: " in finding.text]
    assert told.warning
    assert " redis " in told.text
    assert len(told.numbers["cells"]) == 2


DYING = """
import os
from sebsx_channels.storage import StorageEnd

class Dying(StorageEnd):
    def send(self, number, data):
        if self.dies and number == 4:
            os._exit(3)
        super().send(number, data)

def connect(role, context, session, parameters):
    end = Dying(role, context, session, parameters)
    end.dies = role == "consumer"
    return end
"""


class DyingChannel(Channel[Any]):
    """Of somebody else: its consumer's process ends in the middle."""

    name = "dying-end"
    summary = "a test"
    message_bytes = 10**6

    def source(self, language: str) -> bytes | None:
        return textwrap.dedent(DYING).encode()

    def clean(self, platform: Any, session: str) -> None:
        platform.storage().delete(f"{session}/")


def test_channel_of_another_plugin_whose_consumer_dies_is_given_up_under_a_cap(store: Store) -> None:
    registry = registry_with(sebsx_register_channels=lambda: [DyingChannel])
    settings = {"timeout_s": 0.2, "retries": 1, "max_failures": 2, "sizes": ("1",), "start_s": 5.0}
    view = measure(store, registry, channels=("storage", "dying-end"), **settings)
    assert statuses(view)["storage", 1] is CellStatus.FINISHED
    (cell,) = [cell for cell in view.cells() if cell.factors["channel"] == "dying-end"]
    assert cell.status is CellStatus.FAILED
    assert cell.stop_reason == "2 exchanges failed"
    ends = list(view.invocations(cell_id=cell.id, kind=Kind.MEASURED))
    assert [end.status for end in ends] == [Status.FUNCTION_ERROR] * 4
    assert sum("Lost: no message within 0.2 s" in (end.error or "") for end in ends) == 2
    # Three messages came back before, of which the first was the warm-up: they are kept.
    (mine,) = [each for each in exchanged(view) if each.cell.id == cell.id]
    assert [len(trips) for trips in mine.trips_s] == [2, 2]


def test_plan_names_what_cannot_be_and_costs_nothing_there(sebsx: Cli) -> None:
    document = sebsx.json("plan", "experiment", "communication", "--sizes", "1,1MiB", "--channels", "redis,table,tcp")
    assert document["design"] == "rmit"
    assert document["deployments"] == 1
    assert [cell["factors"]["channel"] for cell in document["cells"]] == [
        "redis",
        "redis",
        "table",
        "table",
        "tcp",
        "tcp",
    ]
    assert [bool(cell["duration_s"]) for cell in document["cells"]] == [False, False, True, False, True, True]
    assert sum("'redis' has no server" in note for note in document["notes"]) == 1
    assert sum("at most 300000 bytes" in note for note in document["notes"]) == 1


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"channels": ("storrage",)}, "did you mean 'storage'?"),
        ({"channel_settings": {"redis.adress": "a:1"}}, "redis.address"),
        ({"channel_settings": {"redis.address": "a"}}, "must be host:port"),
        ({"channel_settings": {"pigeon.speed": "1"}}, "channel 'pigeon'"),
    ],
)
def test_wrong_channels_and_options_are_refused(settings: dict[str, Any], part: str) -> None:
    with pytest.raises(UserError) as refused:
        orchestrator.plan(request(**settings), registry_with())
    assert part in str(refused.value)


def test_wrong_settings_are_told_in_one_line(sebsx: Cli) -> None:
    words = ("plan", "experiment", "communication")
    sebsx.say(*words, "--sizes", "0").assert_fails(2, "at least 1 byte")
    sebsx.say(*words, "--channel-settings", "address=a:1").assert_fails(2, "CHANNEL.SETTING")


def test_preset_gives_what_is_not_said() -> None:
    quick, paper = CommunicationSettings(rounds=7), CommunicationSettings(preset="paper", sizes=("5",))
    assert (quick.rounds, quick.message_bytes[-1]) == (7, 2**20)
    assert (paper.rounds, paper.message_bytes) == (10, [5])
    assert CommunicationSettings(preset="paper").message_bytes[-1] == 64 * 2**20
    with pytest.raises(ValueError, match="not a size"):
        CommunicationSettings(sizes=("many",))


class Billed(FakePlatform):
    """Costs what AWS charges in Virginia."""

    provider = "aws"
    region = "us-east-1"


@pytest.mark.parametrize(
    ("name", "size", "operations", "expected_usd"),
    [
        # S3: 0.005 USD for a thousand PUT, 0.0004 USD for a thousand GET (2025-08-01).
        ("storage", 2**20, {"put": 1, "get": 3, "poll": 2}, 0.000005 + 3 * 0.0000004),
        # 1000 bytes are 1336 in base64 and 100 more: 2 write units to put it and 2 to delete it, 1 read unit of 4 KB to
        # read it and 1 for a poll; 0.625 and 0.125 USD for a million units.
        ("table", 1000, {"put": 1, "get": 2, "poll": 1}, 4 * 0.625e-6 + 2 * 0.125e-6),
        # 9000 bytes are 12000 and 100 more: 12 write units twice, 3 read units.
        ("table", 9000, {"put": 1, "get": 1}, 24 * 0.625e-6 + 3 * 0.125e-6),
        ("payload", 1000, {"invoke": 1}, 0.0000002),
        ("tcp", 1000, {"send": 1, "receive": 1}, 0.0),
    ],
)
def test_operations_cost_what_the_price_book_says(
    name: str, size: int, operations: dict[str, float], expected_usd: float, tmp_path: Path
) -> None:
    registry = registry_with()
    platform = Billed(FakeSettings(), context_for(Billed, tmp_path))
    cls = registry.channels[name]
    charges = cls(cls.Settings()).charges(operations, size)
    assert operations_usd(platform, "x86_64", charges) == pytest.approx(expected_usd)


def test_meter_without_a_price_leaves_the_cost_open(tmp_path: Path) -> None:
    platform = Billed(FakeSettings(), context_for(Billed, tmp_path))
    assert operations_usd(platform, "x86_64", {"pigeon.flight": 1}) is None
    free = FakePlatform(FakeSettings(), context_for(FakePlatform, tmp_path))
    assert operations_usd(free, "x86_64", {"object.put": 1}) is None


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_injected_latency_and_bandwidth_come_back(
    store: Store, redis: int, shaped: Callable[..., ShapingProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is injected is much longer than what a busy machine adds: no condition is passed over.
    monkeypatch.setattr("sebsx_communication.exchanges.MOST_STARVED", 1.0)
    monkeypatch.setattr("sebsx.reading.starved.MOST_STARVED", 1.0)
    listen = free_port()
    # A message over TCP waits 10 ms and passes at 2 MB/s. One over Redis goes two such ways of 15 ms and 16 MB/s, one
    # after the other: 30 ms and 8 MB/s. They cross where 20 ms = size (1/2 - 1/8) us: at 53,333 bytes.
    wire, server = shaped(listen, 0.010, 2e6), shaped(redis, 0.015, 16e6)
    options = {
        "tcp.listen": f"127.0.0.1:{listen}", "tcp.connect": wire.address, "redis.address": server.address,
    }  # fmt: skip
    view = measure(
        store, channels=("redis", "tcp"), channel_settings=options, sizes=("1", "8KiB", "32KiB", "128KiB", "256KiB"),
        rounds=2, round_trips=6, stream_messages=1, stream_bytes="1", budget_s=30.0,
    )  # fmt: skip
    assert set(statuses(view).values()) == {CellStatus.FINISHED}
    lines = {row["channel"]: row for row in table(view, "channels")}
    for name, alpha_s, beta in (("tcp", 0.010, 2e6), ("redis", 0.030, 8e6)):
        assert lines[name]["alpha_s"].value == pytest.approx(alpha_s, rel=0.1), name
        assert lines[name]["beta"].value == pytest.approx(beta, rel=0.1), name
    (crossing,) = table(view, "crossovers")
    assert (crossing["small"], crossing["large"]) == ("tcp", "redis")
    assert 53_333 / 1.3 < crossing["size"].value < 53_333 * 1.3
    choices = table(view, "choices")
    assert [row["best"] for row in choices] == ["tcp"] * 3 + ["redis"] * 2
    assert all(row["chosen"] == row["best"] for row in choices)
    report = CommunicationAnalyzer().analyze([view], IntervalSettings())
    first = report.findings[0]
    assert not first.warning
    assert "tcp takes" in first.text
    assert "is the fastest up to" in first.text


@pytest.mark.soak
@pytest.mark.timeout(180)
def test_quick_preset_ends_well_and_its_figures_are_in_the_report(sebsx: Cli, redis: int) -> None:
    words = ("--preset", "quick", "--channel-settings", f"redis.address=127.0.0.1:{redis}")
    said = sebsx.say("run", "experiment", "communication", *words, timeout_s=120)
    assert said.code == 0, said.stderr
    assert "(95 % intervals)" in said.stdout or "starved" in said.stdout
    run = sebsx.json("runs")[0]["id"]
    assert sebsx.say("report", run, "-o", "report.html").code == 0
    page = (sebsx.home / "report.html").read_text(encoding="utf-8")
    for title in ("Latency of a message by its size", "Bandwidth of a stream by size"):
        assert title in page


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_round_trip_over_tcp_is_within_twice_that_of_bare_sockets() -> None:
    found = perf.measure(rounds=3, message_bytes=1024)
    assert found["ratio"] < 2, found


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_containers_reach_each_other_and_what_they_cannot_reach_is_told(sebsx: Cli) -> None:
    words = ("--rounds", "1", "--round-trips", "5", "--sizes", "1,4KiB", "--channels", "storage,table,tcp,payload")
    said = sebsx.say("run", "experiment", "communication", "-P", "docker", *words, "--memory", "512", timeout_s=250)
    assert said.code == 0, said.stderr
    cells = sebsx.rows("SELECT factors, status, error FROM cell")
    found = {json.loads(text)["channel"]: (status, error) for text, status, error in cells}
    assert [found[name][0] for name in ("storage", "table", "tcp")] == ["finished"] * 3, found
    # The gateway listens on the loopback interface of the host, which a container does not have.
    assert found["payload"][0] == "unsupported"
    assert "Unreachable" in found["payload"][1]
