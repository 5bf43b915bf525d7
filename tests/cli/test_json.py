"""`--json` before or behind every command: one JSON document on stdout and nothing else, errors on stderr."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import click
import pytest

from sebsx.cli import cli
from sebsx.cli.app import App
from sebsx.testing.runs import store_runs
from tests.support import BUILT_IN, Call, Cli, Said

RUN = "01JZ0000000000000000000001"
EMPTY = "01JZ0000000000000000000002"
GONE = "01JZ0000000000000000000003"
TEST = ("--size", "test", "--start", "warm", "--repetitions", "1")
# Every command with words that let it succeed, and what the document is.
COMMANDS: list[tuple[tuple[str, ...], type]] = [
    (("run", "benchmark", "sleep", *TEST), dict),
    (("run", "experiment", "perf-cost", "--benchmarks", "sleep", *TEST), dict),
    (("run", "load", "sleep", "--users", "1", "--duration", "1s", "--size", "test"), dict),
    (("run", "experiment", "load", "--benchmark", "sleep", "--users", "1", "--duration", "1s", "--size", "test"), dict),
    (("plan", "load", "sleep", "--rate", "20", "--duration", "1s"), dict),
    (("run", "experiment", "eviction", "--idle", "0.1", "--d-init", "1", "--repetitions", "1"), dict),
    (("plan", "experiment", "eviction"), dict),
    (("plan", "experiment", "load", "--benchmark", "sleep", "--rate", "20", "--duration", "1s"), dict),
    (("plan", "function", "http://127.0.0.1:9/"), dict),
    (("plan", "experiment", "function", "--address", "http://127.0.0.1:9/"), dict),
    (("run", "experiment", "communication", "--channels", "tcp", "--sizes", "1", "--rounds", "1"), dict),
    (("run", "experiment", "network", "--sandboxes", "1", "--round-trips", "10", "--object-bytes", "1024"), dict),
    (("plan", "experiment", "network"), dict),
    (("plan", "experiment", "dnn-inference"), dict),
    (("plan", "experiment", "memory-sharing"), dict),
    (("plan", "experiment", "serving-lab"), dict),
    (("plan", "experiment", "hot-start"), dict),
    (("plan", "experiment", "arm-prediction", "--platform", "local,docker"), dict),
    (("predict", "models"), list),
    (("reproduce", "arm-table3"), dict),
    (("plan", "experiment", "invocation-overhead"), dict),
    (("run", "experiment", "invocation-overhead", "--sweeps", "payload", "--start", "warm", "--payload-bytes", "1024",
      "--repetitions", "6"), dict),
    (("plan", "experiment", "communication"), dict),
    (("plan", "experiment", "calibrate", "--benchmark", "graph-bfs"), dict),
    (("plan", "experiment", "selftest"), dict),
    (("plan", "benchmark", "sleep"), dict),
    (("plan", "experiment", "perf-cost", "--benchmarks", "sleep"), dict),
    *[(("list", kind), list) for kind in (
        "platforms", "benchmarks", "experiments", "collectors", "analyzers", "exporters", "languages",
        "pricelists", "channels", "suites", "commands", "metrics", "capabilities", "kinds", "engines", "recipes",
        "notifiers")],
    (("plugins",), list),
    (("runs",), list),
    (("runs", "note", RUN, "the first"), dict),
    (("show", RUN), dict),
    (("analyze", RUN), dict),
    (("compare", RUN, "--factor", "memory_mib"), dict),
    (("records", EMPTY), list),
    (("baseline", "set", "main", RUN), dict),
    (("baseline", "list"), list),
    (("export", RUN, "-f", "csv", "-o", "out.csv"), dict),
    (("aws", "policy"), dict),
    (("report", RUN, "-o", "report.html"), dict),
    (("prices", "show"), list),
    (("prices", "show", "aws"), dict),
    (("prices", "diff", "aws:2026-09-06", "aws:2026-09-06"), dict),
    (("prices", "month", "aws:us-east-1", "--memory", "128", "--duration", "1", "--requests-per-s", "1"), dict),
    (("prices", "break-even", RUN, "--vm-per-hour", "0.01"), dict),
    (("reprice", RUN, "--as", "aws:us-east-1"), dict),
    (("db", "path"), dict),
    (("db", "upgrade"), dict),
    (("db", "snapshot", "copy.sqlite"), dict),
    (("db", "check"), dict),
    (("config", "show"), list),
    (("completion", "bash"), dict),
    (("clean", "--dry-run"), list),
    (("clean",), list),
    (("doctor", "--platform", "local"), list),
]  # fmt: skip

# Commands that fail, and their exit code: nothing or one document on stdout.
FAILING: list[tuple[tuple[str, ...], int]] = [
    (("rnu",), 2),
    (("run",), 2),
    (("run", "benchmark", "nothing"), 2),
    (("run", "benchmark", "sleep", "--memory", "x"), 2),
    (("run", "benchmark", "sleep", "--set", "platform.local.port=1x"), 2),
    (("run", "function", "http://127.0.0.1:9/"), 6),
    (("run", "experiment", "function", "--address", "http://127.0.0.1:9/"), 6),
    (("run", "--resume", RUN), 2),
    (("records", RUN), 2),
    (("runs", "delete", "nothing"), 2),
    (("new", "results.sqlite"), 2),
    (("plan", "benchmark", "nothing"), 2),
    (("calibrate", "sleep", "--run-times", "1s..2s"), 2),
    (("run", "experiment", "calibrate", "--benchmark", "sleep"), 2),
    (("selftest", "--benchmark", "nothing"), 2),
    (("run", "experiment", "selftest", "--benchmark", "nothing"), 2),
    (("list", "nothing"), 2),
    (("run", "experiment", "dnn-inference", "--model", "nothing"), 2),
    (("run", "experiment", "memory-sharing", "--strategies", "nothing"), 2),
    (("run", "experiment", "serving-lab", "--policies", "nothing"), 2),
    (("run", "experiment", "hot-start", "--ways", "nothing"), 2),
    (("run", "experiment", "arm-prediction", "--benchmarks", "nothing"), 2),
    (("predict", "arm", "--from", "nothing"), 2),
    (("predict", "train", "nothing"), 2),
    (("import", "saaf", "nothing.csv"), 2),
    (("show", "nothing"), 2),
    (("analyze", RUN, "-a", "nothing"), 2),
    (("compare", RUN), 2),
    (("compare", RUN, "nothing"), 2),
    (("baseline", "set", "01J", RUN), 2),
    (("baseline", "remove", "nothing"), 2),
    (("export", RUN, "-f", "nothing", "-o", "x"), 2),
    (("prices", "update", "aws", "--from", "nothing.json"), 2),
    (("reprice", RUN), 2),
    (("records", RUN), 2),
    (("db", "snapshot", "results.sqlite"), 2),
    (("config", "show", "nothing"), 2),
    (("completion", "nothing"), 2),
    (("clean", "--platform", "nothing"), 2),
    (("doctor", "--platform", "nothing"), 2),
    (("--plugins", "nothing", "plugins"), 2),
    (("--store", "/dev/null/x", "runs"), 5),
]


@pytest.fixture(scope="module")
def some_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store with some runs in it."""
    path = tmp_path_factory.mktemp("runs") / "results.sqlite"
    for _ in store_runs(path, "perf-cost"):
        pass
    return path


