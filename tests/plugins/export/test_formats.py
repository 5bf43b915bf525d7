"""What each format makes of known figures, read by an independent parser where there is one."""

from __future__ import annotations

import json
import math
import os
import re
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import junitparser
import prometheus_client.openmetrics.parser as openmetrics
import prometheus_client.parser as classic
import pyarrow.parquet
import pytest

import sebsx_export.jsonl
from sebsx.contracts.exporters import Selection
from sebsx.contracts.runs import RunView
from sebsx.errors import UnknownNameError
from sebsx.model import CellStatus, StartType, Status
from sebsx.store import Store, open_store
from sebsx.testing.runs import RunWriter, store_runs
from sebsx_export.bencher import BencherExporter
from sebsx_export.figures import read_series
from sebsx_export.github import GithubExporter
from sebsx_export.jsonl import JsonLinesExporter, _known
from sebsx_export.junit import JUnitExporter
from sebsx_export.markdown import LIMIT_CHARACTERS, MarkdownExporter
from sebsx_export.parquet import ParquetExporter
from sebsx_export.prometheus import OpenMetricsExporter, PromExporter
from sebsx_export.sqlite import SqliteExporter

NAME = "fake/-/x86_64/256MiB/echo[default,python]/warm"
# Eleven of them: the median is the sixth, 0.5 s. Its 95 % interval is the 2nd and the 10th, for
# P(2 <= X <= 9) = 1 - 2 * 12 / 2048 = 0.988 with X binomial of 11 and 1/2, and the 3rd and 9th give 0.935.
LATENCIES_S = [0.0, 0.125, 0.25, 0.375, 0.4375, 0.5, 0.5625, 0.625, 0.75, 0.875, 1.0]
LOW_S, MEDIAN_S, HIGH_S = 0.125, 0.5, 0.875


@pytest.fixture
def view(store: Store) -> RunView:
    writer = RunWriter(store, environment={"git": {"commit": "c" * 40, "dirty": False}})
    writer.add(LATENCIES_S)
    writer.add([0.25] * 2, start=StartType.COLD, changes={"status": Status.TIMEOUT, "error": "slow \x07"})
    return writer.finish()


