"""A call that did not get the processor it was due is marked; what its quota takes, or it sleeps, is no loss."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sebsx.model.starved import LEAST_USED
from sebsx.reading.comparison import Options, compare_runs
from sebsx.reading.conditions import conditions
from sebsx.running.starvation import used_share
from sebsx.stats import Verdict
from sebsx.store import Store, open_store
from sebsx.testing.runs import RunWriter

SPIN = "import os, time; os.sched_setaffinity(0, {%d}); end = time.time() + 3\nwhile time.time() < end: pass"


@pytest.mark.parametrize(
    ("cpu_s", "delay_s", "duration_s", "vcpu", "used"),
    [
        (1.0, 0.0, 1.0, 1.0, 1.0),  # nobody disturbed it
        (0.25, 0.75, 1.0, 0.25, 1.0),  # a quarter is its quota: the rest is throttled, and counted as waiting
        (0.1, 0.9, 1.0, 0.25, 0.4),  # it had 0.1 of the 0.25 it was due
        (0.5, 0.5, 1.0, 1.0, 0.5),
        (0.5, 0.5, 1.0, 2.0, 0.5),  # one thread is due one processor, whatever there are
        (0.002, 0.003, 1.0, 1.0, 1.0),  # it slept: 3 ms of a second are of no matter
        (0.96, 0.04, 1.0, 1.0, 1.0),  # 4 % neither
        (0.0, 0.0, 1.0, 1.0, 1.0),  # a child did the work
    ],
)
def test_share_of_what_was_due(cpu_s: float, delay_s: float, duration_s: float, vcpu: float, used: float) -> None:
    samples = {"function.cpu_s": cpu_s, "function.runqueue_s": delay_s}
    assert used_share(samples, duration_s, vcpu) == pytest.approx(used)


@pytest.mark.parametrize(
    ("samples", "duration_s", "vcpu"),
    [
        ({}, 1.0, 1.0),
        ({"function.cpu_s": 1.0}, 1.0, 1.0),
        ({"function.cpu_s": 1.0, "function.runqueue_s": 0.0}, None, 1.0),
        ({"function.cpu_s": 1.0, "function.runqueue_s": 0.0}, 1.0, None),
    ],
)
def test_nothing_is_said_where_something_is_not_known(samples, duration_s, vcpu) -> None:
    assert used_share(samples, duration_s, vcpu) is None


@pytest.mark.slow
def test_work_that_shares_its_processor_is_starved() -> None:
    turns = importlib.import_module("sebsx.runtime.python.turns")
    if turns.read() is None:
        pytest.skip("this kernel has no schedstat")
    mine = os.sched_getaffinity(0)
    processor = min(mine)
    others = [subprocess.Popen([sys.executable, "-c", SPIN % processor]) for _ in range(2)]
    try:
        os.sched_setaffinity(0, {processor})
        time.sleep(0.4)  # until they run
        before, began_s = turns.read(), time.perf_counter()
        while time.perf_counter() < began_s + 0.8:
            pass
        samples, duration_s = turns.between(before), time.perf_counter() - began_s
    finally:
        os.sched_setaffinity(0, mine)
        for other in others:
            other.kill()
            other.wait()
    used = used_share(samples, duration_s, 1.0)
    assert used is not None
    assert used < LEAST_USED  # of three that want it each has a third


@pytest.fixture
def store(tmp_path: Path):
    with open_store(tmp_path / "store.sqlite") as opened:
        yield opened


def test_condition_that_was_starved_is_not_compared(store: Store) -> None:
    views = []
    for number, share in enumerate((0.0, 0.6), 1):
        writer = RunWriter(store, number)
        cell = writer.add([0.1 + 0.001 * index for index in range(40)])
        store.add_value(writer.run.id, "host.starved", share, cell_id=cell)
        views.append(writer.finish())
    calm, starved = (conditions([view])[0] for view in views)
    assert (calm.doubt, calm.starved) == ("", 0.0)
    assert starved.doubt == "starved: 60 % of the calls had less than 0.8 of the processor time they were due"
    rows = compare_runs([views[0]], [views[1]], Options()).rows
    assert rows
    assert {row.verdict for row in rows} == {Verdict.INCOMPARABLE}
