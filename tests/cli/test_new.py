"""`sebsx new`, and a function of one's own without a driver: from nothing to a first result."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.support import Call, Cli


@pytest.mark.slow
@pytest.mark.parametrize("language", ["python", "nodejs"])
def test_new_folder_runs_as_it_says(language: str, sebsx: Cli, call: Call) -> None:
    if language == "nodejs" and shutil.which("node") is None:
        pytest.skip("needs node")
    said = call("new", "my-function", "--language", language)
    assert said.code == 0
    line = said.stdout.splitlines()[-1]
    assert line.startswith("run it: sebsx run benchmark ./my-function --payload my-function/event.json")
    words = line.partition("sebsx ")[2].split()
    assert call(*words, "--start", "warm", "--repetitions", "3").code == 0
    assert sebsx.rows("SELECT DISTINCT benchmark, status FROM invocations") == [("my-function", "ok")]


@pytest.mark.parametrize("language", ["python", "nodejs"])
def test_first_function_answers_what_it_is_called_with_and_nothing(language: str, sebsx: Cli, call: Call) -> None:
    call("new", "mine", "--language", language)
    name, run = {
        "python": ("function.py", [sys.executable, "-c", "import function as f; print(f.handler({}, None))"]),
        "nodejs": ("function.js", ["node", "-e", "require('./function').handler({}).then(console.log)"]),
    }[language]
    if shutil.which(run[0]) is None:
        pytest.skip("needs node")
    folder = sebsx.home / "mine" / language
    assert (folder / name).exists()
    assert "Hello, world!" in subprocess.run(run, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_names_that_are_taken_or_wrong_are_refused(sebsx: Cli, call: Call) -> None:
    call("new", "taken")
    call("new", "taken").assert_fails(2, "'taken'", "nothing was written")
    call("new", "My Function").assert_fails(2, "'My Function'", "a-z")
    call("new", "other", "--language", "pyton").assert_fails(2, "'pyton'", "'python'")
    assert not (sebsx.home / "other").exists()


@pytest.mark.slow
def test_payload_is_what_every_call_is_given(sebsx: Cli, call: Call) -> None:
    call("new", "mine")
    (sebsx.home / "mine" / "python" / "function.py").write_text(
        "def handler(event, context):\n    assert event == {'n': 7}\n    return {}\n"
    )
    few = ("--start", "cold,warm", "--repetitions", "2")
    assert call("run", "benchmark", "./mine", "--payload", '{"n": 7}', *few).code == 0
    assert call("run", "benchmark", "./mine", "--payload", '{"n": 8}', *few).code != 0
    digests = sebsx.rows("SELECT DISTINCT json_extract(factors, '$.payload_sha256') FROM cell")
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("payload", "words"),
    [("missing.json", "neither"), ("{", "not valid JSON"), ("list.json", "not a JSON object")],
)
def test_payload_that_is_none_fails_before_anything_is_built(payload: str, words: str, sebsx: Cli, call: Call) -> None:
    (sebsx.home / "list.json").write_text("[1]")
    call("plan", "benchmark", "sleep", "--payload", payload).assert_fails(2, "--payload", words)
