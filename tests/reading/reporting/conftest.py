"""Pages of runs whose figures are known, and what reads a page."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.analyzers import Column, Estimate, Figure, Finding, Report, Table
from sebsx.contracts.runs import RunView
from sebsx.model import Design, StartType, Status
from sebsx.reading.reporting import build
from sebsx.reading.reporting.html import render
from sebsx.store import Store, open_store
from sebsx.testing.runs import RunWriter

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&"
VOID = {"meta", "link", "input", "img", "br"}


class Page(HTMLParser):
    """What stands in a page, by element; closes of elements that are not open are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append((self._open[-1] if self._open else "", data.strip()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def texts(self, tag: str) -> list[str]:
        return [text for name, text in self.words if name == tag]

    @property
    def said(self) -> str:
        return " ".join(text for name, text in self.words if name != "style")


def comparison() -> Report:
    """A report as comparisons make it: verdicts, ratios with intervals, a sentence."""
    rows = [
        {"metric": "latency", "ratio": Estimate(1.1, low=1.08, high=1.12), "verdict": "regression"},
        {"metric": "cost", "ratio": Estimate(1.0, low=0.99, high=1.01), "verdict": "equivalent"},
    ]
    columns = (Column("metric", "metric"), Column("ratio", "ratio"), Column("verdict", "verdict"))
    forest = Figure(
        "ratios", "interval", title="Ratio of new to base", x=Column("row", "row"),
        y=Column("ratio", "ratio of medians"),
        series={"ratio": [(0, 1.1), (1, 1.0)]}, categories=["echo latency", "echo cost"],
        intervals={"ratio": [(1.08, 1.12), (0.99, 1.01)]}, reference=1.0,
    )  # fmt: skip
    findings = [Finding("a doubt", warning=True), Finding("1 regression, 1 equivalent", numbers={"regression": 1})]
    return Report(
        "Base and new", tables=[Table("verdicts", columns=columns, rows=rows)], figures=[forest], findings=findings
    )


def breakdown() -> Report:
    """A report with stacked bars and points, as analyzers make them."""
    parts = Figure(
        "parts", "stacked", title="Where the time goes", x=Column("c", "condition"), y=Column("t", "median", unit="s"),
        series={"init": [(0, 0.2), (1, 0.0)], "handler": [(0, 0.05), (1, 0.05)]}, categories=["echo cold", "echo warm"],
    )  # fmt: skip
    pareto = Figure(
        "pareto", "scatter", title="Latency and cost", x=Column("cost", "cost per million", unit="USD"),
        y=Column("latency", "median latency", unit="s"), series={"256 MiB": [(1.0, 0.2)], "512 MiB": [(1.5, 0.1)]},
    )  # fmt: skip
    bars = Figure(
        "memory", "bar", title="Memory used", x=Column("c", "condition"), y=Column("bytes", "peak", unit="bytes"),
        series={"peak": [(0, 2.0**26), (1, 2.0**25)]}, categories=["echo cold", "echo warm"],
    )  # fmt: skip
    return Report("Breakdown", figures=[parts, pareto, bars], findings=[Finding("the parts add up")])


def fill(store: Store, number: int = 1, *, n: int = 40) -> RunView:
    """Store a run of two memory sizes, cold and warm, on two CPU models, with failures whose text is hostile."""
    rng = random.Random(number)
    settings = {"repetitions": n, "memory_mib": [256, 512]}
    writer = RunWriter(store, number, design=Design.RMIT, settings=settings, environment={"cpu_model": "test"})
    for memory_mib in (256, 512):
        for start, median_s in ((StartType.COLD, 0.3), (StartType.WARM, 0.02)):
            latencies_s = [median_s * rng.lognormvariate(0, 0.2) for _ in range(n)]
            rounds = list(range(n))
            model = f"CPU model {memory_mib}"
            writer.add(
                latencies_s, rounds=rounds, memory_mib=memory_mib, start=start, facts={"cpu_model": model},
                per_sandbox=1 if start is StartType.COLD else 4,
            )  # fmt: skip
    failed = {"status": Status.FUNCTION_ERROR, "error": f"ValueError: {EVIL}", "start_type": StartType.UNKNOWN}
    writer.add([0.5, 0.6], rounds=[0, 1], memory_mib=512, start=StartType.WARM, changes=failed)
    return writer.finish()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium of this machine, driven by Playwright."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no Chromium here (.ci/run installs it)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.sqlite") as opened:
        yield opened


@pytest.fixture(scope="session")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of two runs with a comparison and what an analyzer says."""
    with open_store(tmp_path_factory.mktemp("page") / "store.sqlite") as opened:
        views = [fill(opened, 1), fill(opened, 2)]
        return render(build(views, [breakdown()], comparison()), "sebsx report one two", "2025-01-01 00:00:00")


@pytest.fixture(scope="session")
def page(html: str) -> Page:
    return Page(html)


@pytest.fixture
def read() -> Callable[..., Page]:
    """Return `read(views, said, comparison)`: the page of some runs."""

    def make(*arguments: object) -> Page:
        return Page(render(build(*arguments), "sebsx report", "now"))  # type: ignore[arg-type]

    return make
