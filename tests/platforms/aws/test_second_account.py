"""The platform against an account by other hands than moto's: what only one of both takes is a mistake of somebody.

Left out is what MiniStack has not: the record in the log tail, under the id of the answer; log groups among tagged
resources; signed function URLs and destinations as the platform asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from sebsx.building import Packager
from sebsx.contracts.benchmarks import Benchmark
from sebsx.model import Status
from sebsx.plugins import Registry
from sebsx.testing.contracts import trying
from sebsx.testing.fakes import MemoryLedger
from sebsx.testing.invoking import invoke
from sebsx_aws.reports import LogReports, log_group
from tests.emulated_aws.second import REGION, SecondAccount
from tests.platforms.aws.conftest import made

pytestmark = pytest.mark.network  # MiniStack comes from a registry


@pytest.fixture(scope="module")
def one_second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondAccount]:
    with SecondAccount(tmp_path_factory.mktemp("second")) as account:
        yield account


@pytest.fixture
def second(one_second: SecondAccount, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SecondAccount:
    """The account; clients of this process find it and nothing else."""
    for name, value in one_second.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    return one_second


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("language", ["python", "nodejs"])
def test_second_account_takes_all_that_the_platform_asks(
    second: SecondAccount, echo_benchmark: Benchmark, sebsx_registry: Registry, sebsx_packager: Packager,
    tmp_path: Path, language: str,
) -> None:  # fmt: skip
    ledger = MemoryLedger()
    with made(tmp_path, ledger=ledger) as platform:
        assert platform.check() == []
        written_in, target = sebsx_registry.get("languages", language)(), platform.target(language, "x86_64")
        package = sebsx_packager.build(echo_benchmark, written_in, target, platform=platform)
        storage = platform.storage()
        storage.put("in", b"\0abc")
        platform.table()
        deployment = platform.deploy(package, trying.config(platform, memory_mib=512))
        function = deployment.effective["function"]
        assert (deployment.effective["memory_mib"], deployment.effective["architecture"]) == (512, "x86_64")
        assert deployment.deployed_sha256 == package.sha256

        answers = [invoke(platform, deployment, {"value": value}) for value in ("ü", [1.5, None])]
        platform.force_cold(deployment)
        answers.append(invoke(platform, deployment, {"value": 1}))
        assert [answer.output for answer in answers] == [{"result": "ü"}, {"result": [1.5, None]}, {"result": 1}]
        told = [(answer.envelope or {})["sebsx"] for answer in answers]
        assert [item["call"] for item in told] == [1, 2, 1]
        assert len({item["sandbox"] for item in told}) == 2
        failed = invoke(platform, deployment, {"do": "raise", "value": "by intent"})
        assert (failed.status, (failed.envelope or {})["error"]["message"]) == (Status.FUNCTION_ERROR, "by intent")

        assert invoke(platform, deployment, {"do": "storage", "from": "in", "to": "deep/out"}).output == {"result": 4}
        assert (storage.get("deep/out"), list(storage.keys(""))) == (b"cba\0", ["deep/out", "in"])
        assert invoke(platform, deployment, {"do": "table", "value": "p"}).output == {
            "result": {"found": [["a", 2], ["b", 1], ["c", 1]], "a": 2, "c": None, "elsewhere": []}
        }

        reports = [record for _, record in LogReports(platform.account, "text").lines(function, 0.0) if record]
        assert len(reports) == 6
        figures = [(record.duration_s, record.billed_s, record.max_memory_bytes) for record in reports]
        assert all(figure is not None for figures_of_one in figures for figure in figures_of_one)

        kinds = {resource.kind for resource in platform.orphans() if resource.run_id == platform.context.run_id}
        assert {"function", "role", "bucket", "table"} <= kinds
        platform.teardown(deployment)
        logs = boto3.client("logs", region_name=REGION)
        assert logs.describe_log_groups(logGroupNamePrefix=log_group(function))["logGroups"] == []
    assert ledger.open == {}
    assert list(platform.orphans()) == []
