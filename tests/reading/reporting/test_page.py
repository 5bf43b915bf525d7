from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
import re
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from sebsx.contracts.analyzers import Column, Figure, Finding, Report, Table
from sebsx.contracts.runs import RunView
from sebsx.model import CellStatus, Package, RunStatus, StartType, Status, Target
from sebsx.reading.reporting import PageSection, build, repeating
from sebsx.reading.reporting.html import LIMIT_BYTES, render
from sebsx.store import Store, open_store
from sebsx.testing.runs import RunWriter
from tests.reading.reporting.conftest import EVIL, Page, fill

Read = Callable[..., Page]
CSV = re.compile(r'download="sebsx-summary\.csv(?:\.gz)?" href="data:[^,]+,([^"]+)"')


def test_page_has_its_parts_in_order(page: Page) -> None:
    assert page.texts("h2") == [
        "Base and new", "Comparison", "Where the numbers come from", "Latency and cost of each condition",
        "Figures", "What analyzers say", "Failed invocations", "Methods", "Do it again", "Files",
    ]  # fmt: skip


def test_page_asks_for_nothing_outside_itself(page: Page) -> None:
    addresses = [
        value for _, attributes in page.elements for name, value in attributes.items()
        if name in ("href", "src", "srcset", "data", "action", "poster", "xlink:href")
    ]  # fmt: skip
    assert addresses
    assert [one for one in addresses if not (one or "").startswith(("#", "data:"))] == []
    assert re.findall(r"@import|url\((?!#)", page.text) == []


