"""The only module that prints: results to stdout, everything else to stderr; `--json` prints JSON alone."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import os
import sys
import time
from contextlib import contextmanager, suppress
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from sebsx.cli.repeating import Repeats
from sebsx.system.outside import visible, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console as RichConsole
    from rich.progress import Progress
    from rich.text import Text

    from sebsx.cli.drawing import Pen
    from sebsx.contracts.analyzers import Report, Table
    from sebsx.model import Cell, Factors, Plan

# Descriptors of a process.
_OUT, _ERRORS = 1, 2
# Without a terminal, progress is told so often.
_QUIET_S = 30.0


class Console:
    """Prints for people or, with `json`, one document for programs.

    Args:
        json: Print one JSON document on stdout and nothing else there.
        wide: Show every column of tables, whatever the room.
    """

    def __init__(self, *, json: bool = False, wide: bool = False) -> None:
        self.json = json
        self.wide = wide
        self.repeats = Repeats()
        self._stdout: TextIO | None = None
        self._descriptor: int | None = None  # where the process had its output, while 1 is that of errors

    def only_json(self) -> None:
        """Print one JSON document and nothing else: what anybody else prints, as a plugin, goes to stderr from here on.

        That holds for what its processes and libraries write into descriptor 1, too. `everybody` ends it.
        """
        self.json = True
        if self._stdout is not None:
            return
        self._stdout, sys.stdout = sys.stdout, sys.stderr
        if _is_of_the_process(self._stdout):
            self._stdout.flush()
            self._descriptor = os.dup(_OUT)
            os.dup2(_ERRORS, _OUT)

    def everybody(self) -> None:
        """Let everybody print on stdout again."""
        if self._stdout is not None:
            sys.stdout, self._stdout = self._stdout, None
        if self._descriptor is not None:
            os.dup2(self._descriptor, _OUT)
            os.close(self._descriptor)
            self._descriptor = None

    def result(
        self,
        document: Any,
        *tables: Table,
        text: str = "",
        facts: Mapping[str, str] | None = None,
        verbatim: str = "",
        explain: bool = False,
    ) -> None:
        """Print a result.

        Args:
            document: What is printed under `--json`, and then alone.
            tables: Below the rest.
            text: Sentences, folded between words.
            facts: Names with what is said of each.
            verbatim: A document or a program, as it is.
            explain: Say where the words of the tables are explained.
        """
        if self.json:
            with self._out() as out:
                self._write(self.as_json(document), out)
                out.flush()
            return
        if verbatim:
            self._write(visible(verbatim.rstrip("\n")) + "\n")
        if text or facts or tables:
            from sebsx.contracts.analyzers import Report  # heavy

            pen = self._pen()
            if text:
                pen.sentence(text.rstrip("\n"))
            if facts:
                pen.facts(facts)
            for table in tables:
                pen.table(table)
            if explain:
                pen.explain(Report("", tables=tables, answers=[text]))
        self._deliver()

    @contextmanager
    def _out(self) -> Iterator[TextIO]:
        """Return where results go, whose descriptor is the process's own for so long."""
        if self._descriptor is not None:
            os.dup2(self._descriptor, _OUT)
        try:
            yield self._stdout or sys.stdout
        finally:
            if self._descriptor is not None:
                os.dup2(_ERRORS, _OUT)

    @staticmethod
    def as_json(document: Any) -> str:
        """Return a result as the one document that `--json` prints."""
        return json.dumps(plain(document), indent=2, allow_nan=False) + "\n"

    def report(self, report: Report, *, failed: bool = False) -> None:
        """Print a report: its tables, then its findings; of runs in which nothing worked first why that is."""
        self._pen().report(report, failed=failed)
        self._deliver()

    def note(self, text: str) -> None:
        """Say something that is not the result."""
        if not self.json:
            with suppress(OSError):
                self._message(text)

    def warning(self, text: str) -> None:
        """Say what may make the result wrong; what was said already is counted, for `say_repeats`."""
        if self.repeats.is_new(text):
            self._warn(text)

    def say_repeats(self) -> None:
        """Say how often warnings came again, a line for each."""
        for text in self.repeats.told():
            self._warn(text)

    def _warn(self, text: str) -> None:
        with suppress(OSError):  # it must not end a run
            self._message(f"warning: {without_secrets(text)}")

    def _message(self, text: str) -> None:
        """Write words beside the result: folded between words on a terminal; in a file or a pipe one line stays one."""
        shown = visible(text)
        if sys.stderr.isatty():
            from sebsx.cli.drawing import folded, room  # rich costs start-up time

            shown = "\n".join(part for line in shown.split("\n") for part in folded(line, room(sys.stderr)))
        self._write(f"{shown}\n", sys.stderr)

    def error(self, text: str) -> None:
        """Say in one line what went wrong; the exit code says it, too, where errors cannot be written."""
        with suppress(OSError):
            self._write(f"error: {visible(without_secrets(' '.join(text.split())))}\n", sys.stderr)

    @contextmanager
    def progress(self) -> Iterator[ProgressObserver]:
        """Show what a run does while it lasts; on a terminal only, and not under `--json`."""
        try:
            with self._progress() as observer:
                yield observer
        finally:
            self.say_repeats()

    @contextmanager
    def _progress(self) -> Iterator[ProgressObserver]:
        if self.json or not sys.stderr.isatty():
            yield ProgressObserver(self, None)
            return
        from rich.progress import (  # rich costs start-up time
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._rich(sys.stderr), transient=True) as progress:
            yield ProgressObserver(self, progress)

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Say what takes a while, as long as it lasts; on a terminal only, and not under `--json`."""
        if self.json or not sys.stderr.isatty():
            yield
            return
        with self._rich(sys.stderr).status(_text(text)):
            yield

    def _pen(self) -> Pen:
        from sebsx.cli.drawing import Pen  # rich costs start-up time

        return Pen(sys.stdout, wide=self.wide)

    @staticmethod
    def _rich(file: TextIO) -> RichConsole:
        from rich.console import Console as RichConsole  # rich costs start-up time

        return RichConsole(file=file)

    @staticmethod
    def _deliver() -> None:
        """Send what was printed: a log of results and messages then has both in the order they were said in."""
        sys.stdout.flush()

    @staticmethod
    def _write(text: str, file: TextIO | None = None) -> None:
        (file or sys.stdout).write(text)


def _is_of_the_process(file: TextIO) -> bool:
    """Tell whether a file is what processes that are started inherit as their output."""
    try:
        return file.fileno() == _OUT
    except (OSError, ValueError):  # a text in memory; one that was closed
        return False


class VisibleFormatter(logging.Formatter):
    """Writes log records as everything else is written: nothing in them steers a terminal or tells a secret."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return visible(without_secrets(super().format(record)))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """Return the line without a traceback; its level is written as in `Console.warning`."""
        shown = copy.copy(record)  # others are told of the same record
        shown.levelname = record.levelname.lower()
        return super().formatMessage(shown)


class ProgressObserver:
    """Shows a run's steps and counts; see `sebsx.running.session.Observer`.

    Without a terminal it writes a line now and then, so that a log shows that the run goes on.
    """

    def __init__(self, console: Console, progress: Progress | None) -> None:
        self._console = console
        self._progress = progress
        self._task = progress.add_task("planning", total=None) if progress else None
        self._done: dict[str, int] = {}
        self._interleaved = False
        self._factors: Factors | None = None
        self._planned: int | None = None
        self._told_at = time.monotonic()
        self.warnings: list[str] = []

    def planned(self, plan: Plan) -> None:
        """Show how many invocations there will be."""
        self._interleaved = plan.design == "rmit"
        self._factors = plan.factors
        self._planned = plan.invocations
        self._update(total=plan.invocations)

    def step(self, text: str) -> None:
        """Show what begins."""
        self._update(description=visible(text))

    def progressed(self, cell: Cell, done: int, failed: int) -> None:
        """Show how many valid samples there are, and how many failed."""
        self._done[cell.hash] = min(done, cell.invocations)
        failures = f", {failed} failed" if failed else ""
        label = self._factors.label(cell.factors) if self._factors else ""
        text = f"{f'calling {label}'.rstrip()}: {done}/{cell.invocations}{failures}"
        going = [samples for samples in self._done.values() if samples < cell.invocations]
        if self._interleaved and going:
            text = f"interleaving {len(going)} cells, {min(going)} to {max(going)}/{cell.invocations}{failures}"
        completed = sum(self._done.values())
        self._update(description=text, completed=completed)
        if self._progress is None and time.monotonic() - self._told_at >= _QUIET_S:
            self._told_at = time.monotonic()
            planned = "" if self._planned is None else f" of {self._planned}"
            self._console.note(f"{completed}{planned} invocations; {text}")

    def warned(self, text: str) -> None:
        """Say a warning at once, above the progress."""
        self.warnings.append(text)
        if not self._progress:
            self._console.warning(text)
        elif self._console.repeats.is_new(text):
            self._progress.console.print(_text(f"warning: {without_secrets(text)}"))

    def _update(self, **changes: Any) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, **changes)


def plain(value: Any) -> Any:
    """Return `value` as JSON-able data: dataclasses as objects, dates as ISO 8601, paths as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    return value


