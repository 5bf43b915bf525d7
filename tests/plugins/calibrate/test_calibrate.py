"""Steps fitted to a platform: the arithmetic, the file, and the whole way with a function whose time is known."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts import benchmarks, calibrations
from sebsx.contracts.calibrations import Calibration, calibrated
from sebsx.errors import UserError
from sebsx_calibrate.fitting import fit_line, parse_run_times
from tests.support import Cli

pytestmark = pytest.mark.slow  # functions that last for seconds

# Waiting is not slowed by other work on the machine: 20 ms, and 1 ms for each unit of n squared.
CODE = "import time\ndef handler(event, context):\n    time.sleep(0.02 + event['n'] ** 2 / 1000)\n    return {}\n"
MANIFEST = """
[parameters.n]
type = "float"
default = 1
minimum = 1
maximum = 30
[sizes]
test = { n = 1 }
[steps]
parameter = "n"
first = 1
last = 10
growth = 2
count = 5
"""
FOUND = Calibration(
    benchmark="waiter", benchmark_version="1", platform="local", memory_mib=128, architecture="x86_64", parameter="n",
    first=2.0, last=10.0, count=5, growth=2.0, first_s=0.024, last_s=0.12, r2=0.999, run="01J",
)  # fmt: skip


@pytest.fixture
def waiter(write_function: Callable[..., Path]) -> Path:
    return write_function("waiter", CODE, manifest=MANIFEST)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


def test_line_through_exact_points_is_recovered() -> None:
    fit = fit_line([(1, 2.5), (2, 3.0), (10, 7.0)])  # 2 + x / 2
    assert (fit.base_s, fit.unit_s, fit.r2) == pytest.approx((2.0, 0.5, 1.0))
    assert fit.duration_s(4) == pytest.approx(4.0)
    assert fit.work(4.0) == pytest.approx(4.0)


def test_small_durations_count_as_much_as_large_ones() -> None:
    # The last point is 10 s too high: plain least squares would turn the line until the first is far off.
    fit = fit_line([(1, 1.0), (2, 2.0), (3, 3.0), (100, 110.0)])
    assert fit.duration_s(1) == pytest.approx(1.0, rel=0.03)


def test_r2_is_the_share_explained() -> None:
    # y = x but for one point: residuals of the fitted line are what R^2 leaves over.
    points = [(1.0, 1.0), (2.0, 4.0), (3.0, 3.0)]
    fit = fit_line(points)
    residual = sum((y - fit.duration_s(x)) ** 2 for x, y in points)
    assert fit.r2 == pytest.approx(1 - residual / (14 / 3))  # mean 8/3: (5/3)^2 + (4/3)^2 + (1/3)^2 = 42/9
    assert fit.r2 < 0.7


@pytest.mark.parametrize(
    ("points", "message"), [([(1, 1.0), (1, 2.0)], "cannot be varied"), ([(1, 2.0), (2, 1.0)], "does not scale")]
)
def test_points_that_make_no_line_are_refused(points: list[tuple[float, float]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit_line(points)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("4s..120s", (4, 120)), ("4..120", (4, 120)), ("0.5 .. 2.5s", (0.5, 2.5)), ("4m..5m", (240, 300)),
        ("4..5m", (240, 300)), ("250ms..2s", (0.25, 2)),
    ],
)  # fmt: skip
def test_target_is_read(text: str, ends: tuple[float, float]) -> None:
    assert parse_run_times(text) == ends


@pytest.mark.parametrize("text", ["4s", "4-120", "..", "4x..5x", "-1..5", "5..4", "0..4", "4..4", ""])
def test_bad_target_is_refused(text: str) -> None:
    why = "write both ends, such as 4s|must grow from above 0|is not a duration|goes backwards"
    with pytest.raises(UserError, match=rf"--run-times '.*'.*({why})"):
        parse_run_times(text)


def test_saved_calibration_is_found_for_its_platform_and_memory_only(data: Path, waiter: Path) -> None:
    benchmark = benchmarks.load(waiter)
    path = calibrations.save(FOUND)
    assert path.is_relative_to(data)
    assert calibrations.find(benchmark, "local", 128) == FOUND
    assert calibrations.find(benchmark, "local", 256) is None
    assert calibrations.find(benchmark, "aws", 128) is None
    calibrations.save(replace(FOUND, first=3.0))
    found = calibrations.find(benchmark, "local", 128)
    assert found is not None
    assert found.first == 3.0


def test_numbered_sizes_take_the_calibrated_values_and_named_ones_do_not(data: Path, waiter: Path) -> None:
    benchmark = benchmarks.load(waiter)
    calibrations.save(FOUND)
    # Work grows from 4 to 100 in four equal strides of 24: step 3 is 52.
    assert calibrated(benchmark, "3", "local", 128).resolve("3", {})["n"] == pytest.approx(52**0.5)
    assert calibrated(benchmark, "3", "local", 128).expect["3"] == pytest.approx(0.072)
    assert calibrated(benchmark, "3", "local", 256).resolve("3", {})["n"] == pytest.approx(50.5**0.5)
    assert calibrated(benchmark, "test", "local", 128) is benchmark
    assert calibrated(benchmark, "6", "local", 128) is benchmark


def test_calibration_of_another_version_is_not_used(data: Path, waiter: Path, caplog: pytest.LogCaptureFixture) -> None:
    calibrations.save(replace(FOUND, benchmark_version="0"))
    assert calibrations.find(benchmarks.load(waiter), "local", 128) is None
    assert "another version" in caplog.text


@pytest.mark.parametrize("text", ["first = ", "first = 1\n", "\xff"])
def test_damaged_file_is_told_with_its_name(text: str, data: Path, waiter: Path) -> None:
    path = calibrations.save(FOUND)
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"waiter-128\.toml' cannot be read: .*; calibrate again or remove it"):
        calibrations.find(benchmarks.load(waiter), "local", 128)


def calibrate(sebsx: Cli, folder: Path, *arguments: str) -> Any:
    return sebsx.json("calibrate", str(folder), "--memory", "128", "--repetitions", "1", *arguments)


def test_ends_take_as_long_as_wanted_and_numbered_sizes_use_them(sebsx: Cli, waiter: Path) -> None:
    document = calibrate(sebsx, waiter, "--run-times", "0.06s..0.42s", "--tolerance", "0.3", "--save")
    found = document["calibration"]
    # 20 ms + n^2 / 1000: n is the root of 40 for 60 ms, of 400 for 420 ms.
    assert found["first"] == pytest.approx(40**0.5, rel=0.35)
    assert found["last"] == pytest.approx(20, rel=0.2)
    assert document["fit"]["r2"] > 0.9
    assert document["answers"][0].startswith("waiter: n from ")
    assert {point["value"] for point in document["points"]} >= {found["first"], found["last"]}
    assert Path(document["saved"]).is_file()
    plan = sebsx.json("plan", "benchmark", str(waiter), "--size", "5", "--memory", "128,256", "--start", "warm")
    values = [cell["factors"]["parameters"] for cell in plan["cells"]]
    assert values == [{"n": found["last"]}, {}]  # 256 MiB is not calibrated: the manifest's own step
    sebsx.json(
        "run", "benchmark", str(waiter), "--size", "5", "--memory", "128", "--start", "warm", "--repetitions", "1"
    )
    with sqlite3.connect(sebsx.store) as connection:
        (took_s,) = connection.execute("SELECT max(function_duration_s) FROM measured WHERE size = '5'").fetchone()
        (runs,) = connection.execute("SELECT count(*) FROM run WHERE experiment = 'calibrate'").fetchone()
    assert took_s >= 0.3
    assert runs == 1


@pytest.mark.slow
def test_without_save_nothing_is_kept(sebsx: Cli, waiter: Path) -> None:
    document = calibrate(sebsx, waiter, "--run-times", "0.05..0.2", "--tolerance", "0.5")
    assert document["saved"] is None
    assert not list(sebsx.home.rglob("*-128.toml"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--run-times", "5"), 2, "--run-times '5': write both ends, such as 4s..120s"),
        (("--run-times", "4..1000000"), 2, "ends calls after"),
        (("--run-times", "0.1..500"), 2, "cannot take 500 s here: n=30, the nearest there is, takes about"),
        (("--run-times", "0.05..0.2", "--max-search-time", "0"), 2, "must be at least 1"),
        (("--run-times", "0.05..0.2", "--tolerance", "0.001", "--max-points", "4"), 1, "cap of 4 points reached"),
        (("--run-times", "0.05..0.2", "--platform", "lokal"), 2, "did you mean 'local'?"),
    ],
)  # fmt: skip
def test_what_cannot_be_reached_is_one_line(
    arguments: tuple[str, ...], code: int, message: str, sebsx: Cli, waiter: Path
) -> None:
    done = sebsx("calibrate", str(waiter), "--repetitions", "1", *arguments)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert not list(sebsx.home.rglob("waiter-*.toml"))


def test_benchmark_without_steps_is_refused(sebsx: Cli) -> None:
    done = sebsx("calibrate", "sleep", "--run-times", "1..2")
    assert done.returncode == 2
    assert "benchmark 'sleep' has no numbered steps; its manifest needs [steps]" in done.stderr


def test_function_that_fails_ends_the_calibration(sebsx: Cli, write_function: Callable[..., Path]) -> None:
    folder = write_function("breaker", "def handler(event, context):\n    raise ValueError('no')\n", manifest=MANIFEST)
    done = sebsx("calibrate", str(folder), "--run-times", "1..2")
    assert done.returncode == 1
    assert "benchmark 'breaker' with n=1 ended as function_error: ValueError: no" in done.stderr


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this kernel has no schedstat")
def test_point_that_was_starved_is_refused(sebsx: Cli, write_function: Callable[..., Path]) -> None:
    # Its children want the same processor, as strangers would.
    code = """
