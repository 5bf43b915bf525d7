"""What the documentation says is run: commands, programs, listings; and what must be documented is."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

import sebsx
from sebsx import errors, plugins
from sebsx.contracts import hookspecs
from sebsx.reading.words import WORDS
from tests.emulated_aws import EmulatedAccount
from tests.emulated_azure import EmulatedSubscription
from tests.emulated_gcp import EmulatedProject
from tests.emulated_openfaas import EmulatedOpenFaas
from tests.emulated_openwhisk import EmulatedOpenWhisk
from tests.support import BUILT_IN, Call, Cli, Said

ROOT = Path(sebsx.__file__).parent.parent
WRITTEN = [page for page in sorted((ROOT / "docs").rglob("*.md")) if "_generated" not in page.parts]
PAGES = [ROOT / "README.md", *WRITTEN]
BLOCK = re.compile(r"^```([\w-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A command of ours that asks nothing of the shell.
PLAIN = re.compile(r"sebsx [^$&;<>|`*?~#\\]*")
FILE = re.compile(r"\A(?:#|//) file: (\S+)\n")


@dataclass(frozen=True)
class Block:
    language: str
    text: str

    @property
    def file(self) -> str | None:
        found = FILE.match(self.text)
        return found.group(1) if found else None

    @property
    def commands(self) -> list[str]:
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(page.read_text(encoding="utf-8"))]


def pages_with(language: str) -> list[pytest.param]:
    return [
        pytest.param(page, id=page.relative_to(ROOT).as_posix())
        for page in PAGES
        if any(block.language == language and not block.file for block in blocks(page))
    ]


def write_files(page: Path, folder: Path) -> None:
    for block in blocks(page):
        if block.file:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", pages_with("console"))
def test_commands_of_a_page_run_one_after_the_other(page: Path, sebsx: Cli) -> None:
    write_files(page, sebsx.home)
    with AROUND.get(page.name, lambda _: nullcontext())(sebsx):
        run_commands(page, sebsx)


@contextmanager
def account_of_aws(sebsx: Cli) -> Iterator[None]:
    """What a page about AWS needs around its commands; nothing may be left in it."""
    with EmulatedAccount(sebsx.home / "account") as account:
        sebsx.environment |= account.environment
        yield
        assert account.remaining() == {}


@contextmanager
def server_of_openwhisk(sebsx: Cli) -> Iterator[None]:
    """What a page about OpenWhisk needs around its commands; nothing may be left in it."""
    with EmulatedOpenWhisk(sebsx.home / "openwhisk") as server:
        sebsx.environment |= server.environment
        yield
        assert server.actions == {}


@contextmanager
def project_of_gcp(sebsx: Cli) -> Iterator[None]:
    """What a page about Google Cloud needs around its commands; nothing may be left in it."""
    with EmulatedProject(sebsx.home / "project") as project:
        sebsx.environment |= project.environment
        yield
        assert project.violations == []
        assert project.remaining() == {}


@contextmanager
def gateway_of_openfaas(sebsx: Cli) -> Iterator[None]:
    """What a page about OpenFaaS needs around its commands; nothing may be left in it."""
    with EmulatedOpenFaas(sebsx.home / "openfaas") as gateway:
        sebsx.environment |= gateway.environment
        yield
        assert gateway.functions == {}


@contextmanager
def subscription_of_azure(sebsx: Cli) -> Iterator[None]:
    """What a page about Azure needs around its commands; nothing may be left in it."""
    with EmulatedSubscription(sebsx.home / "subscription") as subscription:
        sebsx.environment |= subscription.environment
        yield
        assert subscription.violations == []
        assert subscription.remaining() == {}


AROUND = {
    "aws.md": account_of_aws,
    "azure.md": subscription_of_azure,
    "gcp.md": project_of_gcp,
    "openfaas.md": gateway_of_openfaas,
    "openwhisk.md": server_of_openwhisk,
}


def run_commands(page: Path, sebsx: Cli) -> None:
    for block in blocks(page):
        for command in block.commands if block.language == "console" else ():
            said = said_to(command, sebsx)
            assert said.code == 0, f"$ {command}\n{said.stdout}{said.stderr}"


def said_to(command: str, sebsx: Cli) -> Said:
    """Run a command of a page, by the shell where it asks something of one."""
    sebsx.environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    if PLAIN.fullmatch(command):
        return sebsx.say(*shlex.split(command)[1:], timeout_s=300)
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=sebsx.home,
        env=sebsx.environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with("python"))
def test_programs_of_a_page_run_from_top_to_bottom(page: Path, sebsx: Cli) -> None:
    write_files(page, sebsx.home)
    program = "\n".join(block.text for block in blocks(page) if block.language == "python" and not block.file)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=sebsx.home,
        env=sebsx.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", plugins.KINDS, ids=lambda kind: kind.name)
def test_page_of_a_kind_runs_an_example_and_names_the_built_in_ones(kind: plugins.PluginKind) -> None:
    page = ROOT / "docs" / kind.page
    program = "\n".join(block.text for block in blocks(page) if block.language == "python")
    base = kind.load_base().__name__
    defined = rf"\b{base}\(" if kind.of_instances else r"def " if kind.in_folders else rf"class \w+\({base}\b"
    assert re.search(defined, program), f"{kind.page} defines no {kind.singular} in a block that is executed"
    text = page.read_text(encoding="utf-8")
    assert kind.hook in text
    if not kind.in_folders:  # those have pages of their own
        named = set(re.split(r"[`\s]", " ".join(re.findall(r"`[^`\n]+`|^## .*$", text, re.MULTILINE))))
        assert getattr(plugins.load(BUILT_IN), kind.name).keys() - named == set(), (
            f"{kind.page} leaves out built-in ones"
        )


def documented() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("hook", [name for name in dir(hookspecs) if name.startswith("sebsx_")])
def test_every_hook_is_documented(hook: str) -> None:
    assert hook in documented()


def test_every_metric_is_documented_with_its_unit() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = [
        f"| `{metric.name}` | {metric.unit} | {metric.better} |" for metric in plugins.load(BUILT_IN).metrics.values()
    ]
    assert [row for row in rows if row not in text] == []


@pytest.mark.parametrize("name", [name for name in dir(errors) if name.startswith("EXIT_")])
def test_every_exit_code_is_documented(name: str) -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert f"\n| {getattr(errors, name)} | " in text


def test_every_command_is_documented_where_it_belongs(call: Call) -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8").partition("## Commands")[2]
    documented = {word for row in re.findall(r"^\| .* \|$", text, re.MULTILINE) for word in re.findall(r"`(.+?)`", row)}
    assert documented == set(re.findall(r"^  ([a-z]+)  ", call("--help").stdout, re.MULTILINE))


def test_every_extra_is_documented() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    rows = re.findall(r"^\| (`.+?) \|", (ROOT / "docs" / "install.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"`(.+?)`", " ".join(rows))) == extras.keys() - {"dev", "docs"}


def test_readme_can_be_read_in_two_minutes() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert 60 <= len(lines) <= 80
    (table,) = [block.text for block in blocks(ROOT / "README.md") if block.language == "text"]
    assert max(map(len, table.splitlines())) <= 80
    assert " on local: " in table.splitlines()[-1], "the table ends in what was found"
    text = "\n".join(lines)
    assert text.index("make demo") < text.index(". .venv/bin/activate") < text.index("sebsx run"), "`sebsx` is found"


def test_front_page_lists_no_page_twice() -> None:
    pages = re.findall(r"^- \[.*\]\((.+?)\)", (ROOT / "docs" / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(pages) > 30
    assert len(set(pages)) == len(pages)


def test_readme_looks_for_evictions_where_there_are_some(call: Call) -> None:
    (found,) = re.findall(r"`sebsx run (experiment eviction .*?)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    keep_alive_s = float(found.partition("keep_alive_s=")[2])
    idle_s = [cell["factors"]["idle_s"] for cell in call("--json", "plan", *found.split()).json["cells"]]
    assert min(idle_s) < keep_alive_s < max(idle_s)


@pytest.mark.parametrize("kind", plugins.KINDS, ids=lambda kind: kind.name)
def test_readme_leads_to_each_kind_of_plugin(kind: plugins.PluginKind) -> None:
    assert f"[{kind.name}](docs/{kind.page})" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_index_links_to_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    names = {page.relative_to(ROOT / "docs").as_posix() for page in WRITTEN} - {"index.md"}
    assert {name for name in names if f"]({name})" not in index} == set()


def test_words_of_reports_are_explained_on_a_page_of_their_own() -> None:
    page = " ".join((ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").split())
    assert [word for word, meaning in WORDS.items() if f"## {word} {meaning}" not in page] == []


def test_pages_install_from_the_address_that_the_project_names() -> None:
    address = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        named = set(re.findall(r"git\+(https://[\w./-]+)@", text))
        assert named <= {address}, page.name
        assert not named or "OWNER" not in address or "`OWNER`" in text, f"{page.name} does not say who OWNER is"


def test_nothing_is_installed_from_where_it_is_not() -> None:
    wrong = re.compile(r"(pip|pipx|uv tool) install (-U )?['\"]?sebsx(\[[\w,]+\])?['\"]?$", re.MULTILINE)
    assert [page.name for page in PAGES if wrong.search(page.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        # Pages about benchmarks and platforms are made when the docs are built, which fails where a link leads nowhere.
        assert (page.parent / target).exists() or "_generated/" in target, target


def test_promises_of_the_reliability_page_are_held_by_tests_that_exist():
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page)
    assert len(named) > 8
    for file, name in named:
        assert f"def {name or 'main'}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{name}"


def test_page_that_a_method_names_is_there_with_its_heading() -> None:
    named = {
        page
        for room in ("sebsx", "plugins")
        for path in (ROOT / room).rglob("*.py")
        for page in re.findall(r'page="(docs/[^"{]+)"', path.read_text(encoding="utf-8"))
    }
    assert len(named) > 5
    for page, _, heading in (name.partition("#") for name in named):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert not heading or heading.replace("-", " ") in text.lower(), f"{page} has no heading {heading}"