@pytest.fixture
def filled(sebsx: Cli, some_runs: Path) -> None:
    """Some runs in the store."""
    shutil.copy(some_runs, sebsx.store)


def document(said: Said) -> Any:
    """Return the one document on stdout; `json.loads` refuses a second one, or anything beside it."""
    return json.loads(said.stdout, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def test_every_command_is_tried() -> None:
    app = App()
    app.plugin_names = list(BUILT_IN)

    def leaves(group: click.Group, path: tuple[str, ...] = ()) -> set[str]:
        context = click.Context(group, obj=app)
        found = set()
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            here = (*path, name)
            found |= leaves(command, here) if isinstance(command, click.Group) else {" ".join(here)}
        return found

    tried = {" ".join(words) for words, _ in [*COMMANDS, *FAILING]}
    untried = {leaf for leaf in leaves(cli) if not any(words.startswith(leaf) for words in tried)}
    assert untried == set()


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("words", "kind"),
    [
        pytest.param(words, kind, id=" ".join(words[:3]), marks=[pytest.mark.slow] * (words[0] in ("run", "report")))
        for words, kind in COMMANDS
    ],
)
def test_json_is_one_document_before_and_behind(call: Call, sebsx: Cli, words: tuple[str, ...], kind: type) -> None:
    for typed in (("--json", *words), (*words, "--json")):
        for file in sebsx.home.glob("copy.sqlite*"):
            file.unlink()
        said = call(*typed)
        assert said.code == 0, said.stderr
        assert isinstance(document(said), kind)


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(("words", "code"), FAILING, ids=[" ".join(words) for words, _ in FAILING])
def test_json_of_a_failing_command_has_its_error_on_stderr(
    call: Call, sebsx: Cli, words: tuple[str, ...], code: int
) -> None:
    said = call("--json", *words)
    said.assert_fails(code)
    assert said.stdout == "" or document(said) is not None


@pytest.mark.slow
def test_json_of_a_run_with_failed_cells_is_whole(call: Call, write_function: Any) -> None:
    folder: Path = write_function("bad", "def handler(event, context):\n    raise ValueError('no')\n")
    said = call("run", "benchmark", str(folder), *TEST[2:], "--set", "max_failures=1", "--json")
    said.assert_fails(6, "1 of 1 cells failed", "ValueError: no")
    assert [cell["status"] for cell in document(said)["cells"]] == ["failed"]


@pytest.mark.usefixtures("filled")
def test_runs_are_objects_newest_first(call: Call) -> None:
    assert [run["id"] for run in call("runs", "--json").json][-1] == RUN
    assert [run["id"] for run in call("runs", "--limit", "1", "--json").json] == [GONE]
    assert {"name", "summary"} <= set(call("list", "platforms", "--json").json[0])
