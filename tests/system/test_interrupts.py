from __future__ import annotations

import os
import signal

import pytest

from sebsx.system.interrupts import Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_raises_outside_a_shield(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sebsx.system.interrupts._OUTPUTS", ())  # the terminal of the tests is still there
    with Interrupts().handled(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


def test_shield_holds_an_interrupt_back_until_its_end() -> None:
    interrupts, reached = Interrupts(), []
    with interrupts.handled(), pytest.raises(KeyboardInterrupt):
        with interrupts.shielded():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("inside")
        reached.append("behind")
    assert reached == ["inside"]


def test_nested_shields_hold_until_the_outermost_ends() -> None:
    interrupts, reached = Interrupts(), []
    with interrupts.handled(), pytest.raises(KeyboardInterrupt), interrupts.shielded():
        with interrupts.shielded():
            os.kill(os.getpid(), signal.SIGINT)
        reached.append("after the inner")
    assert reached == ["after the inner"]


def test_swallowing_shield_drops_further_interrupts() -> None:
    interrupts = Interrupts()
    with interrupts.handled():
        with interrupts.shielded(swallow=True):
            os.kill(os.getpid(), signal.SIGINT)
        interrupts.check()
    assert not interrupts.pending


def test_only_the_first_interrupt_is_raised() -> None:
    interrupts, reached = Interrupts(), []
    with interrupts.handled():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)  # during clean-up
        reached.append("the end of the clean-up")
    assert reached == ["the end of the clean-up"]
    with interrupts.handled(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)  # of another stretch


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interrupts().handled():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_hangup_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    interrupts = Interrupts()
    try:
        with interrupts.handled():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert not interrupts.pending
    finally:
        signal.signal(signal.SIGHUP, before)
