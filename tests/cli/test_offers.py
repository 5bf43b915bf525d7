"""What functions are given, as a user asks for it: memory that is rounded, options, and what a platform has not."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.support import Call, Cli

AWS = ("--set", "platform.aws.region=us-east-1")
SLEEP = ("benchmark", "sleep", "--size", "test", "--start", "warm")


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


def levels(plan: Any, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(cell["factors"].get(name) for name in names) for cell in plan["cells"]]


@pytest.mark.slow
def test_plan_shows_what_was_asked_and_what_is_offered(sebsx: Cli) -> None:
    words = (*SLEEP, "--platform", "local,aws", "--memory", "64", *AWS)
    plan = sebsx.json("plan", *words)
    assert levels(plan, "platform", "memory_mib", "memory_offered_mib") == [("local", 64, None), ("aws", 64, 128)]
    assert plan["cells"][1]["provision"]["memory_offered_mib"] == 128
    assert "64 -> 128" in sebsx("plan", *words).stdout


@pytest.mark.slow
def test_sizes_that_one_platform_rounds_to_the_same_are_one_cell(sebsx: Cli) -> None:
    done = sebsx("plan", *SLEEP, "--platform", "local,aws", "--memory", "32,64,128", *AWS)
    assert "4 cells" in done.stdout
    assert "platform 'aws' gives 128 MiB for 32, 64 MiB, too: measured once, as 128 MiB" in done.stderr


@pytest.mark.slow
def test_what_one_platform_has_not_is_an_unsupported_cell(sebsx: Cli) -> None:
    words = (*SLEEP, "--platform", "local,aws", "--option", "vcpu=0.5", *AWS)
    plan = sebsx.json("plan", *words)
    assert [cell["unsupported"] for cell in plan["cells"]] == [None, "platform 'aws' has no option 'vcpu'"]
    assert plan["invocations"] == 30
    shown = sebsx("plan", *words)
    assert "unsupported" in shown.stdout
    assert "1 cell is unsupported: platform 'aws' has no option 'vcpu'" in shown.stderr


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("vcpus=1", ["option 'vcpus' is not known", "did you mean 'vcpu'"]),
        ("vcpu=many", ["--option vcpu=many", "a number is wanted"]),
        ("vcpu=1000000", ["--option vcpu=1000000: no platform offers it"]),
        ("gpu_type=gold", ["--option gpu_type=gold: no platform offers it", "sebsx list options"]),
        ("vcpu", ["--option 'vcpu'", "KEY=VALUE"]),
        ("vcpu=", ["--option vcpu=", "a number is wanted"]),
    ],
)
def test_option_that_exists_nowhere_is_a_mistake(call: Call, option: str, words: list[str]) -> None:
    call("plan", *SLEEP, "--option", option).assert_fails(2, *words)


@pytest.mark.slow
def test_options_are_listed_with_what_each_platform_offers(sebsx: Cli) -> None:
    (vcpu,) = [row for row in sebsx.json("list", "options") if (row["name"], row["platform"]) == ("vcpu", "local")]
    assert vcpu["unit"] == "vCPU"
    assert vcpu["offer"].startswith("0.05 to ")
    platforms = {row["name"]: row for row in sebsx.json("list", "platforms")}
    assert platforms["aws"]["memory_mib"] == "128 to 10240"
    assert "vcpu" in platforms["local"]["options"]


@pytest.mark.slow
def test_sandboxes_at_once_are_a_level_of_one_run(sebsx: Cli) -> None:
    words = ("--start", "burst", "--burst-size", "4", "--repetitions", "4", "--option", "max_instances=1,8")
    sebsx("run", "benchmark", "sleep", "--size", "test", *words)
    rows = sebsx.rows(
        "SELECT json_extract(factors, '$.max_instances'), count(*) FILTER (WHERE status = 'throttled'), "
        "count(*) FILTER (WHERE status = 'ok') FROM invocations WHERE kind = 'measured' GROUP BY 1 ORDER BY 1"
    )
    (one, throttled, _), (eight, none, answered) = rows
    assert (one, eight, none) == (1, 8, 0)
    assert throttled >= 3
    assert answered >= 4  # it has its turns until the other is given up
    reported = "SELECT json_extract(effective, '$.max_instances') FROM deployment ORDER BY 1"
    assert sebsx.rows(reported) == [(1,), (8,)]


@pytest.mark.slow
@pytest.mark.root
def test_option_is_a_factor_of_one_run_wherever_conditions_are_shown(sebsx: Cli) -> None:
    document = sebsx.json("run", *SLEEP, "--repetitions", "2", "--option", "vcpu=0.25,0.5", "--option", "vcpu=1")
    assert document["run"]["design"] == "rmit"
    assert [cell["factors"]["vcpu"] for cell in document["cells"]] == [0.25, 0.5, 1.0]
    assert {row["vcpu"] for row in document["report"]["tables"][0]["rows"]} == {0.25, 0.5, 1.0}
    stored = sebsx.rows("SELECT json_extract(options, '$.vcpu'), json_extract(effective, '$.vcpu') FROM deployment")
    assert stored == [(0.25, 0.25), (0.5, 0.5), (1.0, 1.0)]
    assert "0.25" in sebsx("show", "last").stdout
    assert sebsx.json("compare", "last", "--factor", "vcpu", "--base", "1.0")["rows"]


@pytest.mark.slow
def test_unsupported_cell_does_not_fail_the_run(sebsx: Cli) -> None:
    largest = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    if largest >= 10240:
        pytest.skip("nothing that Lambda offers is too much for this machine")
    document = sebsx.json("run", *SLEEP, "--repetitions", "2", "--memory", f"128,{largest + 1}")
    assert [cell["status"] for cell in document["cells"]] == ["finished", "unsupported"]
    assert f"{largest + 1} MiB is not offered" in document["cells"][1]["error"]
