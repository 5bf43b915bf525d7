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
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

import sebsx
from sebsx.contracts.analyzers import Column, Figure, Finding, Method, Report, Table
from sebsx.contracts.runs import RunView
from sebsx.model import CellStatus, Package, RunStatus, StartType, Status, Target
from sebsx.reading.reporting import PageSection, build, repeating
from sebsx.reading.reporting.html import LIMIT_BYTES, render
from sebsx.store import Store, open_store
from sebsx.testing.runs import RunWriter
from tests.reading.reporting.conftest import EVIL, Page, breakdown, fill

Read = Callable[..., Page]
CSV = re.compile(r'download="sebsx-summary\.csv(?:\.gz)?" href="data:[^,]+,([^"]+)"')


@pytest.mark.slow
def test_page_has_its_parts_in_order(page: Page) -> None:
    assert page.texts("h2") == [
        "Base and new", "Comparison", "The answer in figures", "Latency and cost of each condition",
        "Failed invocations", "Distributions", "In detail", "Methods", "Reproduce",
        "Where the numbers come from", "Files",
    ]  # fmt: skip


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert len(tables) > 6
    assert len(page.texts("caption")) == len(tables)
    assert {cell.get("scope") for cell in page.all("th")} == {"col", "row"}


def test_every_picture_has_a_text_alternative_and_its_numbers(page: Page) -> None:
    pictures = page.all("svg")
    ids = {attributes.get("id") for _, attributes in page.elements}
    assert len(pictures) > 4
    assert all(one["role"] == "img" and set((one["aria-labelledby"] or "").split()) <= ids for one in pictures)
    numbers = [one for one in page.all("details") if one.get("class") == "numbers"]
    assert len(numbers) == len(page.all("figure")) == len(pictures)


def test_verdicts_are_words_and_signs(page: Page) -> None:
    assert "Base and new 1 regression, 1 equivalent Warning: a doubt" in page.said
    assert "✖ regression" in page.said
    assert "✔ equivalent" in page.said


def test_what_is_missing_is_said_in_words(page: Page) -> None:
    assert "missing: no digest of what was deployed" in page.said
    assert "missing: not run from a checkout" in page.said
    assert sum("absent" in (one.get("class") or "").split() for one in page.all("span")) > 4


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


def test_more_conditions_than_can_be_told_apart_are_figures_with_one_axis(store: Store) -> None:
    writer = RunWriter(store)
    for memory_mib in range(128, 128 * 6, 128):
        for start in (StartType.COLD, StartType.WARM):
            writer.add([memory_mib / 1000, 0.05] * 3, start=start, memory_mib=memory_mib)
    cold, warm = _figures([writer.finish()])
    assert [figure.title.rpartition(", ")[2] for figure in (cold, warm)] == ["cold", "warm"]
    assert cold.x_range == warm.x_range == pytest.approx((0.05 / 1.05, 0.64 * 1.05))
    assert not {name for name in cold.series if "warm" in name}


def test_distributions_of_several_benchmarks_have_titles_of_their_own(store: Store) -> None:
    writer = RunWriter(store)
    for benchmark in ("one", "two"):
        writer.add([0.1, 0.2], deployment={"benchmark": benchmark})
    titles = [figure.title for figure in _figures([writer.finish()])]
    assert titles == [f"Distribution of the client latency, {benchmark}" for benchmark in ("one", "two")]


def _section(views: list[RunView], name: str) -> PageSection:
    return next(one for one in build(views).sections if one.id == name)


def _figures(views: list[RunView]) -> Sequence[Figure]:
    return _section(views, "distributions").reports[0].figures


def test_lateness_is_drawn_where_requests_were_late(store: Store) -> None:
    writer = RunWriter(store)
    writer.add([0.1] * 6, changes={"client_intended_s": 1_750_000_000.0})
    view = writer.finish()
    (late,) = [figure for figure in _figures([view]) if figure.name == "lateness"]
    (name,) = late.series
    assert [round(y) for _, y in late.series[name]] == [1, 2, 3, 4, 5, 6]
    assert late.samples == {name: 6}
    assert not [figure for figure in _figures([fill(store, 2)]) if figure.name == "lateness"]


