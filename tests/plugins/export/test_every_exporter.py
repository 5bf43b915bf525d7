"""The rules that hold for every exporter, whatever its format."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sebsx import plugins
from sebsx.contracts.exporters import Exporter
from sebsx.contracts.runs import RunView
from sebsx.errors import UserError
from sebsx.model import CellStatus, StartType, Status
from sebsx.store import Store
from sebsx.testing.runs import RunWriter

pytestmark = pytest.mark.slow  # every format with every run

EXPORTERS = plugins.load(only=["export"]).exporters
COMMIT = "89abcdef0123456789abcdef0123456789abcdef"
GIT = {"git": {"commit": COMMIT, "dirty": True}, "sebsx": "9.8.7"}
RAW = {"csv", "jsonl", "parquet", "saaf", "sqlite"}
FIGURES = sorted(set(EXPORTERS) - RAW)
# Figures that can be told wherever they stand: in seconds and in nanoseconds.
SLOW_S, FAST_S = 7.125, 0.0625


@pytest.fixture(params=sorted(EXPORTERS))
def exporter(request: pytest.FixtureRequest) -> Exporter:
    return EXPORTERS[request.param]()


@pytest.fixture(params=FIGURES)
def figures_exporter(request: pytest.FixtureRequest) -> Exporter:
    return EXPORTERS[request.param]()


def exported(exporter: Exporter, runs: Sequence[RunView], folder: Path) -> str:
    """Return all that was exported as one text: tables of databases and of Parquet as text too."""
    folder.mkdir(exist_ok=True)
    return "\n".join(text_of(path) for path in exporter.export(runs, folder / f"out{exporter.suffix}"))


def text_of(path: Path) -> str:
    if path.suffix == ".sqlite":
        with closing(sqlite3.connect(path)) as connection:
            tables = ("invocations", "figure", "environment", "cell")
            return "\n".join(str(row) for name in tables for row in connection.execute(f"SELECT * FROM {name}"))
    if path.suffix == ".parquet":
        from pyarrow.parquet import read_table

        table = read_table(path)
        return f"{table.to_pylist()}\n{table.schema.metadata}"
    return path.read_text(encoding="utf-8")


def holds(text: str, seconds: float) -> bool:
    """Tell whether a figure is in a text, in seconds, milliseconds or nanoseconds."""
    in_ms = f"{seconds * 1e3:.1f}"
    spellings = (f"{seconds:g}", f"{seconds:.2f} s", f"{in_ms} ms", in_ms, f"{seconds * 1e9:.1f}")
    return any(re.search(rf"(?<![\d.]){re.escape(word)}0*(?![\d])", text) for word in spellings)


def test_no_run_is_refused_in_words(exporter: Exporter, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="sebsx runs"):
        exporter.export([], tmp_path / f"out{exporter.suffix}")
    assert list(tmp_path.iterdir()) == []


def test_figures_are_found_where_they_are(exporter: Exporter, store: Store, tmp_path: Path) -> None:
    writer = RunWriter(store, environment=GIT)
    writer.add([SLOW_S] * 9)
    text = exported(exporter, [writer.finish()], tmp_path / "out")
    assert holds(text, SLOW_S)
    assert not holds(text, FAST_S)


def test_export_says_where_the_figures_come_from(exporter: Exporter, store: Store, tmp_path: Path) -> None:
    writer = RunWriter(store, environment=GIT)
    writer.add([0.1] * 9)
    text = exported(exporter, [writer.finish()], tmp_path / "out")
    if exporter.name == "bencher":  # its format holds nothing but figures; `bencher run` takes the commit
        return
    assert COMMIT in text
    assert writer.run.id in text
    assert "2025-06-15" in text  # second 1,750,000,000 of the Unix epoch


def test_failures_are_counted(exporter: Exporter, store: Store, tmp_path: Path) -> None:
    writer = RunWriter(store, environment=GIT)
    writer.add([0.1] * 7)
    writer.add([0.2] * 3, memory_mib=512, changes={"status": Status.TIMEOUT, "error": "it took too long"})
    text = exported(exporter, [writer.finish()], tmp_path / "out")
    signs = {
        "github": r'/512MiB/.*errors/share",\n  "unit": "share",\n  "value": 1\.0', "asv": r"errors.share[^]]*1\.0",
        "bencher": r'512MiB(?s:.)*errors-share": \{\n   "value": 1\.0', "otava": ",3,3,1.0\n",
        "pytest-benchmark": r'"failed": 3', "junit": "3 of 3 measured invocations failed: 3 timeout",
        "openmetrics": r'status="timeout"\} 3\n', "prom": r'status="timeout"\} 3\n', "markdown": r"\| 3 \| 3 \|",
    }  # fmt: skip
    assert re.search(signs.get(exporter.name, "(timeout.*\n?.*){3}"), text), text[-3000:]


def test_all_failed_gives_no_latency(figures_exporter: Exporter, store: Store, tmp_path: Path) -> None:
    writer = RunWriter(store, environment=GIT)
    writer.add([SLOW_S] * 9, changes={"status": Status.PLATFORM_ERROR, "error": "down"})
    assert not holds(exported(figures_exporter, [writer.finish()], tmp_path / "out"), SLOW_S)


def test_invalid_measurement_is_no_good_number(
    exporter: Exporter, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = RunWriter(store, environment=GIT)
    cell = writer.add([SLOW_S] * 9)
    writer.add([FAST_S] * 9, memory_mib=512)
    store.design.finish_cell(cell, CellStatus.INVALID, "the generator was late")
    text = exported(exporter, [writer.finish()], tmp_path / "out")
    assert holds(text, FAST_S)
    if exporter.name in RAW:
        assert text.count("the generator was late") >= (2 if exporter.name == "sqlite" else 9)
    else:
        assert not holds(text, SLOW_S)
    if exporter.name not in RAW - {"sqlite"}:
        assert "the generator was late" in caplog.text


def test_quantile_that_the_generator_made_itself_is_left_out_and_said(
    figures_exporter: Exporter, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = RunWriter(store, environment=GIT)
    cell = writer.add([FAST_S] * 48 + [SLOW_S] * 12)
    for name, value in (("duration_s", 100.0), ("runqueue_s", 26.0), ("turns", 26.0)):  # waited 1 s, 26 % of the time
        store.add_value(writer.run.id, f"generator.{name}", value, cell_id=cell)
    text = exported(figures_exporter, [writer.finish()], tmp_path / "out")
    assert not holds(text, SLOW_S)  # the p90
    # A file of pytest-benchmark holds every sample, and quartiles of them that cannot be left out one by one.
    assert holds(text, FAST_S) is (figures_exporter.name != "pytest-benchmark")
    said = "the generator waited for a processor 26 % of the time"
    assert said in (text if figures_exporter.name == "pytest-benchmark" else caplog.text)


def test_cold_and_warm_never_share_a_figure(figures_exporter: Exporter, store: Store, tmp_path: Path) -> None:
    writer = RunWriter(store, environment=GIT)
    writer.add([SLOW_S] * 9, start=StartType.COLD)
    writer.add([FAST_S] * 9, start=StartType.WARM)
    text = exported(figures_exporter, [writer.finish()], tmp_path / "out")
    assert holds(text, SLOW_S)
    assert holds(text, FAST_S)
    assert not holds(text, (SLOW_S + FAST_S) / 2)


def test_one_sample_has_no_interval_and_no_tail(figures_exporter: Exporter, store: Store, tmp_path: Path) -> None:
    writer = RunWriter(store, environment=GIT)
    writer.add([SLOW_S])
    text = exported(figures_exporter, [writer.finish()], tmp_path / "out")
    assert holds(text, SLOW_S)
    for word in ("p99", "p90", "lower", "ci95", '"range"'):
        assert word not in text


@pytest.mark.parametrize(("per_sandbox", "count"), [(0, "1 sandbox"), (3, "3 sandboxes")])
def test_few_sandboxes_are_told_with_their_figures(
    figures_exporter: Exporter,
    store: Store,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    per_sandbox: int,
    count: str,
) -> None:
    writer = RunWriter(store, environment=GIT)
    writer.add([SLOW_S] * 9, start=StartType.WARM, per_sandbox=per_sandbox)
    text = exported(figures_exporter, [writer.finish()], tmp_path / "out")
    said = f"measured in {count}: a difference of a few percent may be that of the sandbox"
    number = {
        "bencher": f'"sandboxes": {{\n   "value": {count[0]}', "openmetrics": f"}} {count[0]}\n",
        "prom": f"}} {count[0]}\n", "asv": "", "otava": "",
    }  # fmt: skip
    assert number.get(figures_exporter.name, said) in text
    assert said in caplog.text  # also where a format has no place for it


def test_nasty_words_stay_in_their_place(exporter: Exporter, store: Store, tmp_path: Path) -> None:
    writer = RunWriter(store, environment=GIT)
    nasty: dict[str, Any] = {"benchmark": 'a"b\\c|d<e>&f', "size": "x/y\nz"}
    writer.add([0.1] * 9, deployment=nasty, changes={"error": "bell \x07 and\ttab"}, factor="é, \u2028;")
    view = writer.finish()
    first, second = (exported(exporter, [view], tmp_path / name) for name in ("a", "b"))
    assert first
    assert first == second


def test_runs_of_one_condition_stay_apart(figures_exporter: Exporter, store: Store, tmp_path: Path) -> None:
    views = []
    for number, latency_s in ((1, SLOW_S), (2, FAST_S)):
        git = {"git": {"commit": f"{number}" * 40, "dirty": False}}
        writer = RunWriter(store, number, environment=git, started_s=1.75e9 + 86_400 * number)
        writer.add([latency_s] * 9)
        views.append(writer.finish())
    text = exported(figures_exporter, views, tmp_path / "out")
    assert holds(text, SLOW_S)
    assert holds(text, FAST_S)
    names = re.findall(r'"name": "(\S+p50)"', text)
    assert len(names) == len(set(names))


def test_database_or_folder_of_somebody_else_is_not_replaced(exporter: Exporter, store: Store, tmp_path: Path) -> None:
    writer = RunWriter(store, environment=GIT)
    writer.add([0.1] * 9)
    view = writer.finish()
    inside = tmp_path / "folder" / "thesis.txt"
    inside.parent.mkdir()
    inside.write_text("years of work", encoding="utf-8")
    if exporter.name == "github":  # writes files beside the name it is given
        (tmp_path / "store-smaller.json").symlink_to(tmp_path / "store.sqlite")
        with pytest.raises(UserError, match="database"):
            exporter.export([view], tmp_path / "store.json")
        return
    with pytest.raises(UserError, match="folder"):
        exporter.export([view], inside.parent)
    assert inside.read_text(encoding="utf-8") == "years of work"
    with pytest.raises(UserError, match="database"):
        exporter.export([view], tmp_path / "store.sqlite")
    assert store.counts(view.run.id)


@pytest.mark.slow
def test_thousands_of_conditions_are_exported(figures_exporter: Exporter, large: RunView, tmp_path: Path) -> None:
    text = exported(figures_exporter, [large], tmp_path / "out")
    assert "740" in text or (figures_exporter.name == "markdown" and "more conditions do not fit" in text)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from sebsx.store import open_store

    path = tmp_path_factory.mktemp("large") / "s.sqlite"
    with open_store(path) as opened:
        writer = RunWriter(opened, environment=GIT)
        writer.add([0.1, 0.2, 0.3])
        view = writer.finish()
        with closing(sqlite3.connect(path)) as connection, connection:
            multiply(connection, 500)
        yield opened.view(view.run.id)


def multiply(connection: sqlite3.Connection, times: int) -> None:
    """Make many conditions of one: the same rows with another memory size, number and cell."""
    for table, changes in (
        ("deployment", {"id": "id + k", "memory_mib": "240 + k"}),
        ("cell", {"id": "id + k", "hash": "hash || k", "position": "position + k",
                  "factors": "json_set(factors, '$.memory_mib', 240 + k)"}),
        ("invocation", {"id": "id + 3 * k", "sequence": "sequence + 3 * k", "deployment_id": "deployment_id + k",
                        "cell_id": "cell_id + k"}),
    ):  # fmt: skip
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        columns = ", ".join(changes.get(name, name) for name in names)
        connection.execute(
            f"INSERT INTO {table} WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < {times}) "
            f"SELECT {columns} FROM {table}, n"
        )
