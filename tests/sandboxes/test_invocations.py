from __future__ import annotations

import json
import socket

import pytest

from sebsx_local import cgroups
from tests.sandboxes.conftest import ECHO, HELD, SLOW, Harness, eventually, runs

MIB = 2**20


def test_event_comes_back_in_the_envelope_with_identity(harness: Harness) -> None:
    name = harness.deploy("def handler(event, context):\n    return {'id': context.request_id, 'event': event}\n")

    answer = harness.call(name, {"a": [1, None, "ü"]}, request_id="request-1")

    assert (answer.code, answer.status, answer.start) == (200, "ok", "cold")
    assert answer.json["output"] == {"id": "request-1", "event": {"a": [1, None, "ü"]}}
    assert answer.json["sebsx"]["sandbox"] == answer.sandbox


def test_second_invocation_reuses_the_sandbox(harness: Harness) -> None:
    name = harness.deploy()

    first, second = harness.call(name), harness.call(name)

    assert (first.start, second.start) == ("cold", "warm")
    assert first.sandbox == second.sandbox
    assert [answer.json["sebsx"]["call"] for answer in (first, second)] == [1, 2]


@pytest.mark.slow
def test_warm_call_asks_the_kernel_for_no_memory(harness: Harness) -> None:
    code = "from resource import *\ndef handler(event, context):\n    return getrusage(RUSAGE_SELF).ru_minflt\n"
    name = harness.deploy(code)
    faults = [harness.call(name).json["output"] for _ in range(60)]

    assert faults[-1] - faults[19] < 20  # pages that were new to the process, in 40 calls


def test_concurrent_invocations_each_get_a_sandbox(harness: Harness) -> None:
    name = harness.deploy(HELD)

    answers = harness.call_at_once(name, 4)

    assert {answer.status for answer in answers} == {"ok"}
    assert len({answer.sandbox for answer in answers}) == 4


def test_newest_idle_sandbox_is_used_first(harness: Harness) -> None:
    name = harness.deploy(HELD)
    harness.call_at_once(name, 3)

    sequential = {harness.call(name, {"until": "/"}).sandbox for _ in range(6)}

    assert len(sequential) == 1


def test_more_than_allowed_at_once_is_throttled(harness: Harness) -> None:
    name = harness.deploy(HELD, max_instances=2)

    with harness.held(name, 5, at_once=2) as calls:
        eventually(lambda: sum(call.done() for call in calls) == 3)
    answers = [call.result() for call in calls]

    assert sorted(answer.code for answer in answers) == [200, 200, 429, 429, 429]
    assert {answer.status for answer in answers if answer.code == 429} == {"throttled"}


@pytest.mark.slow
def test_time_out_kills_the_sandbox_and_the_next_call_is_cold(harness: Harness) -> None:
    name = harness.deploy("def handler(event, context):\n    while event['forever']: pass\n", timeout_s=0.5)

    late = harness.call(name, {"forever": True}, request_id="late")
    after = harness.call(name, {"forever": False})

    assert (late.code, late.status, late.error["type"]) == (504, "timeout", "Sebsx.Timeout")
    assert (after.code, after.start) == (200, "cold")
    assert after.sandbox != late.sandbox
    assert 0.49 <= harness.gateway.records(name, ["late"])["late"]["duration_s"] < 5


@pytest.mark.slow
def test_function_that_does_not_load_in_time_is_ended(harness: Harness) -> None:
    name = harness.deploy("import time\ntime.sleep(60)\n", init_timeout_s=0.3)

    answer = harness.call(name)

    assert (answer.code, answer.status, answer.error["type"]) == (504, "timeout", "Sebsx.InitTimeout")


def test_raised_error_comes_back_with_its_traceback(harness: Harness) -> None:
    name = harness.deploy("def handler(event, context):\n    raise LookupError('nothing there')\n")

    answer = harness.call(name)

    assert (answer.code, answer.status) == (502, "function_error")
    assert (answer.error["type"], answer.error["message"]) == ("LookupError", "nothing there")
    assert 'File "function.py", line 2, in handler' in answer.error["traceback"]
    assert harness.call(name).start == "warm"


