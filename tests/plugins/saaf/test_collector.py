from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from sebsx.runtime.python.context import Call
from sebsx_saaf.collector import SaafCollector
from tests.support import load_shipped

REGISTERED = {metric.name for metric in SaafCollector.metrics}
# Of the 21 of the ARM study, in the names of the framework.
STUDY = [
    *(f"saaf.{name}Delta_s" for name in (
        "cpuUser", "cpuNice", "cpuKernel", "cpuIdle", "cpuIOWait", "cpuIrq", "cpuSoftIrq", "cpuSteal", "cpuGuest",
        "cpuGuestNice",
    )),
    *(f"saaf.{name}Delta_count" for name in ("contextSwitches", "pageFaults", "majorPageFaults")),
    *(f"saaf.{name}_bytes" for name in ("totalMemory", "freeMemory", "usedMemory")),
    *(f"saaf.{name}_s" for name in ("runtime", "userRuntime", "frameworkRuntime")),
    "saaf.availableCPUs_count", "saaf.utilizedCPUs_count",
]  # fmt: skip
STAT = """cpu  {user} 0 {kernel} {idle} {io} 0 0 {steal} 0 0
cpu0 1 0 0 0 0 0 0 0 0 0
cpu1 1 0 0 0 0 0 0 0 0 0
ctxt {ctxt}
btime 1700000000
"""


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load_shipped(monkeypatch, "sebsx_saaf", "saaf")