def entry(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = (entry for entry in entries if entry["name"] == name)
    return found


class TestNames:
    def test_factors_of_an_experiment_are_part_of_the_name(self, store: Store) -> None:
        writer = RunWriter(store)
        writer.add([0.1], users=8)
        (series,) = read_series([writer.finish()])
        assert series.name == "fake/-/x86_64/256MiB/echo[default,python,users=8]/warm"

    def test_name_begins_with_the_run_only_where_runs_share_it(self, store: Store) -> None:
        views = []
        for number in (1, 2):
            writer = RunWriter(store, number)
            writer.add([0.1])
            writer.add([0.1], memory_mib=512 * number)
            views.append(writer.finish())
        names = [series.name.split("/") for series in read_series(views)]
        first, second = (view.run.id for view in views)
        assert [(name[0], name[-3]) for name in names] == [
            (first, "256MiB"), ("fake", "512MiB"), (second, "256MiB"), ("fake", "1024MiB"),
        ]  # fmt: skip

    def test_starts_that_were_not_asked_for_are_told_apart(self, store: Store) -> None:
        writer = RunWriter(store)
        cell = writer.add([0.1] * 3, start=StartType.COLD, changes={"start_type": StartType.WARM})
        writer.add([0.5] * 2, start=StartType.COLD, memory_mib=512, changes={"status": Status.TIMEOUT, "error": "x"})
        view = writer.finish()
        with closing(sqlite3.connect(store_path(store))) as connection, connection:
            connection.execute("""UPDATE cell SET factors = json_set(factors, '$.start', 'burst')""")
        assert cell
        found = {series.name.rpartition("/")[2]: series for series in read_series([view])[:2]}
        assert sorted(found) == ["burst", "burst-warm"]
        assert [summary.name for summary in found["burst"].summaries] == ["errors.share"]
        assert {summary.name for summary in found["burst-warm"].summaries} >= {"client.latency_s.p50"}
        assert "errors.share" not in {summary.name for summary in found["burst-warm"].summaries}

    def test_quantiles_beside_failures_of_no_start_are_of_the_answered(self, store: Store) -> None:
        writer = RunWriter(store)
        writer.add([0.1] * 8, start=StartType.UNKNOWN, changes={"start_type": StartType.WARM})
        writer.add([0.5] * 2, start=StartType.UNKNOWN, changes={"status": Status.TIMEOUT, "error": "x"})
        view = writer.finish()
        with closing(sqlite3.connect(store_path(store))) as connection, connection:
            connection.execute("""UPDATE cell SET factors = json_set(factors, '$.start', 'burst')""")
        found = {series.name.rpartition("/")[2]: series for series in read_series([view])}
        names = {summary.name for summary in found["burst-warm"].summaries}
        assert "client.latency_s.p50_answered" in names
        assert "client.latency_s.p50" not in names

    def test_restored_starts_are_a_series_of_their_own_name(self, store: Store) -> None:
        writer = RunWriter(store)
        writer.add([0.1] * 3, start=StartType.COLD, changes={"start_type": StartType.RESTORED})
        writer.add([0.1] * 3, start=StartType.COLD, memory_mib=512)
        writer.add([0.1] * 2, start=StartType.COLD, memory_mib=512, changes={"start_type": StartType.RESTORED})
        found = [(series.start, series.note) for series in read_series([writer.finish()])]
        assert found == [("restored", ""), ("cold+restored", "3 cold, 2 restored")]

    def test_selection_keeps_what_was_named(self, view: RunView) -> None:
        chosen = read_series([view], Selection(metrics=("client.latency_s", "errors"), statistics=("p50",)))
        assert {summary.name for series in chosen for summary in series.summaries} == {"client.latency_s.p50"}

    def test_unknown_metric_suggests_the_nearest(self, view: RunView) -> None:
        with pytest.raises(UnknownNameError, match=r"'client\.latency' .*'client\.latency_s'"):
            read_series([view], Selection(metrics=("client.latency",)))


def store_path(store: Store) -> str:
    return store._database.location


class TestGithub:
    SCHEMA: ClassVar[Any] = {  # what src/extract.ts of github-action-benchmark takes; an empty list makes it stop
        "type": "array", "minItems": 1,
        "items": {
            "type": "object", "required": ["name", "unit", "value"], "additionalProperties": False,
            "properties": {"name": {"type": "string"}, "unit": {"type": "string"}, "value": {"type": "number"},
                           "range": {"type": "string", "pattern": r"^± \d[\d.e-]*$"}, "extra": {"type": "string"}},
        },
    }  # fmt: skip

    def test_entries_have_value_interval_and_source(self, view: RunView, tmp_path: Path) -> None:
        (path,) = GithubExporter().export([view], tmp_path / "bench.json")
        assert path.name == "bench-smaller.json"
        entries = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.validate(entries, self.SCHEMA)
        found = entry(entries, f"{NAME}/client.latency_s/p50")
        assert (found["value"], found["unit"]) == (pytest.approx(MEDIAN_S), "s")
        assert float(found["range"].removeprefix("± ")) == pytest.approx(HIGH_S - MEDIAN_S)
        assert {"n=11", "failed=0", f"run={view.run.id}"} <= set(found["extra"].splitlines())
        assert len({found["name"] for found in entries}) == len(entries)

    def test_file_that_nothing_belongs_into_is_removed(self, view: RunView, tmp_path: Path) -> None:
        (tmp_path / "bench-bigger.json").write_text("[]", encoding="utf-8")
        GithubExporter().export([view], tmp_path / "bench.json")
        assert [path.name for path in tmp_path.glob("bench*")] == ["bench-smaller.json"]


class TestBencher:
    MEASURE: ClassVar[Any] = {
        "type": "object", "required": ["value"], "additionalProperties": False,
        "properties": {name: {"type": "number"} for name in ("value", "lower_value", "upper_value")},
    }  # fmt: skip
    # the schema at https://bencher.dev/bmf.json, with the limits of names
    SCHEMA: ClassVar[Any] = {
        "type": "object", "propertyNames": {"maxLength": 1024},
        "additionalProperties": {
            "type": "object", "propertyNames": {"pattern": "^[a-z0-9-]{1,64}$"}, "additionalProperties": MEASURE,
        },
    }  # fmt: skip

    def test_latency_is_bencher_own_measure_in_nanoseconds(self, view: RunView, tmp_path: Path) -> None:
        (path,) = BencherExporter().export([view], tmp_path / "out.json")
        document = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.validate(document, self.SCHEMA)
        assert document[NAME]["latency"] == pytest.approx(
            {"value": MEDIAN_S * 1e9, "lower_value": LOW_S * 1e9, "upper_value": HIGH_S * 1e9}
        )
        assert document[NAME]["function-duration-s-p50"]["value"] == pytest.approx(0.9 * MEDIAN_S)
        assert document[NAME.replace("warm", "cold")] == {"errors-share": {"value": 1.0}}

    def test_long_names_are_cut_and_stay_different(self, store: Store, tmp_path: Path) -> None:
        writer = RunWriter(store)
        for number in (1, 2):
            writer.add([0.1], factor="x" * 2000 + str(number))
        (path,) = BencherExporter().export([writer.finish()], tmp_path / "out.json")
        document = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.validate(document, self.SCHEMA)
        assert len(document) == 2


@pytest.mark.parametrize(
    ("exporter", "parse"),
    [
        (OpenMetricsExporter(), openmetrics.text_string_to_metric_families),
        (PromExporter(), classic.text_string_to_metric_families),
    ],
    ids=["openmetrics", "prom"],
)
class TestPrometheus:
    def test_figures_are_read_back(
        self, exporter: OpenMetricsExporter, parse: Callable[[str], Any], view: RunView, tmp_path: Path
    ) -> None:
        (path,) = exporter.export([view], tmp_path / "out")
        families = list(parse(path.read_text(encoding="utf-8")))
        samples = {
            (sample.name, sample.labels.get("start"), sample.labels.get("quantile"), sample.labels.get("status")):
            sample.value for family in families for sample in family.samples
        }  # fmt: skip
        latency = "sebsx_client_latency_seconds"
        assert samples[latency, "warm", "0.5", None] == MEDIAN_S
        assert samples[f"{latency}_count", "warm", None, None] == len(LATENCIES_S)
        assert samples[f"{latency}_sum", "warm", None, None] == 5.5  # sum of LATENCIES_S
        assert samples["sebsx_client_latency_p50_lower_seconds", "warm", None, None] == LOW_S
        assert samples["sebsx_errors_ratio", "cold", None, None] == 1.0
        assert samples["sebsx_invocations", "cold", None, "timeout"] == 2
        assert samples["sebsx_invalid", "warm", None, None] == 0
        assert samples["sebsx_run_info", None, None, None] == 1
        assert (latency, "cold", "0.5", None) not in samples
        assert len(samples) == sum(len(family.samples) for family in families), "a sample is there twice"

    def test_labels_with_quotes_are_read_back(
        self, exporter: OpenMetricsExporter, parse: Callable[[str], Any], store: Store, tmp_path: Path
    ) -> None:
        writer = RunWriter(store)
        writer.add([0.1], deployment={"benchmark": 'a"b\\c\nd'})
        (path,) = exporter.export([writer.finish()], tmp_path / "out")
        family = next(iter(parse(path.read_text(encoding="utf-8"))))
        assert family.samples[0].labels["benchmark"] == 'a"b\\c\nd'


def test_units_are_declared_in_openmetrics_and_nothing_new_in_prom(view: RunView, tmp_path: Path) -> None:
    (path,) = OpenMetricsExporter().export([view], tmp_path / "out.txt")
    text = path.read_text(encoding="utf-8")
    assert "# UNIT sebsx_client_latency_seconds seconds\n" in text
    assert text.endswith("# EOF\n")
    (path,) = PromExporter().export([view], tmp_path / "out.prom")
    text = path.read_text(encoding="utf-8")
    assert not re.search("# (UNIT|EOF|TYPE .* info)", text)
    assert text.endswith("\n")


class TestJUnit:
    def test_outcomes_are_told(self, store: Store, tmp_path: Path) -> None:
        writer = RunWriter(store)
        writer.add(LATENCIES_S)
        writer.add([0.25] * 2, start=StartType.COLD, changes={"status": Status.TIMEOUT, "error": "slow \x07 <"})
        cell = writer.add([0.1], memory_mib=512)
        store.design.finish_cell(cell, CellStatus.INVALID, "the generator was late")
        view = writer.finish()
        (path,) = JUnitExporter().export([view], tmp_path / "out.xml")
        document = junitparser.JUnitXml.fromfile(str(path))
        assert (document.tests, document.failures, document.errors, document.skipped) == (3, 0, 1, 1)
        cases = {case.name: case for suite in document for case in suite}
        passed = cases["echo[default,python] warm fake/-/x86_64/256MiB"]
        assert passed.result == []
        assert passed.time == pytest.approx(MEDIAN_S)
        assert "client.latency_s.p50 500 ms [125, 875], n=11" in passed.system_out
        (error,) = cases["echo[default,python] cold fake/-/x86_64/256MiB"].result
        assert error.message == "2 of 2 measured invocations failed: 2 timeout"
        assert r"for example: slow \x07 <" in error.text
        (skipped,) = cases["echo[default,python] warm fake/-/x86_64/512MiB"].result
        assert skipped.message == "invalid measurement: the generator was late"
        properties = {item.name: item.value for suite in document for item in suite.properties()}
        assert properties["sebsx.run"] == view.run.id

    def test_run_without_figures_is_a_skipped_case(self, tmp_path: Path) -> None:
        for views in store_runs(tmp_path / "s.sqlite", "perf-cost"):
            (path,) = JUnitExporter().export([views["empty"]], tmp_path / "out.xml")
        document = junitparser.JUnitXml.fromfile(str(path))
        assert (document.tests, document.skipped) == (1, 1)


class TestMarkdown:
    def test_row_has_figures_and_failures(self, view: RunView, tmp_path: Path) -> None:
        (path,) = MarkdownExporter().export([view], tmp_path / "out.md")
        lines = path.read_text(encoding="utf-8").splitlines()
        assert f"- run `{view.run.id}`: finished" in lines[0]
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
        assert rows[0][:4] == [f"`{NAME}`", "11", "0", "500 ms [125, 875]"]
        assert rows[1][1:4] == ["2", "2", "-"]
        assert rows[1][-1] == "failed: 2 timeout"

    def test_too_many_rows_are_cut_and_those_with_a_note_come_first(self, store: Store, tmp_path: Path) -> None:
        writer = RunWriter(store)
        for number in range(60):
            writer.add([0.1], factor=f"{'x' * 1500}{number}")
        writer.add([0.1], memory_mib=512, changes={"status": Status.TIMEOUT, "error": "late"})
        (path,) = MarkdownExporter().export([writer.finish()], tmp_path / "out.md")
        text = path.read_text(encoding="utf-8")
        rows = [line for line in text.splitlines() if line.startswith("| `")]
        assert len(text) <= LIMIT_CHARACTERS
        assert "512MiB" in rows[0]
        assert text.splitlines()[-1] == f"{61 - len(rows)} more conditions do not fit here."


class TestJsonLines:
    def test_lines_are_of_the_schema_and_hold_every_figure(self, tmp_path: Path) -> None:
        text = Path(sebsx_export.jsonl.__file__).with_name("jsonl.schema.json").read_text(encoding="utf-8")
        validator = jsonschema.Draft202012Validator(json.loads(text))
        for views in store_runs(tmp_path / "s.sqlite", "perf-cost"):
            runs = [views["finished"], views["empty"], views["interrupted"]]
            (path,) = JsonLinesExporter().export(runs, tmp_path / "out.jsonl")
            lines = [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]
            for line in lines:
                validator.validate(line)
            records = [line for line in lines if line["record"] == "run"]
            assert [line["run"] for line in records] == [run.run.id for run in runs]
            stored = [item for run in runs for item in run.invocations()]
            read = [line for line in lines if line["record"] == "invocation"]
            assert len(read) == len(stored) == 164  # four cells of 40 invocations, and of one
            for line, item in zip(read, stored, strict=True):
                assert line.get("samples", {}) == item.samples
                for key in ("client_done_s", "provider_init_s", "cost_usd", "error", "sandbox_id", "bytes_in"):
                    assert line.get(key) == getattr(item, key)

    def test_schema_refuses_what_it_does_not_know(self) -> None:
        text = Path(sebsx_export.jsonl.__file__).with_name("jsonl.schema.json").read_text(encoding="utf-8")
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"record": "invocation", "run": "x"}, json.loads(text))

    def test_what_is_no_number_is_not_known(self) -> None:
        record = {"a": math.nan, "b": math.inf, "samples": {"c": math.nan}, "d": 0.0, "e": None, "f": ""}
        assert _known(record) == {"d": 0.0, "f": ""}

    def test_figure_that_is_infinite_has_no_key(self, store: Store, tmp_path: Path) -> None:
        writer = RunWriter(store)
        writer.add([0.1], changes={"cost_usd": float("inf"), "samples": {"phase.a_s": float("inf"), "phase.b_s": 1.0}})
        (path,) = JsonLinesExporter().export([writer.finish()], tmp_path / "out.jsonl")
        line = json.loads(path.read_text(encoding="ascii").splitlines()[1])
        assert "cost_usd" not in line
        assert line["samples"] == {"phase.b_s": 1.0}