import os, time
def spin(end_s):
    while time.perf_counter() < end_s: pass
def handler(event, context):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    end_s = time.perf_counter() + 0.3
    children = [os.fork() for _ in range(2)]
    if 0 in children:
        spin(end_s)
        os._exit(0)
    spin(end_s)
    for child in children:
        os.waitpid(child, 0)
    return {}
"""
    folder = write_function("crowded", code, manifest=MANIFEST)
    done = sebsx("calibrate", str(folder), "--run-times", "0.5..1", "--memory", "3538")
    assert done.returncode == 1
    assert "was starved: 100 % of the calls had less than 0.8 of the processor time they were due" in done.stderr
    assert "sebsx run --resume " in done.stderr


def test_interrupt_tears_down(sebsx: Cli, write_function: Callable[..., Path]) -> None:
    mark = sebsx.home / "called"
    code = f"import time\ndef handler(event, context):\n    open({str(mark)!r}, 'w').close()\n    time.sleep(30)\n"
    folder = write_function("sleeper", code, manifest=MANIFEST)
    process = sebsx.start("calibrate", str(folder), "--run-times", "10..20", "--save")
    end = time.monotonic() + 60
    while not mark.exists() and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    with sqlite3.connect(sebsx.store) as connection:
        assert connection.execute("SELECT status FROM run").fetchall() == [("interrupted",)]
        assert connection.execute("SELECT count(*) FROM resource WHERE state != 'deleted'").fetchone() == (0,)


def test_interrupted_calibration_goes_on_where_it_was_and_is_read(sebsx: Cli, waiter: Path) -> None:
    words = ["calibrate", str(waiter), "--memory", "128", "--repetitions", "1", "--run-times", "0.1..0.6"]
    words += ["--tolerance", "0.5"]
    process = sebsx.start(*words)
    measured = "SELECT count(*) FROM cell WHERE status = 'finished'"
    end = time.monotonic() + 60
    while time.monotonic() < end and _count(sebsx, measured) < 2:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "resume with: sebsx run --resume " in stderr
    before = _count(sebsx, "SELECT count(*) FROM invocation")
    done = sebsx("calibrate", "--run", "last")
    assert done.returncode in (0, 2), done.stderr  # enough points for a line, or told that there are not
    run = sebsx.json("runs")[0]["id"]
    sebsx.json("run", "--resume", run)
    document = sebsx.json("calibrate", "--run", run, "--save")
    assert document["error"] <= 0.5
    assert document["calibration"]["run"] == run
    assert Path(document["saved"]).is_file()
    per_cell = "SELECT max(n) FROM (SELECT count(*) AS n FROM invocation GROUP BY cell)"
    assert _count(sebsx, per_cell) <= 4, "a point that was measured is measured again"
    assert _count(sebsx, "SELECT count(*) FROM invocation") > before


def _count(sebsx: Cli, query: str) -> int:
    try:
        with sqlite3.connect(f"file:{sebsx.store}?mode=ro", uri=True) as connection:
            return int(connection.execute(query).fetchone()[0])
    except sqlite3.Error:
        return 0