@pytest.mark.slow
def test_analyzers_do_not_repeat_what_the_page_has(store: Store) -> None:
    repeated = Report(
        "Again",
        tables=[Table("latency", columns=(), rows=())],
        figures=_figures([fill(store)])[:1],
        findings=[Finding("kept")],
    )
    content = build([fill(store, 2)], [repeated])
    analysed = next(one for one in content.sections if one.id == "analysis")
    assert content.answers == ["kept"]  # what was found, where nobody answers
    assert analysed.reports == [Report("Again", tables=[], figures=[], findings=[Finding("kept")])]


def test_methods_follow_from_the_run(store: Store) -> None:
    section = _section([fill(store)], "methods")
    said = " ".join(section.paragraphs)
    assert "Design: rmit. Conditions were measured in rounds" in said
    assert "one after the other" not in said
    assert "an interval of the median below 6 invocations, p90 below 29 and p99 below 299" in said
    assert "of 162 measured invocations 2 that failed and 0 of another start type" in said
    assert "enough samples (4)" in said
    assert section.terms["start type"] == "How an invocation met its sandbox: cold, warm or restored."
    assert "knee" not in section.terms  # nothing on the page is called so


def test_words_are_linked_to_what_they_mean_once_in_each_section(page: Page) -> None:
    explained = {attributes["id"] for attributes in page.all("dt")}
    assert {"word-start-type", "word-sandbox"} <= explained
    sections = [part.partition("</section>")[0] for part in page.text.split("<section ")[1:]]
    links = [re.findall(r'<a class="word" href="#([\w-]+)">', section) for section in sections]
    assert {link for found in links for link in found} == explained
    assert all(len(found) == len(set(found)) for found in links)


def test_each_kind_of_number_says_its_unit_its_interval_what_it_cannot_show_and_where_the_rest_is(store: Store) -> None:
    view = fill(store)
    of = "widths of a made-up thing"
    own = Method(of=of, unit="the thing", interval="no interval", silent="things unseen", page="docs/x.md")
    methods = next(part for part in build([view], [Report("r", methods=[own, own])]).sections if part.id == "methods")
    kinds = [text for text in methods.paragraphs if "it cannot show" in text]
    assert kinds[-1] == (
        "Widths of a made-up thing: the unit is the thing; no interval; it cannot show things unseen (docs/x.md)."
    )
    assert [text.partition(":")[0] for text in kinds[:-1]] == [
        "Medians", "P90 and p99", "Cost of a million", "Share of failures",
    ]  # fmt: skip
    for page in re.findall(r"\((docs/[\w/-]+\.md)", " ".join(kinds[:-1])):
        assert (Path(sebsx.__file__).parent.parent / page).is_file()


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
    digests, packages = _section([writer.finish()], "provenance").more[0].tables
    assert [row["package"] for row in digests.rows] == ["ab" * 32, "ef" * 32]
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
    assert "The run is failed: no reason given; this is what it stored" in page.said
    assert page.all("svg") == []


def test_failed_run_says_its_whole_reason_before_anything_else(store: Store, read: Read) -> None:
    writer = RunWriter(store)
    writer.add([0.1] * 6)
    reason = f"the account is closed: {'x' * 2000} <end>"
    store.finish_run(writer.run.id, RunStatus.FAILED, reason)
    page = read([store.view(writer.run.id)])
    assert reason in " ".join(page.texts("p"))
    assert page.said.index(reason) < page.said.index("Latency and cost")


def test_title_says_what_was_measured_where_and_when(store: Store) -> None:
    writer = RunWriter(store)
    for memory_mib in (128, 256, 512):
        writer.add([0.1] * 6, memory_mib=memory_mib, deployment={"benchmark": "graph-bfs"})
    view = writer.finish()
    day = view.run.started_at
    content = build([view])
    assert content.title == f"graph-bfs on fake: 3 memory sizes, {day.day} {day:%b %Y}"
    assert view.run.id in content.subtitle


