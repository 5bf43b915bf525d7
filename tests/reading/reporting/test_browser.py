"""The page as a browser has it: Chromium of this machine, driven by Playwright."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support import Cli

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PICTURE = Path(__file__).parents[3] / "docs" / "report_picture.py"


@pytest.fixture
def show(browser: Any, html: str, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Return `show(**emulated)`: the page opened from a file; requests and complaints are kept in its `heard`."""
    path = tmp_path / "page.html"
    path.write_text(html, encoding="utf-8")
    context = browser.new_context(offline=True)

    def opened(**emulated: str) -> Any:
        page = context.new_page()
        page.heard = []
        page.on("console", lambda message: page.heard.append(message.text))
        page.on("pageerror", lambda error: page.heard.append(str(error)))
        page.on("dialog", lambda dialog: (page.heard.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: page.heard.append(request.url))
        if emulated:
            page.emulate_media(**emulated)
        page.goto(path.as_uri())
        assert page.heard == [path.as_uri()]
        return page

    yield opened
    context.close()


def ground(page: Any) -> str:
    found: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return found


def test_opens_without_network_or_complaint_and_shows_every_figure(show: Callable[..., Any]) -> None:
    page = show()
    assert page.get_by_role("heading", level=1).count() == 1
    figures = page.get_by_role("img").all()
    assert len(figures) > 4
    for figure in figures:
        box = figure.bounding_box()
        assert box["width"] > 300
        assert box["height"] > 100
    hidden = "[...document.querySelectorAll('svg text')].filter(t => t.getBoundingClientRect().width == 0).length"
    assert page.evaluate(hidden) == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert len(page.heard) == 1


def test_dark_follows_the_system_and_the_switch(show: Callable[..., Any]) -> None:
    light, dark = show(color_scheme="light"), show(color_scheme="dark")
    assert ground(light) == "rgb(255, 255, 255)"
    assert ground(dark) == "rgb(20, 23, 26)"
    light.get_by_label("dark").check()
    dark.get_by_label("light").check()
    assert (ground(light), ground(dark)) == ("rgb(20, 23, 26)", "rgb(255, 255, 255)")
    ink = "getComputedStyle(document.querySelector('svg text')).fill"
    assert light.evaluate(ink) != dark.evaluate(ink)


def test_paper_is_light_and_without_what_cannot_be_printed(show: Callable[..., Any]) -> None:
    page = show(color_scheme="dark", media="print")
    assert ground(page) == "rgb(255, 255, 255)"
    assert page.get_by_role("navigation").count() == 0
    assert len(page.pdf()) > 10_000


def test_keyboard_reaches_everything_and_sees_where_it_is(show: Callable[..., Any]) -> None:
    page = show()
    focused = "document.activeElement.textContent"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "Skip to the content"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details").first.get_by_role("table").is_visible()


def test_fits_a_narrow_screen(show: Callable[..., Any]) -> None:
    page = show()
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_files_are_downloaded_from_the_page_itself(show: Callable[..., Any]) -> None:
    page = show()
    with page.expect_download() as download:
        page.get_by_role("link", name="sebsx-summary.json").click()
    document = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert len(document) == 8


@pytest.mark.network
def test_axe_finds_no_barrier_in_either_theme(show: Callable[..., Any], tmp_path: Path) -> None:
    words = ["npm", "install", "--silent", "--no-save", "axe-core@4"]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True, timeout=200)
    axe = (tmp_path / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    for scheme in ("light", "dark"):
        page = show(color_scheme=scheme)
        page.evaluate(axe)
        checked, found = page.evaluate(
            "axe.run().then(r => [r.passes.length, r.violations.map(v => [v.id, v.nodes.map(n => n.html)])])"
        )
        assert found == []
        assert checked > 20


def test_example_of_the_documentation_is_photographed(browser: Any, tmp_path: Path) -> None:
    module = load(PICTURE)
    module.write(tmp_path)
    assert "report.png" in (tmp_path / "report.md").read_text(encoding="utf-8")
    picture = (tmp_path / "report.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(zlib.compress(picture)) > 50_000  # a blank one is far smaller


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_report_of_a_real_run_opens(sebsx: Cli, browser: Any) -> None:
    sebsx.json("run", "benchmark", "sleep", "--size", "test", "--repetitions", "6")
    written = sebsx.json("report", "last")
    page = browser.new_page()
    page.goto((sebsx.home / written["file"]).as_uri())
    assert page.get_by_role("heading", name="Latency and cost of each condition").count() == 1
    assert page.get_by_role("cell", name="6", exact=True).count() >= 2
    page.close()
