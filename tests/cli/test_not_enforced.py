"""Limits that nothing enforces are told before, during and after a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sebsx_local import cgroups
from tests.support import Call, Cli

WORDS = ("benchmark", "sleep", "--size", "test", "--memory", "128", "--start", "warm", "--repetitions", "2")


def test_plan_says_that_the_processor_will_not_follow_memory(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "may_limit", lambda: False)
    said = call("plan", *WORDS)
    assert said.stderr.count("the processor of a function does not follow its memory") == 1
    assert "systemd-run" in said.stderr
    monkeypatch.setattr(cgroups, "may_limit", lambda: True)
    assert "does not follow" not in call("plan", *WORDS).stderr


@pytest.mark.slow
@pytest.mark.skipif(os.cpu_count() == 1, reason="there is only one processor")
def test_show_and_report_name_limits_that_were_not_in_force(call: Call, tmp_path: Path) -> None:
    words = ("-s", "limits=none", "--collect", "process,cgroup")
    assert call("run", *WORDS, *words).code == 0
    assert "not in force: processor on local; memory on local" in call("show", "last").stdout
    page = tmp_path / "page.html"
    assert call("report", "last", "-o", str(page)).code == 0
    text = page.read_text(encoding="utf-8")
    assert "without the processor limit of their memory" in text
    assert "memory was not limited on local" in text


@pytest.mark.slow
def test_nothing_of_the_whole_session_is_taken_for_a_sandbox(sebsx: Cli, call: Call) -> None:
    assert call("run", *WORDS, "-s", "limits=rlimit", "--collect", "cgroup").code == 0
    names = sebsx.rows(
        "SELECT DISTINCT name FROM sample JOIN metric ON metric.id = metric_id WHERE name LIKE 'cgroup.%'"
    )
    assert names == [("cgroup.overhead_s",)]
    assert sebsx.rows("SELECT DISTINCT provider_max_memory_bytes FROM invocation") == [(None,)]
