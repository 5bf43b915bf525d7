"""What is said of stored trials, from rows with known times; and of runs that hold next to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.analyzers import Finding, Report, Table
from sebsx.errors import UserError
from sebsx.model import CellStatus, Kind, RunStatus, StartType, Status
from sebsx.settings import Layer, Section, SettingsReader
from sebsx.store import open_store
from sebsx_eviction.analyzer import EvictionAnalyzer, EvictionAnalyzerSettings
from sebsx_eviction.models import survivors
from tests.store.conftest import METRICS, RUN, add_deployment, make_cell, make_invocation, make_run


class Trials:
    """A stored run whose trials are written here."""

    def __init__(self, path: Path) -> None:
        self.store = open_store(path)
        self.store.start_run(make_run(RUN, experiment="eviction"), {}, METRICS)
        self.deployment = add_deployment(self.store, RUN)
        self.numbers, self.rounds = count(1), count()

    def trial(self, idle_s: float, d_init: int, warm: int | None, status: Status = Status.OK, **factors: Any) -> None:
        """Store a trial of which so many sandboxes are warm; None for one that was cut."""
        parameters = {"duration_s": 0.5}
        cell = self.store.design.add_cell(
            RUN, make_cell("", d_init, idle_s=idle_s, d_init=d_init, **{"parameters": parameters, **factors})
        )
        number = next(self.rounds)
        names = [f"{number}-{place}" for place in range(d_init)]
        found = [] if warm is None else [*names[:warm], *(f"new-{name}" for name in names[warm:])]
        bursts = [(Kind.WARMUP, 1000.0, names), (Kind.MEASURED, 1000.5 + idle_s, found)]
        for batch, (kind, at_s, sandboxes) in enumerate(bursts):
            calls = [
                make_invocation(
                    next(self.numbers), round=number, batch=2 * number + batch, kind=kind, sandbox_id=sandbox,
                    start_type=StartType.WARM if sandbox in names else StartType.COLD,
                    status=status if kind is Kind.MEASURED else Status.OK, function_duration_s=0.5,
                    client_sent_s=at_s, client_done_s=at_s + 0.5, cost_usd=2e-6,
                )
                for sandbox in sandboxes
            ]  # fmt: skip
            self.store.add_invocations(RUN, self.deployment, cell, calls)
        self.store.design.finish_cell(cell, CellStatus.FINISHED, "all trials")

    def analyze(self, **settings: Any) -> Report:
        self.store.finish_run(RUN, RunStatus.FINISHED)
        return EvictionAnalyzer().analyze([self.store.view(RUN)], EvictionAnalyzerSettings(**settings))


@pytest.fixture
def trials(tmp_path: Path) -> Iterator[Trials]:
    made = Trials(tmp_path / "s.sqlite")
    yield made
    made.store.close()


def table(report: Report, name: str) -> Table:
    return next(table for table in report.tables if table.name == name)


def warnings(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.warning]


@pytest.mark.slow
def test_first_sentence_gives_rule_parameter_and_interval(trials: Trials) -> None:
    for idle_s in (10, 19, 21, 30):
        trials.trial(idle_s, 4, int(survivors("fixed", 20, idle_s, 4)))
    report = trials.analyze()
    said = report.findings[0].text
    rule = "idle sandboxes of local live 20.0 s [19.0, 21.0] after their last call"
    assert said.startswith(f"{rule} (95 %; fixed; AIC 4.0, next ")
    assert said.endswith("; n = 16)")
    assert not warnings(report)
    (answer,) = report.answers
    assert answer.startswith("sleep on local: idle sandboxes live 20.0 s [19.0, 21.0] after their last call; ")
    assert "a call every " in answer
    best = table(report, "models").rows[0]
    assert (best["model"], best["r2"], best["lapse"]) == ("fixed", 1, 0)
    assert best["weight"] == pytest.approx(1, abs=1e-3)


@pytest.mark.slow
def test_observed_stands_beside_what_the_best_model_expects(trials: Trials) -> None:
    for idle_s in (6, 13, 25, 37):
        for _ in range(2):
            trials.trial(idle_s, 8, int(survivors("halving", 12, idle_s, 8)))
    report = trials.analyze()
    rows = table(report, "observed").rows
    assert [(row["idle_s"], row["trials"], row["warm"], row["expected"]) for row in rows] == [
        (6, 2, 8, 8), (13, 2, 4, 4), (25, 2, 2, 2), (37, 2, 1, 1),
    ]  # fmt: skip
    assert "are halved in number every" in report.findings[0].text
    figures = {figure.name: figure for figure in report.figures}
    assert figures["survival"].series["observed"] == [(6, 1), (13, 0.5), (25, 0.25), (37, 0.125)]
    assert figures["survival"].series["halving"][-1] == (37, 0.125)
    assert sorted(set(figures["warm"].series["8 sandboxes"])) == [(6, 8), (13, 4), (25, 2), (37, 1)]


def test_warming_is_priced_by_the_warm_calls_of_the_run(trials: Trials) -> None:
    trials.trial(10, 4, 4)
    trials.trial(20, 4, 0)
    report = trials.analyze(keep_warm=3)
    (row,) = table(report, "warming").rows
    calls = 3 * 730 * 3600 / 10
    assert row["calls_per_month"] == pytest.approx(calls)
    assert row["cost_per_month_usd"] == pytest.approx(calls * 2e-6)
    assert "3 simultaneous calls every 10.0 s will keep 3 sandboxes of local warm" in report.findings[1].text


@pytest.mark.slow
def test_conditions_are_fitted_apart_and_named_by_what_differs(trials: Trials) -> None:
    for memory_mib, limit_s in ((128, 20), (1536, 60)):
        for idle_s in (10, 19, 21, 59, 61):
            warm = int(survivors("fixed", limit_s, idle_s, 2))
            trials.trial(idle_s, 2, warm, memory_mib=memory_mib)
    report = trials.analyze()
    small, large = (finding.text for finding in report.findings if finding.text.startswith("idle"))
    assert "local 128 MiB live 20.0 s [19.0, 21.0]" in small
    assert "local 1536 MiB live 60.0 s [59.0, 61.0]" in large


@pytest.mark.slow
def test_single_sandboxes_are_said_not_to_tell_rules_apart(trials: Trials) -> None:
    for idle_s in (10, 19, 21, 30):
        trials.trial(idle_s, 1, int(idle_s < 20))
    (doubt,) = warnings(trials.analyze())
    assert "halving fits about as well as fixed; a single sandbox cannot tell" in doubt.text


@pytest.mark.slow
def test_void_and_cut_trials_are_counted_and_said(trials: Trials) -> None:
    trials.trial(10, 2, 2)
    trials.trial(10, 2, 2, Status.TIMEOUT)
    trials.trial(10, 2, None)
    report = trials.analyze()
    (row,) = table(report, "observed").rows
    assert (row["trials"], row["void"]) == (1, 1)
    said = [finding.text for finding in warnings(report)]
    assert "local: 1 trials are void: after the idle time, 2 of 2 calls failed (timeout)" in said
    assert "local: 1 trials were cut before the end of their idle time" in said


@pytest.mark.slow
def test_sandboxes_that_stayed_are_said_to_have_stayed_so_long(trials: Trials) -> None:
    trials.trial(30, 4, 4)
    report = trials.analyze()
    assert report.findings[0].text.startswith("idle sandboxes of local were still there after 30.0 s")
    assert "every 30.0 s (the longest seen)" in report.findings[1].text


@pytest.mark.slow
def test_rules_that_do_not_fit_are_said_not_to(trials: Trials) -> None:
    for idle_s, warm in ((10, 4), (20, 0), (30, 4), (40, 0), (50, 4), (60, 1)):
        trials.trial(idle_s, 4, warm)
    report = trials.analyze()
    assert any("no law fits" in finding.text for finding in warnings(report))
    assert "follow no law that is known here: half of them go between " in report.findings[0].text
    assert "follow no law" in report.answers[0]


def test_run_of_which_nothing_counts_says_so(trials: Trials) -> None:
    trials.trial(10, 2, None)
    report = trials.analyze()
    assert report.findings[0].text == "local: not enough data: no trial counts"
    assert list(report.answers) == ["sleep on local: no trial counts, so nothing is known of when idle sandboxes go"]
    assert report.findings[0].warning
    assert not report.figures


def test_no_runs_and_runs_of_something_else_make_a_report_that_says_so(trials: Trials) -> None:
    assert [finding.text for finding in EvictionAnalyzer().analyze([], EvictionAnalyzerSettings()).findings] == [
        "there is no run to analyze"
    ]
    trials.store.design.add_cell(RUN, make_cell("warm"))
    report = trials.analyze()
    assert not any(table.rows for table in report.tables)
    assert f"run {RUN} is of the experiment 'eviction', which leaves no sandboxes alone" in [
        finding.text for finding in report.findings
    ]
    assert f"run {RUN} holds no invocations" in [finding.text for finding in report.findings]


@pytest.mark.parametrize(("name", "most"), [("confidence", 0.999), ("probability", 0.9999)])
def test_settings_out_of_range_are_refused(name: str, most: float) -> None:
    layer = Layer("test", {f"analyzer.eviction.{name}": 1.0})
    with pytest.raises(UserError, match=rf"{name} from test is 1\.0: must be at most {most}"):
        SettingsReader([layer], [Section("analyzer.eviction", EvictionAnalyzerSettings)]).read("analyzer.eviction")