@pytest.fixture
def machine(shipped: ModuleType, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Files of /proc that the test writes, and a clock that it sets: two processors, ticks of 10 ms."""
    files = {"/proc/meminfo": "MemTotal:       1000 kB\nMemFree:         400 kB\n", "clock": "0"}
    monkeypatch.setattr(shipped, "read", lambda path: files.get(path, "").encode())
    monkeypatch.setattr(shipped, "perf_counter", lambda: float(files["clock"]))
    monkeypatch.setattr(shipped, "TICK_S", 0.01)
    shipped._groups = (None, None, None)
    return files


def test_every_feature_of_the_study_is_there_on_this_machine(shipped: ModuleType) -> None:
    shipped._groups = (None, None, None)
    samples = shipped.end(shipped.begin(Call()), Call())
    assert len(STUDY) == 21
    assert [name for name in STUDY if name not in samples] == []
    assert set(samples) <= REGISTERED


def test_times_are_differences_in_seconds_and_add_up(shipped: ModuleType, machine: dict[str, str]) -> None:
    machine["/proc/stat"] = STAT.format(user=1000, kernel=100, idle=5000, io=10, steal=0, ctxt=70)
    machine["/proc/vmstat"] = "nr_free_pages 1\npgfault 500\npgmajfault 7\n"
    state = shipped.begin(Call())
    # One second of two processors: 1.2 s user, 0.3 s kernel, 0.4 s idle, 0.1 s steal: 2.0 s.
    machine["/proc/stat"] = STAT.format(user=1120, kernel=130, idle=5040, io=10, steal=10, ctxt=95)
    machine["/proc/vmstat"] = "nr_free_pages 1\npgfault 560\npgmajfault 9\n"
    machine["clock"] = "1.0"
    samples = shipped.end(state, Call())
    assert {name: samples[f"saaf.{name}Delta_s"] for name in ("cpuUser", "cpuKernel", "cpuIdle", "cpuSteal")} == (
        pytest.approx({"cpuUser": 1.2, "cpuKernel": 0.3, "cpuIdle": 0.4, "cpuSteal": 0.1})
    )
    assert samples["saaf.cpuUser_s"] == pytest.approx(11.2)
    assert (samples["saaf.contextSwitchesDelta_count"], samples["saaf.pageFaultsDelta_count"]) == (25, 60)
    assert samples["saaf.majorPageFaultsDelta_count"] == 2
    assert samples["saaf.availableCPUs_count"] == 2
    assert samples["saaf.utilizedCPUs_count"] == pytest.approx(1.5)
    assert samples["saaf.accounting_error_1"] == pytest.approx(0, abs=1e-9)
    memory = [samples[f"saaf.{name}Memory_bytes"] for name in ("total", "free", "used")]
    assert memory == [1000 * 1024, 400 * 1024, 600 * 1024]


def test_times_that_do_not_add_up_are_told(shipped: ModuleType, machine: dict[str, str]) -> None:
    machine["/proc/stat"] = STAT.format(user=0, kernel=0, idle=0, io=0, steal=0, ctxt=0)
    state = shipped.begin(Call())
    machine["/proc/stat"] = STAT.format(user=100, kernel=0, idle=60, io=0, steal=0, ctxt=0)  # 1.6 of 2.0 s
    machine["clock"] = "1.0"
    assert shipped.end(state, Call())["saaf.accounting_error_1"] == pytest.approx(0.2)


def test_call_too_short_for_ticks_has_no_accounting_error(shipped: ModuleType, machine: dict[str, str]) -> None:
    machine["/proc/stat"] = STAT.format(user=0, kernel=0, idle=0, io=0, steal=0, ctxt=0)
    state = shipped.begin(Call())
    machine["clock"] = "0.1"
    samples = shipped.end(state, Call())
    assert "saaf.accounting_error_1" not in samples
    assert "saaf.pageFaults_count" not in samples  # /proc/vmstat cannot be read: absent, not zero


def test_group_s_figures_are_taken_where_there_is_one(
    shipped: ModuleType, machine: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped._groups = ((2, "/g"), (2, "/g"), (2, "/g"))
    monkeypatch.setattr(shipped.os, "sched_getaffinity", lambda _pid: {0, 1, 2, 3})
    machine["/g/cpu.max"] = "50000 100000\n"
    machine["/g/cpu.stat"] = "usage_usec 0\nuser_usec 0\nsystem_usec 0\n"
    machine["/g/memory.stat"] = "pgfault 10\npgmajfault 1\n"
    machine |= {"/g/memory.max": "512000\n", "/g/memory.current": "112000\n"}
    state = shipped.begin(Call())
    machine["/g/cpu.stat"] = "usage_usec 660000\nuser_usec 500000\nsystem_usec 160000\n"
    machine["/g/memory.stat"] = "pgfault 30\npgmajfault 1\n"
    machine["clock"] = "1.0"
    samples = shipped.end(state, Call())
    assert samples["saaf.cpuUserDelta_s"] == pytest.approx(0.5)
    assert samples["saaf.cpuKernelDelta_s"] == pytest.approx(0.16)
    assert "saaf.cpuIdleDelta_s" not in samples  # of the whole machine only
    assert samples["saaf.availableCPUs_count"] == 0.5
    # 0.66 s used where half a processor has 0.5 s in a second: 0.66 / 0.5 - 1.
    assert samples["saaf.accounting_error_1"] == pytest.approx(0.32)
    assert (samples["saaf.totalMemory_bytes"], samples["saaf.freeMemory_bytes"]) == (512000, 400000)
    assert samples["saaf.pageFaultsDelta_count"] == 20
    assert shipped.facts()["saaf"]["cpuScope"] == "group"


def test_version_1_counts_and_limits_in_hierarchies_of_their_own(
    shipped: ModuleType, machine: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped._groups = ((1, "/a"), None, (1, "/q"))
    monkeypatch.setattr(shipped.os, "sched_getaffinity", lambda _pid: {0, 1})
    machine |= {"/q/cpu.cfs_quota_us": "10000\n", "/q/cpu.cfs_period_us": "20000\n"}
    machine |= dict.fromkeys(("/a/cpuacct.usage", "/a/cpuacct.usage_user", "/a/cpuacct.usage_sys"), "0\n")
    state = shipped.begin(Call())
    # At ticks it was seen for 0.6 s, of which 0.2 s in the kernel; it used 0.45 s.
    machine |= {"/a/cpuacct.usage": "450000000\n", "/a/cpuacct.usage_user": "400000000\n"}
    machine |= {"/a/cpuacct.usage_sys": "200000000\n", "clock": "1.0"}
    samples = shipped.end(state, Call())
    assert samples["saaf.cpuUserDelta_s"] == pytest.approx(0.3)
    assert samples["saaf.cpuKernelDelta_s"] == pytest.approx(0.15)
    assert samples["saaf.availableCPUs_count"] == 0.5
    assert samples["saaf.accounting_error_1"] == 0.0


@pytest.mark.slow
def test_accounting_holds_on_this_machine(shipped: ModuleType) -> None:
    """Median of three: between two readings of one counter the kernel may be busy elsewhere."""
    shipped._groups = (None, None, None)
    errors = []
    for _ in range(3):
        state = shipped.begin(Call())
        time.sleep(0.7)
        errors.append(shipped.end(state, Call())["saaf.accounting_error_1"])
    assert sorted(errors)[1] < 0.05


@pytest.mark.slow
def test_work_of_others_is_told_from_one_s_own(shipped: ModuleType) -> None:
    shipped._groups = (None, None, None)
    work = "import time\nwhile time.process_time() < 0.3: pass"
    state = shipped.begin(Call())
    other = subprocess.Popen([sys.executable, "-I", "-S", "-c", work])
    while Path(f"/proc/{other.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    samples = shipped.end(state, Call())
    other.wait()
    assert samples["saaf.foreignCpu_s"] >= 0.1  # not waited for yet: nobody's child time
    state = shipped.begin(Call())
    subprocess.run([sys.executable, "-I", "-S", "-c", work], check=True)
    assert shipped.end(state, Call())["saaf.cpuUserDelta_s"] >= 0.1


def test_first_call_is_a_new_container(shipped: ModuleType) -> None:
    calls = [Call(number) for number in (1, 2, 3)]
    flags = [shipped.end(shipped.begin(call), call)["saaf.newcontainer_1"] for call in calls]
    assert flags == [1, 0, 0]


def test_facts_are_words_about_the_machine(shipped: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/22/[$LATEST]4f2a")
    shipped.end(shipped.begin(Call()), Call())
    found = shipped.facts()["saaf"]
    assert found["containerID"] == "2026/11/22/[$LATEST]4f2a"
    assert 0 < found["vmuptime"] < time.time()
    assert found["newcontainer"] == 1


def test_calls_that_share_the_process_have_counters_without_differences(shipped: ModuleType) -> None:
    call = Call()
    state = shipped.begin(call)
    call.concurrent = 3

    samples = shipped.end(state, call)

    assert not {name for name in samples if "Delta" in name}
    assert not {"saaf.utilizedCPUs_count", "saaf.foreignCpu_s", "saaf.accounting_error_1"} & samples.keys()
    assert {"saaf.cpuUser_s", "saaf.runtime_s", "saaf.newcontainer_1"} <= samples.keys()