def test_policy_forbids_scripts_and_names_the_only_style(page: Page) -> None:
    policy = next(one["content"] or "" for one in page.all("meta") if one.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "script-src 'none'" in policy
    (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert not any("style" in attributes for _, attributes in page.elements)


def test_hostile_text_stays_text(page: Page) -> None:
    tags = {tag for tag, _ in page.elements}
    assert tags & {"script", "img", "iframe", "object"} == set()
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert f"ValueError: {EVIL}" in page.said


def test_hostile_names_stay_text(store: Store, read: Read) -> None:
    writer = RunWriter(store, experiment=EVIL, environment={"cpu_model": EVIL, "sebsx": EVIL}, settings={EVIL: EVIL})
    writer.add([0.1] * 8, facts={"cpu_model": EVIL}, deployment={"benchmark": EVIL, "size": EVIL}, level=EVIL)
    hostile = Report(
        EVIL,
        tables=[Table(EVIL, columns=[Column("a", EVIL, meaning=EVIL)], rows=[{"a": EVIL}], caption=EVIL)],
        findings=[Finding(EVIL)],
    )
    page = read([writer.finish()], [hostile], hostile)
    assert {tag for tag, _ in page.elements} & {"script", "img"} == set()
    assert page.said.count("<script>") > 8


def test_headings_do_not_skip_levels_and_ids_are_unique(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {unquote(one["href"] or "")[1:] for one in page.all("a") if (one["href"] or "").startswith("#")}
    assert links <= set(ids)


def test_page_has_landmarks_and_a_way_past_them(page: Page) -> None:
    assert {"header", "nav", "main", "footer"} <= {tag for tag, _ in page.elements}
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("a")[0]["href"] == "#main"


def test_tables_have_captions_and_scopes(page: Page) -> None:
    tables = page.all("table")
    assert len(tables) > 8
    assert len(page.texts("caption")) == len(tables)
    assert {cell.get("scope") for cell in page.all("th")} == {"col", "row"}


def test_every_picture_has_a_text_alternative_and_its_numbers(page: Page) -> None:
    pictures = page.all("svg")
    ids = {attributes.get("id") for _, attributes in page.elements}
    assert len(pictures) > 8
    assert all(one["role"] == "img" and set((one["aria-labelledby"] or "").split()) <= ids for one in pictures)
    assert len(page.all("details")) == len(page.all("figure")) == len(pictures)


def test_verdicts_are_words_and_signs(page: Page) -> None:
    assert "Base and new 1 regression, 1 equivalent Warning: a doubt" in page.said
    assert "✖ regression" in page.said
    assert "✔ equivalent" in page.said


def test_what_is_missing_is_said_in_words(page: Page) -> None:
    assert "missing: no digest of what was deployed" in page.said
    assert "missing: not run from a checkout" in page.said
    assert sum("bad" in (one.get("class") or "").split() for one in page.all("span")) > 4


def test_restored_starts_are_named_and_a_mixture_is_noted(store: Store) -> None:
    writer = RunWriter(store)
    writer.add([0.1] * 4, start=StartType.COLD, changes={"start_type": StartType.RESTORED})
    writer.add([0.1] * 3, start=StartType.COLD, memory_mib=512)
    writer.add([0.1] * 2, start=StartType.COLD, memory_mib=512, changes={"start_type": StartType.RESTORED})
    table = _section([writer.finish()], "latency").reports[0].tables[0]
    assert [(row["start"], row["ok"], row["cold_ratio"], row.get("note")) for row in table.rows] == [
        ("restored", 4, 1.0, None), ("cold+restored", 5, 1.0, "3 cold, 2 restored"),
    ]  # fmt: skip


def test_condition_table_has_the_numbers(store: Store) -> None:
    writer = RunWriter(store)
    writer.add([n / 100 for n in range(1, 101)], start=StartType.WARM)
    (row,) = _section([writer.finish()], "latency").reports[0].tables[0].rows
    assert (row["ok"], row["failed"], row["throttled"], row["cold_ratio"]) == (100, 0, 0, 0.0)
    assert row["p50"].value == pytest.approx(0.505)
    assert row["p90"].value == pytest.approx(0.901)
    assert row["p99"].note == "n too small"
    assert row["mean"] == pytest.approx(0.505)
    assert row["cv"] == pytest.approx(29.011491975882016 / 50.5)  # sqrt(n (n + 1) / 12) / ((n + 1) / 2)
    assert row["million_usd"].value == pytest.approx(1.0)


def test_failures_throttling_and_invalid_cells_are_told_apart(store: Store, read: Read) -> None:
    writer = RunWriter(store)
    throttled = {"status": Status.THROTTLED, "error": None}
    cell = writer.add([0.1] * 3, changes=throttled)
    store.design.finish_cell(cell, CellStatus.INVALID, "the generator was late")
    view = writer.finish()
    (row,) = _section([view], "latency").reports[0].tables[0].rows
    assert (row["ok"], row["failed"], row["throttled"]) == (0, 0, 3)
    page = read([view])
    assert "invalid: the generator was late" in page.said
    assert "1 of 1 conditions are invalid" in page.said
    assert "no reason given" in page.said


def test_figures_show_sandboxes_models_and_failures(page: Page) -> None:
    legends = " ".join(page.texts("text"))
    assert "each in a sandbox of its own (n = 40)" in legends
    assert re.search(r"sandbox sandbox-\d+-0 \(n = 4\)", legends)
    assert "failed (n = 2)" in legends
    assert "Distribution of the client latency" in page.said


def test_cpu_models_are_a_figure_where_they_differ(store: Store) -> None:
    writer = RunWriter(store)
    for name in ("a", "b"):
        changes = {"sandbox_id": name}
        writer.add([0.1] * 6, facts={"cpu_model": f"model {name}"}, changes=changes, parameters={"n": "1"})
    figures = {figure.name: figure for figure in _figures([writer.finish()])}
    by_model = figures["latency-by-cpu-1"].series
    assert {name: len(points) for name, points in by_model.items()} == {"CPU model a": 6, "CPU model b": 6}
    assert set(figures["latency-in-time-1"].series) == {"sandbox a", "sandbox b"}
    assert not [one for one in _figures([fill(store, 2)]) if one.name.startswith("latency-by-cpu")]


def _other(view, sequence):
    import random

    from sebsx.testing.runs import _invocation

    made = _invocation(sequence, 1, StartType.WARM, 256, random.Random(1))
    made.sandbox_id = "b"
    return made


def _section(views: list[RunView], name: str) -> PageSection:
    return next(one for one in build(views).sections if one.id == name)


def _figures(views: list[RunView]) -> Sequence[Figure]:
    return _section(views, "figures").reports[0].figures


def test_lateness_is_drawn_where_requests_were_late(store: Store) -> None:
    writer = RunWriter(store)
    writer.add([0.1] * 6, changes={"client_intended_s": 1_750_000_000.0})
    (late,) = [figure for figure in _figures([writer.finish()]) if figure.name.startswith("lateness")]
    assert [round(y) for _, y in late.series["requests"]] == [1, 2, 3, 4, 5, 6]
    assert not [figure for figure in _figures([fill(store, 2)]) if figure.name.startswith("lateness")]


def test_analyzers_do_not_repeat_what_the_page_has(store: Store) -> None:
    repeated = Report(
        "Again",
        tables=[Table("latency", columns=(), rows=())],
        figures=_figures([fill(store)])[:1],
        findings=[Finding("kept")],
    )
    analysed = next(one for one in build([fill(store, 2)], [repeated]).sections if one.id == "analysis")
    assert analysed.reports == [Report("Again", tables=[], figures=[], findings=[Finding("kept")])]


def test_methods_follow_from_the_run(store: Store) -> None:
    said = " ".join(_section([fill(store)], "methods").paragraphs)
    assert "Design: rmit. Conditions were measured in rounds" in said
    assert "one after the other" not in said
    assert "an interval of the median below 6 invocations, p90 below 29 and p99 below 299" in said
    assert "of 162 measured invocations 2 that failed and 0 of another start type" in said
    assert "enough samples (4)" in said


def test_files_hold_every_condition(page: Page) -> None:
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(CSV.findall(page.text)[0]).decode())))
    assert len(rows) == 8
    assert {row["start"] for row in rows} == {"cold", "warm"}
    assert all(float(row["client.latency_s.p50.low"]) < float(row["client.latency_s.p50"]) for row in rows)
    found = re.findall(r'download="sebsx-summary\.json" href="data:application/json;base64,([^"]+)"', page.text)
    document = json.loads(base64.b64decode(found[0]))
    assert [one["ok"] for one in document] == [40] * 8
    assert document[-1]["failed"] == {"function_error": 2}