def test_function_that_cannot_be_imported_is_its_error(harness: Harness) -> None:
    name = harness.deploy("import no_such_module\n")

    answer = harness.call(name)

    assert (answer.code, answer.status, answer.error["type"]) == (502, "function_error", "ModuleNotFoundError")
    assert "no_such_module" in answer.error["message"]


@pytest.mark.parametrize(
    ("statement", "words"),
    [("os._exit(3)", "exit code 3"), ("os.kill(os.getpid(), 9)", "signal SIGKILL"), ("os.abort()", "signal SIGABRT")],
)
def test_sandbox_that_ends_during_a_call_is_a_function_error(harness: Harness, statement: str, words: str) -> None:
    name = harness.deploy(f"import os\ndef handler(event, context):\n    {statement}\n")

    answer = harness.call(name)

    assert (answer.code, answer.status, answer.error["type"]) == (502, "function_error", "Sebsx.SandboxExited")
    assert answer.error["message"].startswith(words)


def test_sandbox_that_ends_while_loading_is_a_function_error(harness: Harness) -> None:
    answer = harness.call(harness.deploy("import os\nos._exit(7)\n"))

    assert (answer.code, answer.error["message"]) == (502, "exit code 7 while the function was loaded")


@pytest.mark.slow
def test_sandbox_that_ends_between_two_calls_costs_no_invocation(harness: Harness) -> None:
    name = harness.deploy("""
        import os, threading
        def handler(event, context):
            threading.Timer(0.05, os._exit, [0]).start()
    """)
    first = harness.call(name)

    eventually(lambda: first.sandbox not in harness.sandboxes(name))

    assert harness.call(name).code == 200


@pytest.mark.slow
def test_memory_error_counts_as_out_of_memory(harness: Harness) -> None:
    name = harness.deploy("def handler(event, context):\n    raise MemoryError\n")

    answer = harness.call(name)

    assert (answer.code, answer.status) == (507, "out_of_memory")
    assert harness.call(name).start == "cold"


@pytest.mark.slow
def test_output_larger_than_allowed_is_a_function_error(harness: Harness) -> None:
    name = harness.deploy("def handler(event, context):\n    return 'x' * event\n")

    fits, too_large = harness.call(name, 6 * MIB), harness.call(name, 7 * MIB)

    assert fits.code == 200
    assert (too_large.code, too_large.status, too_large.error["type"]) == (
        502, "function_error", "Sebsx.ResponseTooLarge",
    )  # fmt: skip
    assert harness.call(name, 1).start == "warm"


@pytest.mark.slow
def test_event_larger_than_allowed_is_refused(harness: Harness) -> None:
    name = harness.deploy("def handler(event, context):\n    return len(event)\n")

    fits = harness.call(name, raw=b'"' + b"x" * (6 * MIB - 2) + b'"')
    too_large = harness.call(name, raw=b'"' + b"x" * (6 * MIB - 1) + b'"')

    assert (fits.code, fits.json["output"]) == (200, 6 * MIB - 2)
    assert (too_large.code, too_large.status, too_large.error["type"]) == (
        413, "platform_error", "Sebsx.PayloadTooLarge",
    )  # fmt: skip


def test_event_that_is_not_json_is_malformed(harness: Harness) -> None:
    name = harness.deploy()

    answer = harness.call(name, raw=b"{nonsense")

    assert (answer.code, answer.status, answer.error["type"]) == (400, "platform_error", "Sebsx.EventNotJson")
    assert harness.call(name).start == "warm"


def test_unknown_deployment_is_not_found(harness: Harness) -> None:
    answer = harness.call("nobody")

    assert (answer.code, answer.status, answer.error["type"]) == (404, "platform_error", "Sebsx.NoSuchDeployment")


@pytest.mark.parametrize("request_id", ["", "with space", "x" * 129, "a/b"])
def test_request_id_that_cannot_be_used_is_malformed(harness: Harness, request_id: str) -> None:
    answer = harness.call(harness.deploy(), request_id=request_id)

    assert (answer.code, answer.status) == (400, "platform_error")


