"""The command line called in the test's own process, for mistakes that need no process of their own."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from sebsx import cli
from sebsx.cli.app import App
from tests.support import Cli, Said


@pytest.fixture
def call(sebsx: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Return `call("run", "benchmark")`: the same words, home and store as `sebsx`, but no process."""
    for name in set(os.environ) - set(sebsx.environment):
        monkeypatch.delenv(name)
    for name, value in sebsx.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(sebsx.home)

    def run(*arguments: str) -> Said:
        code = cli._run(App(), list(arguments))
        return Said(code, *capsys.readouterr())

    return run