def test_command_line_gives_the_same_settings_again(store: Store) -> None:
    writer = RunWriter(store, settings={"memory_mib": [256, 512], "parameters": {"n": "1 2"}, "size": None, "x": True})
    assert repeating.command(writer.finish().run) == (
        "sebsx run experiment perf-cost --seed 7 --set experiment.perf-cost.memory_mib=256,512 "
        "--set 'experiment.perf-cost.parameters=n=1 2' --set experiment.perf-cost.size=none "
        "--set experiment.perf-cost.x=true"
    )


def test_dependencies_of_the_package_are_told(store: Store, tmp_path: Path) -> None:
    store.artifacts.mention("ab" * 32, "package", 10, tmp_path, {"requirements": ["numpy==2.0"], "content_hash": "cd"})
    writer = RunWriter(store)
    first = _package(tmp_path, "ab" * 32)
    writer.add([0.1] * 6, deployment={"package": first})
    writer.add([0.1] * 6, memory_mib=512, deployment={"package": _package(tmp_path, "ef" * 32)})
    packages = _section([writer.finish()], "repeat").reports[0].tables[0]
    assert [row["requirements"] for row in packages.rows] == [
        "numpy==2.0", "missing: what its dependencies resolved to is not stored",
    ]  # fmt: skip


def _package(path: Path, sha256: str) -> Package:
    return Package(
        path=path,
        sha256=sha256,
        bytes=10,
        unpacked_bytes=20,
        content_hash="cd",
        target=Target("python", "3.11", architecture="x86_64"),
        benchmark="echo",
        benchmark_version="1",
        build_s=0.0,
        cached=False,
    )


def test_run_without_invocations_says_so(store: Store, read: Read) -> None:
    page = read([RunWriter(store).finish(RunStatus.FAILED)])
    assert "holds no measured invocation: there is nothing to show of it" in page.said
    assert "is failed; this is what it stored" in page.said
    assert page.all("svg") == []


