"""What was varied is a column of every raw row, in the views and in every raw format."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.scene import Scene
from sebsx.model import Design, Factor, Factors
from sebsx.plugins import Registry
from sebsx.store import Store, open_store
from sebsx.testing.fakes import FakePlatform
from sebsx.testing.runs import RunWriter
from sebsx_export.csv_file import CsvExporter
from sebsx_export.jsonl import JsonLinesExporter
from sebsx_export.parquet import ParquetExporter
from sebsx_export.rows import COMMON, factor_columns

FACTORS = (Factor(name="version", base="base"), Factor(name="idle_s"), Factor(name="round"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "s.sqlite") as opened:
        yield opened


def versions(store: Store) -> RunWriter:
    writer = RunWriter(store, design=Design.RMIT, settings={"n": 1})
    for version, idle_s in (("base", 1), ("new", 2.5)):
        levels = {"version": version, "idle_s": idle_s, "round": version, "parameters": {"n": 3}, "folder": "/home/me"}
        writer.add([0.1, 0.2], rounds=[0, 1], **levels)
    return writer


def test_view_tells_base_from_new(store: Store, tmp_path: Path) -> None:
    view = versions(store).finish()
    with closing(sqlite3.connect(tmp_path / "s.sqlite")) as connection:
        query = "SELECT factors ->> 'version', count(*) FROM measured GROUP BY 1 ORDER BY 1"
        assert connection.execute(query).fetchall() == [("base", 2), ("new", 2)]
    assert {row["factors"]["version"] for row in view.rows("measured")} == {"base", "new"}


def test_csv_has_a_column_for_each_factor(store: Store, tmp_path: Path) -> None:
    CsvExporter().export([versions(store).finish()], tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["version"], row["idle_s"], row["round"]) for row in rows] == [
        ("base", "1", "0"), ("base", "1", "1"), ("new", "2.5", "0"), ("new", "2.5", "1"),
    ]  # fmt: skip
    assert {row["factor_round"] for row in rows} == {"base", "new"}  # its own name is another column's
    assert {row["parameters"] for row in rows} == {'{"n": 3}'}
    assert not {"folder", "start", "factors"} & set(rows[0])


@pytest.mark.slow
def test_parquet_has_them_typed(store: Store, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    writer = versions(store)
    writer.add([0.1], idle_s="bisection", users=4)
    ParquetExporter().export([writer.finish()], tmp_path / "out.parquet")
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table["idle_s"].to_pylist() == ["1", "1", "2.5", "2.5", "bisection"]
    assert table["users"].to_pylist() == [None, None, None, None, 4]
    assert table["version"].to_pylist() == ["base", "base", "new", "new", None]


def test_json_lines_hold_the_levels(store: Store, tmp_path: Path) -> None:
    JsonLinesExporter().export([versions(store).finish()], tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {line["factors"]["version"] for line in lines if line["record"] == "invocation"} == {"base", "new"}


@pytest.mark.slow
def test_every_declared_factor_of_every_experiment_has_a_column(
    sebsx_registry: Registry, fake_platform: FakePlatform, store: Store
) -> None:
    scene = Scene(sebsx_registry, {fake_platform.name: fake_platform})
    planned: dict[str, Any] = {
        "perf-cost": {"benchmarks": ("sleep",)}, "load": {"benchmark": "sleep", "rate": "5"},
        "calibrate": {"benchmark": "graph-bfs", "low_s": 0.1, "high_s": 1.0},
    }  # fmt: skip
    looked_at = 0
    for number, (name, cls) in enumerate(sorted(sebsx_registry.experiments.items()), 1):
        if name == "function":  # of a function that exists
            continue
        plan = cls().plan(scene, cls.Settings(**planned.get(name, {})))
        writer = RunWriter(store, number, experiment=name)
        for cell in plan.cells:
            store.design.add_cell(writer.run.id, cell)
        view = writer.finish()
        columns = factor_columns([view])
        shown = {*COMMON, *view.row_columns(), *columns.values(), "folder", "start"}
        missing = {name for cell in plan.cells for name, level in cell.factors.items() if level is not None} - shown
        assert not missing, f"{name}: {missing}"
        assert Factors.of(cls.factors).declared
        looked_at += 1
    assert looked_at >= 5
