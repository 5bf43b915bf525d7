"""The account that tests of aws run against behaves as AWS does where it matters to us."""

from __future__ import annotations

import base64
import io
import json
import time
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import botocore.exceptions
import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.emulated_aws import REGION, EmulatedAccount, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow]

CODE = """
import os, time
calls = 0
def handler(event, context):
    global calls
    calls += 1
    print("hello", calls)
    if "sleep" in event: time.sleep(event["sleep"])
    if "raise" in event: raise ValueError(event["raise"])
    if "eat" in event: held = bytearray(event["eat"] * 2**20)
    return {"calls": calls, "id": context.aws_request_id, "memory": context.memory_limit_in_mb,
            "nonce": os.environ.get("NONCE"), "keys": sorted(event)}
"""


def package(code: str = CODE) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", code)
    return buffer.getvalue()


class Client:
    """boto3 clients of one account with one function."""

    def __init__(self, account: EmulatedAccount) -> None:
        self.account = account
        self.functions = self.make("lambda")
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        role = self.make("iam").create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        self.functions.create_function(
            FunctionName="f", Runtime="python3.12", Role=role, Handler="app.handler", Code={"ZipFile": package()},
            MemorySize=256, Timeout=60,
        )  # fmt: skip

    def make(self, service: str) -> Any:
        keys = self.account.environment
        return boto3.client(
            service,
            endpoint_url=self.account.url,
            region_name=REGION,
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )

    @contextmanager
    def timeout_of(self, timeout_s: int) -> Iterator[None]:
        """Give the function another time limit meanwhile; its own is never reached, however busy the machine is."""
        self.functions.update_function_configuration(FunctionName="f", Timeout=timeout_s)
        yield
        self.functions.update_function_configuration(FunctionName="f", Timeout=60)

    def invoke(self, **event: Any) -> tuple[dict[str, Any], Any, str]:
        answer = self.functions.invoke(FunctionName="f", Payload=json.dumps(event), LogType="Tail")
        log = base64.b64decode(answer["LogResult"]).decode()
        return answer, json.loads(answer["Payload"].read()), log


@pytest.fixture(scope="module")
def account(one_account: EmulatedAccount) -> EmulatedAccount:
    one_account.reset()
    return one_account


@pytest.fixture(scope="module")
def client(account: EmulatedAccount) -> Client:
    return Client(account)


@pytest.fixture(autouse=True)
def _no_faults(account: EmulatedAccount) -> Iterator[None]:
    yield
    account.faults.clear()
    account.log_delay_s = account.settle_s = 0.0


def test_first_call_is_cold_and_reported_with_its_initialisation(client: Client) -> None:
    answer, output, log = client.invoke(a=1)
    again, second, second_log = client.invoke()
    assert (output["calls"], output["memory"], output["keys"]) == (1, "256", ["a"])
    assert output["id"] == answer["ResponseMetadata"]["RequestId"]
    assert second["calls"] == 2
    assert "Init Duration" in log
    assert "Init Duration" not in second_log
    assert "hello 2" in second_log
    assert f"REPORT RequestId: {again['ResponseMetadata']['RequestId']}\tDuration: " in second_log
    assert "Memory Size: 256 MB\tMax Memory Used: " in second_log


def test_change_of_an_environment_variable_forces_a_cold_start(client: Client) -> None:
    client.invoke()
    client.functions.update_function_configuration(FunctionName="f", Environment={"Variables": {"NONCE": "7"}})
    _, output, log = client.invoke()
    assert (output["calls"], output["nonce"]) == (1, "7")
    assert "Init Duration" in log


def test_error_time_out_and_out_of_memory_end_as_on_lambda(client: Client) -> None:
    error, told, _ = client.invoke(**{"raise": "no"})
    assert (error["StatusCode"], error["FunctionError"]) == (200, "Unhandled")
    assert (told["errorType"], told["errorMessage"]) == ("ValueError", "no")
    with client.timeout_of(1):
        late, told, log = client.invoke(sleep=5)
    assert late["FunctionError"] == "Unhandled"
    assert "Task timed out after 1.00 seconds" in told["errorMessage"]
    assert "Status: timeout" in log
    _, output, _ = client.invoke()
    assert output["calls"] == 1


def test_memory_beyond_the_limit_kills_the_sandbox(client: Client) -> None:
    answer, told, log = client.invoke(eat=600)
    assert answer["FunctionError"] == "Unhandled"
    assert told["errorType"] in {"Runtime.ExitError", "MemoryError"}
    assert "REPORT" in log


