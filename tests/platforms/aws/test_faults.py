"""What goes wrong at AWS ends with words that say what to do, and with everything measured so far kept."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sebsx.building import Packager
from sebsx.clouds.waiting import settled
from sebsx.contracts.benchmarks import Benchmark
from sebsx.contracts.languages import Language
from sebsx.errors import CredentialsError, DeployError, PlatformError, QuotaError, UnsupportedError, UserError
from sebsx.model import Deployment, FunctionConfig, Package, Scalar, Status
from sebsx.plugins import Registry
from sebsx.testing.contracts.trying import records_of
from sebsx.testing.fakes import MemoryLedger
from sebsx.testing.invoking import invoke
from sebsx_aws import clients
from sebsx_aws.backend import AwsPlatform
from sebsx_aws.errors import ERRORS, without_account
from sebsx_aws.settings import AwsSettings
from tests.emulated_aws import EmulatedAccount
from tests.platforms.aws.conftest import made
from tests.support import Cli

FUNCTIONS = "/2015-03-31/functions"
INVOKE = FUNCTIONS + "/[^/]+/invocations"
SMALL = ("--platform", "aws", "--size", "test", "--repetitions", "2")
PLATFORM = 4
MEMORY = "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 3008"
CONCURRENCY = (
    "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
    "minimum value of [10]"
)


@pytest.fixture
def package(echo_benchmark: Benchmark, sebsx_registry: Registry, sebsx_packager: Packager, tmp_path: Path) -> Package:
    """The echo function as aws wants it."""
    language: Language = sebsx_registry.get("languages", "python")()
    platform = made(tmp_path)
    return sebsx_packager.build(
        echo_benchmark,
        language,
        platform.target("python", "x86_64"),
        platform=platform,
    )


@pytest.fixture
def aws(account: EmulatedAccount, tmp_path: Path) -> Iterator[AwsPlatform]:
    """The platform, opened, with a ledger that remembers."""
    with made(tmp_path) as platform:
        yield platform


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever AWS needs to settle is given up at once."""
    monkeypatch.setitem(settled.__kwdefaults__, "within_s", 0.0)


def config(**changes: Any) -> FunctionConfig:
    values = {"name": "sebsx-f", "memory_mib": 128, "timeout_s": 5.0, "architecture": "x86_64"}
    return FunctionConfig(**values | changes)  # type: ignore[arg-type]


def open_ledger(platform: AwsPlatform) -> set[str]:
    assert isinstance(platform.ledger, MemoryLedger)
    return {kind for kind, _ in platform.ledger.open}