def test_bytes_that_are_no_http_are_malformed_and_the_gateway_lives(harness: Harness) -> None:
    with socket.create_connection(("127.0.0.1", harness.gateway.port), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01 this is TLS\r\n\r\n")
        head = connection.recv(4096)

    assert head.startswith(b"HTTP/1.1 400 ")
    assert harness.call(harness.deploy()).code == 200


def test_requests_on_one_connection_are_answered_in_order(harness: Harness) -> None:
    name = harness.deploy(ECHO)
    requests = b"".join(
        f"POST /invoke/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\n{number}".encode()
        for number in range(5)
    )
    with socket.create_connection(("127.0.0.1", harness.gateway.port), timeout=20) as connection:
        connection.sendall(requests)
        received = b""
        while received.count(b'"output":') < 5:
            received += connection.recv(65536)

    assert [part[:1] for part in received.split(b'"output":')[1:]] == [b"0", b"1", b"2", b"3", b"4"]


def test_client_that_asks_before_it_sends_a_large_body_is_told_to_go_on(harness: Harness) -> None:
    name = harness.deploy("def handler(event, context):\n    return len(event)\n")
    head = f"POST /invoke/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", harness.gateway.port), timeout=20) as connection:
        connection.sendall(head.encode())
        told = connection.recv(4096)
        connection.sendall(b'"12345"')
        answer = connection.recv(4096)

    assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.endswith(b'"output":5}')


@pytest.mark.slow
def test_client_that_hangs_up_leaves_a_record(harness: Harness) -> None:
    name = harness.deploy(SLOW)
    harness.call(name, {"sleep_s": 0})
    body = json.dumps({"sleep_s": 0.2}).encode()
    with socket.create_connection(("127.0.0.1", harness.gateway.port), timeout=20) as connection:
        connection.sendall(
            f"POST /invoke/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Sebsx-Request-Id: gone\r\n".encode()
            + f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )

    record = eventually(lambda: harness.gateway.records(name, ["gone"]).get("gone"))

    assert record["status"] == "ok"
    assert harness.call(name, {"sleep_s": 0}).code == 200


def test_record_holds_what_a_provider_would_report(harness: Harness) -> None:
    name = harness.deploy(SLOW)
    harness.call(name, {"sleep_s": 0.05}, request_id="cold")
    warm = harness.call(name, {"sleep_s": 0.05}, request_id="warm")

    records = harness.gateway.records(name, ["cold", "warm", "unknown"])

    assert set(records) == {"cold", "warm"}
    assert records["warm"]["init_s"] is None
    assert records["warm"]["sandbox"] == warm.sandbox
    assert records["warm"]["duration_s"] >= warm.json["sebsx"]["duration_s"] >= 0.05
    assert 0 <= records["warm"]["billed_s"] - records["warm"]["duration_s"] < 0.001 + 1e-9
    cold = records["cold"]
    assert cold["init_s"] > 0
    assert 0 <= cold["billed_s"] - (cold["duration_s"] + cold["init_s"]) < 0.001 + 1e-9
    if cgroups.may_limit():
        assert cold["max_memory_bytes"] > MIB
    else:
        assert cold["max_memory_bytes"] is None  # nobody counts all that a sandbox uses


def test_megabytes_of_output_neither_block_nor_fill_memory(harness: Harness) -> None:
    name = harness.deploy("""
        import sys
        def handler(event, context):
            for number in range(40):
                print('x' * 99_999)
            print('the end', file=sys.stderr)
            return 'printed'
    """)

    answer = harness.call(name)

    assert answer.json["output"] == "printed"
    log = eventually(lambda: [text for text in harness.gateway.logs(name).values() if "the end" in text])[0]
    assert len(log) == 64 * 1024
    assert log.endswith("x\nthe end\n")


@pytest.mark.slow
def test_child_that_left_the_session_dies_with_its_sandbox(harness: Harness) -> None:
    name = harness.deploy("""
        import os, time
        def handler(event, context):
            pid = os.fork()
            if pid == 0:
                os.setsid()
                time.sleep(600)
            return pid
    """)
    child = harness.call(name).json["output"]
    assert runs(child)

    harness.gateway.force_cold(name)

    assert eventually(lambda: not runs(child))


@pytest.mark.slow
def test_environment_of_the_caller_is_not_handed_to_functions(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = harness.deploy(
        "import os\ndef handler(event, context):\n    return dict(os.environ)\n", environment={"MINE": "yes"}
    )

    seen = harness.call(name).json["output"]

    assert seen["MINE"] == "yes"
    assert not {"PYTHONPATH", "USER", "VIRTUAL_ENV", "PYTEST_CURRENT_TEST"} & set(seen)