def test_log_lines_arrive_in_cloudwatch_and_late_where_wanted(client: Client, account: EmulatedAccount) -> None:
    logs = client.make("logs")
    account.log_delay_s = 0.5
    answer, _, _ = client.invoke()
    wanted = answer["ResponseMetadata"]["RequestId"]

    def seen() -> bool:
        events = logs.filter_log_events(logGroupName="/aws/lambda/f", limit=10_000)["events"]
        return any(wanted in event["message"] and "REPORT" in event["message"] for event in events)

    assert not seen()
    ends = time.monotonic() + 20
    while not seen():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_unsigned_and_too_large_requests_are_refused(client: Client, account: EmulatedAccount) -> None:
    answer = requests.post(f"{account.url}/2015-03-31/functions/f/invocations", data=b"{}", timeout=10)
    assert answer.status_code == 403
    with pytest.raises(botocore.exceptions.ClientError, match="too large"):
        client.functions.invoke(FunctionName="f", Payload=b'"' + b"x" * 7_000_000 + b'"')


def test_function_url_takes_signed_requests_only(client: Client, account: EmulatedAccount) -> None:
    url = client.functions.create_function_url_config(FunctionName="f", AuthType="AWS_IAM")["FunctionUrl"]
    assert url.endswith(f".lambda-url.{REGION}.localhost:{account.port}/")
    host = url.removeprefix("http://").rstrip("/")
    keys = account.environment
    signed = AWSRequest("POST", url, data=b'{"a": 1}', headers={"Host": host})
    SigV4Auth(Credentials(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"]), "lambda", REGION).add_auth(signed)
    answer = requests.post(account.url, data=b'{"a": 1}', headers=dict(signed.headers), timeout=10)
    assert answer.status_code == 200
    assert answer.json()["keys"][:2] == ["body", "headers"]
    assert requests.post(account.url, data=b"{}", headers={"Host": host}, timeout=10).status_code == 403


def test_asynchronous_call_ends_in_its_destination(client: Client) -> None:
    sqs = client.make("sqs")
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    destinations = {"OnSuccess": {"Destination": arn}, "OnFailure": {"Destination": arn}}
    client.functions.put_function_event_invoke_config(FunctionName="f", DestinationConfig=destinations)
    answer = client.functions.invoke(FunctionName="f", InvocationType="Event", Payload=b'{"b": 2}')
    assert answer["StatusCode"] == 202
    messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
    told = json.loads(messages[0]["Body"])
    assert told["requestContext"]["requestId"] == answer["ResponseMetadata"]["RequestId"]
    assert told["responsePayload"]["keys"] == ["b"]


def test_update_is_in_progress_for_a_while(client: Client, account: EmulatedAccount) -> None:
    account.settle_s = 0.4
    client.functions.update_function_configuration(FunctionName="f", MemorySize=512)
    state = client.functions.get_function_configuration(FunctionName="f")
    assert state["LastUpdateStatus"] == "InProgress"
    client.functions.get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
    assert client.functions.get_function_configuration(FunctionName="f")["MemorySize"] == 512
    client.functions.update_function_configuration(FunctionName="f", MemorySize=256)


def test_faults_are_given_as_often_as_wanted(client: Client, account: EmulatedAccount) -> None:
    account.faults.append(
        Fault("GET", "/2015-03-31/functions/f/configuration", 403, "ExpiredTokenException", "expired", after=1)
    )
    client.functions.get_function_configuration(FunctionName="f")
    with pytest.raises(botocore.exceptions.ClientError, match="ExpiredTokenException"):
        client.functions.get_function_configuration(FunctionName="f")
    client.functions.get_function_configuration(FunctionName="f")


def test_everything_left_in_the_account_is_named(client: Client, account: EmulatedAccount) -> None:
    assert account.remaining()["functions"] == ["f"]
    assert account.remaining()["roles"] == ["r"]


def test_function_of_an_image_that_was_not_pushed_is_refused(client: Client) -> None:
    role = client.functions.get_function_configuration(FunctionName="f")["Role"]
    refusal = client.functions.exceptions.InvalidParameterValueException
    with pytest.raises(refusal, match=r"Source image .* does not exist"):
        client.functions.create_function(
            FunctionName="image", PackageType="Image", Role=role, Code={"ImageUri": f"host/r@sha256:{'0' * 64}"}
        )
    assert client.account.functions() == ["f"]
