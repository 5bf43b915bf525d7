from __future__ import annotations

import os
import resource
import subprocess
import sys
from threading import Thread

import pytest

from sebsx.system import priority

FIFO = os.SCHED_FIFO
permitted = pytest.mark.skipif(bool(priority.refusal()), reason="no permission for SCHED_FIFO, or one processor")


def policy() -> int:
    return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK


@permitted
def test_thread_goes_first_inside_alone_and_what_it_begins_is_ordinary() -> None:
    seen: list[int] = []

    def act() -> None:
        with priority.on_time() as refusal:
            begun = Thread(target=lambda: seen.append(policy()))
            begun.start()
            begun.join()
            script = "import os; print(os.sched_getscheduler(0))"
            child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
            seen.extend((policy(), int(child), len(refusal)))
        seen.append(policy())

    acting = Thread(target=act)
    acting.start()
    acting.join()
    assert seen == [os.SCHED_OTHER, FIFO, os.SCHED_OTHER, 0, os.SCHED_OTHER]


@permitted
def test_fault_inside_leaves_the_thread_ordinary() -> None:
    with pytest.raises(KeyError), priority.on_time():
        raise KeyError
    assert policy() == os.SCHED_OTHER


def test_only_processor_is_left_to_the_functions() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        with priority.on_time() as refusal:
            assert policy() == os.SCHED_OTHER
    finally:
        os.sched_setaffinity(0, before)
    assert refusal == "it would take the only processor from the functions"


def test_limit_that_would_end_the_process_is_respected() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
    resource.setrlimit(resource.RLIMIT_RTTIME, (1_000_000, hard))
    try:
        assert priority.refusal() != ""
    finally:
        resource.setrlimit(resource.RLIMIT_RTTIME, (soft, hard))


def test_kernel_that_does_not_bound_real_time_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]
) -> None:
    bandwidth = tmp_path / "sched_rt_runtime_us"  # type: ignore[operator]
    monkeypatch.setattr(priority, "_BANDWIDTH", bandwidth)
    for text in ("-1\n", "", None):
        if text is not None:
            bandwidth.write_text(text)
        else:
            bandwidth.unlink()
        assert priority.refusal()
