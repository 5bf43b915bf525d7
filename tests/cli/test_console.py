"""Tables on terminals: what is too wide is cut between columns, never through a number."""

from __future__ import annotations

import pytest

from sebsx.cli import console
from sebsx.cli.console import Console
from sebsx.contracts.analyzers import Column, Estimate, Table

COLUMNS = [
    Column("benchmark", "benchmark"),
    Column("memory_mib", "MiB"),
    Column("median_s", "median", unit="s"),
    Column("p90_s", "p90", unit="s"),
    Column("note", "what was found"),
]
ROWS = [
    {
        "benchmark": "graph-bfs",
        "memory_mib": 256,
        "median_s": Estimate(0.0123, low=0.012, high=0.0129),
        "p90_s": Estimate(None, note="n too small"),
        "note": "it was slower than it should have been",
    }
]


def drawn(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int) -> list[str]:
    monkeypatch.setattr(console, "_PIPED_COLUMNS", columns)
    Console().result({}, Table("latency", columns=COLUMNS, rows=ROWS, caption="platform local"))
    return [
        line.strip()
        for line in capsys.readouterr().out.splitlines()
        if line.strip(" \N{BOX DRAWINGS LIGHT HORIZONTAL}")
    ]


def test_table_that_fits_is_one(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, headings, row, caption = drawn(capsys, monkeypatch, 120)
    assert headings.split() == ["benchmark", "MiB", "median", "p90", "what", "was", "found"]
    assert row.endswith("it was slower than it should have been")
    assert caption == "platform local"


def test_words_are_folded_before_a_table_is_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, row, *_ = drawn(capsys, monkeypatch, 80)
    assert row == "graph-bfs   256   12.3 ms [12.0, 12.9]   n too small   it was slower than it"


def test_wide_table_is_cut_between_columns_and_each_part_names_its_rows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = drawn(capsys, monkeypatch, 46)
    assert "graph-bfs   256   12.3 ms [12.0, 12.9]" in lines
    assert [line for line in lines if line.startswith("graph-bfs   256   n too small")]
    assert all(len(line) <= 46 for line in lines)


def test_later_parts_hold_only_the_rows_that_say_something(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 80 columns `sebsx doctor` repeated 30 rows for the advice of two."""
    monkeypatch.setattr(console, "_PIPED_COLUMNS", 40)
    columns = {"what": "what", "message": "message", "advice": "advice"}
    rows = [{"what": f"plugin-{n}", "message": "everything-is-well", "advice": ""} for n in range(3)]
    rows.append({"what": "platform-x", "message": "nothing-goes-here", "advice": "install-a-package"})
    Console().result(rows, console.rows_table("", columns, rows))
    out = capsys.readouterr().out
    assert [out.count(f"plugin-{n}") for n in range(3)] == [1, 1, 1]
    assert out.count("platform-x") == 2
    assert "install-a-package" in out


def test_terminal_too_narrow_for_anything_still_shows_everything(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "".join("".join(drawn(capsys, monkeypatch, 12)).split()).count("]") == 1
