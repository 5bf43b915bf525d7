"""Functions of a user in the emulated account: what a copy of one is, what is refused, and what is said."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from sebsx.errors import CredentialsError, DeployError, SebsxError, UnsupportedError, UserError
from sebsx.model import Adoption, Deployment, FunctionConfig
from sebsx.testing.fakes import MemoryLedger
from sebsx_aws import copies
from sebsx_aws.backend import AwsPlatform
from tests.emulated_aws import REGION, EmulatedAccount, Fault
from tests.platforms.aws.conftest import made
from tests.support import Cli

ACCOUNT = "123456789012"  # of moto
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0b0b0b0b-0000-4000-8000-000000000000"
PLACE = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-0123456789abcdef0"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/app"
# What Lambda chooses for each function, and what sebsx chooses for a copy.
OWN = {
    "FunctionName", "FunctionArn", "LastModified", "RevisionId", "Description", "MemorySize", "LoggingConfig",
}  # fmt: skip


def package(text: str = "def handler(event, context): return {}") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", text)
    return buffer.getvalue()


@cache
def client(service: str, url: str) -> Any:
    return boto3.client(service, endpoint_url=url, region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b")


class User:
    """Somebody with a function `app` in the account."""

    def __init__(self, account: EmulatedAccount) -> None:
        self.account = account
        self.functions = client("lambda", account.url)
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        role = client("iam", account.url).create_role(RoleName="r", AssumeRolePolicyDocument=trust)
        self._role = role["Role"]["Arn"]

    def make(self, **changes: Any) -> dict[str, Any]:
        wanted = {
            "FunctionName": "app", "Runtime": "python3.11", "Role": self._role, "Handler": "app.handler",
            "Code": {"ZipFile": package()}, "MemorySize": 256, "Timeout": 10,
            "Environment": {"Variables": {"SECRET": "planted"}},
        }  # fmt: skip
        chosen = {key: value for key, value in {**wanted, **changes}.items() if value is not None}
        self.functions.create_function(**chosen)
        return self.state()

    def state(self) -> dict[str, Any]:
        """Return everything that somebody else must not change: versions, aliases and permissions, too."""
        functions, name = self.functions, {"FunctionName": "app"}
        versions = functions.list_versions_by_function(**name)["Versions"]
        aliases = functions.list_aliases(**name)["Aliases"]
        return {"told": self.told("app"), "versions": versions, "aliases": aliases}

    def told(self, name: str) -> dict[str, Any]:
        return dict(self.functions.get_function(FunctionName=name)["Configuration"])

    def publish(self, alias: str, **more: Any) -> str:
        """Publish a version behind an alias, and return its number."""
        version = str(self.functions.publish_version(FunctionName="app")["Version"])
        self.functions.create_alias(FunctionName="app", Name=alias, FunctionVersion=version, **more)
        return version


@pytest.fixture
def user(account: EmulatedAccount) -> User:
    return User(account)


@pytest.fixture
def aws(user: User, tmp_path: Path) -> Iterator[AwsPlatform]:
    """The platform, opened; the account is as it was behind it, and so is the ledger."""
    before = user.account.remaining()
    ledger = MemoryLedger()
    with made(tmp_path, ledger=ledger) as platform:
        yield platform
    assert ledger.open == {}
    left = user.account.remaining()
    assert [name for names in left.values() for name in names if "sebsx" in name] == []
    assert left["roles"] == before["roles"]


def adopt(platform: AwsPlatform, address: str = "app", memory_mib: int = 0, **how: Any) -> Deployment:
    config = FunctionConfig(
        "sebsx-copy", memory_mib=memory_mib, timeout_s=60.0, architecture=how.pop("architecture", "")
    )
    return platform.adopt(Adoption(platform.name, address, subject=platform.subject_of(address), config=config, **how))


def copied(platform: AwsPlatform, user: User, **words: Any) -> tuple[dict[str, Any], list[str]]:
    """Copy the function, give the copy back, and return what Lambda told of it and what sebsx noted."""
    deployment = adopt(platform, memory_mib=512, copy=True, **words)
    told = user.told(deployment.effective["function"])
    platform.release(deployment)
    return told, deployment.effective["notes"]


def compared(told: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key not in OWN and key != "ResponseMetadata"}


@pytest.mark.slow
def test_sandboxes_of_a_users_function_are_told_by_its_log(user: User, cloud: Cli) -> None:
    user.make()
    words = ("--memory", "256", "--start", "warm", "--repetitions", "6", "--payload", "{}")
    done = cloud("run", "function", "app", "--platform", "aws", *words)
    assert done.returncode == 0, done.stderr
    rows = cloud.rows("SELECT sandbox_id FROM measured WHERE kind = 'measured'")
    assert len(rows) >= 6
    assert len({sandbox for (sandbox,) in rows}) >= 6
    assert all(len(sandbox) == 32 for (sandbox,) in rows)
    assert "unknown sandboxes" not in done.stdout


@pytest.mark.slow
def test_log_that_comes_with_the_first_call_has_nothing_before_it(aws: AwsPlatform, user: User) -> None:
    user.make()
    deployment = adopt(aws)
    assert aws.names_sandboxes(deployment)
    assert aws.records(deployment, ["00000000-0000-0000-0000-000000000000"]) == {}


@pytest.mark.slow
def test_users_log_that_is_out_of_reach_leaves_the_sandboxes_unknown(
    aws: AwsPlatform, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(**_words: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://logs.us-east-1.amazonaws.com")

    user.make()
    monkeypatch.setattr(aws.account.logs, "filter_log_events", unreachable)  # ten real attempts take minutes
    assert not aws.names_sandboxes(adopt(aws))


@pytest.mark.slow
def test_users_log_that_may_not_be_read_leaves_the_sandboxes_unknown(aws: AwsPlatform, user: User) -> None:
    user.make()
    user.account.fail("POST", "/", 400, "AccessDeniedException", target="FilterLogEvents", times=None)
    deployment = adopt(aws)
    assert "log_group" not in deployment.effective
    assert not aws.names_sandboxes(deployment)


@pytest.mark.slow  # moto takes seconds to make its network
def test_copy_has_all_that_decides_how_a_function_runs(aws: AwsPlatform, user: User) -> None:
    network = client("ec2", user.account.url)
    subnet = network.describe_subnets()["Subnets"][0]
    group = network.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    layer = user.functions.publish_layer_version(LayerName="l", Content={"ZipFile": package()})["LayerVersionArn"]
    before = user.make(
        Layers=[layer],
        VpcConfig={"SubnetIds": [subnet["SubnetId"]], "SecurityGroupIds": [group]},
        FileSystemConfigs=[{"Arn": PLACE, "LocalMountPath": "/mnt/data"}],
        EphemeralStorage={"Size": 2048},
        TracingConfig={"Mode": "Active"},
        KMSKeyArn=KEY,
        RuntimeConfig={"RuntimeArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:runtime:own", "RuntimeAlias": "live"},
    )
    told, notes = copied(aws, user)
    assert told["MemorySize"] == 512
    assert compared(told) == compared(before["told"])
    assert (told["Layers"][0]["Arn"], told["FileSystemConfigs"][0]["Arn"], told["KMSKeyArn"]) == (layer, PLACE, KEY)
    assert (told["TracingConfig"], told["EphemeralStorage"]) == ({"Mode": "Active"}, {"Size": 2048})
    assert told["VpcConfig"]["SubnetIds"] == [subnet["SubnetId"]]
    assert told["Environment"] == {"Variables": {"SECRET": "planted"}}
    assert notes == ["the copy mounts the same file system"]
    assert user.state() == before


@pytest.mark.slow
def test_copy_lacks_what_belongs_to_the_function_and_says_so(aws: AwsPlatform, user: User) -> None:
    user.make(DeadLetterConfig={"TargetArn": QUEUE}, SnapStart={"ApplyOn": "PublishedVersions"})
    user.functions.put_function_concurrency(FunctionName="app", ReservedConcurrentExecutions=5)
    user.functions.add_permission(
        FunctionName="app", StatementId="s", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
    )
    user.publish("prod")
    user.functions.put_provisioned_concurrency_config(
        FunctionName="app", Qualifier="prod", ProvisionedConcurrentExecutions=2
    )
    user.account.also["app"]["RuntimeVersionConfig"] = {"RuntimeVersionArn": "arn:aws:lambda:us-east-1::runtime:old"}
    before = user.state()
    told, notes = copied(aws, user, address="app:prod")
    assert "DeadLetterConfig" not in told
    assert told["SnapStart"]["ApplyOn"] == "None"
    assert [note.partition(" ")[0] for note in notes] == ["reserved", "the", "SnapStart", "provisioned", "the"]
    assert "another version of the runtime" in notes[-1]
    assert user.state() == before


def test_what_lambda_may_learn_to_tell_later_is_said_to_be_missing() -> None:
    found = {"Configuration": {"Handler": "app.handler", "WarpConfig": {"Factor": 9}, "FoldConfig": None}}
    assert copies.left_out(found, "x86_64") == ["WarpConfig is not copied"]


@pytest.mark.slow
def test_copy_reports_what_it_cost_whatever_the_function_logs(aws: AwsPlatform, user: User) -> None:
    user.make(LoggingConfig={
        "LogFormat": "JSON", "ApplicationLogLevel": "ERROR", "SystemLogLevel": "WARN", "LogGroup": "/mine",
    })  # fmt: skip
    told, _ = copied(aws, user)
    assert told["LoggingConfig"] == {"LogFormat": "JSON", "ApplicationLogLevel": "ERROR", "SystemLogLevel": "INFO"}
    (note,) = adopt(aws).effective["notes"]
    assert "WARN" in note
    assert "--memory" in note


@pytest.mark.slow
def test_large_package_goes_through_a_bucket_that_is_gone_afterwards(
    aws: AwsPlatform, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "_DIRECT_BYTES", 100)
    before = user.make()
    deployment = adopt(aws, memory_mib=512, copy=True)
    (bucket,) = user.account.remaining()["buckets"]
    assert bucket.startswith("sebsx-")
    assert user.told(deployment.effective["function"])["CodeSha256"] == before["told"]["CodeSha256"]
    aws.release(deployment)
    assert user.state() == before


@pytest.mark.slow
def test_package_that_has_a_key_of_its_own_is_copied_under_it(aws: AwsPlatform, user: User) -> None:
    user.make(Code={"ZipFile": package(), "SourceKMSKeyArn": KEY})
    deployment = adopt(aws, memory_mib=512, copy=True)
    copy = user.functions.get_function(FunctionName=deployment.effective["function"])
    assert copy["Code"]["SourceKMSKeyArn"] == KEY
    aws.release(deployment)


@pytest.mark.slow
def test_code_is_fetched_once_for_all_sizes(aws: AwsPlatform, user: User) -> None:
    user.make()
    taken = [adopt(aws, memory_mib=size, copy=True) for size in (128, 256, 512)]
    assert sum("/emulated-code/" in request.path for request in user.account.requests) == 1
    assert {deployment.effective["memory_mib"] for deployment in taken} == {128, 256, 512}
    for deployment in taken:
        aws.release(deployment)


@pytest.mark.slow
@pytest.mark.parametrize("how", [{"copy": True}, {"in_place": True}])
def test_variables_that_cannot_be_read_are_not_lost(aws: AwsPlatform, user: User, how: dict[str, bool]) -> None:
    before = user.make()
    denied = {"Error": {"ErrorCode": "AccessDeniedException", "Message": "kms"}}
    user.account.also["app"]["Environment"] = denied
    with pytest.raises(CredentialsError, match="variables of function 'app' cannot be read; allow kms:Decrypt"):
        adopt(aws, memory_mib=512, **how)
    assert adopt(aws).effective["memory_mib"] == 256
    user.account.also.clear()
    assert user.state() == before


@pytest.mark.slow
def test_code_that_cannot_be_read_is_told_with_what_to_allow(aws: AwsPlatform, user: User) -> None:
    user.make()
    user.account.locked.add("app")
    with pytest.raises(CredentialsError, match="code of function 'app' cannot be read; allow kms:Decrypt"):
        adopt(aws, memory_mib=512, copy=True)


def test_image_is_copied_by_its_digest_and_to_no_other_architecture(aws: AwsPlatform) -> None:
    config = {"EntryPoint": ["/init"], "Command": ["app.handler"], "WorkingDirectory": "/app"}
    digest = f"{IMAGE}@sha256:{'0' * 64}"
    found = {
        "Configuration": {"PackageType": "Image", "ImageConfigResponse": {"ImageConfig": config}},
        "Code": {"ImageUri": f"{IMAGE}:latest", "ResolvedImageUri": digest},
    }
    words = (aws.account, aws.shared, "app")
    assert copies.code(*words, "x86_64", found, False) == {"ImageUri": digest}
    assert copies.configuration(found["Configuration"]) == {"PackageType": "Image", "ImageConfig": config}
    for force in (False, True):
        with pytest.raises(UnsupportedError, match="image for x86_64, and Lambda runs an image on one only"):
            copies.code(*words, "arm64", found, force)


@pytest.mark.slow
def test_layers_on_another_architecture_are_said_not_to_be_looked_at(aws: AwsPlatform, user: User) -> None:
    layer = user.functions.publish_layer_version(LayerName="l", Content={"ZipFile": package()})["LayerVersionArn"]
    user.make(Layers=[layer])
    assert copied(aws, user, architecture="arm64")[1] == [
        "layers are taken as they are: whether they run on arm64 was not looked at"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("kind", ["CapacityProviderConfig", "TenancyConfig", "DurableConfig", "AcceleratorConfig"])
def test_function_of_another_kind_is_refused_with_a_way(aws: AwsPlatform, user: User, kind: str, copy: bool) -> None:
    user.make()
    member = {"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}, "DurableConfig": {"ExecutionTimeout": 60}}
    told = (
        {"LambdaManagedInstancesCapacityProviderConfig": {}} if kind.startswith("Cap") else {"AcceleratorMemorySize": 8}
    )
    user.account.also["app"][kind] = member.get(kind, told)
    with pytest.raises(UnsupportedError, match=rf"'app' .*\({kind}\).*https://"):
        adopt(aws, copy=copy)


@pytest.mark.slow
def test_alias_of_two_versions_is_refused_and_each_version_can_be_measured(aws: AwsPlatform, user: User) -> None:
    user.make()
    first = user.publish("old")
    user.functions.update_function_code(FunctionName="app", ZipFile=package("handler = lambda *_: 2"))
    second = user.publish("prod", RoutingConfig={"AdditionalVersionWeights": {first: 0.1}})
    for how in ({}, {"copy": True}):
        with pytest.raises(UserError, match=rf"'app:prod' divides its calls between versions {second}, {first}"):
            adopt(aws, "app:prod", **how)
    for address, version in (
        ("app:old", first),
        (f"app:{second}", second),
        ("app:$LATEST", "$LATEST"),
        ("app", "$LATEST"),
    ):
        assert adopt(aws, address).effective["version"] == version


@pytest.mark.slow
def test_sandboxes_kept_ready_are_priced_as_such(aws: AwsPlatform, user: User) -> None:
    user.make()
    user.publish("prod")
    plain = adopt(aws, "app:prod")
    user.functions.put_provisioned_concurrency_config(
        FunctionName="app", Qualifier="prod", ProvisionedConcurrentExecutions=2
    )
    ready = adopt(aws, "app:prod")
    assert "billing_scheme" not in plain.effective
    assert (ready.effective["billing_scheme"], ready.effective["min_instances"]) == ("provisioned", 2)
    assert "their price is not in the costs" in ready.effective["notes"][0]
    on_demand, provisioned = (aws.context.prices.book_of(aws, each) for each in (plain, ready))
    assert on_demand is not None
    assert provisioned is not None
    assert (on_demand["scheme"], provisioned["scheme"]) == ("on-demand", "provisioned")


@pytest.mark.slow
@pytest.mark.parametrize(
    "address", ["app", f"{ACCOUNT}:function:app", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:app"]
)
def test_every_way_to_name_a_function_finds_it(aws: AwsPlatform, user: User, address: str) -> None:
    user.make()
    version = user.publish("prod")
    assert aws.subject_of(f"{address}:prod") == "app:prod"
    assert adopt(aws, address).effective["version"] == "$LATEST"
    assert adopt(aws, f"{address}:prod").effective["version"] == version


@pytest.mark.slow
def test_copies_of_a_function_that_changes_meanwhile_are_refused(aws: AwsPlatform, user: User) -> None:
    user.make()
    first = adopt(aws, memory_mib=128, copy=True)
    aws.release(adopt(aws, memory_mib=512, copy=True))
    user.functions.update_function_code(FunctionName="app", ZipFile=package("handler = lambda *_: 2"))
    with pytest.raises(DeployError, match="'app' was changed since the run began"):
        adopt(aws, memory_mib=1024, copy=True)
    aws.release(first)


@pytest.mark.slow
def test_copy_that_lambda_cannot_bring_up_is_told_with_its_reason_and_deleted(aws: AwsPlatform, user: User) -> None:
    user.make()
    reason = f"The VPC of {ACCOUNT} has no subnets left"
    user.account.also.default_factory = lambda: {"State": "Failed", "StateReason": reason}
    with pytest.raises(DeployError, match=r"did not become ready: The VPC of \*\*\* has no"):
        adopt(aws, memory_mib=512, copy=True)
    user.account.also.default_factory = dict
    (kept,) = [name for kind, name in aws.ledger.open if kind == "function"]
    aws.teardown(
        Deployment(
            kept, FunctionConfig(kept, memory_mib=0, timeout_s=1.0, architecture=""), effective={"function": kept}
        )
    )


@pytest.mark.parametrize(
    ("fault", "error", "told"),
    [
        (("GET", r".*/functions/app$"), CredentialsError, "allow lambda:GetFunction"),
        (("GET", r".*/functions/app/aliases/prod"), CredentialsError, "allow lambda:GetAlias"),
        (("GET", r".*/provisioned-concurrency"), CredentialsError, "allow lambda:GetProvisionedConcurrencyConfig"),
    ],
)
def test_missing_right_is_named(
    aws: AwsPlatform, user: User, fault: tuple[str, str], error: type[SebsxError], told: str
) -> None:
    user.make()
    user.publish("prod")
    user.account.faults.append(Fault(*fault, 403, "AccessDeniedException", "not authorized"))
    with pytest.raises(error, match=told):
        adopt(aws, "app:prod")
