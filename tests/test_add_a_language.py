"""The language of docs/add-a-language.md is a plugin like any: installed beside sebsx, run with no edit to it."""

from __future__ import annotations

import importlib.util
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.languages import Language
from sebsx.testing.contracts import LanguageContract
from tests.support import Cli
from tests.test_docs import ROOT, write_files

PAGE = ROOT / "docs" / "add-a-language.md"

pytestmark = pytest.mark.skipif(shutil.which("perl") is None, reason="this machine has no perl")


@pytest.fixture
def perl(sebsx: Cli) -> Cli:
    """The command line with the page's plugin installed, and the page's benchmark at hand."""
    write_files(PAGE, sebsx.home)
    plugin = sebsx.home / "sebsx-perl"
    metadata = plugin / "sebsx_perl-0.1.dist-info"  # as an installer leaves it
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sebsx-perl\nVersion: 0.1\n")
    (metadata / "entry_points.txt").write_text("[sebsx]\nperl = sebsx_perl.plugin\n")
    sebsx.environment["PYTHONPATH"] = str(plugin)
    return sebsx


def run_shout(cli: Cli, *arguments: str) -> Any:
    return cli.json("run", "benchmark", str(cli.home / "shout"), "--set", "language=perl", *arguments)


def statuses(cli: Cli) -> list[tuple[str, str]]:
    with sqlite3.connect(cli.store) as connection:
        query = "SELECT start_type, status FROM invocations WHERE kind = 'measured' ORDER BY start_type"
        return connection.execute(query).fetchall()


@pytest.mark.slow
def test_language_of_the_guide_runs_a_function(perl: Cli) -> None:
    document = run_shout(perl, "--repetitions", "2")

    assert document["run"]["status"] == "finished"
    assert statuses(perl) == [("cold", "ok"), ("cold", "ok"), ("warm", "ok"), ("warm", "ok")]


@pytest.mark.slow
@pytest.mark.parametrize("code", ["sub handler { return sub { 1 } } 1;", "sub handler {"])
def test_failures_of_its_functions_are_told(perl: Cli, code: str) -> None:
    (perl.home / "shout" / "perl" / "function.pl").write_text(code)

    perl(
        "run", "benchmark", str(perl.home / "shout"), "--set", "language=perl", "--repetitions", "1", "--start", "cold"
    )

    assert {status for _, status in statuses(perl)} == {"function_error"}


class TestContract(LanguageContract):
    @pytest.fixture
    def language(self, tmp_path: Path) -> Language:
        write_files(PAGE, tmp_path / "page")
        path = tmp_path / "page" / "sebsx-perl" / "sebsx_perl" / "plugin.py"
        spec = importlib.util.spec_from_file_location("sebsx_perl_of_the_page", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        language: Language = module.PerlLanguage()
        return language
