"""The contract of an analyzer: pure, repeatable, and a report that any renderer can show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from sebsx.contracts.analyzers import FIGURE_KINDS, Analyzer, Estimate, Report
from sebsx.testing.contracts import metadata
from sebsx.testing.contracts.quiet import recorded_io
from sebsx.testing.runs import store_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sebsx.contracts.runs import RunView

_UNITS = {"", "s", "bytes", "bytes/s", "USD", "1", "count", "MiB"}


class AnalyzerContract:
    """Every analyzer: override the fixture `analyzer`, and `runs` where it reads runs of a kind of its own."""

    @pytest.fixture
    def analyzer(self) -> Analyzer[Any]:
        """Return the analyzer under test."""
        raise NotImplementedError("override the fixture 'analyzer'")

    @pytest.fixture
    def settings(self, analyzer: Analyzer[Any]) -> Any:
        """Return its settings; the defaults unless overridden."""
        return analyzer.Settings()

    @pytest.fixture
    def runs(self, analyzer: Analyzer[Any], tmp_path: Path) -> Iterator[Mapping[str, RunView]]:
        """Return stored runs: `finished`, `empty`, `interrupted`."""
        yield from store_runs(tmp_path / "runs.db", analyzer.name)

    def test_metadata_is_complete(self, analyzer: Analyzer[Any]) -> None:
        metadata.check_words(type(analyzer))
        metadata.check_settings(type(analyzer).Settings)

    def test_report_of_a_finished_run_can_be_shown(
        self, analyzer: Analyzer[Any], runs: Mapping[str, RunView], settings: Any
    ) -> None:
        report = analyzer.analyze([runs["finished"]], settings)
        check_report(report)
        assert report.tables or report.figures, "the report has no data"
        assert all(words.strip() and "\n" not in words for words in report.answers), "an answer is one line"

    @pytest.mark.parametrize("name", ["empty", "interrupted"])
    def test_run_with_little_in_it_is_said_to_be_so(
        self, analyzer: Analyzer[Any], runs: Mapping[str, RunView], settings: Any, name: str
    ) -> None:
        report = analyzer.analyze([runs[name]], settings)
        check_report(report)
        assert report.findings, f"an {name} run has no finding that says so"

    def test_report_is_the_same_each_time(
        self, analyzer: Analyzer[Any], runs: Mapping[str, RunView], settings: Any
    ) -> None:
        assert analyzer.analyze(list(runs.values()), settings) == analyzer.analyze(list(runs.values()), settings)

    def test_analysis_touches_no_network_and_starts_no_process(
        self, analyzer: Analyzer[Any], runs: Mapping[str, RunView], settings: Any
    ) -> None:
        with recorded_io() as events:
            analyzer.analyze([runs["finished"]], settings)
        assert [event for event in events if event.startswith(("socket", "subprocess"))] == []


def check_report(report: Report) -> None:
    """Assert that any renderer can show a report."""
    assert isinstance(report, Report)
    assert report.title.strip()
    assert len({table.name for table in report.tables}) == len(report.tables), "two tables have one name"
    for table in report.tables:
        keys = {column.key for column in table.columns}
        assert len(keys) == len(table.columns), f"two columns of table {table.name!r} have one key"
        assert {column.unit for column in table.columns} <= _UNITS
        for row in table.rows:
            assert keys <= row.keys(), f"table {table.name!r} has a column without a cell: {keys - row.keys()}"
            for value in row.values():
                _check_cell(value)
    for figure in report.figures:
        known = figure.kind in FIGURE_KINDS or figure.drawn_as in FIGURE_KINDS
        assert known, f"figure {figure.name!r} is of kind {figure.kind!r}; say in drawn_as what others draw"
        for points in figure.series.values():
            assert all(math.isfinite(x) and math.isfinite(y) for x, y in points)
    assert all(finding.text.strip() for finding in report.findings)


def _check_cell(value: Any) -> None:
    if isinstance(value, Estimate):
        assert value.value is not None or value.note, "an estimate without a value says why"
        for number in (value.value, value.low, value.high):
            assert number is None or math.isfinite(number)
        if value.value is not None and value.low is not None and value.high is not None:
            assert value.low <= value.value <= value.high
    else:
        assert value is None or isinstance(value, str | int | float | bool)
        assert not isinstance(value, float) or math.isfinite(value)
