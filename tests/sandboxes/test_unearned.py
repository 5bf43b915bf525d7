"""A first call has the processor share of later ones, in a simulation of how the kernel limits a thread."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from statistics import fmean

import pytest

from sebsx.sandboxes.launcher import Unearned, cpu_share, quota, unearned

SLICE_S = 0.005  # what a thread draws of the quota at once
STEP_S = 0.0001  # between two looks of the runtime at its clocks


@dataclass(kw_only=True)
class Limited:
    """A thread that works from when its limit comes into force, with nobody beside it.

    Source: Linux 6.18, kernel/sched/fair.c: `do_sched_cfs_period_timer` refills and pays what was overdrawn,
    `account_cfs_rq_runtime` at the tick draws the next slice or stops the thread.
    """

    share: float
    tick_s: float
    rng: random.Random
    now_s: float = 0.0
    used_s: float = 0.0
    stopped: bool = False
    drawn_s: float = field(init=False)
    refill_s: float = field(init=False)
    look_s: float = field(init=False)

    def __post_init__(self) -> None:
        quota_us, period_us = quota(self.share)
        self.quota_s, self.period_s = quota_us * 1e-6, period_us * 1e-6
        self.left_s, self.drawn_s = self.quota_s, 0.0
        self.refill_s, self.look_s = self.rng.uniform(0, self.period_s), self.rng.uniform(0, self.tick_s)
        self._draw()

    def work(self, cpu_s: float) -> float:
        """Use processor time; return the time that it takes."""
        began_s, end_s = self.now_s, self.used_s + cpu_s
        while self.used_s < end_s - 1e-12:
            if self.stopped:
                self._wait()
                continue
            step_s = min(self.refill_s - self.now_s, self.look_s - self.now_s, end_s - self.used_s)
            self.now_s, self.used_s, self.drawn_s = self.now_s + step_s, self.used_s + step_s, self.drawn_s - step_s
            if self.now_s >= self.refill_s - 1e-12:
                self.refill_s, self.left_s = self.refill_s + self.period_s, self.quota_s
            if self.drawn_s <= 0:
                self._draw()
            if self.now_s >= self.look_s - 1e-12:
                self.look_s += self.tick_s
                self.stopped = self.drawn_s <= 0
        return self.now_s - began_s

    def use_up(self, too_much: Unearned) -> None:
        """Do what our runtimes do before the first event."""
        while (
            self.used_s < too_much.cpu_s + too_much.share * self.now_s
            and too_much.share * self.now_s < 2 * too_much.cpu_s
        ):
            self.work(STEP_S)

    def _draw(self) -> None:
        drawn_s = min(SLICE_S, self.left_s)
        self.left_s, self.drawn_s = self.left_s - drawn_s, self.drawn_s + drawn_s

    def _wait(self) -> None:
        self.now_s, self.refill_s = self.refill_s, self.refill_s + self.period_s
        self.left_s = self.quota_s
        owed_s = min(self.left_s, 1e-9 - self.drawn_s)
        self.left_s, self.drawn_s = self.left_s - owed_s, self.drawn_s + owed_s
        self.stopped = self.drawn_s <= 0
        self.look_s += self.tick_s * math.ceil(max(0.0, self.now_s - self.look_s) / self.tick_s)


def first_call(share: float, tick_s: float, too_much: Unearned | None) -> float:
    """Return what a first call takes on average, in shares of what it should: work of one to four quotas."""
    rng = random.Random(20261130)
    took = []
    for _ in range(600):
        thread = Limited(share=share, tick_s=tick_s, rng=rng)
        if too_much:
            thread.use_up(too_much)
            thread.work(0.0003)  # until the handler begins
        work_s = thread.quota_s * rng.uniform(1, 4)
        took.append(thread.work(work_s) * share / work_s)
    return fmean(took)


@pytest.mark.parametrize("memory_mib", [128, 256, 512, 1024])
@pytest.mark.parametrize("tick_s", [0.001, 0.004])
def test_first_call_takes_what_its_share_says(memory_mib: int, tick_s: float) -> None:
    share = cpu_share(memory_mib)

    too_much = unearned(share, tick_s)

    assert too_much is not None
    assert first_call(share, tick_s, None) < 0.86  # as it was
    assert first_call(share, tick_s, too_much) == pytest.approx(1, abs=0.05)


def test_whole_processor_gives_nothing_too_much() -> None:
    assert unearned(1.0) is None
