"""One rule for all tables: every command that prints some is held to it, at three widths, on stored runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from sebsx.cli import cli
from sebsx.cli.app import App, CommandGroup
from sebsx.cli.console import Console
from sebsx.contracts.kinds import KINDS
from sebsx.model import StartType
from sebsx.store import open_store
from sebsx.testing.runs import RunWriter
from tests.support import Call, Cli

WIDTHS = (40, 80, 120)
RULE = "\N{BOX DRAWINGS LIGHT HORIZONTAL}"
SWEEP, AGAIN = "01JZ0000000000000000000001", "01JZ0000000000000000000002"
# What prints tables, and with what words: one line for each command, `LAST` a stored run.
TABLES = (
    "list options", *(f"list {kind.name}" for kind in KINDS), "list suites", "plugins",
    "runs", "show last", "analyze last", "compare last --factor memory_mib", f"compare {SWEEP} {AGAIN}",
    "baseline list", "config show", "config show core", "doctor --platform local", "clean --dry-run",
    "prices show", "prices show aws --region us-east-1", "prices diff gcp:2026-09-06 gcp:2026-09-06",
    "prices month aws:us-east-1 --memory 512 --duration 0.12 --requests-per-s 50",
    "prices break-even last --vm-per-hour 0.01", "reprice last --as aws:us-east-1", "records last",
    "plan benchmark sleep dynamic-html --memory 128,256", "plan experiment eviction",
    "plan load sleep --rate 5 --duration 2s",
    "plan experiment dnn-inference", "plan experiment memory-sharing", "plan experiment serving-lab",
    "plan experiment hot-start", "predict models", "reproduce arm-table3",
    "plan experiment invocation-overhead", "plan experiment communication", "plan experiment network",
    "analyze last -a data-quality", "analyze last -a stability", "selftest --run last",
)  # fmt: skip
# What prints none: a run shows what `analyze` does.
NONE = {
    "aws policy", "baseline remove", "baseline set", "calibrate", "completion", "db check", "db path",
    "db snapshot", "db upgrade", "export", "import saaf", "new", "predict arm", "predict train", "prices update",
    "report", "run", "runs delete", "runs note",
}  # fmt: skip
# Words of captions.
OWN = {"--wide", "adds", "empty:"}


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store with two runs in it."""
    path = tmp_path_factory.mktemp("runs") / "results.sqlite"
    with open_store(path) as store:
        for number in (1, 2):
            writer = RunWriter(store, number)
            for benchmark in ("graph-bfs", "a-benchmark-with-a-very-long-name"):
                for memory_mib in (128, 1769):
                    for start in (StartType.COLD, StartType.WARM):
                        writer.add(
                            [0.1 + 0.001 * index + 10 / memory_mib for index in range(12)],
                            memory_mib=memory_mib, start=start,
                            deployment={"benchmark": benchmark, "platform": "local"},
                        )  # fmt: skip
            writer.finish()
        store.set_baseline("main", SWEEP)
    return path


@pytest.fixture
def stored(sebsx: Cli, two_runs: Path) -> Cli:
    shutil.copy(two_runs, sebsx.store)
    return sebsx


def commands(group: CommandGroup, context: click.Context, before: str = "") -> Iterator[str]:
    for name in group.list_commands(context) if not before else group.commands:
        command = group.own(name)
        if isinstance(command, CommandGroup) and command.commands:
            yield from commands(command, context, f"{before}{name} ")
        if not isinstance(command, CommandGroup) or command.invoke_without_command or not command.commands:
            yield f"{before}{name}"


def test_every_command_is_held_to_the_rule() -> None:
    named = [line.partition(" -")[0] for line in TABLES]
    missing = [
        name
        for name in commands(cli, click.Context(cli, obj=App()))
        if name not in NONE and not any(f"{line} ".startswith(f"{name} ") for line in named)
    ]
    assert not missing


