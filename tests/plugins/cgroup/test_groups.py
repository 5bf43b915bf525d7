"""Where the control group of a sandbox is found: trees of files as the kernel shows them in the usual places."""

from __future__ import annotations

from pathlib import Path

import pytest

from sebsx.runtime.python import groups


def place(monkeypatch: pytest.MonkeyPatch, own: str, mounts: str) -> None:
    texts = {"/proc/self/cgroup": own, "/proc/self/mountinfo": mounts}
    read = groups._text
    monkeypatch.setattr(groups, "_text", lambda path: texts[path] if path in texts else read(path))


def v2_group(folder: Path, controllers: str = "cpu memory io") -> None:
    folder.mkdir(parents=True)
    (folder / "cgroup.type").write_text("domain\n")
    (folder / "cgroup.controllers").write_text(controllers + "\n")


def test_group_of_a_service_in_version_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    v2_group(tmp_path / "system.slice" / "fn.service")
    place(
        monkeypatch,
        "0::/system.slice/fn.service\n",
        f"30 23 0:26 / {tmp_path} rw shared:4 - cgroup2 cgroup2 rw,nsdelegate",
    )
    assert groups.group("memory", "memory") == (2, str(tmp_path / "system.slice" / "fn.service"))
    assert groups.group("blkio", "io") == (2, str(tmp_path / "system.slice" / "fn.service"))


def test_container_with_a_namespace_sees_its_group_at_the_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    v2_group(tmp_path / "cgroup")
    place(monkeypatch, "0::/\n", f"30 23 0:26 / {tmp_path / 'cgroup'} ro - cgroup2 cgroup rw")
    assert groups.group("memory", "memory") == (2, str(tmp_path / "cgroup"))


def test_container_in_version_1_mounts_its_own_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(
        monkeypatch, "5:cpu,cpuacct:/docker/4f2a\n4:memory:/docker/4f2a\n",
        f"31 23 0:30 /docker/4f2a {tmp_path} ro - cgroup cgroup rw,cpu,cpuacct",
    )  # fmt: skip
    assert groups.group("cpuacct", "cpu") == (1, str(tmp_path))
    assert groups.group("memory", "memory") is None  # not mounted: not visible


def test_version_1_wins_where_both_are_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory" / "fn").mkdir(parents=True)
    v2_group(tmp_path / "unified" / "fn", "io")
    mounts = (
        f"41 31 0:38 / {tmp_path / 'unified'} rw - cgroup2 cgroup2 rw\n"
        f"35 31 0:32 / {tmp_path / 'memory'} rw - cgroup cgroup rw,memory"
    )
    place(monkeypatch, "4:memory:/fn\n0::/fn\n", mounts)
    assert groups.group("memory", "memory") == (1, str(tmp_path / "memory" / "fn"))
    assert groups.group("blkio", "io") == (2, str(tmp_path / "unified" / "fn"))
    assert groups.group("cpuacct", "cpu") is None  # not among its controllers


@pytest.mark.parametrize(("name", "seen"), [("fn.service", True), ("another", False), ("", False)])
def test_group_that_others_share_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, seen: bool
) -> None:
    v2_group(tmp_path / "system.slice" / "fn.service")
    place(monkeypatch, "0::/system.slice/fn.service\n", f"30 23 0:26 / {tmp_path} rw - cgroup2 cgroup2 rw")
    monkeypatch.setenv("SEBSX_CONTROL_GROUP", name)
    assert (groups.group("memory", "memory") is not None) is seen


def test_root_group_counts_the_machine_and_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "release_agent").touch()
    place(monkeypatch, "4:memory:/\n", f"35 31 0:32 / {tmp_path / 'v1'} rw - cgroup cgroup rw,memory")
    assert groups.group("memory", "memory") is None
    v2_group(tmp_path / "v2")
    (tmp_path / "v2" / "cgroup.type").unlink()
    place(monkeypatch, "0::/\n", f"30 23 0:26 / {tmp_path / 'v2'} rw - cgroup2 cgroup2 rw")
    assert groups.group("memory", "memory") is None


def test_sandbox_without_proc_has_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    place(monkeypatch, "", "")
    assert groups.group("memory", "memory") is None