def rows_table(
    name: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]], essential: Sequence[str] = ()
) -> Table:
    """Return a table of words: column key -> heading; those that are essential never give way to others."""
    from sebsx.contracts.analyzers import Column, Table

    made = [Column(key, title, essential=key in essential) for key, title in columns.items()]
    return Table(name, columns=made, rows=rows)


def plan_text(plan: Plan, *, listed: bool) -> str:
    """Return the size of a plan in one line.

    Args:
        plan: What is planned.
        listed: Whether a platform of it has a price list; why that has no price is then said beside.
    """
    from sebsx.reading.planned_prices import total_cost
    from sebsx.reading.units import duration, many, show

    expected = "unknown time" if plan.duration_s is None else f"about {duration(plan.duration_s)} of calls"
    total = total_cost(plan)
    cost = "no price known" if listed else "no price known (--price-as)"
    if total is not None and total.low is not None and total.high is not None:
        cost = f"costs {show(total.low, 'USD')} to {show(total.high, 'USD')}" if total.high else "costs nothing"
    if plan.cost_bound_usd:
        cost += f", at most {show(plan.cost_bound_usd, 'USD')} if every call fails at its time-out"
    return (
        f"{plan.design} design: {many(len(plan.cells), 'cell')}, {many(plan.deployments, 'deployment')}, "
        f"{many(plan.invocations, 'invocation')}, {expected}, {cost}"
    )


def _text(text: str, style: str = "") -> Text:
    """Return a text for rich, which takes nothing in it for markup."""
    from rich.text import Text  # rich costs start-up time

    return Text(visible(text), style)