@pytest.mark.parametrize(
    "line",
    [pytest.param(line, marks=[pytest.mark.slow] * (line == "config show")) for line in TABLES],  # hundreds of rows
)
def test_table_fits_and_nothing_is_torn(
    line: str, stored: Cli, call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[Callable[[Console], None]] = []
    for name in ("result", "report"):
        draw = getattr(Console, name)
        monkeypatch.setattr(Console, name, lambda _, *given, _draw=draw, **named: shown.append(
            lambda console: _draw(console, *given, **named)))  # fmt: skip
    said = call(*line.split())
    assert said.code in (0, 4), said.stderr
    assert shown
    monkeypatch.undo()

    def at(width: int, *, wide: bool = False) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        for draw in shown:
            draw(Console(wide=wide))
        return capsys.readouterr().out.splitlines()

    known = words("\n".join(at(100_000, wide=True))) | OWN
    for width in WIDTHS:
        lines = at(width)
        assert lines
        for text in lines:
            assert text == text.rstrip(), f"trailing blanks at {width} columns: {text!r}"
            assert len(text) <= width or len(text.split()[-1]) > width - 24, f"too long at {width} columns: {text!r}"
        torn = words("\n".join(lines)) - known
        assert not torn, f"torn at {width} columns"


def words(text: str) -> set[str]:
    return {word.strip(",;") for word in text.replace(RULE, "").split()}


def test_pipe_shows_every_row_on_a_line_of_its_own(stored: Cli, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    lines = call("list", "benchmarks").stdout.splitlines()
    rows = [line for line in lines if line.startswith("graph-")]
    assert len(rows) == len({row.split()[0] for row in rows}) > 2
    assert all("Apache" in line or "licence Apache" in lines[0] for line in rows)


@pytest.mark.slow
def test_memory_and_start_are_there_at_every_width(stored: Cli, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in ("show last", "plan benchmark sleep --memory 128,256", "analyze last"):
        for width in WIDTHS:
            monkeypatch.setenv("COLUMNS", str(width))
            shown = call(*line.split()).stdout
            for level in ("128", "cold", "warm"):
                assert level in shown, (line, width)


# The column that a listing is read for, of every command that lists.
PURPOSES = {
    **{f"list {kind.name}": "summary" for kind in KINDS}, "list kinds": "title",
    "list metrics": "meaning", "list capabilities": "meaning", "list words": "meaning", "list options": "help",
    "list suites": "benchmarks", "config show": "help", "show benchmark graph-bfs": "help",
    "prices show aws": "usd", "prices diff gcp:2026-09-06 aws:2025-08-01": "new", "doctor --platform local": "message",
}  # fmt: skip


@pytest.mark.slow
def test_no_list_loses_the_column_that_it_is_read_for(stored: Cli, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for line, purpose in PURPOSES.items():
        monkeypatch.setenv("COLUMNS", "80")
        heads = [text for text in call(*line.split()).stdout.splitlines() if purpose in text.split()]
        assert heads, line
        assert not any("--wide adds" in text for text in heads), line


def test_eviction_plan_says_each_idle_time(stored: Cli, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    shown = call("plan", "experiment", "eviction", "--idle", "1,7").stdout
    assert "1.00 s" in shown
    assert "7.00 s" in shown


def test_list_of_benchmarks_is_read_in_one_sitting(stored: Cli, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    benchmarks = len(call("list", "benchmarks", "--json").json)
    assert len(call("list", "benchmarks").stdout.splitlines()) < 4 * benchmarks


@pytest.mark.slow
def test_doctor_says_first_what_is_wrong(
    stored: Cli, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEBSX_STORE", str(tmp_path / "missing" / "store.sqlite"))
    (tmp_path / "missing").write_text("no folder")
    shown = call("doctor", "--platform", "local").stdout
    assert shown.startswith("error: store: ")
    assert len(shown.splitlines()) < 12


def test_commands_of_the_app_take_wide() -> None:
    for name in ("runs", "show", "list"):
        command = cli.get_command(click.Context(cli, obj=App()), name)
        assert command is not None
        assert "--wide" in {option for parameter in command.params for option in parameter.opts}
