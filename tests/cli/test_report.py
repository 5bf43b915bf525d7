"""`sebsx report`: what it writes, where, and what it says when it cannot."""

from __future__ import annotations

import sys

import pytest

from sebsx.cli.app import App
from sebsx.errors import UserError
from sebsx.model import Design
from sebsx.store import open_store
from sebsx.testing.runs import RunWriter
from tests.support import Call, Cli


@pytest.fixture
def run(sebsx: Cli) -> str:
    """A stored run of six invocations."""
    with open_store(sebsx.store) as store:
        writer = RunWriter(store, settings={"repetitions": 6})
        writer.add([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
        return writer.finish().run.id


@pytest.mark.slow
def test_report_is_written_to_this_folder_by_default(sebsx: Cli, call: Call, run: str) -> None:
    said = call("report", "last")
    path = sebsx.home / f"sebsx-report-{run}.html"
    assert said.code == 0, said.stderr
    assert said.stdout == f"wrote {path.name} ({path.stat().st_size / 1024:.0f} KiB)\n"
    assert said.stderr == ""
    text = path.read_text(encoding="utf-8")
    assert f"<code>sebsx report {run} -o {path.name}</code>" in text
    assert "sebsx run experiment perf-cost --seed 7 --set experiment.perf-cost.repetitions=6" in text


@pytest.mark.slow
def test_json_says_what_was_written(sebsx: Cli, call: Call, run: str) -> None:
    out = sebsx.home / "page.html"
    document = call("report", run, run, "-o", str(out), "--json").json
    assert document == {"file": str(out), "bytes": out.stat().st_size, "runs": [run]}


@pytest.mark.slow
def test_analyzer_of_the_experiment_is_heard(sebsx: Cli, call: Call, run: str) -> None:
    assert call("report", run, "-o", "page.html").code == 0
    assert "<h3>Performance and cost</h3>" in (sebsx.home / "page.html").read_text(encoding="utf-8")


def test_experiment_that_is_not_installed_leaves_the_rest(sebsx: Cli, call: Call) -> None:
    with open_store(sebsx.store) as store:
        writer = RunWriter(store, experiment="unheard-of")
        writer.add([0.1])
        writer.finish()
    assert call("report", "last", "-o", "page.html").code == 0
    page = (sebsx.home / "page.html").read_text(encoding="utf-8")
    assert "Performance and cost" not in page
    assert "Reproducibility" in page  # what stands in every report


def test_analyzer_that_cannot_read_the_runs_does_not_spoil_the_page(
    sebsx: Cli, call: Call, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyzer = App().registry.analyzers["perf-cost"]

    def refuse(*_arguments: object) -> None:
        raise UserError("too odd")

    monkeypatch.setattr(analyzer, "analyze", refuse)
    assert call("report", run, "-o", "page.html").code == 0
    text = (sebsx.home / "page.html").read_text(encoding="utf-8")
    assert "cannot read these runs: too odd" in text


def test_analyzer_that_fails_costs_its_part_of_the_page_and_nothing_else(
    sebsx: Cli, call: Call, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_arguments: object) -> None:
        raise ZeroDivisionError

    original = App().registry.analyzers["perf-cost"].__mro__[1]
    monkeypatch.setattr(original, "analyze", fails)
    done = call("report", run, "-o", "page.html")
    assert done.code == 0
    told = "this part is missing: analyzer &#39;perf-cost&#39; of sebsx 0.1.0: analyze() failed: ZeroDivisionError"
    text = (sebsx.home / "page.html").read_text(encoding="utf-8")
    assert told in text
    assert "Reproducibility" in text
    assert call("analyze", run).code == 3


def test_standard_analyzer_is_part_of_every_report(sebsx: Cli, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(sebsx.store) as store:
        RunWriter(store, experiment="unheard-of").finish()
    monkeypatch.setattr(App().registry.analyzers["perf-cost"], "standard", True)
    assert call("report", "last", "-o", "page.html").code == 0
    assert ">Performance and cost</h2>" in (sebsx.home / "page.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_place_that_cannot_be_written_is_one_line(call: Call, run: str) -> None:
    call("report", run, "-o", "no/such/folder/page.html").assert_fails(2, "no/such/folder/page.html")
    call("report", run, "-o", ".").assert_fails(2, "directory")


def test_wrong_names_are_one_line(call: Call, run: str) -> None:
    call("report", "nonsense").assert_fails(2, "nonsense", "sebsx runs")
    call("report", run, "--analyzer", "perf-cots").assert_fails(2, "perf-cost")


@pytest.mark.parametrize("module", ["matplotlib", "jinja2"])
def test_missing_library_is_one_line_that_says_how_to_install_it(
    call: Call, run: str, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    call("report", run).assert_fails(3, module, "pip install", "[report]")


@pytest.mark.slow
def test_base_brings_a_comparison(sebsx: Cli, call: Call, run: str) -> None:
    with open_store(sebsx.store) as store:
        writer = RunWriter(store, 2, settings={"repetitions": 60})
        writer.add([0.2 + n / 1000 for n in range(60)])
        new = writer.finish().run.id
        writer = RunWriter(store, 3, settings={"repetitions": 60})
        writer.add([0.1 + n / 1000 for n in range(60)])
        store.set_baseline("main", writer.finish().run.id)
    assert call("report", new, "--base", "main", "-o", "page.html").code == 0
    text = (sebsx.home / "page.html").read_text(encoding="utf-8")
    assert "</span> regression</span>" in text
    assert "1 regression" in text
    assert f"<code>sebsx report {new} -o page.html --base main</code>" in text


@pytest.mark.slow
def test_versions_within_one_run_are_compared(sebsx: Cli, call: Call) -> None:
    with open_store(sebsx.store) as store:
        writer = RunWriter(store, 2, design=Design.RMIT)
        for version, median_s in (("base", 0.2), ("new", 0.1)):
            writer.add([median_s + n / 1000 for n in range(60)], rounds=list(range(60)), version=version)
        writer.finish()
    assert call("report", "last", "--compare", "-o", "page.html").code == 0
    assert "</span> improvement</span>" in (sebsx.home / "page.html").read_text(encoding="utf-8")


def test_comparison_that_cannot_be_is_one_line(call: Call, run: str) -> None:
    call("report", run, "--base", run).assert_fails(2, run, "both sides")
    call("report", run, "--compare").assert_fails(2)
    call("report", run, "--compare", "--base", "last").assert_fails(2, "one of them")