def test_one_sample_gives_no_interval(store: Store, read: Read) -> None:
    writer = RunWriter(store)
    writer.add([0.1])
    page = read([writer.finish()])
    assert re.search(r"100(\.0)? ms \(n too small\)", page.said)
    assert "confidence interval of order statistics" not in page.said


def test_all_failed_gives_no_number(store: Store, read: Read) -> None:
    writer = RunWriter(store)
    failed = {"status": Status.TIMEOUT, "error": "took too long\n  at line 1", "sandbox_id": None, "cost_usd": None}
    writer.add([3.0] * 10, changes=failed)
    page = read([writer.finish()])
    latency = page.said.partition("cost of each condition")[2].partition("Figures")[0]
    assert not re.findall(r"\d m?s\b", latency.partition("Latency")[0].partition("measured invocations that count")[0])
    assert "took too long" in page.said
    assert "missing: the platform has no price" in page.said


@pytest.mark.parametrize(("facts", "words"), [("{broken", "cannot be read"), ("[1, 2]", "no sandbox told")])
def test_damaged_facts_of_sandboxes_are_said(tmp_path: Path, facts: str, words: str) -> None:
    path = tmp_path / "store.sqlite"
    with open_store(path) as store:
        fill(store)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE sandbox SET facts = ?", (facts,))
    with open_store(path) as store:
        view = store.view("last")
        findings = _section([view], "figures").reports[0].findings
        rows = _section([view], "provenance").reports[0].tables[0].rows
    assert any(words in finding.text for finding in findings)
    assert "missing: no sandbox told its CPU model" in [row[view.run.id] for row in rows]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_thousand_conditions_stay_within_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with open_store(path) as store:
        writer = RunWriter(store)
        cell = writer.add(np.random.default_rng(1).lognormal(-3, 0.3, 8).tolist(), level=0)
        writer.finish()
    _multiply(path, cell, 10_000)
    with open_store(path) as store:
        view = store.view("last")
        text = render(build([view]), "sebsx report", "now")
    page = Page(text)
    assert len(text.encode()) < 2_000_000
    assert "10,000 conditions, 80,000 measured invocations" in page.said
    assert "200 of 10,000 rows are shown, the rest is in the CSV" in page.said
    assert len(gzip.decompress(base64.b64decode(CSV.findall(text)[0])).splitlines()) == 10_001


def _multiply(path: Path, cell: int, times: int) -> None:
    """Make a run of one cell one of many, which differ in a factor; latencies differ a little."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for name, changed in (
            ("cell", {"id": f"{cell} + k.n", "hash": "hash || k.n", "position": "k.n",
                      "factors": "json_set(factors, '$.level', k.n)"}),
            ("invocation", {"cell_id": f"{cell} + k.n", "sequence": "sequence + 8 * k.n",
                            "request_id": "request_id || k.n",
                            "client_done_s": "client_done_s + (abs(random()) % 100000) / 1e7"}),
        ):  # fmt: skip
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
            names = [one for one in names if one != "id" or one in changed]
            values = ", ".join(changed.get(one, one) for one in names)
            connection.execute(
                f"WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < {times - 1}) "
                f"INSERT INTO {name} ({', '.join(names)}) SELECT {values} FROM {name}, k"
            )


def test_page_stays_within_the_limit_whatever_is_said(store: Store) -> None:
    rows = [{"a": "x" * 2000, "b": "y" * 2000} for _ in range(500)]
    many = [
        Report(f"{n}", tables=[Table(f"t{n}", columns=[Column("a", "a"), Column("b", "b")], rows=rows)])
        for n in range(30)
    ]
    findings = [Report(f"f{n}", findings=[Finding("&" * 5000)] * 100) for n in range(30)]
    writer = RunWriter(store)
    writer.add([0.1] * 6)
    text = render(build([writer.finish()], [*many, *findings]), "sebsx report", "now")
    assert len(text.encode()) < LIMIT_BYTES
    assert "0 of 500 rows are shown" in text
