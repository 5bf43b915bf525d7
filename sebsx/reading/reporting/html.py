"""Draws a page's content as one HTML file that needs nothing outside itself and runs no script."""

from __future__ import annotations

import base64
import gzip
import hashlib
from dataclasses import dataclass, replace
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from sebsx import __version__
from sebsx.contracts.analyzers import Estimate
from sebsx.reading import words
from sebsx.reading.reporting.drawing import EXTRA, draw
from sebsx.reading.reporting.figures import as_table, describe
from sebsx.reading.reporting.provenance import MISSING
from sebsx.reading.reporting.svg import Inliner
from sebsx.reading.units import show
from sebsx.system.lazy import require
from sebsx.system.outside import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.analyzers import Column, Figure, Finding, Report, Table
    from sebsx.reading.reporting.content import Content

# A page stays below 2 MB whatever is in the runs: each kind of content has its share.
LIMIT_BYTES = 1_950_000
_MOST_ROWS = 200
_ROWS_IN_SIGHT = 30  # of a longer table; the rest is behind a fold
_WORDS_BYTES = 500_000  # tables and findings
_MARKUP_BYTES = 35  # around the text of a cell
_MOST_LETTERS = 600  # of a cell or a finding
_MOST_FINDINGS = 60
_PICTURES_BYTES = 700_000
_PLAIN_FILE_BYTES = 100_000  # above it a file is offered compressed

_TONES = {
    "regression": "bad", "improvement": "good", "equivalent": "good", "inconclusive": "doubt", "incomparable": "doubt",
    "change": "doubt",
    MISSING: "absent", "invalid": "bad", "failed": "bad",
}  # fmt: skip
_SIGNS = {"bad": "✖", "good": "✔", "doubt": "?"}


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    number: bool
    tone: str
    sign: str
    noted: bool = False  # whether words stand in place of a number


