"""What is said of a busy machine, held against one that is made busy."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from sebsx.system.busyness import Host, Waited, host, waited

SPIN = "import os, time; os.sched_setaffinity(0, {%d}); end = time.time() + 3\nwhile time.time() < end: pass"


@pytest.mark.slow
def test_thread_that_shares_its_processor_has_waited_for_it() -> None:
    before = waited()
    if before is None:
        pytest.skip("this kernel has no schedstat")
    mine = os.sched_getaffinity(0)
    processor = min(mine)
    other = subprocess.Popen([sys.executable, "-c", SPIN % processor])
    try:
        os.sched_setaffinity(0, {processor})
        time.sleep(0.3)  # until the other one runs
        before, began_s = waited(), time.perf_counter()
        while time.perf_counter() < began_s + 0.6:
            pass
        after = waited()
    finally:
        os.sched_setaffinity(0, mine)
        other.kill()
        other.wait()
    assert before is not None
    assert after is not None
    delay = after.since(before)
    assert delay.delay_s > 0.1  # of 0.6 s about half, and more where others are at it too
    assert delay.turns > 0


def test_differences_are_taken_of_both() -> None:
    gone = Waited(delay_s=3.0, turns=7).since(Waited(delay_s=1.0, turns=2))
    assert gone == Waited(delay_s=2.0, turns=5)


def test_machine_is_busy_when_half_of_it_is_taken() -> None:
    assert Host(load=1.1, processors=2, stalled_s=None).busy  # half of it is taken
    assert not Host(load=0.9, processors=2, stalled_s=None).busy


def test_pressure_grows_and_load_is_that_of_the_kernel() -> None:
    found = host()
    assert found is not None
    assert found.load == pytest.approx(os.getloadavg()[0], abs=2)
    if found.stalled_s is not None:
        again = host()
        assert again is not None
        assert again.stalled_s is not None
        assert again.stalled_s >= found.stalled_s
