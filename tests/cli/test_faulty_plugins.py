"""What a plugin does wrong at the command line is told in one line; programs read one document or none."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sebsx import plugins
from sebsx.contracts.commands import Command, Services
from sebsx.contracts.exporters import EVERYTHING, Exporter, Selection
from sebsx.contracts.platforms import Platform
from sebsx.contracts.runs import RunView
from sebsx.plugins import Registry
from sebsx.testing.fakes import FakePlatform
from sebsx.testing.registries import registry_with
from tests.support import Call, Write

Bring = Callable[..., None]


@pytest.fixture
def bring(monkeypatch: pytest.MonkeyPatch) -> Bring:
    """Let a test bring platforms, and what other hooks register."""

    def bring(*platforms: type[Platform[Any]], **hooks: Callable[..., Any]) -> None:
        registry: Registry = registry_with(*platforms, **hooks)
        monkeypatch.setattr(plugins, "load", lambda _only=None: registry)

    return bring


def command(said: int, words: str = "", called: str = "says") -> type[Command[Any]]:
    class Says(Command[Any]):
        name = called
        summary = "say a result so many times"

        def run(self, services: Services, settings: Any) -> None:
            for number in range(said):
                services.output.result({"number": number}, text=f"number {number}")

    Says.words = words
    return Says


def test_command_says_one_result(bring: Bring, call: Call) -> None:
    bring(sebsx_register_commands=lambda: [command(1)])
    assert call("says", "--json").json == {"number": 0}


def test_second_result_of_a_command_is_refused(bring: Bring, call: Call) -> None:
    bring(sebsx_register_commands=lambda: [command(2, called="twice")])
    done = call("twice", "--json")
    assert json.loads(done.stdout) == {"number": 0}
    done.assert_fails(3, "command 'twice' of test 1: run() said a second result; a command says one")


def test_command_that_says_nothing_is_told_to_programs_alone(bring: Bring, call: Call) -> None:
    bring(sebsx_register_commands=lambda: [command(0, called="silent")])
    call("silent", "--json").assert_fails(3, "command 'silent' of test 1: run() said no result (Output.result)")
    assert call("silent").code == 0


@pytest.mark.parametrize(
    ("words", "taken", "asked"),
    [
        ("run", "run", "--help"),
        ("show it", "show", "--help"),
        ("prices show", "show", "prices"),
        ("run", "run", "plugins"),
    ],
)
def test_command_with_words_of_core_is_told(bring: Bring, call: Call, words: str, taken: str, asked: str) -> None:
    bring(sebsx_register_commands=lambda: [command(1, words)])
    assert f"command 'says' is left out: {taken!r} is a command of sebsx already" in call(asked).stderr


def test_command_in_a_group_of_core_is_found(bring: Bring, call: Call) -> None:
    bring(sebsx_register_commands=lambda: [command(1, "prices mine", "mine")])
    assert call("prices", "mine", "--json").json == {"number": 0}


class Nowhere(Exporter):
    """Says that it wrote what it did not."""

    name = "nowhere"
    summary = "write nothing"
    suffix = ".txt"

    def export(self, runs: Sequence[RunView], destination: Path, selection: Selection = EVERYTHING) -> Sequence[Path]:
        return [destination]


class Unclosed(FakePlatform):
    """Fails when it is left."""

    name = "unclosed"

    def __exit__(self, *raised: object) -> None:
        raise OSError("cannot be closed")


@pytest.mark.slow
def test_what_a_run_measured_is_told_where_its_platform_cannot_be_closed(
    bring: Bring, call: Call, write_function: Write
) -> None:
    folder = write_function("echo", "def handler(event, context):\n    return {}\n")
    bring(Unclosed, sebsx_register_exporters=lambda: [Nowhere])
    words = ("--platform", "unclosed", "--start", "warm", "--repetitions", "2", "--memory", "256")
    done = call("run", "benchmark", str(folder), *words)
    assert done.code == 0
    assert "platform 'unclosed' could not be closed: " in done.stderr
    assert "OSError: cannot be closed" in done.stderr
    assert call("runs", "--json").json[0]["status"] == "finished"
    call("export", "last", "--format", "nowhere").assert_fails(3, "exporter 'nowhere' of test 1: export() returned")


class Hostile(type):
    """A metaclass whose classes fail whatever they are asked."""

    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError("ask somebody else")


def test_class_that_fails_whatever_it_is_asked_breaks_its_plugin_alone(bring: Bring, call: Call) -> None:
    bring(sebsx_register_collectors=lambda: [Hostile("Hostile", (), {})])
    (told,) = [plugin for plugin in call("plugins", "--json").json if plugin["name"] == "test"]
    assert (told["status"], "ask somebody else" in told["error"]) == ("broken", True)
