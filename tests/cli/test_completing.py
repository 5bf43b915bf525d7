"""Tab completion by click's protocol: what a shell asks with the words typed so far, and what it is told."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest
from click.shell_completion import BashComplete

from sebsx.cli import cli
from sebsx.cli.app import App
from sebsx.model import RunStatus
from sebsx.store import open_store
from sebsx.testing.runs import RunWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support import Call, Cli

    Complete = Callable[[str], list[str]]

RUN, CUT = "01JZ0000000000000000000001", "01JZ0000000000000000000002"


@pytest.fixture
def complete(call: Call, sebsx: Cli, monkeypatch: pytest.MonkeyPatch) -> Complete:
    """Return what bash is told for a line that is typed so far: `dir` for folders, else `plain,VALUE`."""
    with open_store(sebsx.store) as store:
        for number, status in ((1, RunStatus.FINISHED), (2, RunStatus.INTERRUPTED)):
            writer = RunWriter(store, number)
            writer.add([0.01] * 6)
            writer.finish(status)

    def asked(line: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - (not line.endswith(" "))))
        return BashComplete(cli, {"obj": App()}, "sebsx", "_SEBSX_COMPLETE").complete().splitlines()

    return asked


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("sebsx run benchmark graph-m", ["plain,graph-mst"]),
        ("sebsx run benchmark graph-mst graph-b", ["plain,graph-bfs"]),
        ("sebsx run benchmark ./", ["dir,./"]),
        ("sebsx run benchmark sleep --against ../", ["dir,../"]),
        ("sebsx run benchmark sleep --platform loc", ["plain,local"]),
        ("sebsx run benchmark sleep --platform local,docker-", ["plain,local,docker-arm"]),
        ("sebsx run benchmark sleep --size l", ["plain,large"]),
        ("sebsx run benchmark sleep --start c", ["plain,cold"]),
        ("sebsx run benchmark sleep --start cold,w", ["plain,cold,warm"]),
        ("sebsx run benchmark sleep --language nod", ["plain,nodejs"]),
        ("sebsx run benchmark sleep --collect proc", ["plain,process"]),
        ("sebsx run benchmark sleep --set platform.local.keep_alive_p", ["plain,platform.local.keep_alive_policy="]),
        ("sebsx run benchmark sleep --option max_ins", ["plain,max_instances="]),
        ("sebsx run benchmark sleep --price-as aws:us-east-", ["plain,aws:us-east-1", "plain,aws:us-east-2"]),
        ("sebsx plan experiment evic", ["plain,eviction"]),
        ("sebsx run load sle", ["plain,sleep"]),
        ("sebsx run --resume 01", [f"plain,{CUT}"]),
        ("sebsx show 01", [f"plain,{CUT}", f"plain,{RUN}"]),
        ("sebsx show benchmark graph-p", ["plain,graph-pagerank"]),
        ("sebsx show benchmark ./", ["dir,./"]),
        ("sebsx analyze last --analyzer perf", ["plain,perf-cost"]),
        ("sebsx export --json last --format juni", ["plain,junit"]),
        ("sebsx export last --metric client.lat", ["plain,client.latency_s"]),
        ("sebsx list platf", ["plain,platforms"]),
        ("sebsx runs --status fin", ["plain,finished"]),
        ("sebsx prices show aw", ["plain,aws"]),
        ("sebsx config show analyzer.perf", ["plain,analyzer.perf-cost"]),
        ("sebsx doctor --platform dock", ["plain,docker", "plain,docker-arm"]),
        ("sebsx --plugins perf", ["plain,perf-cost"]),
        ("sebsx completion z", ["plain,zsh"]),
    ],
)
def test_a_value_is_completed(complete: Complete, line: str, offered: list[str]) -> None:
    assert complete(line) == offered


def test_the_store_before_the_command_is_the_one_that_is_asked(complete: Complete, sebsx: Cli) -> None:
    with open_store(sebsx.home / "other.sqlite") as store:
        RunWriter(store, 7).finish()
    assert complete("sebsx --store other.sqlite show 01") == ["plain,01JZ0000000000000000000007"]


def test_what_cannot_be_read_is_not_offered_and_says_nothing(
    complete: Complete,
    sebsx: Cli,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (sebsx.home / "broken.sqlite").write_text("this is no database")
    assert complete("sebsx --store broken.sqlite show 01") == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "told"), [("bash", "plain,junit"), ("zsh", "plain\njunit\n_"), ("fish", "plain,junit")]
)
def test_every_shell_is_answered_by_the_program(sebsx: Cli, shell: str, told: str) -> None:
    line = "sebsx export last --format juni"
    asked = {
        "COMP_WORDS": line,
        "COMP_CWORD": "juni" if shell == "fish" else "4",
        "_SEBSX_COMPLETE": f"{shell}_complete",
    }
    done = subprocess.run(
        [sys.executable, "-c", "from sebsx.cli import main; main()"],
        env={**sebsx.environment, **asked}, cwd=sebsx.home, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == (told, "")


def _options(command: click.Command, context: click.Context) -> Iterator[tuple[str, click.Parameter]]:
    with click.Context(command, parent=context, info_name=command.name, obj=App()) as mine:
        for parameter in command.get_params(mine):
            yield mine.command_path, parameter
        if isinstance(command, click.Group):
            for name in command.list_commands(mine):
                if found := command.get_command(mine, name):
                    yield from _options(found, mine)


def test_every_option_that_names_something_known_completes_it() -> None:
    known = {"platform", "platforms", "benchmark", "benchmarks", "run", "runs", "campaign", "analyzer", "analyzers",
             "language", "architecture", "size", "place", "provider", "collectors", "assignments"}  # fmt: skip
    silent = {
        f"{path} {parameter.name}"
        for path, parameter in _options(cli, click.Context(cli, info_name="sebsx", obj=App()))
        if parameter.name in known and parameter._custom_shell_complete is None and parameter.type is not click.INT
    }
    assert silent == set()
