from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sebsx.store import current_owner, is_alive, owner


def test_this_process_is_alive() -> None:
    assert is_alive(current_owner())


def test_process_is_alive_until_it_ends() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        theirs = {**current_owner(), "pid": child.pid, "process_started": owner._started(child.pid)}
        assert is_alive(theirs)
        child.communicate()
    assert not is_alive(theirs)


def test_process_that_nobody_waited_for_is_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it ended and is a zombie now
        ghost = {**current_owner(), "pid": child.pid}
        assert not is_alive({**ghost, "process_started": "1"})


def test_reused_process_id_is_not_the_owner() -> None:
    assert not is_alive({**current_owner(), "process_started": "1"})


def test_owner_of_an_earlier_boot_is_dead() -> None:
    assert not is_alive({**current_owner(), "boot_id": "earlier"})


def test_empty_owner_is_dead() -> None:
    assert not is_alive({})


@pytest.mark.parametrize(("silent", "alive"), [(timedelta(minutes=14), True), (timedelta(minutes=16), False)])
def test_owner_on_another_host_is_judged_by_its_heartbeat(silent: timedelta, alive: bool) -> None:
    elsewhere = {**current_owner(), "host": "elsewhere"}
    assert is_alive(elsewhere, datetime.now(UTC) - silent) is alive


@pytest.mark.parametrize(("silent", "alive"), [(timedelta(minutes=14), True), (timedelta(minutes=16), False)])
def test_owner_in_another_namespace_is_judged_by_its_heartbeat(silent: timedelta, alive: bool) -> None:
    contained = {**current_owner(), "pid_namespace": "pid:[1]", "pid": 1, "process_started": "1"}
    assert is_alive(contained, datetime.now(UTC) - silent) is alive
    ours = {**contained, "pid_namespace": current_owner()["pid_namespace"]}
    assert not is_alive(ours, datetime.now(UTC))


def test_namespace_of_an_earlier_boot_says_nothing() -> None:
    before = {**current_owner(), "boot_id": "earlier", "pid_namespace": "pid:[1]"}
    assert not is_alive(before, datetime.now(UTC))


def test_owner_that_was_written_without_a_namespace_is_asked() -> None:
    owner = {key: value for key, value in current_owner().items() if key != "pid_namespace"}
    assert is_alive(owner)


@pytest.mark.slow
@pytest.mark.root
def test_process_of_a_namespace_of_its_own_says_so() -> None:
    code = "import json; from sebsx.store import current_owner; print(json.dumps(current_owner()))"
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no namespace can be made here: {done.stderr.strip()}")
    contained = json.loads(done.stdout)
    assert contained["host"] == current_owner()["host"]
    assert is_alive(contained, datetime.now(UTC))  # its number, 1, is another process here
    assert not is_alive(contained, datetime.now(UTC) - timedelta(hours=1))


def test_owner_on_another_host_without_a_heartbeat_is_dead() -> None:
    assert not is_alive({**current_owner(), "host": "elsewhere"})


def test_without_proc_the_process_id_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "_PROC", "/nowhere")
    me = current_owner()
    assert (me["boot_id"], me["process_started"]) == ("", "")
    assert is_alive(me)
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        pass
    assert not is_alive({**me, "pid": child.pid})


@pytest.mark.parametrize("pid", ["seven", [1], -1, True, 2**31])
def test_process_that_there_cannot_be_is_refused(pid: Any) -> None:
    with pytest.raises(ValueError, match="not the number of a process"):
        is_alive({**current_owner(), "pid": pid})
