"""The printed policy allows what sebsx asks of AWS, all of it, and hardly more."""

from __future__ import annotations

import fnmatch
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from click.testing import CliRunner

from sebsx.cli import cli as command_line
from sebsx_aws.policy import deployer_policy
from tests.emulated_aws import REGION, EmulatedAccount
from tests.emulated_aws.account import FUNCTION_KEY, Seen
from tests.platforms.aws.conftest import made
from tests.support import Cli

# What AWS's documentation calls an action otherwise than the request; and requests that need none.
RENAMED = {
    "lambda:Invoke": "lambda:InvokeFunction", "s3:HeadBucket": "s3:ListBucket", "s3:ListObjectsV2": "s3:ListBucket",
    "s3:DeleteObjects": "s3:DeleteObject", "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
}  # fmt: skip
FREE = {"sts:GetCallerIdentity"}
TARGETS = {
    "Logs": "logs", "DynamoDB": "dynamodb", "AmazonSQS": "sqs", "AmazonEC2ContainerRegistry": "ecr",
    "ResourceGroupsTaggingAPI": "tag",
}  # fmt: skip


@cache
def operations() -> list[tuple[str, re.Pattern[str], str]]:
    """Method, pattern of the path and name of every request of Lambda, the longest paths first."""
    model = botocore.session.get_session().get_service_model("lambda")
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        found.append((http["method"], re.compile(re.sub(r"\{[^}]+\}", "[^/]+", http["requestUri"]) + "/?$"), name))
    return sorted(found, key=lambda item: -len(item[1].pattern))


def action_of(seen: Seen) -> str:
    """Return the action that IAM looks for when it gets a request."""
    path, _, query = seen.path.partition("?")
    if seen.target:
        service, _, name = seen.target.rpartition(".")
        if service:
            return f"{TARGETS[service.partition('_')[0]]}:{name}"
        return f"{'sts' if name == 'GetCallerIdentity' else 'iam'}:{name}"
    for method, pattern, name in operations():
        if method == seen.method and pattern.match(path):
            return f"lambda:{name}"
    if path == "/":
        return "lambda:InvokeFunctionUrl"
    inside = path.count("/") > 1 and not path.endswith("/")
    names = {
        "HEAD": "HeadBucket", "DELETE": "DeleteBucket", "POST": "DeleteObjects",
        "GET": "GetObject" if inside else "ListObjectsV2",
        "PUT": "PutObject" if inside else "PutBucketTagging" if "tagging" in query else "CreateBucket",
    }  # fmt: skip
    return f"s3:{names[seen.method]}"


def allowed(policy: dict[str, Any]) -> set[str]:
    return {action for statement in policy["Statement"] for action in statement["Action"]}


def asked(account: EmulatedAccount, *, by_functions: bool = False) -> set[str]:
    mine = [seen for seen in account.requests if (seen.key == FUNCTION_KEY) is by_functions]
    return {RENAMED.get(action, action) for action in map(action_of, mine)} - FREE


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("crud-api", "--start", "warm", "--option", "trigger=sdk"),
        ("sleep", "--option", "trigger=url", "--set", "upload=s3"),
        ("sleep", "--start", "warm", "--option", "trigger=async", "--option", "max_instances=2"),
        ("sleep", "--option", "snapstart=true"),
        ("sleep", "--start", "warm", "--option", "min_instances=1"),
    ],
)
def test_everything_that_a_run_asks_is_allowed(cloud: Cli, account: EmulatedAccount, options: tuple[str, ...]) -> None:
    done = cloud("run", "benchmark", *options, "--platform", "aws", "--size", "test", "--repetitions", "1")
    assert done.returncode == 0, done.stderr
    assert cloud("clean", "--platform", "aws").returncode == 0
    used = asked(account)
    assert used - allowed(deployer_policy()) == set()
    assert {"lambda:CreateFunction", "lambda:DeleteFunction", "iam:CreateRole", "tag:GetResources"} <= used
    named = [seen.path for seen in account.requests if re.match(r"/20\d\d-\d\d-\d\d/functions/", seen.path)]
    assert [path for path in named if not re.match(r"/[\d-]+/functions/sebsx-", path)] == []


@pytest.mark.slow
def test_role_of_functions_allows_what_they_ask_and_no_more(
    cloud: Cli, account: EmulatedAccount, tmp_path: Path
) -> None:
    done = cloud(
        "run", "benchmark", "crud-api", "--platform", "aws", "--size", "test", "--start", "warm", "--repetitions", "1"
    )
    assert done.returncode == 0, done.stderr
    used = asked(account, by_functions=True)
    assert "dynamodb:PutItem" in used
    with made(tmp_path) as platform:
        platform.shared("role")
        iam = boto3.client("iam", endpoint_url=account.url, region_name=REGION)
        (role,) = iam.list_roles(PathPrefix="/sebsx/")["Roles"]
        document = iam.get_role_policy(RoleName=role["RoleName"], PolicyName="sebsx")["PolicyDocument"]
    assert used - allowed(document) == set()
    assert allowed(document) == {
        "logs:CreateLogStream", "logs:PutLogEvents", "s3:GetObject", "s3:PutObject", "s3:ListBucket",
        "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:DeleteItem", "sqs:SendMessage",
    }  # fmt: skip
    assert all("sebsx-" in statement["Resource"] for statement in document["Statement"])


def test_policy_names_real_actions_and_only_resources_of_sebsx() -> None:
    policy = deployer_policy()
    resources = {service: statement for statement in policy["Statement"] for service in [statement["Sid"]]}
    search = resources.pop("SebsxSearch")
    assert search["Resource"] == ["*"]
    assert all(re.search(r"(Get|List|Describe)", action) for action in search["Action"])
    for statement in resources.values():
        assert all("sebsx-" in resource for resource in statement["Resource"]), statement
        assert not [action for action in statement["Action"] if "*" in action]
    functions = resources["SebsxLambda"]["Resource"][0]
    assert fnmatch.fnmatch("arn:aws:lambda:us-east-1:1:function:sebsx-x:sebsx", functions)
    assert not fnmatch.fnmatch("arn:aws:lambda:us-east-1:1:function:production", functions)
    assert len(json.dumps(policy, separators=(",", ":"))) < 6144  # IAM's limit of a managed policy


def test_policy_is_printed_for_each_partition() -> None:
    done = CliRunner().invoke(command_line, ["aws", "policy", "--partition", "aws-cn"])
    assert done.exit_code == 0, done.output
    assert "arn:aws-cn:lambda" in done.output
    assert json.loads(done.stdout)["Version"] == "2012-10-17"
