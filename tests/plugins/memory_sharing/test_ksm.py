"""The kernel's knobs are as they were, whatever ended the merging."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sebsx.errors import PlatformError, UnsupportedError
from sebsx_memory import ksm

BEFORE = {
    "run": "0\n", "pages_to_scan": "100\n", "sleep_millisecs": "20\n", "advisor_mode": "none [scan-time]\n",
    "full_scans": "0\n", "pages_sharing": "0\n",
}  # fmt: skip
AFTER = BEFORE | {name: BEFORE[name].strip() for name in ("run", "pages_to_scan", "sleep_millisecs")}
AFTER["advisor_mode"] = "scan-time"


@pytest.fixture
def knobs(tmp_path: Path) -> Path:
    """Files as the kernel's, of one without `smart_scan`."""
    for name, text in BEFORE.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def state(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_knobs_that_cannot_be_written_say_what_to_do(knobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def refusing(self: Path, mode: str = "r", *words: Any, **more: Any) -> Any:
        if mode == "r+":  # root writes whatever the mode of a file is
            raise PermissionError(13, "Permission denied")
        return opened(self, mode, *words, **more)

    monkeypatch.setattr(Path, "open", refusing)
    assert ksm.refusal(knobs) == f"{knobs}/run cannot be written: Permission denied; run sebsx as root"


def test_an_error_inside_puts_every_knob_back(knobs: Path) -> None:
    with pytest.raises(ZeroDivisionError), ksm.running(5000, knobs):
        assert (knobs / "run").read_text() == "1"
        assert (knobs / "pages_to_scan").read_text() == "5000"
        assert (knobs / "advisor_mode").read_text() == "none"
        raise ZeroDivisionError
    assert state(knobs) == AFTER


def test_second_run_is_refused_and_the_first_puts_back_what_it_found(knobs: Path) -> None:
    with ksm.running(5000, knobs):
        (knobs / "run").write_text("0\n")  # as the second would have seen it a moment before
        with pytest.raises(UnsupportedError, match="another run of sebsx uses KSM"), ksm.running(9, knobs):
            pass
        assert (knobs / "pages_to_scan").read_text() == "5000"
    assert state(knobs) == AFTER
    with ksm.running(9, knobs):
        assert (knobs / "run").read_text() == "1"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_puts_every_knob_back(knobs: Path, number: signal.Signals) -> None:
    code = f"import pathlib, time; from sebsx_memory import ksm\nwith ksm.running(9, pathlib.Path({str(knobs)!r})):\n"
    child = subprocess.Popen([sys.executable, "-c", f"{code}    print('on', flush=True); time.sleep(60)"],
                             stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "on\n"
        os.kill(child.pid, number)
        child.wait()
    deadline = time.monotonic() + 30
    while state(knobs) != AFTER and time.monotonic() < deadline:
        time.sleep(0.01)
    assert state(knobs) == AFTER


def test_kernel_that_merges_already_is_left_alone(knobs: Path) -> None:
    (knobs / "run").write_text("1\n")
    with pytest.raises(UnsupportedError, match="KSM runs already"), ksm.running(5000, knobs):
        pass
    assert (knobs / "pages_to_scan").read_text() == BEFORE["pages_to_scan"]


def test_kernel_without_merging_says_so(tmp_path: Path) -> None:
    assert ksm.refusal(tmp_path / "ksm") == f"this kernel has no {tmp_path / 'ksm'}"


def test_knob_that_cannot_be_put_back_is_named_with_its_value(knobs: Path) -> None:
    with pytest.raises(PlatformError, match=r"pages_to_scan.*run 0, pages_to_scan 100"), ksm.running(5000, knobs):
        (knobs / "pages_to_scan").unlink()
        (knobs / "pages_to_scan").mkdir()
    assert (knobs / "run").read_text() == "0"


def test_merging_has_settled_when_a_further_scan_finds_nothing_more(knobs: Path) -> None:
    found = iter([(2, 500), (3, 500), (4, 900), (5, 1000), (6, 1001)])

    def scan(_seconds: float) -> None:
        scans, sharing = next(found)
        (knobs / "full_scans").write_text(str(scans))
        (knobs / "pages_sharing").write_text(str(sharing))

    assert ksm.wait_until_settled(60, scan, knobs).settled
    assert next(found, None) is None


def test_merging_that_goes_on_is_cut_off(knobs: Path) -> None:
    assert not ksm.wait_until_settled(0.01, time.sleep, knobs).settled
