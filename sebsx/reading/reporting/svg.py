"""Makes matplotlib's SVG a part of a page: small, without inline styles, coloured by the page, named for readers."""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from sebsx.reading.reporting.drawing import BAD, GRID, INK, MUTED, SERIES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

_COLOURS = {
    INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", BAD: "var(--bad)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(SERIES)},
}  # fmt: skip
_COLOUR = re.compile("|".join(_COLOURS))
_FONT = re.compile(r"\s*font-family: [^;]*;?")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_GEOMETRY = frozenset({"d", "x", "y", "transform", "width", "height", "points"})


class Inliner:
    """Turns pictures into elements of one page and keeps the style rules they share."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}
        self._numbers = count(1)

    @property
    def css(self) -> str:
        """The rules that all pictures made so far need."""
        return "".join(f".{name}{{{rules}}}" for rules, name in self._classes.items())

    def inline(self, svg: str, title: str, description: str) -> str:
        """Return an `svg` element for a page, with a text alternative.

        Args:
            svg: As matplotlib writes it; its texts may hold anything.
            title: Name of the picture.
            description: What it shows, for who does not see it.
        """
        root = ET.fromstring(svg)  # noqa: S314  # written by matplotlib, not by a user
        prefix = f"p{next(self._numbers)}"
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        for name in ("metadata", "defs"):
            for child in root.findall(name):
                if name == "metadata" or child.find("style") is not None:
                    root.remove(child)
        used = set(_referenced(root))
        for element in root.iter():
            self._rewrite(element, prefix, used)
        _lift(root)
        box = root.get("viewBox", "")
        root.attrib.clear()
        names = {"viewBox": box, "role": "img", "aria-labelledby": f"{prefix}-title {prefix}-about", "class": "plot"}
        root.attrib.update(names)
        for place, (tag, text, word) in enumerate((("title", title, "title"), ("desc", description, "about"))):
            label = ET.Element(tag, {"id": f"{prefix}-{word}"})
            label.text = text
            root.insert(place, label)
        return ET.tostring(root, encoding="unicode")

    def _rewrite(self, element: Element, prefix: str, used: set[str]) -> None:
        attributes = dict(element.attrib)
        element.attrib.clear()
        for full, value in attributes.items():
            name = full.rpartition("}")[2]
            if name == "id":
                if value in used:
                    element.set("id", f"{prefix}{value}")
            elif name == "href":
                element.set("href", f"#{prefix}{value.removeprefix('#')}")
            elif name == "style":
                if rules := self._rules(value, prefix):
                    element.set("class", self._classes.setdefault(rules, f"m{len(self._classes)}"))
            else:
                value = _REFERENCE.sub(rf"url(#{prefix}\1)", value)
                element.set(name, _short(value) if name in _GEOMETRY else _themed(value))
        if element.text is not None and not element.text.strip():
            element.text = None
        element.tail = None

    @staticmethod
    def _rules(style: str, prefix: str) -> str:
        style = _FONT.sub("", style)
        style = _REFERENCE.sub(rf"url(#{prefix}\1)", style)
        return _themed("; ".join(rule.strip() for rule in style.split(";") if rule.strip()))


def _referenced(root: Element) -> Iterator[str]:
    for element in root.iter():
        for name, value in element.attrib.items():
            if name.endswith("href"):
                yield value.removeprefix("#")
            yield from _REFERENCE.findall(value)


def _lift(root: Element) -> None:
    """Say once on a group what all its marks share: a scatter of thousands is half as long."""
    for group in root.iter("g"):
        marks = [child for child in group if child.tag == "use"]
        if len(marks) > 1 and len(marks) == len(group) and len({mark.get("class") for mark in marks}) == 1:
            if name := marks[0].get("class"):
                group.set("class", name)
            for mark in marks:
                mark.attrib.pop("class", None)


def _themed(text: str) -> str:
    return _COLOUR.sub(lambda found: _COLOURS[found.group()], text)


def _short(text: str) -> str:
    """Return coordinates to a tenth of a point, without line breaks."""
    return " ".join(_LONG_NUMBER.sub(lambda found: f"{float(found.group()):.1f}", text).split())
