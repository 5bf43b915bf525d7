"""The experiment from the command line, on platforms whose keep-alive policy is known: it must find it."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.support import Call, Cli, assert_nothing_left, wait_until

# Idle times around the truth, none of them within 0.1 s of a change of the rule.
CASES = {
    # All gone after 2 s.
    "fixed": (2.0, "0.5,1,1.5,1.8,2.3,2.6,3,4", 4, 2),
    # 8, 4, 2, 1, 0, every 1.2 s.
    "halving": (1.2, "0.5,1,1.4,1.7,2.2,2.6,3,3.4,3.9,4.3,5.2", 8, 1),
    # 1.5 s on average.
    "exponential": (1.5, "0.2,0.4,0.7,1,1.4,1.8,2.3,2.8,3.5,4.5", 4, 2),
}


def measured(cli: Cli, platform: str, policy: str, seconds: float, idles: str, *more: str) -> Any:
    said = cli.say(
        *("run", "experiment", "eviction", "--platform", platform, "--json"),
        *("-s", f"keep_alive_policy={policy}", "-s", f"keep_alive_s={seconds:g}", "-s", "keep_alive_seed=5"),
        *("-s", f"idle_s={idles}", "-s", "hold_s=0.4", *more),
        timeout_s=240,
    )
    assert said.code == 0, said.stderr
    return said.json


def verdict(document: Any) -> dict[str, Any]:
    findings = [finding for finding in document["report"]["findings"] if "model" in finding["numbers"]]
    found: dict[str, Any] = findings[0]["numbers"]
    return found


def test_plan_says_how_long_the_longest_takes(call: Call) -> None:
    said = call("plan", "experiment", "eviction", "--platform", "local", "--preset", "paper", "--json")
    plan = said.json
    assert len(plan["cells"]) == 19 * 7 * 2
    assert 1600 < plan["duration_s"] < 1610


def test_settings_that_make_no_design_are_refused(call: Call) -> None:
    words = ("plan", "experiment", "eviction", "--platform", "local")
    call(*words, "-s", "method=bisection", "-s", "idle_s=5").assert_fails(2, "two different idle_s")
    call(*words, "-s", "benchmark=dynamic-html").assert_fails(2, "duration_s")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "policy", ["fixed", *(pytest.param(name, marks=pytest.mark.soak) for name in ("halving", "exponential"))]
)
def test_policy_that_was_set_is_found_and_its_parameter_covered(sebsx: Cli, policy: str) -> None:
    seconds, idles, d_init, repetitions = CASES[policy]
    size = ("-s", f"d_init={d_init}", "-s", f"repetitions={repetitions}")
    found = verdict(measured(sebsx, "local", policy, seconds, idles, *size))
    assert found["model"] == policy
    assert found["low_s"] <= seconds <= found["high_s"]
    assert found["high_s"] < 3 * found["low_s"]
    assert_nothing_left(sebsx.say)


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.timeout(300)
def test_policy_of_containers_is_found(sebsx: Cli) -> None:
    found = verdict(measured(sebsx, "docker", "fixed", 4.0, "1,3,5,7", "-s", "d_init=2", "-s", "repetitions=1"))
    assert found["model"] == "fixed"
    assert found["low_s"] <= 4.0 <= found["high_s"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_campaign_is_resumed_and_only_what_was_cut_is_repeated(sebsx: Cli) -> None:
    words = ("-s", "keep_alive_s=60", "-s", "idle_s=0.3,6", "-s", "d_init=2", "-s", "repetitions=2")
    process = sebsx.start("run", "experiment", "eviction", "--platform", "local", *words)
    # Three bursts of each short trial, and two of each long one, which is then idle.
    wait_until(lambda: sebsx.count("invocation") == 2 * 2 * (3 + 2), process)
    process.kill()
    process.communicate()
    assert sebsx.say("clean").code == 0  # what the gateway of the killed run leaves is gone
    (run,) = sebsx.rows("SELECT ulid FROM run")[0]
    said = sebsx.say("run", "--resume", run, "--json", timeout_s=120)
    assert said.code == 0, said.stderr
    rounds = sebsx.rows(
        "SELECT json_extract(c.factors, '$.idle_s'), count(DISTINCT i.round) FROM invocation i "
        "JOIN cell c ON c.id = i.cell_id GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row) for row in rounds] == [(0.3, 2), (6, 4)]
    assert sebsx.rows("SELECT DISTINCT status FROM cell") == [("finished",)]
    assert_nothing_left(sebsx.say)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_packages_are_padded_and_other_languages_measured(sebsx: Cli) -> None:
    words = ["-s", "idle_s=0.3", "-s", "d_init=2", "-s", "repetitions=1", "-s", "padding_mib=0,2"]
    if shutil.which("node"):
        words += ["-s", "benchmark=sleep", "-s", "languages=python,nodejs"]
    said = sebsx.say("run", "experiment", "eviction", "--platform", "local", *words, "--json", timeout_s=120)
    assert said.code == 0, said.stderr
    sizes = sebsx.rows("SELECT language, package_bytes FROM deployment ORDER BY language, package_bytes")
    by_language: dict[str, list[int]] = {}
    for language, size in sizes:
        by_language.setdefault(language, []).append(size)
    for small, large in by_language.values():
        assert 2 * 2**20 <= large - small < 2 * 2**20 + 2000
    assert json.loads(said.stdout)["run"]["status"] == "finished"
