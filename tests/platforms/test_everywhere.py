"""One benchmark on every platform in one run: the same checked output, one table, start types and costs."""

from __future__ import annotations

import json

import pytest

from tests.emulated_aws import EmulatedAccount
from tests.emulated_azure import EmulatedSubscription
from tests.emulated_gcp import EmulatedProject
from tests.emulated_openfaas import EmulatedOpenFaas
from tests.emulated_openwhisk import EmulatedOpenWhisk
from tests.platforms.aws import conftest as on_aws
from tests.platforms.azure import conftest as on_azure
from tests.platforms.gcp import conftest as on_gcp
from tests.platforms.openfaas import conftest as on_openfaas
from tests.platforms.openwhisk import conftest as on_openwhisk
from tests.support import Call, Cli

# The fixtures.
one_account, account = on_aws.one_account, on_aws.account
one_subscription, subscription = on_azure.one_subscription, on_azure.subscription
one_project, project = on_gcp.one_project, on_gcp.project
one_whisk, whisk = on_openwhisk.one_whisk, on_openwhisk.whisk
one_gateway, gateway = on_openfaas.one_gateway, on_openfaas.gateway
EVERYWHERE = ("local", "aws", "aws-arm", "azure", "gcp", "openwhisk", "openfaas")


@pytest.fixture
def cloud(
    sebsx: Cli,
    account: EmulatedAccount,
    subscription: EmulatedSubscription,
    project: EmulatedProject,
    whisk: EmulatedOpenWhisk,
    gateway: EmulatedOpenFaas,
) -> Cli:
    """The command line with what leads to every platform."""
    for part in (account, subscription, project, whisk, gateway):
        sebsx.environment |= part.environment
    return sebsx


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_one_run_compares_a_benchmark_on_every_platform(
    cloud: Cli,
    call: Call,
    account: EmulatedAccount,
    subscription: EmulatedSubscription,
    project: EmulatedProject,
    whisk: EmulatedOpenWhisk,
    gateway: EmulatedOpenFaas,
) -> None:
    # A price of their own for the platforms that have none.
    own = ("--set", "price_per_gb_s_usd=0.00002")
    small = ("--size", "test", "--repetitions", "1")
    done = call("run", "benchmark", "dynamic-html", "--platform", ",".join(EVERYWHERE), *small, *own)
    assert done.code == 0, done.stderr
    rows = cloud.rows("SELECT platform, start_type, status, cost_usd > 0, count(*) FROM measured GROUP BY 1, 2, 3, 4")
    assert set(rows) == {(name, start, "ok", 1, 1) for name in EVERYWHERE for start in ("cold", "warm")}
    told = cloud.rows("SELECT platform, start_evidence FROM measured WHERE start_type = 'cold'")
    assert all(json.loads(evidence)["function"] == "cold" for _, evidence in told)

    (latency,) = (part for part in done.stdout.split("\n\n") if part.startswith("latency\n"))
    assert [line.split()[0] for line in latency.splitlines() if " cold " in line] == list(EVERYWHERE)
    tables = {table["name"]: table["rows"] for table in call("--json", "analyze", "last").json["tables"]}
    assert {(row["platform"], row["start"]) for row in tables["breakdown"] if row["million_usd"]} == {
        (name, start) for name in EVERYWHERE for start in ("cold", "warm")
    }
    for part in (account, subscription, project):
        assert part.remaining() == {}
    assert (whisk.actions, gateway.functions) == ({}, {})
