"""A delay that a test injected comes back, whatever is wrong with the function's clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.runs import RunView
from sebsx.model import CellStatus, StartType
from sebsx.store import Store
from sebsx_docker.backend import DockerPlatform
from sebsx_invocation_overhead.analyzer import IntervalSettings, InvocationOverheadAnalyzer
from sebsx_invocation_overhead.experiment import InvocationOverhead
from sebsx_invocation_overhead.settings import OverheadSettings
from sebsx_invocation_overhead.windows import Window, judge_all
from tests.orchestration import store_in
from tests.platforms.docker.conftest import need
from tests.plugins.delays import Delayed, delayed, home, run_on
from tests.support import Cli

__all__ = ["home"]
pytestmark = [pytest.mark.usefixtures("home"), pytest.mark.slow]

SMALL, LARGE, BETWEEN = 1024, 8192, 4096
# Fewer levels and sandboxes than the preset has; what each is, and what is said of them, is as with all.
QUICK = {
    "invocation-overhead": ("--payload-bytes", "1024,1048576", "--package-bytes", "1048576,8388608"),
    "network": ("--sandboxes", "6"),
}


def windows(view: RunView) -> dict[int, Window]:
    found = {}
    for cell in view.cells():
        assert cell.status is CellStatus.FINISHED, cell.error
        calls = view.invocations(cell_id=cell.id)
        found[cell.factors["payload_bytes"]] = judge_all(calls, StartType(cell.factors["start"]))
    return found


def settings(start: str, repetitions: int, parameters: dict[str, str], **more: Any) -> OverheadSettings:
    return OverheadSettings(
        sweeps=("payload",), start=(start,), payload_bytes=(SMALL, LARGE), repetitions=repetitions,
        parameters=parameters, **more,
    )  # fmt: skip


def assert_delay_comes_back(platform: type[Delayed], parameters: dict[str, str], store: Store) -> None:
    """Hold that the delay that was made is the one that is measured, within a millisecond or the stated uncertainty.

    Clocks that are aligned wrongly move every message, a busy machine only some: the fastest of each size count.
    """
    found = windows(run_on(platform, InvocationOverhead(), settings("warm", 12, parameters), store))
    (proxy,) = platform.proxies
    large = sorted(found[LARGE].samples, key=lambda sample: sample.sequence)
    assert len(large) == len(found[SMALL].samples) == 12
    excess_s = [sample.outbound_s - delay_s for sample, delay_s in zip(large, proxy.delays_s, strict=True)]
    assert all(over_s + sample.uncertainty_s > 0 for over_s, sample in zip(excess_s, large, strict=True))
    everything = [sample for window in found.values() for sample in window.samples]
    assert all(min(sample.outbound_s, sample.return_s) + sample.uncertainty_s > 0 for sample in everything)
    uncertainty_s = max(sample.uncertainty_s for sample in everything)
    assert uncertainty_s < 0.02  # or anything would do
    fastest_s = min(sample.outbound_s for sample in found[SMALL].samples)
    assert min(excess_s) == pytest.approx(fastest_s, rel=0, abs=max(0.001, uncertainty_s))


@pytest.mark.parametrize(
    ("delay_s", "parameters"),
    [
        (0.005, {"shift_s": "5"}),
        (0.020, {"shift_s": "-5"}),
        (0.100, {"shift_s": "5", "drift_ppm": "100"}),
        (0.020, {}),
    ],
)
def test_delay_comes_back_within_a_millisecond_or_the_stated_uncertainty(
    delay_s: float, parameters: dict[str, str], tmp_path: Path
) -> None:
    with store_in(tmp_path) as store, delayed(out_s=delay_s, least_bytes=BETWEEN) as platform:
        assert_delay_comes_back(platform, parameters, store)


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_delay_in_front_of_a_container_comes_back(tmp_path: Path) -> None:
    need(DockerPlatform, tmp_path / "check")
    with store_in(tmp_path) as store, delayed(DockerPlatform, out_s=0.02, least_bytes=BETWEEN) as platform:
        assert_delay_comes_back(platform, {"shift_s": "-5"}, store)


def test_cold_start_is_aligned_in_its_own_sandbox(tmp_path: Path) -> None:
    with store_in(tmp_path) as store, delayed(out_s=0.1, least_bytes=BETWEEN) as platform:
        view = run_on(platform, InvocationOverhead(), settings("cold", 6, {"shift_s": "-5"}), store)
        found = windows(view)
        (proxy,) = platform.proxies
    sandboxes = {call.sandbox_id for call in view.invocations() if call.kind == "measured"}
    assert len(sandboxes) == 12
    for window in found.values():
        assert len(window.alignments) == len(window.samples) == 6
    waited = sorted(found[LARGE].samples, key=lambda sample: sample.sequence)
    for sample, delay_s in zip(waited, proxy.delays_s, strict=True):
        # More than the delay, for a process starts; no error of seconds, as a clock not aligned would make.
        assert delay_s - sample.uncertainty_s < sample.outbound_s < delay_s + 4
    assert min(sample.outbound_s for sample in found[SMALL].samples) > 0.005


@pytest.mark.parametrize(("out_s", "back_s"), [(0.01, 0.01), (0.01, 0.0), (0.0, 0.01)])
def test_delay_of_every_message_lies_within_the_stated_uncertainty(out_s: float, back_s: float, tmp_path: Path) -> None:
    with store_in(tmp_path) as store, delayed(out_s=out_s, back_s=back_s) as platform:
        view = run_on(platform, InvocationOverhead(), settings("warm", 4, {"shift_s": "5"}), store)
        found = windows(view)
    for sample in (sample for window in found.values() for sample in window.samples):
        # The ways are equal or as unequal as they can be: half of what they take together is what may be wrong.
        assert sample.uncertainty_s >= (out_s + back_s) / 2
        assert sample.outbound_s + sample.uncertainty_s >= out_s
        assert sample.return_s + sample.uncertainty_s >= back_s
    best = min((sample for window in found.values() for sample in window.samples), key=lambda each: each.outbound_s)
    assert best.outbound_s - best.uncertainty_s <= out_s + 0.001


def test_long_window_finds_the_drift_and_is_aligned_by_a_hull(tmp_path: Path) -> None:
    wanted = OverheadSettings(
        sweeps=("payload",), start=("warm",), payload_bytes=(LARGE,), repetitions=110, window=110,
        parameters={"shift_s": "5", "drift_ppm": "100"},
    )  # fmt: skip
    with store_in(tmp_path) as store, delayed(out_s=0.1, least_bytes=BETWEEN) as platform:
        view = run_on(platform, InvocationOverhead(), wanted, store)
        window = windows(view)[LARGE]
        (proxy,) = platform.proxies
    (alignment,) = window.alignments
    assert alignment.method == "hull"
    assert alignment.span_s > 10
    assert alignment.drift_ppm == pytest.approx(100, abs=30)
    samples = sorted(window.samples, key=lambda sample: sample.sequence)
    assert len(samples) == 110
    excess = [sample.outbound_s - delay_s for sample, delay_s in zip(samples, proxy.delays_s, strict=True)]
    # The drift moves the clock by 1.1 ms; what is left over shows none of it from one end to the other.
    assert min(excess[:20]) == pytest.approx(min(excess[-20:]), abs=6e-4)
    assert all(over + sample.uncertainty_s > 0 for over, sample in zip(excess, samples, strict=True))


def test_finding_is_one_sentence_with_its_interval_and_the_figures_are_there(tmp_path: Path) -> None:
    with store_in(tmp_path) as store, delayed(out_s=0.03, least_bytes=BETWEEN) as platform:
        view = run_on(platform, InvocationOverhead(), settings("warm", 6, {"shift_s": "5"}), store)
        report = InvocationOverheadAnalyzer().analyze([view], IntervalSettings())
    assert report.findings[0].text.startswith("invocation overhead is warm ")
    assert "with a payload of 1.00 KiB, and a MiB adds" in report.findings[0].text
    (answer,) = report.answers
    assert answer.startswith("delayed: with a payload of 1.00 KiB a call reaches its handler after ")
    assert "; a MiB of payload adds " in answer
    assert {figure.name for figure in report.figures} == {"overhead-payload", "line-payload"}
    small, large = (row["outbound_s"] for row in report.tables[0].rows)
    assert large.value - small.value == pytest.approx(0.03, abs=0.01)
    assert large.low <= large.value <= large.high
    (line,) = report.tables[1].rows
    # Each window had a sandbox of its own, so that there are six units; what 7 KiB add is what was injected.
    assert (line["n"], line["rounds"]) == (12, 6)
    assert [row["sandboxes"] for row in report.tables[0].rows] == [6, 6]
    per_mib_s = 0.03 / ((LARGE - SMALL) / 2**20)
    assert line["slope_s"].low < 1.2 * per_mib_s
    assert line["slope_s"].high > 0.8 * per_mib_s
    clocks_s = max(row["uncertainty_s"] for row in report.tables[0].rows)
    assert line["intercept_s"].high - line["intercept_s"].low >= 2 * clocks_s


def test_sizes_without_any_difference_show_none(tmp_path: Path) -> None:
    wanted = IntervalSettings(confidence=0.999)
    with store_in(tmp_path) as store, delayed(out_s=0.0, least_bytes=BETWEEN) as platform:
        view = run_on(platform, InvocationOverhead(), settings("warm", 6, {}), store)
        report = InvocationOverheadAnalyzer().analyze([view], wanted)
    (line,) = report.tables[1].rows
    assert line["slope_s"].low < 0 < line["slope_s"].high


def test_one_sandbox_has_no_intervals_and_says_so(tmp_path: Path) -> None:
    with store_in(tmp_path) as store, delayed(out_s=0.0) as platform:
        view = run_on(platform, InvocationOverhead(), settings("warm", 6, {}, window=6), store)
        report = InvocationOverheadAnalyzer().analyze([view], IntervalSettings())
    for row in report.tables[0].rows:
        assert (row["n"], row["sandboxes"]) == (6, 1)
        assert (row["outbound_s"].low, row["outbound_s"].note) == (None, "1 sandbox")
    (line,) = report.tables[1].rows
    assert (line["slope_s"].value, line["slope_s"].note) == (None, "too few samples or sizes")
    assert any("measured in 1 sandbox: a difference of a few percent" in finding.text for finding in report.findings)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("experiment", QUICK)
def test_quick_preset_ends_well_and_its_report_shows_its_figures(sebsx: Cli, experiment: str) -> None:
    said = sebsx.say("run", "experiment", experiment, "--preset", "quick", *QUICK[experiment], timeout_s=110)
    assert said.code == 0, said.stderr
    assert "not enough data" not in said.stdout
    assert any(line.startswith("local: ") for line in said.stdout.splitlines()), "nothing says what was found"
    (unfinished,) = sebsx.rows("SELECT count(*) FROM cell WHERE status != 'finished'")[0]
    assert unfinished == 0
    assert sebsx.say("report", "last", "-o", "page.html").code == 0
    page = (sebsx.home / "page.html").read_text(encoding="utf-8")
    wanted = {
        "invocation-overhead": ["Overhead against payload size", "Lines of the overhead against package size"],
        "network": ["Round trips between client and sandbox", "Transfers between sandbox and storage"],
    }[experiment]
    assert [title for title in wanted if title not in page] == []
