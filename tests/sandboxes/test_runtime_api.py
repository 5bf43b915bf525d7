"""The gateway with runtimes that are not ours: one connection, no pipelining, answers without an envelope."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from sebsx.sandboxes.pool import PoolConfig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sandboxes.conftest import Harness

FOREIGN = """
import http.client, json, os, sys, time
TYPE = "Lambda-Runtime-Function-Error-Type"
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def ask(method, path, body=None, headers={}):
    api.request(method, "/2018-06-01/runtime/" + path, body, headers)
    response = api.getresponse()
    return response, response.read()
while True:
    response, event = ask("GET", "invocation/next")
    assert response.status == 200
    request_id = response.getheader("Lambda-Runtime-Aws-Request-Id")
    event = json.loads(event)
    if event == "fail":
        body = json.dumps({"errorMessage": "failed", "errorType": "MyError", "stackTrace": []})
        response, _ = ask("POST", f"invocation/{request_id}/error", body, {TYPE: "MyError"})
    elif event == "wrong id":
        response, _ = ask("POST", "invocation/other/response", "null")
        assert response.status == 400
        response, _ = ask("POST", f"invocation/{request_id}/response", json.dumps("refused"))
    elif event == "next twice":
        other = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
        other.request("GET", "/2018-06-01/runtime/invocation/next")
        response, _ = ask("POST", f"invocation/{request_id}/response", json.dumps(other.getresponse().status))
    elif event == "loaded late":
        status, _ = ask("POST", "init/loaded", "{}")
        response, _ = ask("POST", f"invocation/{request_id}/response", json.dumps(status.status))
    elif event == "leave":
        response, _ = ask("POST", f"invocation/{request_id}/response", "null")
        time.sleep(0.5)
        sys.exit()
    else:
        answer = [event, int(response.getheader("Lambda-Runtime-Deadline-Ms"))]
        response, _ = ask("POST", f"invocation/{request_id}/response", json.dumps(answer))
    assert response.status == 202
"""


@pytest.fixture
def foreign(harness: Harness) -> Iterator[str]:
    root = harness.workdir / "foreign"
    root.mkdir(exist_ok=True)
    (root / "client.py").write_text(textwrap.dedent(FOREIGN))
    options: dict[str, Any] = {"command": [sys.executable, "-I", str(root / "client.py")], "root": str(root)}
    harness.gateway.deploy(PoolConfig("foreign", 512, 20.0, options=options))
    yield "foreign"
    harness.gateway.remove("foreign")


@pytest.mark.slow
def test_client_without_pipelining_is_served_and_reused(harness: Harness, foreign: str) -> None:
    answers = [harness.call(foreign, number) for number in range(20)]

    assert [answer.json[0] for answer in answers] == list(range(20))
    assert len({answer.sandbox for answer in answers}) == 1
    assert answers[0].json[1] > 1_700_000_000_000


@pytest.mark.slow
@pytest.mark.network
def test_unmodified_client_of_aws_is_served(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return [event, context.aws_request_id]\n")
    packages = tmp_path / "packages"
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "-q", "--target", str(packages), "awslambdaric>=4,<5"],
        check=True,
    )
    environment = {"PYTHONPATH": str(packages), "LAMBDA_TASK_ROOT": str(tmp_path)}
    options = {"command": [sys.executable, "-m", "awslambdaric", "app.handler"], "root": str(tmp_path)}
    harness.gateway.deploy(PoolConfig("aws", 512, 20.0, environment=environment, options=options))

    answers = [harness.call("aws", number, request_id=f"r{number}") for number in range(3)]

    assert [answer.json for answer in answers] == [[0, "r0"], [1, "r1"], [2, "r2"]]
    assert [answer.start for answer in answers] == ["cold", "warm", "warm"]


def test_error_body_of_a_foreign_runtime_is_passed_on(harness: Harness, foreign: str) -> None:
    answer = harness.call(foreign, "fail")

    assert (answer.code, answer.status) == (502, "function_error")
    assert answer.json == {"errorMessage": "failed", "errorType": "MyError", "stackTrace": []}


@pytest.mark.slow
def test_invocation_given_to_a_sandbox_that_leaves_is_placed_again(harness: Harness, foreign: str) -> None:
    harness.call(foreign, "leave")

    answer = harness.call(foreign, 5, request_id="again")

    assert (answer.code, answer.start, answer.json[0]) == (200, "cold", 5)
    assert harness.gateway.records(foreign, ["again"])["again"]["init_s"] > 0


def test_answer_to_another_request_is_refused(harness: Harness, foreign: str) -> None:
    assert harness.call(foreign, "wrong id").json == "refused"


def test_second_question_during_an_invocation_is_refused(harness: Harness, foreign: str) -> None:
    assert harness.call(foreign, "next twice").json == 403


@pytest.mark.slow
def test_word_that_it_has_loaded_comes_once_and_before_the_first_event(harness: Harness, foreign: str) -> None:
    assert harness.call(foreign, "loaded late").json == 403