def test_checks_are_folded_unless_they_found_something(store: Store) -> None:
    def check(*findings: Finding, advisory: bool = False) -> Report:
        return Report("A check", findings=findings, advisory=advisory)

    quiet, loud = Finding("all is well"), Finding("a doubt", warning=True)
    checks = [check(quiet), check(quiet, loud), check(quiet, loud, advisory=True)]
    sections = [one for one in build([fill(store)], checks=checks).sections if one.id.startswith("check-")]
    assert [one.folded for one in sections] == [True, False, True]
    assert sections[0].hint == "all is well"


def test_answers_and_the_first_two_figures_come_first(store: Store) -> None:
    figures = [replace(breakdown().figures[0], name=f"figure-{number}") for number in range(3)]
    content = build([fill(store)], [Report("Speed", figures=figures, answers=["it is fast"])])
    shown = {one.id: [figure.name for report in one.reports for figure in report.figures] for one in content.sections}
    assert content.answers == ["it is fast"]
    assert list(shown)[:2] == ["answer", "latency"]
    assert (shown["answer"], shown["analysis"]) == (["figure-0", "figure-1"], ["figure-2"])


def test_short_command_leaves_out_what_is_a_default(store: Store) -> None:
    writer = RunWriter(store, settings={"memory_mib": [256], "size": "test"})
    writer.add([0.1] * 6)
    defaults = {"experiment.perf-cost": {"size": "test", "memory_mib": "512"}}
    repeat = next(one for one in build([writer.finish()], defaults=defaults).sections if one.id == "repeat")
    assert "size" not in repeat.commands[0]
    assert "memory_mib=256" in repeat.commands[0]
    assert "size=test" in repeat.more_commands[0]


@pytest.mark.slow
def test_verdict_in_the_first_column_is_marked_too(store: Store, read: Read) -> None:
    table = Table("t", columns=[Column("verdict", "verdict")], rows=[{"verdict": "regression"}])
    assert "✖ regression" in read([fill(store)], [], Report("Sides", tables=[table])).said


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


@pytest.mark.parametrize(("facts", "words"), [("{broken", "cannot be read"), ("[1, 2]", "no sandbox reported")])
def test_damaged_facts_of_sandboxes_are_said(tmp_path: Path, facts: str, words: str) -> None:
    path = tmp_path / "store.sqlite"
    with open_store(path) as store:
        fill(store)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE sandbox SET facts = ?", (facts,))
    with open_store(path) as store:
        view = store.view("last")
        (origin,) = _section([view], "provenance").reports
    findings, rows = origin.findings, origin.tables[0].rows
    assert any(words in finding.text for finding in findings)
    assert "missing: no sandbox reported its CPU model" in [row[view.run.id] for row in rows]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_thousands_of_conditions_stay_within_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with open_store(path) as store:
        writer = RunWriter(store)
        cell = writer.add(np.random.default_rng(1).lognormal(-3, 0.3, 8).tolist(), level=0)
        writer.finish()
    _multiply(path, cell, 3_000)
    with open_store(path) as store:
        view = store.view("last")
        text = render(build([view]), "sebsx report", "now")
    page = Page(text)
    assert len(text.encode()) < 2_000_000
    assert "3,000 conditions, 24,000 measured invocations" in page.said
    assert "200 of 3,000 rows are shown, the rest is in the CSV" in page.said
    assert "170 further rows" in page.said
    assert len(gzip.decompress(base64.b64decode(CSV.findall(text)[0])).splitlines()) == 3_001


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


@pytest.mark.slow
def test_page_stays_within_the_limit_whatever_is_said(store: Store) -> None:
    rows = [{"a": "x" * 700, "b": "y" * 700} for _ in range(210)]
    many = [
        Report(f"{n}", tables=[Table(f"t{n}", columns=[Column("a", "a"), Column("b", "b")], rows=rows)])
        for n in range(12)
    ]
    findings = [Report(f"f{n}", findings=[Finding("&" * 700)] * 100) for n in range(12)]
    writer = RunWriter(store)
    writer.add([0.1] * 6)
    text = render(build([writer.finish()], [*many, *findings]), "sebsx report", "now")
    assert len(text.encode()) < LIMIT_BYTES
    assert "0 of 210 rows are shown" in text
