from __future__ import annotations

import time

from sebsx.model.clock import Clock, client_clock


def test_clock_is_wall_time_that_never_steps_back() -> None:
    clock = Clock()
    before, reading, after = time.time(), clock.now(), time.time()
    assert before - 0.01 <= reading <= after + 0.01
    readings = [clock.now() for _ in range(1000)]
    assert readings == sorted(readings)


def test_a_process_has_one_client_clock() -> None:
    assert client_clock() is client_clock()