class TestParquet:
    def test_columns_are_typed_and_hold_every_figure(self, tmp_path: Path) -> None:
        for views in store_runs(tmp_path / "s.sqlite", "perf-cost"):
            view = views["finished"]
            (path,) = ParquetExporter().export([view, views["interrupted"]], tmp_path / "out.parquet")
            table = pyarrow.parquet.read_table(path)
            types = {field.name: str(field.type) for field in table.schema}
            assert types["client_latency_s"] == types["phase.compute_s"] == "double"
            assert types["sequence"] == types["memory_mib"] == types["provider_max_memory_bytes"] == "int64"
            assert types["status"] == types["git_commit"] == "string"
            rows = table.to_pylist()
            stored = list(view.invocations())
            assert len(rows) == len(stored) + 4
            for row, item in zip(rows, stored, strict=False):
                assert row["client_done_s"] == item.client_done_s
                assert row["provider_init_s"] == item.provider_init_s
                assert row["phase.compute_s"] == item.samples.get("phase.compute_s")
            sources = json.loads(table.schema.metadata[b"sebsx"])
            assert [source["run"] for source in sources] == [view.run.id, views["interrupted"].run.id]

    def test_figure_that_is_infinite_is_null(self, store: Store, tmp_path: Path) -> None:
        writer = RunWriter(store)
        writer.add([0.1], changes={"cost_usd": float("inf")})
        (path,) = ParquetExporter().export([writer.finish()], tmp_path / "out.parquet")
        assert pyarrow.parquet.read_table(path)["cost_usd"].to_pylist() == [None]