@pytest.mark.slow
class TestDeploying:
    def test_throttled_control_plane_is_asked_again(
        self, aws: AwsPlatform, package: Package, account: EmulatedAccount
    ) -> None:
        account.fail("POST", FUNCTIONS + "$", 429, "TooManyRequestsException", "Rate exceeded", times=3)
        assert invoke(aws, aws.deploy(package, config()), {"value": 1}).status is Status.OK

    def test_role_that_is_too_new_is_waited_for(
        self, aws: AwsPlatform, package: Package, account: EmulatedAccount
    ) -> None:
        text = "The role defined for the function cannot be assumed by Lambda."
        account.fail("POST", FUNCTIONS + "$", 400, "InvalidParameterValueException", text, times=2)
        assert aws.deploy(package, config()).id

    def test_role_of_the_user_that_cannot_be_assumed_is_told_at_once(
        self, account: EmulatedAccount, package: Package, tmp_path: Path
    ) -> None:
        role = "arn:aws:iam::123456789012:role/gone"
        with made(tmp_path, role=role) as platform, pytest.raises(DeployError, match="cannot be assumed") as caught:
            platform.deploy(package, config())
        assert "123456789012" not in str(caught.value)

    def test_answer_that_was_lost_is_no_conflict(
        self, aws: AwsPlatform, package: Package, account: EmulatedAccount, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client, sent = aws.account.functions, []
        create = client.create_function

        def twice(**wanted: Any) -> Any:
            sent.append(create(**wanted)["FunctionName"])
            return create(**wanted)

        monkeypatch.setattr(client, "create_function", twice)
        deployment = aws.deploy(package, config())
        assert sent == [deployment.effective["function"]]
        assert invoke(aws, deployment, {"value": 1}).status is Status.OK

    def test_no_answer_that_was_lost_is_a_conflict(
        self, aws: AwsPlatform, package: Package, account: EmulatedAccount, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Everything that a run makes is made twice, as by the SDK that asks again where no answer came."""
        clients, again = aws.account, []

        def twice(client: Any, name: str) -> None:
            create = getattr(client, name)

            def call(**wanted: Any) -> Any:
                create(**wanted)
                again.append(name)
                return create(**wanted)

            monkeypatch.setattr(client, name, call)

        makers = (
            (clients.iam, "create_role"), (clients.s3, "create_bucket"), (clients.dynamodb, "create_table"),
            (clients.logs, "create_log_group"), (clients.ecr, "create_repository"), (clients.sqs, "create_queue"),
        )  # fmt: skip
        for client, name in makers:
            twice(client, name)
        aws.storage().put("key", b"data")
        aws.table()
        assert aws.shared("queue")
        assert aws.shared_name in aws.shared("repository")
        assert invoke(aws, aws.deploy(package, config()), {"value": 1}).status is Status.OK
        assert sorted(again) == sorted(name for _, name in makers)

    @pytest.mark.parametrize(
        ("code", "error", "message", "kind", "advice"),
        [
            (400, "ValidationException", MEMORY, UnsupportedError, "new accounts get less memory"),
            (400, "InvalidParameterValueException", CONCURRENCY, QuotaError, "new accounts get less concurrency"),
            (400, "CodeStorageExceededException", "Code storage limit exceeded.", QuotaError, "delete what is not"),
            (400, "InvalidParameterValueException", "Unzipped size must be smaller than 262144000 bytes",
             UnsupportedError, "package=image"),
            (413, "RequestEntityTooLargeException", "Request must be smaller than 70167211 bytes", UnsupportedError,
             "package=image"),
            (403, "AccessDeniedException", "not authorized to perform: lambda:CreateFunction", CredentialsError,
             "sebsx aws policy"),
            (403, "ExpiredTokenException", "The security token included in the request is expired", CredentialsError,
             "aws sso login"),
            (409, "ResourceConflictException", "Function already exist", DeployError, "Function not found"),
            (500, "ServiceException", "internal", DeployError, "internal"),
        ],
    )  # fmt: skip
    def test_refusal_says_what_to_do(
        self, aws: AwsPlatform, package: Package, account: EmulatedAccount, quick: None,
        monkeypatch: pytest.MonkeyPatch, code: int, error: str, message: str, kind: type[PlatformError], advice: str,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(clients, "_ATTEMPTS", 2)
        account.fail("POST", FUNCTIONS + "$", code, error, message, times=None)
        with pytest.raises(kind, match=advice) as caught:
            aws.deploy(package, config())
        assert "create of function 'sebsx-f-" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert {"function", "log-group", "role"} <= open_ledger(aws)

    def test_package_over_the_limit_is_unsupported_as_a_zip(
        self, account: EmulatedAccount, package: Package, tmp_path: Path
    ) -> None:
        large = dataclasses.replace(package, unpacked_bytes=251 * 2**20)
        said = r"251 MiB unzipped, and Lambda takes 250 MiB.*package=image"
        with made(tmp_path, options={"package": "zip"}) as platform, pytest.raises(UnsupportedError, match=said):
            platform.deploy(large, config())

    def test_delete_that_fails_is_told_and_the_rest_deleted(
        self, aws: AwsPlatform, package: Package, account: EmulatedAccount
    ) -> None:
        deployment = aws.deploy(package, config())
        account.fail("DELETE", FUNCTIONS, 400, "InvalidRequestContentException", "not now")
        with pytest.raises(PlatformError, match=r"delete of function .* not now"):
            aws.teardown(deployment)
        assert open_ledger(aws) == {"function", "role"}
        assert "log groups" not in account.remaining()
        aws.teardown(deployment)
        assert open_ledger(aws) == {"role"}

    def test_function_that_is_still_being_updated_is_deleted_in_a_moment(
        self, aws: AwsPlatform, package: Package, account: EmulatedAccount
    ) -> None:
        deployment = aws.deploy(package, config())
        text = "The operation cannot be performed at this time. An update is in progress for resource"
        account.fail("DELETE", FUNCTIONS, 409, "ResourceConflictException", text, times=2)
        aws.teardown(deployment)
        assert account.functions() == []

    def test_region_that_cannot_be_reached_is_told(
        self, account: EmulatedAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(clients, "_ATTEMPTS", 1)
        platform = made(tmp_path, region="mars-north-1", endpoint_url="http://127.0.0.1:9")
        (problem,) = platform.check()
        assert "Could not connect to the endpoint URL" in problem.message
        assert "is the region right, the service offered there" in problem.advice


@pytest.mark.slow
class TestInvoking:
    def test_throttled_invocation_is_a_result_and_is_not_sent_again(
        self, aws: AwsPlatform, package: Package, account: EmulatedAccount
    ) -> None:
        deployment = aws.deploy(package, config())
        account.requests.clear()
        account.fail("POST", INVOKE, 429, "TooManyRequestsException", "Rate Exceeded.")
        answer = invoke(aws, deployment, {"value": 1})
        assert answer.status is Status.THROTTLED
        assert aws.error_of(answer.reply) == "TooManyRequestsException: Rate Exceeded."
        assert len(account.requests) == 1

    def test_throttled_event_is_a_result_and_is_not_sent_again(
        self, account: EmulatedAccount, package: Package, tmp_path: Path
    ) -> None:
        with made(tmp_path, options={"trigger": "async"}) as platform:
            deployment = platform.deploy(package, config())
            account.requests.clear()
            account.fail("POST", INVOKE, 429, "TooManyRequestsException", "Rate Exceeded.")
            assert invoke(platform, deployment, {"value": 1}).status is Status.THROTTLED
            assert len(account.requests) == 1
            assert invoke(platform, deployment, {"value": 1}).status is Status.OK

    @pytest.mark.parametrize(("trigger", "size"), [("sdk", 7 * 2**20), ("async", 2 * 2**20)])
    def test_payload_over_the_limit_is_a_result_with_awss_words(
        self, account: EmulatedAccount, package: Package, tmp_path: Path, trigger: str, size: int
    ) -> None:
        with made(tmp_path, options={"trigger": trigger}) as platform:
            deployment = platform.deploy(package, config())
            answer = invoke(platform, deployment, {"value": "x" * size})
            assert answer.status is Status.PLATFORM_ERROR
            assert "payload is too large" in (platform.error_of(answer.reply) or "")
            assert invoke(platform, deployment, {"value": 1}).status is Status.OK

    @pytest.mark.parametrize("trigger", ["sdk", "async"])
    def test_refused_credentials_end_the_run_before_the_next_batch(
        self, account: EmulatedAccount, package: Package, tmp_path: Path, trigger: str
    ) -> None:
        with made(tmp_path, options={"trigger": trigger}) as platform:
            deployment = platform.deploy(package, config())
            account.fail("POST", INVOKE, 403, "ExpiredTokenException", "The security token is expired")
            assert invoke(platform, deployment, {"value": 1}).status is Status.PLATFORM_ERROR
            with pytest.raises(CredentialsError, match=r"security token is expired; log in again \(aws sso login\)"):
                invoke(platform, deployment, {"value": 1})

    def test_records_that_do_not_come_leave_their_log_group_for_later(
        self, account: EmulatedAccount, package: Package, tmp_path: Path
    ) -> None:
        with made(tmp_path, options={"trigger": "url"}) as platform:
            deployment = platform.deploy(package, config())
            account.log_delay_s = 60.0
            answer = invoke(platform, deployment, {"value": 1})
            assert platform.records(deployment, [platform.request_id_of(answer.reply)]) == {}
            platform.teardown(deployment)
            ledger = platform.context.ledger
            assert isinstance(ledger, MemoryLedger)
            assert [kind for kind, _ in ledger.open if kind != "role"] == ["log-group"]  # the run still has its role

    def test_log_is_read_on_from_where_it_was(self, aws: AwsPlatform, package: Package) -> None:
        deployment = aws.deploy(package, config())
        ids = [aws.request_id_of(invoke(aws, deployment, {"value": 1}).reply) for _ in range(3)]
        assert records_of(aws, deployment, ids[:1]).keys() == {ids[0]}
        assert records_of(aws, deployment, ids).keys() == set(ids)

    def test_forced_cold_start_waits_for_an_update_that_is_under_way(
        self, aws: AwsPlatform, package: Package, account: EmulatedAccount
    ) -> None:
        deployment = aws.deploy(package, config())
        before = sandbox(aws, deployment)
        text = "The operation cannot be performed at this time. An update is in progress"
        account.fail("PUT", FUNCTIONS, 409, "ResourceConflictException", text, times=2)
        account.settle_s = 1.2
        aws.force_cold(deployment)
        assert sandbox(aws, deployment) != before


def sandbox(platform: AwsPlatform, deployment: Deployment) -> str:
    answer = invoke(platform, deployment, {"value": 1})
    assert answer.envelope is not None
    return str(answer.envelope["sebsx"]["sandbox"])


@pytest.mark.slow
class TestRuns:
    def test_credentials_that_expire_in_the_middle_keep_what_was_measured(
        self, cloud: Cli, account: EmulatedAccount
    ) -> None:
        command = ("run", "benchmark", "sleep", "--platform", "aws", "--size", "test", "--repetitions", "8")
        account.fail("POST", INVOKE, 403, "ExpiredTokenException", "The security token is expired", after=4, times=None)
        said = cloud.say(*command)
        said.assert_fails(PLATFORM, "log in again", "sebsx run --resume")
        assert cloud.count() >= 3
        ((run_id,),) = cloud.rows("SELECT ulid FROM run")
        account.faults.clear()
        assert account.remaining() == {}  # whoever cleaned up had credentials still
        said = cloud.say("run", "--resume", run_id)
        assert said.code == 0, said.stderr
        assert dict(cloud.rows("SELECT status, count(*) FROM cell GROUP BY status")) == {"finished": 2}
        assert account.remaining() == {}

    def test_function_that_cannot_be_deleted_is_told_and_cleaned_later(
        self, cloud: Cli, account: EmulatedAccount
    ) -> None:
        account.fail("DELETE", FUNCTIONS, 400, "InvalidRequestContentException", "not now", times=None)
        said = cloud.say("run", "benchmark", "sleep", *SMALL)
        assert said.code == 0, said.stderr
        assert "could not be torn down" in said.stderr
        assert "sebsx clean" in said.stderr
        assert account.remaining().keys() == {"functions"}
        account.faults.clear()
        (row,) = [row for row in cloud.json("clean") if row["platform"] == "aws"]
        assert (row["kind"], row["outcome"]) == ("function", "deleted")
        assert account.remaining() == {}

    def test_throttled_invocations_are_stored_as_such(self, cloud: Cli, account: EmulatedAccount) -> None:
        account.fail("POST", INVOKE, 429, "TooManyRequestsException", "Rate Exceeded.", after=2, times=2)
        said = cloud.say("run", "benchmark", "sleep", *SMALL, "--start", "warm")
        assert said.code == 0, said.stderr
        rows = cloud.rows("SELECT error FROM invocation WHERE status = 'throttled'")
        assert rows == [("HTTP 429: TooManyRequestsException: Rate Exceeded.",)] * 2

    def test_quota_of_a_new_account_makes_unsupported_cells_and_others_go_on(
        self, cloud: Cli, account: EmulatedAccount
    ) -> None:
        account.fail("POST", FUNCTIONS + "$", 400, "ValidationException", MEMORY, times=2)
        said = cloud.say("run", "benchmark", "sleep", *SMALL, "--memory", "4096,128")
        cells = dict(cloud.rows("SELECT status, count(*) FROM cell GROUP BY status"))
        assert cells == {"unsupported": 2, "finished": 2}, said.stderr
        assert "new accounts get less memory" in said.stderr
        assert account.remaining() == {}

    @pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION"])
    def test_doctor_says_what_is_missing(self, cloud: Cli, account: EmulatedAccount, missing: str) -> None:
        del cloud.environment[missing]
        rows = {row["what"]: row for row in cloud.json("doctor")}
        assert rows["platform aws"]["status"] == "warning"
        assert rows["platform aws"]["advice"]
        cloud.say("doctor", "--platform", "aws").assert_fails(PLATFORM, "platform aws")

    def test_doctor_is_content_with_an_account(self, cloud: Cli, account: EmulatedAccount) -> None:
        assert {row["status"] for row in cloud.json("doctor", "--platform", "aws,aws-arm") if "aws" in row["what"]} == {
            "ok"
        }


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("arn:aws:iam::123456789012:user/bob", "arn:aws:iam::***:user/bob"),
        ("key AKIAIOSFODNN7EXAMPLE is bad", "key *** is bad"),
        ("https://x/?a=1&X-Amz-Signature=0af1&b=2", "https://x/?a=1&***&b=2"),
        ("two\n  lines at 1795346003233 ms", "two lines at 1795346003233 ms"),
    ],
)
def test_words_of_aws_come_without_secrets(text: str, wanted: str) -> None:
    assert ERRORS.clean(text) == wanted


def test_arn_keeps_all_but_the_account() -> None:
    assert (
        without_account("arn:aws:lambda:us-east-1:123456789012:function:f:7")
        == "arn:aws:lambda:us-east-1::function:f:7"
    )
    assert without_account("sebsx-queue") == "sebsx-queue"


def test_names_are_short_enough_and_never_the_same(tmp_path: Path) -> None:
    context = dataclasses.replace(made(tmp_path).context, attempt="abcdef")
    shared = AwsPlatform(AwsSettings(region="us-east-1"), context).shared_name
    assert shared == "sebsx-01jz0000000000000000000009-aws-shared-abcdef"
    assert len(shared.replace("aws", "aws-arm")) <= 63  # of a bucket, the shortest limit


@pytest.mark.parametrize(
    ("options", "python"),
    [({"min_instances": 1}, "3.12"), ({}, "3.11"), ({"package": "image"}, "3.12"), ({"ephemeral_mib": 1024}, "3.12")],
)
def test_options_that_lambda_refuses_together_are_unsupported(
    tmp_path: Path, options: dict[str, Scalar], python: str
) -> None:
    platform = made(tmp_path, python=python)
    assert platform.provision(256, options, "x86_64").unsupported is None
    assert "snapstart" in (platform.provision(256, {**options, "snapstart": True}, "x86_64").unsupported or "")


def test_profile_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(UserError, match="AWS profile 'x' is not configured; see: aws configure list-profiles"):
        _ = made(tmp_path, profile="x").region


@pytest.mark.slow
def test_calls_are_logged_by_name_and_the_sdk_is_kept_silent(
    account: EmulatedAccount, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert not made(tmp_path).check()
    assert "sts GetCallerIdentity" in caplog.text
    # What those say tells keys and signatures; the account of the test, in this process, uses them too.
    assert {logging.getLogger(name).level for name in ("botocore", "boto3", "urllib3")} == {logging.WARNING}
