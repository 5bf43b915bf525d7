from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.analyzers import Report
from sebsx.model import Deployment, FunctionConfig, Package, RunStatus, Target
from sebsx.store import Store
from sebsx.testing.runs import RunWriter
from sebsx_quality.reproducibility import Reproducibility
from tests.support import Cli

pytestmark = pytest.mark.slow  # a run for every fact

Analyze = Callable[..., Report]
Damage = Callable[[str], None]

CLIENT = {
    "sebsx": "0.1.0", "plugins": {"local": "sebsx 0.1.0"}, "python": "3.11.7", "release": "6.1", "cpu_model": "a model",
    "cpu_count": 2, "libraries": {"pycurl": "7.45"}, "clock_synchronized": True,
}  # fmt: skip
SANDBOX = {"python": "3.11.7", "kernel": "6.1", "cpu_model": "a model", "cpu_count": 2, "boot_id": "b"}


@pytest.fixture
def whole(store: Store, path: Path) -> str:
    """A run that meets all twelve; return its id."""
    settings = {"repetitions": 10, "warmups": 1}
    writer = RunWriter(store, environment=CLIENT, settings=settings)
    config = FunctionConfig("f", memory_mib=256, timeout_s=10.0, architecture="x86_64")
    effective = {"memory_mib": 256, "timeout_s": 10.0, "architecture": "x86_64"}
    package = Package(
        path=path,
        sha256="ab" * 32,
        bytes=1,
        unpacked_bytes=1,
        content_hash="cd" * 32,
        target=Target("python", "3.11", architecture="x86_64"),
        benchmark="echo",
        benchmark_version="1",
        build_s=0.1,
        cached=False,
    )
    deployment = {"package": package, "deployment": Deployment("f", config, effective=effective, region="eu-central-1")}
    writer.add([0.1] * 10, facts=SANDBOX, deployment=deployment)
    run_id = writer.run.id
    store.artifacts.mention("ab" * 32, "package", 1, path, {"requirements": ["numpy==2.0"]})
    for metric, told in (
        ("client.source", {"commit": "12" * 20, "dirty": False}),
        ("client.input", {"sha256": "34" * 32, "bytes": 7}),
    ):
        store.add_value(run_id, metric, None, deployment_id=1, text=json.dumps(told))
    for time_s in (0.010, 0.011):
        store.add_value(run_id, "client.round_trip_s", time_s, deployment_id=1)
    return writer.finish(RunStatus.FINISHED).run.id


PRICED = """UPDATE run SET settings = json_set(settings, '$.platforms', json('{"fly": {"price_per_gb_s_usd": 1}}'))"""


def answers(report: Report) -> dict[str, Any]:
    return {row["requirement"]: dict(row) for row in report.tables[0].rows}


def test_whole_run_meets_all_twelve_with_evidence(whole: str, damage: Damage, analyze: Analyze) -> None:
    damage(PRICED)
    report = analyze(Reproducibility)
    found = answers(report)
    assert {name: row["missing"] for name, row in found.items() if row["met"] != "yes"} == {}
    assert report.findings[0].text == f"run {whole}: 12 of 12 requirements are met"
    assert len(report.findings) == 1
    assert "commit 121212121212" in found["exact code"]["evidence"]
    assert "numpy==2.0" in found["exact code"]["evidence"]
    assert "10 ms, 11 ms" in found["client"]["evidence"]
    assert found["place and time"]["evidence"].startswith("eu-central-1; Sunday 2025-06-15T15:06:40+00:00 to ")
    assert "seed 7" in found["workload"]["evidence"]


