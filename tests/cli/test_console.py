"""Tables on terminals: what is too wide gives way column by column, never through a word or a number."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from sebsx.cli.console import Console, VisibleFormatter, rows_table
from sebsx.cli.layout import arranged
from sebsx.cli.repeating import OnceFilter, Repeats
from sebsx.contracts.analyzers import Column, Estimate, Finding, Report, Table
from tests.store.conftest import make_cell
from tests.support import Call

Draw = Callable[..., list[str]]
COLUMNS = [
    Column("benchmark", "benchmark", essential=True),
    Column("memory_mib", "MiB", essential=True),
    Column("median_s", "median", unit="s"),
    Column("p90_s", "p90", unit="s"),
    Column("p99_s", "p99", unit="s"),
    Column("failed", "failed", unit="count"),
    Column("region", "region"),
    Column("note", "what was found"),
]
NOTE = "it was slower than it should have been"


class KeptOpen(io.RawIOBase):
    """Writes into a log that several files share."""

    def __init__(self, log: io.BytesIO) -> None:
        self._log = log

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        return self._log.write(data)


def row(benchmark: str, memory_mib: int, median_s: float) -> dict[str, object]:
    too_few = Estimate(None, note="n too small")
    return {
        "benchmark": benchmark, "memory_mib": memory_mib, "failed": 0, "region": "", "note": NOTE + f" in {benchmark}",
        "median_s": Estimate(median_s, low=0.012, high=0.0129), "p90_s": too_few, "p99_s": too_few,
    }  # fmt: skip


TABLE = Table(
    "latency", columns=COLUMNS, rows=[row("bfs", 256, 0.0123), row("dna", 256, 0.0124)], caption="platform local"
)


@pytest.fixture
def drawn(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Draw:
    def draw(table: Table, columns: int, *, wide: bool = False) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        Console(wide=wide).result({}, table)
        return capsys.readouterr().out.splitlines()

    return draw


def test_what_is_equal_or_empty_is_told_under_the_title_and_left_out(drawn: Draw) -> None:
    title, caption, headings, rule, first, second = drawn(TABLE, 120)
    assert (title, caption) == ("latency", "platform local; 256 MiB; p90, p99 n too small; failed 0; empty: region")
    assert headings.split() == ["benchmark", "median", "what", "was", "found"]
    assert first == f"bfs        12.3 ms [12.0, 12.9]  {NOTE} in bfs"
    assert second.startswith("dna ")
    assert set(rule) == {"\N{BOX DRAWINGS LIGHT HORIZONTAL}"}


def test_words_are_folded_before_a_column_gives_way(drawn: Draw) -> None:
    lines = drawn(TABLE, 70)
    assert any(line.startswith("bfs        12.3 ms [12.0, 12.9]  it was slower than it") for line in lines)
    assert not any("--wide" in line for line in lines)


def test_last_columns_give_way_and_the_caption_names_them(drawn: Draw) -> None:
    _, caption, _, headings, *_ = drawn(TABLE, 62)
    assert caption.startswith("platform local; 256 MiB;")
    assert arranged(TABLE, 62).caption.endswith("; --wide adds what was found")
    assert headings.split() == ["benchmark", "median"]


def test_column_without_a_heading_is_named_in_the_caption_by_its_key() -> None:
    columns = (Column("benchmark", "benchmark"), Column("x", "x" * 20), Column("y", "y" * 20), Column("refused", ""))
    rows = [
        {"benchmark": "bfs", "x": 3, "y": 4},
        {"benchmark": "thumbnailer", "x": 5, "y": 6, "refused": "unsupported"},
    ]
    assert arranged(Table("plan", columns=columns, rows=rows), 60).caption == "--wide adds refused"


def test_wide_shows_every_column_whatever_the_room(drawn: Draw) -> None:
    _, _, headings, *_ = drawn(TABLE, 40, wide=True)
    assert headings.split()[:7] == ["benchmark", "MiB", "median", "p90", "p99", "failed", "region"]


def test_below_sixty_columns_a_row_is_a_record(drawn: Draw) -> None:
    lines = drawn(TABLE, 44)
    start = lines.index("bfs")
    assert lines[start + 1 : start + 4] == [
        "  median          12.3 ms [12.0, 12.9]",
        "  what was found  it was slower than it",
        "                  should have been in bfs",
    ]


def test_one_row_is_never_cut(drawn: Draw) -> None:
    lines = drawn(Table("latency", columns=COLUMNS, rows=TABLE.rows[:1]), 70)
    assert "benchmark       bfs" in lines
    assert "MiB             256" in lines
    assert "failed          0" in lines


def test_what_tells_rows_apart_stays_though_nobody_marked_it() -> None:
    columns = {"run": "run", "step": "step", "outcome": "outcome"}
    rows = [{"run": f"run-{n // 2}", "step": "s" * 30 + str(n % 2), "outcome": f"{'o' * 30}{n}"} for n in range(4)]
    assert [column.key for column in arranged(rows_table("", columns, rows), 60).columns] == ["run", "step"]


def test_rows_become_records_where_only_names_would_not_fit() -> None:
    rows = [{"a": "a" * 50 + str(n % 2), "b": "b" * 50 + str(n // 2), "c": "c"} for n in range(4)]
    layout = arranged(rows_table("", {"a": "a", "b": "b", "c": "c"}, rows), 80)
    assert layout.widths is None
    assert layout.names == 2


LEVELS = (Column("start", "start", essential=True), Column("memory_mib", "MiB", essential=True))
OK = Column("ok", "ok", unit="count")


def of_levels(*left_out: tuple[str, int]) -> Table:
    """Return a table of two start types and two sizes in which all calls failed, without some of the rows."""
    both = [(start, size) for start in ("cold", "warm") for size in (128, 512)]
    rows = [{"start": start, "memory_mib": size, "ok": 0} for start, size in both if (start, size) not in left_out]
    return Table("latency", columns=[*LEVELS, OK], rows=rows)


def test_rows_of_nothing_but_names_are_told_in_the_caption(drawn: Draw) -> None:
    assert drawn(of_levels(), 80) == ["latency", "start cold, warm; 128, 512 MiB; ok 0"]
    assert len(drawn(of_levels(("cold", 128)), 80)) == 7  # which of them there are, two words cannot say


def test_reason_comes_before_the_tables_where_nothing_worked(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("title", tables=[TABLE], findings=[Finding("all calls failed", warning=True)], answers=["nothing"])
    Console().report(report, failed=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["title", "", " ! all calls failed"]
    assert lines[4] == "latency"
    assert lines[-1] == "nothing"


def test_words_are_named_with_the_page_that_explains_them(capsys: pytest.CaptureFixture[str]) -> None:
    columns = (Column("start", "start"), Column("sandboxes", "sandboxes"))
    table = Table("", columns=columns, rows=[{"start": "cold", "sandboxes": 3}])
    Console().report(Report("", tables=[table], findings=[Finding("start another run")]))
    assert "\nsebsx list words (docs/glossary.md) explains: start type, sandbox\n" in capsys.readouterr().out
    Console().result({}, text="start another run", explain=True)
    assert "explains" not in capsys.readouterr().out


def test_findings_are_folded_between_words(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    Console().report(Report("title", findings=[Finding("the median is 12.3 milliseconds in the long run")]))
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["title", "", " - the median is 12.3", "   milliseconds in the long", "   run"]


def test_word_longer_than_the_terminal_stays_whole(drawn: Draw) -> None:
    path = "/a/very/long/path/that/no/narrow/terminal/holds"
    lines = drawn(rows_table("", {"what": "what", "where": "where"}, [{"what": "store", "where": path}]), 20)
    assert any(path in line for line in lines)


def test_without_a_terminal_a_long_run_says_now_and_then_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [1000.0]
    monkeypatch.setattr("sebsx.cli.console.time", SimpleNamespace(monotonic=lambda: now[0]))
    cell = make_cell("warm", 10)
    with Console().progress() as observer:
        for done in range(1, 8):  # one each 10 s
            now[0] += 10.0
            observer.progressed(cell, done, 0)
    assert capsys.readouterr().err.splitlines() == [
        "3 invocations; calling: 3/10", "6 invocations; calling: 6/10",
    ]  # fmt: skip
    with Console(json=True).progress() as observer:
        now[0] += 100.0
        observer.progressed(cell, 1, 0)
    assert capsys.readouterr().err == ""


def test_warning_that_comes_again_is_counted_and_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    with console.progress() as observer:
        for size in (128, 256, 512, 1024, 2048):
            observer.warned(f"bfs {size} MiB: 3 of {size} calls were late")
        observer.warned("bfs 128 MiB: the machine is busy")
    assert capsys.readouterr().err.splitlines() == [
        "warning: bfs 128 MiB: 3 of 128 calls were late",
        "warning: bfs 128 MiB: the machine is busy",
        "warning: the same 4 more times (bfs 256 MiB, bfs 512 MiB, bfs 1024 MiB, 1 more): 3 of 128 calls were late",
    ]
    console.say_repeats()
    assert capsys.readouterr().err == ""


def test_log_of_all_that_is_said_has_it_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(KeptOpen(log)), encoding="utf-8"))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(KeptOpen(log), encoding="utf-8", write_through=True))
    console = Console()
    console.report(Report("Load", tables=[TABLE], answers=["the first answer", "the last answer"]))
    console.note("run 1 is stored")
    console.result({}, text="a sentence", verbatim="a program")
    console.error("it failed")
    lines = log.getvalue().decode().splitlines()
    assert lines[-5:] == ["the last answer", "run 1 is stored", "a program", "a sentence", "error: it failed"]


def test_messages_are_folded_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    text = "intervals of 80 % held 75 % of what was measured on functions that the model has not seen"
    said = {}
    monkeypatch.setenv("COLUMNS", "40")
    for file in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", file)
        Console().note(text)
        Console().warning(f"{text}: token=abc")
        said[file.isatty()] = file.getvalue().splitlines()
    assert [len(lines) for lines in said.values()] == [6, 2]
    assert max(map(len, said[True])) <= 40
    assert " ".join(said[True]) == " ".join(said[False])


def test_settings_are_shown_with_their_values(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = [line.split() for line in call("config", "show").stdout.splitlines()]
    assert ["keep_alive_policy", "fixed"] in [words[:2] for words in lines]
    assert ["base_image", "public.ecr.aws/lambda/{language}:{version}"] in [words[:2] for words in lines]
    assert ["platform.openwhisk"] in lines


def test_completion_asks_for_a_shell_that_nobody_names(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHELL", raising=False)
    call("completion").assert_fails(2, "say which shell: sebsx completion bash|zsh|fish")


def test_warning_of_a_log_that_comes_again_is_counted() -> None:
    repeats = Repeats()
    once = OnceFilter(repeats)

    def passes(level: int, name: str) -> bool:
        return once.filter(logging.LogRecord("sebsx", level, __file__, 1, "sandbox %s has no limit", (name,), None))

    assert [passes(logging.WARNING, f"0a{n}") for n in range(3)] == [True, False, False]
    assert all(passes(logging.ERROR, f"0a{n}") for n in range(3))
    assert list(repeats.told()) == ["the same 2 more times: sandbox 0a0 has no limit"]


def test_log_names_levels_as_everything_else_does() -> None:
    record = logging.LogRecord("sebsx", logging.WARNING, __file__, 1, "no price of %r", ("aws",), None)
    assert VisibleFormatter("%(levelname)s: %(message)s").format(record) == "warning: no price of 'aws'"
    assert record.levelname == "WARNING"
