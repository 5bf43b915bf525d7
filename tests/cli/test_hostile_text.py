"""What functions and users write reaches no terminal, page or spreadsheet as anything but text."""

from __future__ import annotations

import csv
import unicodedata
from typing import TYPE_CHECKING

import pytest

from sebsx.cli.console import Console
from sebsx.contracts.analyzers import Column, Finding, Report, Table
from sebsx.errors import EXIT_USAGE
from sebsx.model import Status
from sebsx.store import open_store
from sebsx.testing.runs import RunWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support import Call, Cli

HOSTILE = "a\\[/b] \x1b]0;owned\x07\x1b[2J \u202egnp.exe [bold]x[/] \ud800 =cmd|'/c calc'!A1"


def steering(text: str) -> set[str]:
    return {mark for mark in text if mark not in "\n\t" and unicodedata.category(mark) in ("Cc", "Cs", "Zl", "Zp")} | (
        set(text) & set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    )


@pytest.fixture
def failing(sebsx: Cli) -> str:
    with open_store(sebsx.store) as store:
        writer = RunWriter(store)
        writer.add([0.1] * 8, deployment={"benchmark": HOSTILE.replace("\ud800", "")})
        writer.add([0.1] * 8, changes={"error": HOSTILE.replace("\ud800", ""), "status": Status.FUNCTION_ERROR})
        writer.finish()
    return "last"


@pytest.mark.slow
def test_function_that_raises_it_and_a_campaign_called_so(call: Call, write_function: Callable[..., Path]) -> None:
    folder = write_function("hostile", f"def handler(event, context):\n    raise ValueError({HOSTILE!r})\n")
    words = ("--campaign", HOSTILE.replace("\ud800", ""), "--repetitions", "1", "--start", "warm")
    for said in (call("run", "benchmark", str(folder), *words), call("runs"), call("show", "last")):
        assert "Traceback" not in said.stderr
        assert not steering(said.stdout + said.stderr)


@pytest.mark.parametrize(
    "words",
    [
        ("runs",), ("show", "last"), ("analyze", "last"), ("analyze", "last", "-a", "data-quality"),
        ("compare", "last", "last"), ("runs", "--json"), ("show", "last", "--json"),
        ("export", "last", "-f", "markdown", "-o", "-"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_no_command_hands_on_what_steers_a_terminal(failing: str, call: Call, words: tuple[str, ...]) -> None:
    said = call(*words)
    assert "Traceback" not in said.stderr
    assert not steering(said.stdout + said.stderr)


@pytest.mark.parametrize(("format_", "name"), [("csv", "x.csv"), ("junit", "x.xml"), ("markdown", "x.md")])
def test_no_export_does(failing: str, call: Call, tmp_path: Path, format_: str, name: str) -> None:
    call("export", failing, "-f", format_, "-o", str(tmp_path / name))
    if format_ != "csv":
        assert not steering((tmp_path / name).read_text(encoding="utf-8"))


@pytest.mark.slow
def test_report_shows_it_as_text(failing: str, call: Call, tmp_path: Path) -> None:
    call("report", failing, "-o", str(tmp_path / "page.html"))
    assert not steering((tmp_path / "page.html").read_text(encoding="utf-8").replace("\r", ""))


def test_console_takes_nothing_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(
        "[red]name",
        columns=[Column("[b]", "[u]title")],
        rows=[{"[b]": r"cell\[/b] [link=x]y[/link]"}],
        caption="[i]caption",
    )
    Console().report(Report("[bold]title", tables=[table], findings=[Finding("[/] finding")]))
    said = capsys.readouterr().out
    for word in ("[red]name", "[u]title", r"cell\[/b] [link=x]y[/link]", "[i]caption", "[bold]title", "[/] finding"):
        assert word in said


def test_word_that_begins_as_a_formula_is_one_in_no_spreadsheet(tmp_path: Path, sebsx: Cli, call: Call) -> None:
    with open_store(sebsx.store) as store:
        writer = RunWriter(store)
        writer.add([0.1, 0.2], deployment={"benchmark": "=cmd|' /C calc'!A0"}, changes={"error": "@SUM(A1)"})
        writer.finish()
    call("export", "last", "-f", "csv", "-o", str(tmp_path / "x.csv"))
    rows = list(csv.reader((tmp_path / "x.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 3
    assert not [field for row in rows for field in row if field.startswith(("=", "@"))]


@pytest.mark.parametrize("header", ["Authorization Bearer s3cr3t", "s3cr3t", "=s3cr3t"])
def test_header_that_cannot_be_read_is_not_repeated(call: Call, header: str) -> None:
    said = call("run", "function", "http://127.0.0.1:9/", "--header", header)
    said.assert_fails(EXIT_USAGE, "--header")
    assert "s3cr3t" not in said.stdout + said.stderr