STRIPPED = [
    ("UPDATE deployment SET package_sha256 = NULL", "exact code", "the digest of every deployed package"),
    ("DELETE FROM artifact", "exact code", "resolved dependencies"),
    ("UPDATE deployment SET benchmark_sha256 = ''", "exact code", "digest of every benchmark"),
    ("DELETE FROM run_value WHERE text LIKE '%commit%'", "exact code", "keep its folder in git"),
    ("UPDATE run_value SET text = replace(text, 'false', 'true')", "exact code", "commit them"),
    ("UPDATE deployment SET effective = json_remove(effective, '$.memory_mib')",
     "configuration that the platform reports", "memory_mib as the platform reports it"),
    ("UPDATE deployment SET effective = json_remove(effective, '$.timeout_s')",
     "configuration that the platform reports", "timeout_s"),
    ("UPDATE sandbox SET facts = json_remove(facts, '$.python')", "runtime version", "exact version"),
    ("UPDATE sandbox SET facts = json_remove(facts, '$.kernel')", "runtime version", "operating system"),
    ("UPDATE sandbox SET facts = json_remove(facts, '$.cpu_model')", "hardware of each sandbox", "cpu_model"),
    ("UPDATE sandbox SET facts = json_remove(facts, '$.boot_id')", "hardware of each sandbox", "boot_id"),
    ("UPDATE deployment SET effective = json_set(effective, '$.emulated', json('true'))", "hardware of each sandbox",
     "emulated"),
    ("UPDATE deployment SET region = NULL", "place and time", "region"),
    ("UPDATE run SET finished_at = NULL", "place and time", "when it ended"),
    ("UPDATE environment SET facts = json_remove(facts, '$.cpu_model')", "client", "processor, kernel and Python"),
    ("UPDATE environment SET facts = json_remove(facts, '$.libraries')", "client", "versions of the client's"),
    ("UPDATE environment SET facts = json_remove(facts, '$.clock_synchronized')", "client", "NTP"),
    ("DELETE FROM run_value WHERE value = 0.011", "client", "before and after"),
    ("DELETE FROM run_value WHERE text LIKE '%bytes%'", "workload", "digest and size of the input"),
    ("UPDATE run SET settings = json_remove(settings, '$.experiment.repetitions', '$.experiment.warmups')",
     "workload", "settings of the experiment"),
    ("DELETE FROM sample; DELETE FROM invocation WHERE sequence = 5", "raw data, failures too", "rows were deleted"),
    ("UPDATE invocation SET start_evidence = '{}' WHERE sequence = 5", "proof of the start type", "1 of 10"),
    ("UPDATE cell SET stop_reason = NULL", "statistics", "why the sampling"),
    ("UPDATE invocation SET status = 'timeout' WHERE sequence > 5", "statistics", "at least 6 samples"),
    ("UPDATE invocation SET cost_usd = NULL", "cost", "the platform has no price"),
    ("UPDATE invocation SET provider_billed_s = NULL", "cost", "billed time"),
    ("UPDATE run SET settings = replace(settings, 'price', 'other')", "cost", "prices it was counted by"),
    ("UPDATE environment SET facts = json_remove(facts, '$.plugins')", "run again and audit", "versions of sebsx"),
    ("UPDATE cell SET status = 'running'", "run again and audit", "--resume"),
]  # fmt: skip


@pytest.mark.parametrize(("statements", "requirement", "missing"), STRIPPED)
def test_run_stripped_of_a_fact_loses_that_point(
    whole: str, damage: Damage, analyze: Analyze, statements: str, requirement: str, missing: str
) -> None:
    damage(f"{PRICED}; {statements}")
    report = analyze(Reproducibility)
    found = answers(report)
    lost = {name for name, row in found.items() if row["met"] != "yes"}
    # Without its settings a run can neither be understood nor repeated; all else costs one point.
    assert lost - ({"run again and audit"} if requirement == "workload" else set()) == {requirement}
    assert missing in found[requirement]["missing"]
    assert any(requirement in finding.text and missing in finding.text for finding in report.findings)
    assert report.findings[-1].warning


def test_every_requirement_can_be_lost(whole: str, analyze: Analyze) -> None:
    assert set(answers(analyze(Reproducibility))) == {requirement for _sql, requirement, _missing in STRIPPED}


def test_run_with_nothing_in_it_meets_none_that_needs_data(store: Store, analyze: Analyze) -> None:
    RunWriter(store).finish()
    met = {name for name, row in answers(analyze(Reproducibility)).items() if row["met"] == "yes"}
    assert met == set()


def test_each_run_has_a_table_and_a_score_of_its_own(whole: str, store: Store, analyze: Analyze) -> None:
    other = RunWriter(store, 2).finish().run.id
    report = analyze(Reproducibility)
    assert [table.name for table in report.tables] == ["requirements-1", "requirements-2"]
    scores = {
        finding.numbers["run"]: finding.numbers["score"] for finding in report.findings if "score" in finding.numbers
    }
    assert scores == {whole: 10, other: 0}  # without prices and platforms


@pytest.mark.slow
def test_local_run_with_defaults_meets_eleven_and_says_what_the_twelfth_needs(
    sebsx: Cli, write_function: Callable[..., Path]
) -> None:
    folder = write_function("tiny", "def handler(event, context):\n    return {'n': 1}\n")
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "a function"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    assert sebsx("run", "benchmark", str(folder), "--repetitions", "8").returncode == 0
    report = sebsx.say("--json", "analyze", "last", "-a", "reproducibility").json
    found = {row["requirement"]: row for row in report["tables"][0]["rows"]}
    assert [(name, row["met"]) for name, row in found.items() if row["met"] != "yes"] == [("cost", "partly")]
    assert "the platform has no price" in found["cost"]["missing"]
    (folder / "python" / "function.py").write_text("def handler(event, context):\n    return {'n': 2}\n")
    assert sebsx("run", "benchmark", str(folder), "--repetitions", "8").returncode == 0
    report = sebsx.say("--json", "analyze", "last", "-a", "reproducibility").json
    assert "has changes that are in none" in report["tables"][0]["rows"][0]["missing"]