class TestSqlite:
    def test_file_opens_read_only_in_a_folder_that_cannot_be_written(self, view: RunView, tmp_path: Path) -> None:
        folder = tmp_path / "shared"
        folder.mkdir()
        (path,) = SqliteExporter().export([view], folder / "out.sqlite")
        assert [item.name for item in folder.iterdir()] == ["out.sqlite"]
        path.chmod(stat.S_IRUSR)
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
                assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
                rows = connection.execute(
                    "SELECT time_s, value, lower, upper, n, series FROM v_timeseries WHERE metric = ?",
                    ("client.latency_s.p50",),
                ).fetchall()
        finally:
            folder.chmod(stat.S_IRWXU)
        assert rows == [(1_750_000_000, MEDIAN_S, LOW_S, HIGH_S, 11, NAME)]
        assert os.listdir(folder) == ["out.sqlite"]  # noqa: PTH208  # no journal was made either

    def test_only_the_runs_chosen_are_in_it_and_it_is_a_store(self, tmp_path: Path) -> None:
        for views in store_runs(tmp_path / "s.sqlite", "perf-cost"):
            expected = list(views["finished"].invocations())
            (path,) = SqliteExporter().export([views["finished"], views["empty"]], tmp_path / "out.sqlite")
            ids = [views["empty"].run.id, views["finished"].run.id]
            environment = views["finished"].environment
        with open_store(path) as copy:
            assert [run.id for run in copy.runs()] == ids
            view = copy.view(ids[1])
            assert list(view.invocations()) == expected
            assert view.environment == environment
            assert copy.view(ids[0]).counts() == {}
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    def test_invalid_condition_is_a_row_without_figures(self, store: Store, tmp_path: Path) -> None:
        writer = RunWriter(store)
        cell = writer.add([0.1] * 9)
        store.design.finish_cell(cell, CellStatus.INVALID, "late")
        (path,) = SqliteExporter().export([writer.finish()], tmp_path / "out.sqlite")
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT invalid, measured, value FROM figure").fetchall() == [("late", 9, None)]