@dataclass(frozen=True, slots=True)
class _Table:
    """A table as the template needs it."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[_Cell]]

    @property
    def in_sight(self) -> Sequence[Sequence[_Cell]]:
        """The rows that everybody sees."""
        return self.rows if len(self.rows) <= _ROWS_IN_SIGHT * 1.5 else self.rows[:_ROWS_IN_SIGHT]

    @property
    def folded(self) -> Sequence[Sequence[_Cell]]:
        """The rows behind the fold."""
        return self.rows[len(self.in_sight) :]

    @property
    def numeric(self) -> set[int]:
        """Places of the columns that hold numbers."""
        return {place for row in self.rows for place, cell in enumerate(row) if cell.number}


@dataclass(frozen=True, slots=True)
class _Picture:
    """A figure as the template needs it; `svg` is empty where it could not be drawn, `notes` say why."""

    title: str
    svg: str
    notes: Sequence[str]
    data: _Table


@dataclass(frozen=True, slots=True)
class _Block:
    title: str
    tables: Sequence[_Table]
    pictures: Sequence[_Picture]
    findings: Sequence[Finding]
    more: int


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    url: str
    kib: int


def render(content: Content, command: str, made_at: str) -> str:
    """Return the page.

    Args:
        content: What it shows.
        command: How it was made.
        made_at: When it was made, as text.

    Raises:
        MissingDependencyError: If the template or plotting library is not installed.
    """
    jinja2 = require("jinja2", extra=EXTRA)
    markup: Any = require("markupsafe", extra=EXTRA).Markup
    painter = _Painter()
    verdict = _Painter().block(replace(content.verdict, tables=(), figures=())) if content.verdict else None
    sections = [
        (
            one,
            [painter.block(report, one.title) for report in one.reports],
            [painter.block(report, one.title) for report in one.more],
        )
        for one in content.sections
    ]
    folder = files("sebsx.reading.reporting") / "templates"
    css = (folder / "report.css").read_text(encoding="utf-8") + painter.css
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    linker = _Linker({word for section in content.sections for word in section.terms}, markup)
    environment.filters["linked"] = linker.linked
    environment.globals["anchor"] = anchor
    environment.globals["begin"] = linker.begin
    template = environment.from_string((folder / "report.html.j2").read_text(encoding="utf-8"))
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    values: dict[str, Any] = {
        "content": content, "verdict": verdict, "sections": sections, "css": markup(css), "style_hash": digest,
        "command": command, "made_at": made_at, "version": __version__, "raw": markup,
    }  # fmt: skip
    bare: str = template.render(**values, files=[], left_out=[])
    offered, left_out = _files(content.files, LIMIT_BYTES - len(bare.encode("utf-8", "replace")))
    page: str = template.render(**values, files=offered, left_out=left_out)
    return page


def anchor(word: str) -> str:
    """Return the anchor of an explained word."""
    return f"word-{word.replace(' ', '-')}"


class _Linker:
    """Links words to where they are explained: each once in a section, for more would be in the way of reading.

    Args:
        terms: The words that the page explains.
        markup: What says that a text is HTML already.
    """

    def __init__(self, terms: set[str], markup: Any) -> None:
        self._terms = terms
        self._markup = markup
        self._seen: set[str] = set()

    def begin(self) -> str:
        """Begin a section."""
        self._seen.clear()
        return ""

    def linked(self, text: str) -> Any:
        """Return a text as HTML with links at its explained words."""
        text = visible(text)
        places = sorted(
            (match.start(), match.end(), word)
            for word, match in words.found(text)
            if word in self._terms and word not in self._seen
        )
        made, end = self._markup(""), 0
        for start, stop, word in places:
            if start >= end:  # not inside another
                self._seen.add(word)
                link = f'<a class="word" href="#{anchor(word)}">'
                made += self._markup.escape(text[end:start]) + self._markup(link)
                made += self._markup.escape(text[start:stop]) + self._markup("</a>")
                end = stop
        return made + self._markup.escape(text[end:])


def _shown(value: Any) -> Any:
    """Return what a place of the template shows."""
    return type(value)(visible(value)) if isinstance(value, str) else value


class _Painter:
    """Makes tables and figures of one page and keeps it within its size."""

    def __init__(self) -> None:
        self._inliner = Inliner()
        self._words_left = _WORDS_BYTES
        self._pictures_left = _PICTURES_BYTES

    @property
    def css(self) -> str:
        return self._inliner.css

    def block(self, report: Report, heading: str = "") -> _Block:
        findings = [replace(one, text=_cut(one.text)) for one in report.findings[:_MOST_FINDINGS]]
        findings = [one for one in findings if self._has_room(one.text)]
        return _Block(
            "" if report.title == heading else report.title,
            [self._table(table) for table in report.tables if table.rows],
            [self._picture(figure) for figure in report.figures],
            findings,
            len(report.findings) - len(findings),
        )

    def _table(self, table: Table) -> _Table:
        rows = []
        for row in table.rows[:_MOST_ROWS]:
            cells = [_cell(row, column) for column in table.columns]
            if not self._has_room(*(cell.text for cell in cells)):
                break
            rows.append(cells)
        said = table.caption or table.name
        if len(rows) < len(table.rows):
            said += f"; {len(rows):,} of {len(table.rows):,} rows are shown, the rest is in the CSV"
        return _Table(said, table.columns, rows)

    def _has_room(self, *texts: str) -> bool:
        """Tell whether there is still room for some texts with their markup, and take it."""
        self._words_left -= sum(_MARKUP_BYTES + len(escape(text).encode("utf-8", "replace")) for text in texts)
        return self._words_left >= 0

    def _picture(self, figure: Figure) -> _Picture:
        data = self._table(as_table(figure))
        if not any(figure.series.values()):
            return _Picture(figure.title, "", ["no points to draw"], data)
        if self._pictures_left <= 0:
            return _Picture(figure.title, "", ["not drawn, to keep this page small; its numbers are below"], data)
        drawing = draw(figure)
        svg = self._inliner.inline(drawing.svg, figure.title, describe(figure))
        self._pictures_left -= len(svg)
        return _Picture(figure.title, svg, drawing.notes, data)


def _cell(row: Mapping[str, Any], column: Column) -> _Cell:
    value = row.get(column.key)
    text = _cut(show(value, column.unit))
    number = isinstance(value, int | float | Estimate) and not isinstance(value, bool)
    tone = _TONES.get(text.partition(":")[0].partition("\n")[0], "") if isinstance(value, str) else ""
    noted = isinstance(value, Estimate) and bool(value.note)
    return _Cell(text, number, tone, _SIGNS.get(tone, ""), noted)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]} ..."


def _files(texts: Mapping[str, str], room_bytes: int) -> tuple[list[_File], list[str]]:
    """Return files as data URLs as long as there is room, large ones compressed, and names of those left out."""
    offered, left_out = [], []
    for name, text in texts.items():
        data = text.encode("utf-8", "replace")
        kind = "text/csv" if name.endswith(".csv") else "application/json"
        kib = -(-len(data) // 1024)
        if len(data) > _PLAIN_FILE_BYTES:
            data, kind, name = gzip.compress(data, mtime=0), "application/gzip", f"{name}.gz"
        url = f"data:{kind};base64,{base64.b64encode(data).decode()}"
        if len(url) + 300 > room_bytes:
            left_out.append(name)
        else:
            room_bytes -= len(url) + 300
            offered.append(_File(name, url, kib))
    return offered, left_out
