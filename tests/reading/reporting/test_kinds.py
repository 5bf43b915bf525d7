"""Pages of ten kinds of runs on a desktop, a phone, in the dark and on paper: what a reader sees first, and whether.

`SEBSX_PICTURES=FOLDER` keeps the pictures, for eyes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.reading.reporting.kinds import KINDS, REASON, page
from tests.support import once

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ORDER = (
    "verdict", "comparison", "answer", "latency", "errors", "distributions", "analysis", "check-1", "check-2",
    "check-3", "methods", "repeat", "provenance", "files",
)  # fmt: skip
SCREENS = {"desktop": (1280, 900, "light"), "phone": (390, 844, "light"), "dark": (1280, 900, "dark")}
# Contrast of every visible text with the ground it stands on (WCAG 2.1, 1.4.3), and what lies beyond the screen.
FAINT = """() => {
  const channels = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const luminance = rgb => rgb.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const found = channels(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll('body *')) {
    const text = [...element.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent.trim()).join('');
    if (!text || !element.checkVisibility({visibilityProperty: true})) continue;
    const style = getComputedStyle(element);
    const ink = luminance(channels(element.namespaceURI.endsWith('svg') ? style.fill : style.color));
    const behind = luminance(ground(element));
    const ratio = (Math.max(ink, behind) + 0.05) / (Math.min(ink, behind) + 0.05);
    if (ratio < 4.5) faint.push([ratio.toFixed(2), element.tagName, text.slice(0, 60)]);
  }
  return faint;
}"""


@pytest.fixture(scope="module", params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def file(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, f"page-{kind}", lambda folder: page(kind, folder))


# Removes further rows of tables, and texts of figures, that are coloured as those before them.
ALIKE = """
document.querySelectorAll('tbody tr:nth-child(n+6), .findings li:nth-child(n+9)').forEach(each => each.remove());
document.querySelectorAll('svg').forEach(svg => [...svg.querySelectorAll('text')].slice(40).forEach(t => t.remove()));
"""


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("SEBSX_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def shown(browser: Any, file: Path, device: str) -> Iterator[Any]:
    """The page on a screen."""
    width, height, scheme = SCREENS[device]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    opened = context.new_page()
    opened.goto(file.as_uri())
    yield opened
    context.close()


@pytest.mark.parametrize("device", sorted(SCREENS))
def test_page_fits_and_is_readable(browser: Any, file: Path, kind: str, device: str, pictures: Path) -> None:
    picture = pictures / f"{kind}-{device}.png"
    width, height, _ = SCREENS[device]
    with shown(browser, file, device) as screen:
        tall = min(5 * height, screen.locator("body").bounding_box()["height"])
        screen.screenshot(path=picture, full_page=True, clip={"x": 0, "y": 0, "width": width, "height": tall})
        assert picture.stat().st_size > 10_000
        if kind == "two_hundred" and device != "desktop":  # what is alike is judged once
            screen.evaluate(ALIKE)
        assert screen.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert screen.evaluate(FAINT) == []
        screen.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert screen.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert screen.evaluate(FAINT) == []


def test_page_is_sound_by_axe(browser: Any, file: Path, kind: str) -> None:
    """Headings in their order, landmarks, names of tables and pictures, contrast: all that axe-core knows of."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with shown(browser, file, "desktop") as screen:
        screen.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        names = screen.evaluate("[...document.querySelectorAll('[id]')].map(each => each.id)")
        assert len(names) == len(set(names))
        if kind == "two_hundred":  # all of it takes minutes: of what is alike some are judged; FAINT judges all
            screen.evaluate(ALIKE)
        judged = axe.run(screen, options={"resultTypes": ["violations", "passes"]}).response
        found = judged["violations"]
        (contrast,) = (each for each in judged["passes"] if each["id"] == "color-contrast")
        assert len(contrast["nodes"]) > (100 if kind == "two_hundred" else 0)
        assert [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found] == []


def test_sections_are_in_the_order_of_worth(browser: Any, file: Path, kind: str) -> None:
    with shown(browser, file, "desktop") as screen:
        ids = screen.evaluate("[...document.querySelectorAll('section')].map(each => each.id)")
        assert ids == [name for name in ORDER if name in ids]
        assert ids[0] == "verdict"
        top = screen.locator("#verdict").bounding_box()
        assert top["y"] < 200
        titles = screen.evaluate("[...document.querySelectorAll('figcaption b')].map(each => each.textContent)")
        assert len(titles) == len(set(titles))
        if kind == "failed_run":
            assert REASON.strip() in screen.locator(".reason").inner_text()
            assert screen.locator(".reason").bounding_box()["y"] < 250


def test_median_is_on_the_screen_of_a_phone(browser: Any, file: Path, kind: str) -> None:
    if kind in ("empty", "all_failed"):
        return
    with shown(browser, file, "phone") as screen:
        median = screen.locator("#latency th", has_text="median").first.bounding_box()
        assert median["x"] + median["width"] <= 390


def test_paper_holds_the_answer(browser: Any, file: Path, kind: str, pictures: Path) -> None:
    opened = browser.new_page()
    opened.goto(file.as_uri())
    opened.emulate_media(media="print", color_scheme="dark")
    opened.set_viewport_size({"width": 700, "height": 1000})  # A4 at 96 dots an inch, without its margins
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert opened.evaluate(FAINT) == []
    assert opened.locator("#verdict").is_visible()
    data = opened.pdf(path=pictures / f"{kind}.pdf", format="A4")
    assert len(data) > 10_000
    opened.close()
