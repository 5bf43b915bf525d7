"""`sebsx export`: what its help teaches, and what it does with words that do not fit."""

from __future__ import annotations

import json
import os

import pytest

from sebsx import plugins
from sebsx.errors import EXIT_USAGE
from sebsx.testing.runs import store_runs
from tests.support import Call, Cli


def finished(sebsx: Cli) -> str:
    for views in store_runs(sebsx.store, "perf-cost"):
        run = views["finished"].run.id
    return run


def test_help_tells_every_format(call: Call) -> None:
    text = call("export", "--help").stdout
    for name, cls in plugins.load().exporters.items():
        assert f"  {name} " in text
        assert cls.summary in " ".join(text.split())


def test_file_is_named_after_the_run(call: Call, sebsx: Cli) -> None:
    run = finished(sebsx)
    assert call("export", run, "-f", "bencher", "--json").json["files"] == [f"{run}.bmf.json"]
    assert json.loads((sebsx.home / f"{run}.bmf.json").read_text(encoding="utf-8"))


def test_run_given_twice_is_exported_once(call: Call, sebsx: Cli) -> None:
    run = finished(sebsx)
    for name, runs in (("once", [run]), ("twice", [run, run.lower()])):
        assert call("export", *runs, "-f", "csv", "-o", name).code == 0
    assert (sebsx.home / "once").read_bytes() == (sebsx.home / "twice").read_bytes()


def test_what_is_no_file_is_never_replaced(call: Call, sebsx: Cli) -> None:
    run = finished(sebsx)
    os.mkfifo(sebsx.home / "pipe")
    call("export", run, "-f", "csv", "-o", "pipe").assert_fails(EXIT_USAGE, "'pipe' is a device or a pipe, not a file")
    assert (sebsx.home / "pipe").is_fifo()
    call("export", run, "-f", "csv", "-o", "-").assert_fails(EXIT_USAGE, "an export is a file")


def test_link_stays_and_its_file_is_written(call: Call, sebsx: Cli) -> None:
    run = finished(sebsx)
    (sebsx.home / "latest").symlink_to("real.csv")
    for _ in range(2):
        assert call("export", run, "-f", "csv", "-o", "latest").code == 0
    assert (sebsx.home / "latest").is_symlink()
    assert (sebsx.home / "real.csv").read_text(encoding="utf-8").startswith("run,")


def test_figures_are_chosen(call: Call, sebsx: Cli) -> None:
    run = finished(sebsx)
    chosen = ("--metric", "client.latency_s", "--statistic", "p50")
    assert call("export", run, "-f", "github", "-o", "x.json", *chosen).code == 0
    entries = json.loads((sebsx.home / "x-smaller.json").read_text(encoding="utf-8"))
    assert {entry["name"].split("/", 6)[-1] for entry in entries} == {"client.latency_s/p50"}


@pytest.mark.slow
def test_wrong_words_are_told_in_one_line(call: Call, sebsx: Cli) -> None:
    run = finished(sebsx)
    call("export", run, "-f", "githb").assert_fails(EXIT_USAGE, "exporter 'githb'", "'github'")
    wrong = ("export", run, "-f", "github", "--metric", "client.latency")
    call(*wrong).assert_fails(EXIT_USAGE, "metric 'client.latency'", "'client.latency_s'")
    call("export", run, "-f", "csv", "--statistic", "p50").assert_fails(EXIT_USAGE, "takes no --statistic")
    said = call("export", run, "-f", "csv", "-o", str(sebsx.store))
    said.assert_fails(EXIT_USAGE, "is a database", "name another file")
    assert sebsx.count("invocation") > 0
