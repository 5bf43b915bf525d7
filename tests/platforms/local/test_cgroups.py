"""Version 2 on a tree of plain files: what is written where. The kernel's side of it is not exercised here."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from sebsx.sandboxes.launcher import quota
from sebsx_local import cgroups

if TYPE_CHECKING:
    from pathlib import Path

OWNER = "12:345:678"
NAME = "sebsx-12-345-678"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A unified hierarchy in which `user/app.slice` may hand out controllers and `user/app.slice/me` is ours."""
    root = tmp_path / "cgroup"
    (root / "user" / "app.slice" / "me").mkdir(parents=True)
    (root / "cgroup.controllers").write_text("cpu memory pids")
    for folder in (root, root / "user"):
        (folder / "cgroup.subtree_control").mkdir()  # neither read nor written: not ours
    (root / "user" / "app.slice" / "cgroup.subtree_control").write_text("memory pids cpu")
    (root / "user" / "app.slice" / "me" / "cgroup.subtree_control").mkdir()  # has processes: the kernel refuses
    return root


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own"
    path.write_text("0::/user/app.slice/me\n")
    return path


def test_v2_group_is_made_in_the_nearest_delegated_group(tree: Path, own: Path) -> None:
    group = cgroups.open_group(OWNER, tree, own)

    assert group is not None
    folder = tree / "user" / "app.slice" / NAME
    assert group.folders == dict.fromkeys(("memory", "cpu", "pids"), folder)
    assert (folder / "cgroup.subtree_control").read_text() == "+memory +cpu +pids"
    assert group.kind("memory") == "cgroup-v2"


def test_v2_sandbox_gets_its_limits(tree: Path, own: Path) -> None:
    group = cgroups.open_group(OWNER, tree, own)
    assert group is not None

    sandbox = group.sandbox("s1", 256 * 2**20)
    sandbox.limit_cpu(0.5)

    folder = tree / "user" / "app.slice" / NAME / "s1"
    assert (folder / "memory.max").read_text() == "268435456"
    assert (folder / "memory.swap.max").read_text() == "0"
    assert (folder / "pids.max").read_text() == "1025"  # and the shell that started them
    assert (folder / "cpu.max").read_text() == "10000 20000"
    assert sandbox.entrances == [folder / "cgroup.procs"]


def test_v2_peak_and_kills_are_read(tree: Path, own: Path) -> None:
    group = cgroups.open_group(OWNER, tree, own)
    assert group is not None
    sandbox = group.sandbox("s1", 2**20)
    folder = tree / "user" / "app.slice" / NAME / "s1"

    assert (sandbox.max_memory_bytes(), sandbox.oom_kills()) == (None, 0)
    (folder / "memory.peak").write_text("4096\n")
    (folder / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n")

    assert (sandbox.max_memory_bytes(), sandbox.oom_kills()) == (4096, 1)
    sandbox.kill()
    assert (folder / "pids.max").read_text() == "0"


def test_v2_without_delegation_has_no_group(tree: Path, own: Path) -> None:
    (tree / "user" / "app.slice" / "cgroup.subtree_control").unlink()
    (tree / "user" / "app.slice" / "cgroup.subtree_control").mkdir()

    assert cgroups.open_group(OWNER, tree, own) is None
    assert not list(tree.rglob(NAME))


def test_v1_folders_are_found_by_controller(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    (root / "memory" / "mine").mkdir(parents=True)
    (root / "cpu,cpuacct").mkdir(parents=True)
    own = tmp_path / "own"
    own.write_text("4:memory:/mine\n3:cpu,cpuacct:/docker/abc\n2:pids:/\n0::/\n")

    group = cgroups.open_group(OWNER, root, own)

    assert group is not None
    assert group.folders == {
        "memory": root / "memory" / "mine" / NAME,
        "cpu": root / "cpu,cpuacct" / NAME,  # the path of the host is not visible: the mount is our own group
    }
    assert group.kind("pids") is None


def test_v1_counts_processor_time_where_that_is_a_hierarchy_of_its_own(tmp_path: Path) -> None:
    for name in ("memory", "cpu", "cpuacct"):
        (tmp_path / name).mkdir()
    own = tmp_path / "own"
    own.write_text("4:memory:/\n3:cpu:/\n2:cpuacct:/\n")

    group = cgroups.open_group(OWNER, tmp_path, own)

    assert group is not None
    assert tmp_path / "cpuacct" / NAME / "s1" / "cgroup.procs" in group.sandbox("s1", 2**27).entrances


def test_v1_sandbox_gets_its_limits(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    (root / "memory").mkdir(parents=True)
    (root / "cpu").mkdir()
    own = tmp_path / "own"
    own.write_text("4:memory:/\n3:cpu:/\n")
    group = cgroups.open_group(OWNER, root, own)
    assert group is not None

    group.sandbox("s1", 2**27).limit_cpu(1.25)

    assert (root / "memory" / NAME / "s1" / "memory.limit_in_bytes").read_text() == "134217728"
    assert (root / "cpu" / NAME / "s1" / "cpu.cfs_period_us").read_text() == "20000"
    assert (root / "cpu" / NAME / "s1" / "cpu.cfs_quota_us").read_text() == "25000"


def test_system_without_control_groups_has_none(tmp_path: Path) -> None:
    assert cgroups.open_group(OWNER, tmp_path, tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (1.0, (20_000, 20_000)),
        (2.5, (50_000, 20_000)),
        (0.05, (1000, 20_000)),
        (0.02, (1000, 50_000)),  # a quota below 1 ms is refused, so the period grows
    ],
)
def test_quota_gives_the_share(share: float, expected: tuple[int, int]) -> None:
    assert quota(share) == expected


def test_groups_of_gateways_are_found_at_any_depth(tree: Path, own: Path) -> None:
    cgroups.open_group(OWNER, tree, own)

    assert list(cgroups.find_groups(tree)) == [(tree / "user" / "app.slice" / NAME, OWNER)]


def test_processes_of_other_namespaces_and_we_ourselves_are_never_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        (tmp_path / "cgroup.procs").write_text(f"0\n{os.getpid()}\n{other.pid}\n")

        assert cgroups.kill_group(tmp_path)

        assert other.wait(10) == -9


def test_looking_whether_groups_may_be_made_makes_none(tree: Path, own: Path) -> None:
    (tree / "user" / "app.slice" / "cgroup.controllers").write_text("cpu memory pids")
    before = sorted(tree.rglob("*"))
    assert cgroups.may_limit(tree, own)
    assert sorted(tree.rglob("*")) == before


@pytest.mark.parametrize("controllers", ["memory pids", "cpu"])
def test_group_that_hands_out_too_little_limits_nothing(tree: Path, own: Path, controllers: str) -> None:
    (tree / "cgroup.controllers").write_text(controllers)
    assert not cgroups.may_limit(tree, own)


def test_version_1_may_limit_where_both_hierarchies_are_ours(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("4:memory:/mine\n3:cpu,cpuacct:/mine\n")
    (tmp_path / "memory" / "mine").mkdir(parents=True)
    assert not cgroups.may_limit(tmp_path, own)
    (tmp_path / "cpu,cpuacct" / "mine").mkdir(parents=True)
    assert cgroups.may_limit(tmp_path, own)
    assert not cgroups.may_limit(tmp_path, tmp_path / "nowhere")
