"""Tables, records and sentences as text for a terminal, a pipe or a file; drawn by rich."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, TextIO

from rich import box
from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.table import Table as RichTable
from rich.text import Text

from sebsx.cli.layout import GAP, NOTHING, Layout, arranged
from sebsx.reading import words
from sebsx.system.outside import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from sebsx.contracts.analyzers import Report, Table

_COLOURS = {
    "regression": "bold red", "incomparable": "magenta", "inconclusive": "yellow", "change": "cyan",
    "improvement": "green", "equivalent": "green",
}  # fmt: skip
# What rich is told: how wide columns and lines are was decided before.
_ENDLESS = 100_000


def room(file: TextIO) -> int | None:
    """Return how many columns there are to write into: `COLUMNS`, else those of the terminal; None in a pipe."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    if not file.isatty():
        return None
    try:
        return os.get_terminal_size(file.fileno()).columns or None
    except OSError:
        return None


class Pen:
    """Writes to one file, as wide as it is.

    Args:
        file: Where to.
        wide: Show every column of a table, whatever the room.
    """

    def __init__(self, file: TextIO, *, wide: bool = False) -> None:
        self._file = file
        self._wide = wide
        self._width = room(file)
        self._begun = False
        self._rich = RichConsole(file=file, width=_ENDLESS)

    def table(self, table: Table) -> None:
        """Write a table, if it has rows."""
        if not table.rows:
            return
        layout = arranged(table, self._width, wide=self._wide)
        self._apart()
        for text, style in ((layout.title, "bold"), (layout.caption, "dim italic")):
            if text:
                self._lines(text, style)
        if layout.widths is None:
            self._records(layout)
        elif layout.columns:
            self._print(_grid(layout, layout.widths))

    def report(self, report: Report, *, failed: bool = False) -> None:
        """Write a report: its tables, its findings, and last what was found.

        Args:
            report: What an analyzer says.
            failed: Whether nothing succeeded: why that is comes before the tables, which hold little.
        """
        if report.title:
            self._apart()
            self._lines(visible(report.title), "bold")
        if failed:
            self._findings(report)
        for table in report.tables:
            self.table(table)
        if not failed:
            self._findings(report)
        self.explain(report)
        if report.answers:
            self._apart()
        for answer in report.answers:
            self.sentence(answer)

    def explain(self, report: Report) -> None:
        """Write where the words of a report are explained; nothing where it uses none that needs it."""
        if used := words.used([report]):
            self._apart()
            self._lines(f"{words.COMMAND} ({words.PAGE}) explains: {', '.join(used)}", "dim italic")

    def _findings(self, report: Report) -> None:
        if report.findings:
            self._apart()
        for finding in report.findings:
            mark = Text(" ! ", "yellow") if finding.warning else Text(" - ", "green")
            self.sentence(finding.text, mark)

    def sentence(self, text: str, mark: Text | None = None) -> None:
        """Write lines of text, folded between words and indented behind their mark."""
        mark = mark or Text()
        for line in visible(text).split("\n"):
            self._lines(line, mark=mark)
            mark = Text(" " * len(mark))

    def facts(self, facts: Mapping[str, str], indent: str = "") -> None:
        """Write names with what is said of each beside them, or below a name that is too long for that."""
        names = {visible(name): visible(text) for name, text in facts.items()}
        room = _ENDLESS if self._width is None else self._width // 2
        longest = max((len(name) for name in names if len(name) <= room), default=0)
        for name, text in names.items():
            if len(name) > room:
                self._lines(indent + name, "dim")
                name = ""
            self._lines(text, mark=Text(f"{indent}{name:<{longest + GAP}}", "dim"))

    def _records(self, layout: Layout) -> None:
        for cells in layout.rows():
            named = zip(layout.columns[: layout.names], cells, strict=False)
            name = "  ".join(cell if column.words else column.tells(cell) for column, cell in named)
            if name:
                self._lines(name, "bold")
            rest = zip(layout.columns[layout.names :], cells[layout.names :], strict=True)
            self.facts({column.title: cell for column, cell in rest if cell not in NOTHING}, "  " if name else "")

    def _lines(self, text: str, style: str = "", mark: Text | None = None) -> None:
        """Write a text in lines that are broken between words alone: a longer word stands out."""
        mark = mark or Text()
        for line in folded(text, None if self._width is None else self._width - len(mark)):
            self._print(mark + Text(line, style))
            mark = Text(" " * len(mark))

    def _apart(self) -> None:
        """Write an empty line if anything stands above."""
        if self._begun:
            self._print(Text())

    def _print(self, part: RenderableType) -> None:
        """Write on lines of its own; nothing is left blank at their ends where no terminal shows colours."""
        with self._rich.capture() as captured:
            self._rich.print(part)
        text = captured.get()
        if not self._rich.is_terminal:
            text = "".join(f"{line.rstrip(' ')}\n" for line in text.removesuffix("\n").split("\n"))
        self._file.write(text)
        self._begun = True


def _grid(layout: Layout, widths: Sequence[int]) -> RichTable:
    drawn = RichTable(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, GAP - 1, 0, 0), pad_edge=False)
    for column, width in zip(layout.columns, widths, strict=True):
        justify: Literal["left", "right"] = "left" if column.words else "right"
        drawn.add_column(Text(column.title), justify=justify, overflow="fold", width=width)
    for cells in layout.rows():
        drawn.add_row(
            *(Text(cell, _COLOURS.get(cell, "") if column.key == "verdict" else "")
              for column, cell in zip(layout.columns, cells, strict=True))
        )  # fmt: skip
    return drawn


def folded(text: str, width: int | None) -> Iterator[str]:
    """Yield a text in lines of a width."""
    indent = text[: len(text) - len(text.lstrip())]
    line = ""
    for word in text.split() if width is not None and cell_len(text) > width else ():
        if line and cell_len(line) + 1 + cell_len(word) > (width or 0):
            yield line
            line = ""
        line = f"{line} {word}" if line else indent + word
    yield line or text
