"""What is planted in a stand-in is what experiments find there, by the command line, on every provider's platform."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.laws import Law
from tests.platforms.stands import STANDS
from tests.support import Call, Cli

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module", params=STANDS)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """Yield the name of a platform and its stand-in."""
    with STANDS[request.param].open(tmp_path_factory.mktemp(request.param)) as server:
        yield request.param, server


@pytest.fixture
def stand(opened: tuple[str, Any], sebsx: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Any]:
    """Return the name of a platform and its stand-in, which is empty and which the command line finds."""
    name, server = opened
    server.reset()
    others = {key: value for key, value in sebsx.environment.items() if not key.startswith("AWS_")}
    sebsx.environment = {**others, **server.environment}
    STANDS[name].prepare(server, tmp_path, monkeypatch)
    return name, server


def found(call: Call, experiment: str, platform: str, *words: str) -> dict[str, Any]:
    """Run the quick preset with some of its levels, and return the report."""
    done = call("run", "experiment", experiment, "--platform", platform, "--preset", "quick", "--json", *words)
    assert done.code == 0, done.stderr
    report: dict[str, Any] = done.json["report"]
    return report


def levels(*words: str) -> tuple[str, ...]:
    return tuple(word for level in words for word in ("-s", level))


def test_idle_time_after_which_sandboxes_end_is_found(stand: tuple[str, Any], call: Call) -> None:
    name, server = stand
    slowness = STANDS[name].slowness
    server.law = Law(idle_s=1.3 * slowness)
    idle = ",".join(str(idle_s * slowness) for idle_s in (0.4, 1, 1.9))
    chosen = levels(f"idle_s={idle}", "d_init=3", "repetitions=1")
    report = found(call, "eviction", name, *chosen, *STANDS[name].apart(3))
    (law,) = (finding["numbers"] for finding in report["findings"] if "model" in finding["numbers"])
    assert law["model"] == "fixed"
    assert 0.9 < law["low_s"] / slowness <= 1.3 <= law["high_s"] / slowness < 2.5


def test_time_that_a_payload_takes_is_found(stand: tuple[str, Any], sebsx: Cli, call: Call) -> None:
    name, server = stand
    server.law = Law(s_per_mib=0.4)
    chosen = levels("sweeps=payload", "start=warm", "payload_bytes=1024,263168", "exchanges=2", "repetitions=3")
    report = found(call, "invocation-overhead", name, *chosen)
    small, large = (row["outbound_s"]["value"] for row in report["tables"][0]["rows"])
    assert 0.08 < large - small < 0.2  # a quarter of a MiB, and what the way itself takes of it
    assert sebsx.rows("SELECT DISTINCT status FROM cell") == [("finished",)]


def test_open_loop_is_sent_when_due_and_takes_what_the_function_sleeps(
    stand: tuple[str, Any], sebsx: Cli, call: Call
) -> None:
    name, _ = stand
    shape = ("--rate", "10", "--requests", "10", "--arrivals", "constant", "--parameter", "duration_s=0.2")
    done = call("run", "load", "sleep", "--platform", name, *shape, "--json")
    assert done.code == 0, done.stderr
    tables = {table["name"]: table["rows"] for table in done.json["report"]["tables"]}
    assert [(row["requests"], row["ok"]) for row in tables["load"]] == [(10, 10)]
    assert tables["load"][0]["offered"] == pytest.approx(10, rel=0.01)
    ((least_s,),) = sebsx.rows("SELECT min(client_done_s - client_sent_s) FROM measured")
    assert 0.2 <= least_s < 1


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("experiment", ["invocation-overhead", "eviction"])
def test_whole_quick_preset_ends_well(experiment: str, stand: tuple[str, Any], sebsx: Cli, call: Call) -> None:
    name, server = stand
    server.law = Law(idle_s=10.0)
    more = STANDS[name].apart(4) if experiment == "eviction" else ()
    report = found(call, experiment, name, *more)
    assert any(name in answer for answer in report["answers"]), report["answers"]
    told = dict(sebsx.rows("SELECT status, count(*) FROM cell GROUP BY status"))
    assert told.keys() <= {"finished", "unsupported"}  # such as a payload above what a provider takes
    assert told["finished"] >= 7


@pytest.mark.parametrize(
    ("words", "is_refused"),
    [((), True), (("min_instances=4",), False), (("min_instances=5",), True), (("sandbox_concurrency=1",), False)],
)
def test_calls_that_may_share_a_sandbox_are_refused_before_anything_is_made(
    call: Call, words: tuple[str, ...], is_refused: bool
) -> None:
    options = (word for option in words for word in ("--option", option))
    planned = call("plan", "experiment", "eviction", "--platform", "openfaas", *options, "--json").json
    reasons = {cell["unsupported"] for cell in planned["cells"]}
    assert any("4 calls at once may meet one sandbox" in str(reason) for reason in reasons) == is_refused
