"""What tests of the command line share: a user's home of their own, and functions to run."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sebsx.cli import _run
from sebsx.cli.app import App
from tests.support import Call, Cli, Said, of_session


def pytest_configure() -> None:
    """Take interrupts where the shell made this a background job, which ignores them: tests interrupt runs."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection(session: pytest.Session) -> None:
    """Import this worker's share of the tests first, so that no two workers compile the same files at a time."""
    if worker := getattr(session.config, "workerinput", None):
        root = session.config.rootpath
        files = sorted({path.resolve() for word in session.config.args for path in Path(word).rglob("test_*.py")})
        for path in files[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]:
            with contextlib.suppress(Exception, pytest.skip.Exception):  # the collection says what is wrong with it
                importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that ask for the longest time limits, so that no worker is left with one at the end."""
    limits_s: defaultdict[Path, float] = defaultdict(float)
    for item in items:
        if limit := item.get_closest_marker("timeout"):
            limits_s[item.path] = max(limits_s[item.path], *limit.args)
    items.sort(key=lambda item: -limits_s[item.path])


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what is there until the end: thousands of tests and all modules."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs root (control groups, mounts, owners of files) for everybody who is not."""
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests of a process, whose packages all processes share, so that each is built once."""
    packages = of_session(tmp_path_factory) / "packages"
    packages.mkdir(exist_ok=True)
    cache = tmp_path_factory.mktemp("cache")
    (cache / "sebsx").mkdir()
    (cache / "sebsx" / "packages").symlink_to(packages)
    return cache


@pytest.fixture
def sebsx(tmp_path: Path, shared_cache: Path) -> Cli:
    """The command line in a home of its own; nothing may be left running behind it."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SEBSX_", "XDG_", "PYTHON"))}
    cli = Cli(home)
    cli.environment = {
        **kept,
        "HOME": str(home),
        "XDG_CACHE_HOME": str(shared_cache),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "SEBSX_STORE": str(cli.store),
        "PYTHONWARNINGS": "error",
        "COLUMNS": "200",
    }
    return cli


@pytest.fixture
def call(sebsx: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Return `call("run", "benchmark")`: the same words, home and store as `sebsx`, but in the test's own process."""
    for name in set(os.environ) - set(sebsx.environment):
        monkeypatch.delenv(name)
    for name, value in sebsx.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(sebsx.home)

    def run(*arguments: str) -> Said:
        code = _run(App(), list(arguments))
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def write_function(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of benchmark folders: `write_function("name", "def handler(event, context): ...")`."""

    def write(name: str, code: str, *, driver: str = "", manifest: str = "", files: Mapping[str, str] = {}) -> Path:
        root = tmp_path / name
        (root / "python").mkdir(parents=True)
        (root / "benchmark.toml").write_text(
            f'name = "{name}"\nversion = "1"\nsummary = "a function of a test"\n{manifest}', encoding="utf-8"
        )
        (root / "python" / "function.py").write_text(code, encoding="utf-8")
        if driver:
            (root / "benchmark.py").write_text(driver, encoding="utf-8")
        for path, text in files.items():
            (root / path).write_text(text, encoding="utf-8")
        return root

    return write
