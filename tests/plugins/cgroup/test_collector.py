from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from sebsx.runtime.python.context import Call
from sebsx_cgroup.collector import CgroupCollector
from tests.support import load_shipped

REGISTERED = {metric.name for metric in CgroupCollector.metrics}


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load_shipped(monkeypatch, "sebsx_cgroup", "cgroup")


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def v2_state(folder: Path, user: int, system: int, throttled: int, faults: int, read: int, memory: int) -> None:
    cpu = f"usage_usec {user + system}\nuser_usec {user}\nsystem_usec {system}\nnr_periods {user // 100}\n"
    write(
        folder,
        cpu__stat=f"{cpu}nr_throttled {throttled}\nthrottled_usec {throttled * 1000}\n",
        memory__stat=f"anon 4096\npgfault {faults}\npgmajfault 0\n",
        memory__current=f"{memory}\n",
        memory__peak=f"{memory + 5}\n",
        io__stat=f"8:0 rbytes={read} wbytes=10 rios=3 wios=1 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=0 rios=1 wios=0\n",
    )


def test_version_2_gives_differences_and_what_stands(shipped: ModuleType, tmp_path: Path) -> None:
    shipped._groups = {name: (2, str(tmp_path)) for name in ("cpu", "memory", "blkio")}
    v2_state(tmp_path, user=1_000_000, system=500_000, throttled=2, faults=100, read=4096, memory=1000)
    state = shipped.begin(Call())
    v2_state(tmp_path, user=1_250_000, system=600_000, throttled=5, faults=140, read=12288, memory=3000)
    samples = shipped.end(state, Call())
    assert samples.pop("cgroup.overhead_s") > 0
    assert samples == pytest.approx({
        "cgroup.cpu_user_s": 0.25, "cgroup.cpu_system_s": 0.1, "cgroup.cpu_usage_s": 0.35,
        "cgroup.periods_count": 2500, "cgroup.throttled_periods_count": 3, "cgroup.throttled_s": 0.003,
        "cgroup.minor_faults_count": 40, "cgroup.major_faults_count": 0,
        "cgroup.memory_bytes": 3000, "cgroup.memory_peak_bytes": 3005,
        "cgroup.io_read_bytes": 8192, "cgroup.io_write_bytes": 0, "cgroup.io_reads_count": 0,
        "cgroup.io_writes_count": 0,
    })  # fmt: skip
    assert {*samples, "cgroup.overhead_s"} == REGISTERED


def test_version_1_has_a_folder_for_each_controller(shipped: ModuleType, tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("cpu", "cpuacct", "memory", "blkio")}
    for folder in folders.values():
        folder.mkdir()
    shipped._groups = {name: (1, str(folder)) for name, folder in folders.items()}

    def state(n: int) -> None:
        usage = {"usage": 3 * n, "usage_user": 2 * n, "usage_sys": n}
        write(folders["cpuacct"], **{f"cpuacct__{name}": f"{value * 10**9}\n" for name, value in usage.items()})
        write(folders["cpu"], cpu__stat=f"nr_periods {n}\nnr_throttled {n}\nthrottled_time {n * 10**9}\n")
        write(folders["memory"], memory__stat=f"pgfault {n}\npgmajfault {n}\n")
        write(folders["memory"], memory__usage_in_bytes=f"{n}\n", memory__max_usage_in_bytes=f"{2 * n}\n")
        for kind in ("io_service_bytes", "io_serviced"):
            text = f"8:0 Read {n}\n8:0 Write {n}\n8:0 Total {2 * n}\nTotal {2 * n}\n"
            (folders["blkio"] / f"blkio.throttle.{kind}_recursive").write_text(text)

    state(1)
    before = shipped.begin(Call())
    state(4)
    samples = shipped.end(before, Call())
    assert {name: samples[f"cgroup.{name}"] for name in ("cpu_usage_s", "cpu_user_s", "cpu_system_s")} == pytest.approx(
        {"cpu_usage_s": 9, "cpu_user_s": 6, "cpu_system_s": 3}
    )
    assert samples["cgroup.throttled_s"] == pytest.approx(3)
    assert (samples["cgroup.io_read_bytes"], samples["cgroup.io_writes_count"]) == (3, 3)
    assert (samples["cgroup.memory_bytes"], samples["cgroup.memory_peak_bytes"]) == (4, 8)


def test_what_cannot_be_read_is_absent_not_zero(shipped: ModuleType, tmp_path: Path) -> None:
    shipped._groups = {"cpu": (2, str(tmp_path)), "memory": (2, str(tmp_path))}
    write(tmp_path, memory__current="7\n")  # no peak before Linux 5.19, no cpu.stat
    samples = shipped.end(shipped.begin(Call()), Call())
    assert set(samples) == {"cgroup.memory_bytes", "cgroup.overhead_s"}
    shipped._groups = {}
    assert set(shipped.end(shipped.begin(Call()), Call())) == {"cgroup.overhead_s"}


def test_facts_name_the_limits_in_the_kernel_s_words(shipped: ModuleType, tmp_path: Path) -> None:
    shipped._groups = {"cpu": (2, str(tmp_path)), "memory": (2, str(tmp_path))}
    write(tmp_path, memory__max="268435456\n", cpu__max="20000 100000\n")
    found = shipped.facts()["cgroup"]
    assert (found["memory_limit"], found["cpu_quota"]) == ("268435456", "20000 100000")
    assert found["memory"] == {"version": 2, "folder": str(tmp_path)}


def test_calls_that_share_the_sandbox_have_its_memory_alone(shipped: ModuleType, tmp_path: Path) -> None:
    shipped._groups = {name: (2, str(tmp_path)) for name in ("cpu", "memory", "blkio")}
    v2_state(tmp_path, user=1, system=1, throttled=1, faults=1, read=1, memory=1000)
    call = Call()
    state = shipped.begin(call)
    call.concurrent = 1

    assert set(shipped.end(state, call)) == {"cgroup.memory_bytes", "cgroup.memory_peak_bytes", "cgroup.overhead_s"}
