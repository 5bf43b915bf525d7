"""The pipelines of docs/performance-gate.md: valid, and every command of ours in them does what the page says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.test_docs import ROOT, blocks, said_to, write_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support import Cli

PAGE = ROOT / "docs" / "performance-gate.md"
PIPELINES: Mapping[str, Any] = {
    str(block.file): yaml.safe_load(block.text) for block in blocks(PAGE) if block.language == "yaml"
}
GITHUB, GITLAB = PIPELINES[".github/workflows/performance.yml"], PIPELINES[".gitlab-ci.yml"]
OURS = ("sebsx ", "cat ")


def github_commands() -> list[str]:
    return [step["run"] for job in GITHUB["jobs"].values() for step in job["steps"] if "run" in step]


def gitlab_commands() -> list[str]:
    return list(GITLAB["performance"]["script"])


COMMANDS = {"github": github_commands, "gitlab": gitlab_commands}


def test_the_workflow_has_the_form_that_github_reads() -> None:
    assert GITHUB[True] == "pull_request"  # YAML 1.1 reads the word `on` so, and GitHub does not
    for job in GITHUB["jobs"].values():
        assert job["runs-on"]
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            assert "@v" in step.get("uses", "@v"), step
            assert set(step) <= {"uses", "run", "with", "name", "if"}, step


def test_the_job_has_the_form_that_gitlab_reads() -> None:
    job = GITLAB["performance"]
    assert all(isinstance(line, str) for line in job["script"])
    assert set(job) <= {"image", "timeout", "rules", "script", "artifacts"}
    assert job["artifacts"]["when"] == "always"


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", COMMANDS)
def test_every_command_of_ours_is_one_that_there_is(pipeline: str, sebsx: Cli) -> None:
    ours = [line for line in COMMANDS[pipeline]() if line.startswith("sebsx ")]
    assert len(ours) == 2
    for line in ours:
        said = sebsx.say(*line.split()[1:], "--help")  # options are read before help is shown
        assert said.code == 0, said.stderr


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", COMMANDS)
def test_the_pipeline_fails_on_the_slower_version(pipeline: str, sebsx: Cli) -> None:
    write_files(PAGE, sebsx.home)
    summary = sebsx.home / "summary.md"
    sebsx.environment["GITHUB_STEP_SUMMARY"] = str(summary)
    codes = {}
    for line in COMMANDS[pipeline]():
        if line.startswith(OURS):
            said = said_to(line, sebsx)
            codes[line] = said.code
            assert said.code == int(" compare " in line), f"$ {line}\n{said.stdout}{said.stderr}"
    assert sum(codes.values()) == 1
    written = summary if pipeline == "github" else sebsx.home / "comparison.md"
    assert written.read_text(encoding="utf-8").startswith("### sebsx: 1 regression; the worst: greet 256 MiB warm")
