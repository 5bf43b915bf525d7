"""The timer that is set for each call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sebsx.sandboxes.alarm import Alarm

if TYPE_CHECKING:
    import pytest

FAR_S = 3600.0
SOON_S = 0.01


def test_time_that_was_set_last_holds() -> None:
    async def main() -> list[str]:
        rung: list[str] = []
        over = asyncio.Event()
        sooner, stopped = Alarm(lambda: rung.append("sooner")), Alarm(lambda: rung.append("stopped"))
        later = Alarm(lambda: (rung.append("later"), over.set()))
        sooner.set(FAR_S)
        sooner.set(SOON_S)
        stopped.set(SOON_S)
        stopped.stop()
        later.set(SOON_S)
        later.set(5 * SOON_S)
        await over.wait()
        return rung

    assert asyncio.run(main()) == ["sooner", "later"]


def test_it_is_set_for_each_call_without_a_new_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> int:
        loop, made = asyncio.get_running_loop(), 0
        call_at = loop.call_at

        def counting(*arguments: object, **others: object) -> asyncio.TimerHandle:
            nonlocal made
            made += 1
            return call_at(*arguments, **others)

        monkeypatch.setattr(loop, "call_at", counting)
        alarm = Alarm(lambda: None)
        for _ in range(100):
            alarm.set(FAR_S)
            alarm.stop()
        alarm.end()
        alarm.end()
        return made

    assert asyncio.run(main()) == 1
