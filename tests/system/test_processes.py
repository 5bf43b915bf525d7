from __future__ import annotations

import os
import resource
import subprocess

from sebsx.system.processes import bearing, end_all, is_alive, marking, owner_of

FILE_LOCKS = 10


def test_owner_is_alive_as_long_as_the_same_process_runs() -> None:
    owner = owner_of(os.getpid())
    assert owner is not None
    pid, start, namespace = owner.split(":")

    assert is_alive(owner)
    assert not is_alive(f"{pid}:{int(start) + 1}:{namespace}")  # the number was given to another process
    assert is_alive(f"{pid}:{int(start) + 1}:{int(namespace) + 1}")  # of another namespace: not ours to judge
    assert owner_of(2**22 + 1) is None


def test_mark_goes_down_to_every_descendant_and_to_nobody_else() -> None:
    with marking("1:2:3", 7):
        inside = subprocess.Popen(["env", "-i", "setsid", "sleep", "60"])
    outside = subprocess.Popen(["sleep", "60"])

    assert bearing("1:2:3") == bearing("1:2:3", 7) == {inside.pid}
    assert bearing("1:2:3", 8) == bearing("1:2:4") == set()
    assert end_all(lambda: bearing("1:2:3"))
    assert inside.wait(10) == -9
    assert outside.poll() is None
    outside.kill()
    outside.wait()


def test_one_that_ended_and_was_not_waited_for_is_no_longer_found() -> None:
    with marking("1:2:3"):
        zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)

    assert bearing("1:2:3") == set()
    assert zombie.wait() == 0


def test_a_limit_of_the_user_is_no_mark_and_is_kept() -> None:
    _, most = resource.getrlimit(FILE_LOCKS)
    code = "import resource, subprocess, sys; from sebsx.system.processes import marking\n"
    code += f"resource.setrlimit({FILE_LOCKS}, (1000, 1000))\n"
    code += f"with marking('1:2:3'): assert resource.getrlimit({FILE_LOCKS}) == (1000, 1000)"

    with marking("1:2:3"):
        pass

    assert resource.getrlimit(FILE_LOCKS)[1] == most
    assert subprocess.run(["python3", "-c", code], check=False).returncode == 0


def test_whose_number_was_given_to_another_is_spared() -> None:
    theirs = subprocess.Popen(["sleep", "60"])
    answers = iter([{theirs.pid}, set(), set()])  # ours at the first look, somebody else's at the second

    assert end_all(lambda: next(answers))

    assert theirs.poll() is None
    theirs.kill()
    theirs.wait()
