from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from sebsx.model import Status
from tests.runtime.nodejs.conftest import Node
from tests.sandboxes.conftest import eventually

ECHO = "exports.handler = async (event) => event;"


# What the shim takes itself, wherever the kernel has it.
OWN = {"function.cpu_s", "function.runqueue_s"}


def handler(body: str) -> str:
    return f"exports.handler = async (event, context) => {{ {body} }};"


def test_output_comes_in_an_envelope_with_the_times_of_a_first_call(node: Node) -> None:
    before_s = time.time()
    reply, body = node.call(node.function(ECHO), {"grüße": ["\N{GRINNING FACE}", None, 1.5]})

    sebsx = body["sebsx"]
    assert body["output"] == {"grüße": ["\N{GRINNING FACE}", None, 1.5]}
    assert (sebsx["v"], sebsx["call"], sebsx["sandbox"]) == (1, 1, reply.headers["x-sebsx-sandbox"])
    assert before_s <= sebsx["started_s"] <= sebsx["finished_s"] <= time.time() + 0.002
    assert sebsx["finished_s"] - sebsx["started_s"] == pytest.approx(sebsx["duration_s"], abs=1e-5)
    assert 0.005 < sebsx["boot_s"] < 30  # no Node.js starts in less
    assert 0 < sebsx["import_s"] < 30
    assert sebsx["facts"]["nodejs"].partition(".")[0] == node.platform.target("nodejs", "x86_64").version
    assert sebsx["facts"]["cpu_count"] >= 1


def test_step_of_the_wall_clock_is_told_once(node: Node) -> None:
    set_clock = "const now = Date.now; exports.handler = async (by) => { if (by) Date.now = () => now() + by * 1000; };"
    function = node.function(set_clock)
    steps = [node.call(function, by)[1]["sebsx"].get("clock_step_s") for by in (0, 3600, 0, 0)]
    assert steps == [None, pytest.approx(3600, abs=0.01), None, None]


def test_later_calls_meet_the_same_sandbox_and_say_no_facts(node: Node) -> None:
    deployment = node.function(handler("global.calls = (global.calls || 0) + 1; return global.calls;"))

    bodies = [node.call(deployment)[1] for _ in range(3)]

    assert [body["output"] for body in bodies] == [1, 2, 3]
    assert [body["sebsx"]["call"] for body in bodies] == [1, 2, 3]
    assert not {"boot_s", "import_s", "facts"} & bodies[1]["sebsx"].keys()


def test_context_says_what_it_runs_with(node: Node) -> None:
    code = handler("return [context.memoryMib, context.timeoutS, context.remainingS(), context.requestId];")

    reply, body = node.call(node.function(code, memory_mib=200, timeout_s=20.0))

    memory_mib, timeout_s, remaining_s, request_id = body["output"]
    assert (memory_mib, timeout_s, request_id) == (200, 20.0, reply.request_id)
    assert 0 < remaining_s <= 20.0


def test_phases_time_what_they_are_given_and_return_it(node: Node) -> None:
    body = node.answer("""
        const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms, 'slept'));
        const spin = (ms) => { const end = performance.now() + ms; while (performance.now() < end); return 'spun'; };
        exports.handler = async (event, context) => {
          const found = [await context.phase('wait', () => later(30)), context.phase('spin', () => spin(10))];
          await context.phase('wait', () => later(30));
          await context.phase('fail', async () => { await later(10); throw new Error(); }).catch(() => {});
          return found;
        };
    """)

    samples = body["sebsx"]["samples"]
    assert body["output"] == ["slept", "spun"]
    assert 0.058 <= samples["phase.wait_s"] <= body["sebsx"]["duration_s"]  # timers may fire up to 1 ms early
    assert samples["phase.spin_s"] >= 0.01
    assert samples["phase.fail_s"] >= 0.009


def test_error_is_told_with_the_frames_of_the_user_only(node: Node) -> None:
    deployment = node.function(
        "class Odd extends Error {}\nexports.handler = async () => {\n  throw new Odd('no');\n};"
    )

    reply, body = node.call(deployment)

    error = body["error"]
    assert node.platform.status_of(reply) is Status.FUNCTION_ERROR
    assert (error["type"], error["message"]) == ("Odd", "no")
    assert "function.js:3" in error["traceback"]
    assert "sebsx_runtime" not in error["traceback"]
    assert "/" not in error["traceback"]
    assert node.call(deployment)[1]["sebsx"]["call"] == 2  # the sandbox goes on


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "error_type", "message"),
    [
        ("throw 'a word'", "string", "a word"),
        ("throw null", "object", "null"),
        ("throw { toString() { throw new Error(); } }", "object", "cannot be read"),
        ("return undefined.x", "TypeError", "undefined"),
        ("const f = () => f() + 1; f()", "RangeError", "call stack"),
        ("return 10n", "Sebsx.OutputNotJson", "BigInt"),
        ("const a = {}; a.a = a; return a", "Sebsx.OutputNotJson", "circular"),
        ("return { toJSON() { throw new Error('never'); } }", "Sebsx.OutputNotJson", "never"),
        ("return () => 1", "Sebsx.OutputNotJson", "function"),
    ],
)
def test_failure_is_data_and_the_sandbox_goes_on(node: Node, body: str, error_type: str, message: str) -> None:
    deployment = node.function(handler(f"if (event) return event; {body};"))

    reply, answer = node.call(deployment)

    assert node.platform.status_of(reply) is Status.FUNCTION_ERROR
    assert answer["error"]["type"] == error_type
    assert message in answer["error"]["message"]
    assert node.call(deployment, 7)[1]["output"] == 7
    assert node.call(deployment, 7)[1]["sebsx"]["call"] == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "error_type"),
    [
        ("Promise.reject(new RangeError('x')); await new Promise(() => {})", "RangeError"),
        ("Promise.reject(new RangeError('x')); return 1", "RangeError"),  # told in the same turn as the answer
        ("setTimeout(() => { throw new SyntaxError('x'); }, 1); await new Promise(() => {})", "SyntaxError"),
        ("process.exit(3)", "ProcessExit"),
        ("setTimeout(() => process.exit(), 1); await new Promise(() => {})", "ProcessExit"),
        ("try { process.exit(0); } catch { } await new Promise(() => {})", "ProcessExit"),
    ],
)
def test_error_that_nobody_caught_fails_its_call_and_ends_the_sandbox(node: Node, body: str, error_type: str) -> None:
    deployment = node.function(handler(f"if (event) return event; {body};"))
    node.call(deployment, 7)

    reply, answer = node.call(deployment)
    after, again = node.call(deployment, 7)

    assert node.platform.status_of(reply) is Status.FUNCTION_ERROR
    assert (answer["error"]["type"], answer["sebsx"]["call"]) == (error_type, 2)
    assert (again["output"], after.headers["x-sebsx-start"]) == (7, "cold")


@pytest.mark.slow
def test_error_between_two_calls_costs_no_call(node: Node) -> None:
    deployment = node.function(handler("setTimeout(() => Promise.reject(new Error('late')), 30); return 1;"))
    first, _ = node.call(deployment)
    sandbox = first.headers["x-sebsx-sandbox"]
    eventually(lambda: sandbox not in node.platform.gateway.state()[deployment.id])

    reply, body = node.call(deployment)

    assert (body["output"], reply.headers["x-sebsx-start"]) == (1, "cold")


def test_no_output_is_null(node: Node) -> None:
    assert node.answer(handler("")) | {"sebsx": None} == {"output": None, "sebsx": None}


@pytest.mark.parametrize(
    ("code", "error_type", "words"),
    [
        ("exports.handler = (", "SyntaxError", "function.js:1"),
        ("require('no-such-package');", "Error", "no-such-package"),
        ("exports.other = 1;", "Sebsx.HandlerNotFound", "exports no function 'handler'"),
        ("exports.handler = 1;", "Sebsx.HandlerNotFound", "exports no function 'handler'"),
        ("process.exit(0);", "ProcessExit", "process.exit(0)"),
        ("throw undefined;", "undefined", "undefined"),
    ],
)
def test_function_that_cannot_be_loaded_says_why(node: Node, code: str, error_type: str, words: str) -> None:
    reply, body = node.call(node.function(code))

    assert node.platform.status_of(reply) is Status.FUNCTION_ERROR
    assert (body["error"]["type"], body["sebsx"]["call"]) == (error_type, 0)
    assert words in body["error"]["message"] + body["error"]["traceback"]


def test_missing_file_is_named(node: Node) -> None:
    assert "there is no file function" in node.answer("", file="other.js")["error"]["message"]


@pytest.mark.parametrize(
    ("file", "files"), [("function.mjs", {}), ("function.js", {"package__json": '{"type": "module"}'})]
)
def test_es_modules_are_functions_too(node: Node, file: str, files: dict[str, str]) -> None:
    code = "import os from 'os';\nawait null;\nexport const handler = async (event) => typeof os.type() + event;"

    assert node.answer(code, "!", file=file, **files)["output"] == "string!"


@pytest.mark.slow
def test_large_events_and_outputs_pass_whole(node: Node) -> None:
    deployment = node.function(ECHO)
    event = {"text": "aä\N{GRINNING FACE}" * 150_000}

    assert [node.call(deployment, event)[1]["output"] == event for _ in range(2)] == [True, True]


def test_what_a_function_prints_is_no_answer(node: Node) -> None:
    body = node.answer(handler("console.log('HTTP/1.1 200 OK'); process.stdout.write('x'); return 1;"))

    assert body["output"] == 1


@pytest.mark.slow
def test_endless_loop_times_out_and_the_next_call_is_cold(node: Node) -> None:
    deployment = node.function(handler("if (event) return event; for (;;);"), timeout_s=0.5)

    assert node.call(deployment)[0].http_status == 504
    assert node.call(deployment, 1)[0].headers["x-sebsx-start"] == "cold"


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        "const kept = []; for (;;) kept.push(new Array(10000).fill(0.5));",  # V8's heap
        "const kept = []; for (;;) kept.push(Buffer.alloc(2 ** 20, 1));",  # memory outside of it
    ],
)
def test_want_of_memory_is_told_as_such(node: Node, body: str) -> None:
    reply, answer = node.call(node.function(handler(body), memory_mib=128))

    assert node.platform.status_of(reply) is Status.OUT_OF_MEMORY, answer


def test_buffer_that_cannot_be_had_is_want_of_memory(node: Node) -> None:
    reply, answer = node.call(node.function(handler("throw new RangeError('Array buffer allocation failed');")))

    assert answer["error"]["type"] == "MemoryError"
    assert node.platform.status_of(reply) is Status.OUT_OF_MEMORY


def test_collector_that_fails_is_absent_and_the_rest_counts(node: Node) -> None:
    collectors = {
        "broken": b"exports.begin = () => { throw new Error('begins never'); }; exports.end = () => ({});",
        "empty": b"",
        "good": b"exports.begin = () => 40;"
        b"exports.end = (state) => ({ 'good.a_1': state + 2, 'good.b_1': NaN, 'good.c_1': 1n });"
        b"exports.facts = () => ({ good: true });",
    }

    sebsx = node.answer(handler("return 1;"), collectors=collectors)["sebsx"]

    assert sebsx["samples"].keys() - OWN == {"good.a_1"}
    assert sebsx["samples"]["good.a_1"] == 42
    assert sebsx["facts"]["good"] is True
    assert sebsx["facts"]["collectors_absent"] == {"broken": "begins never", "empty": "it exports no begin and end"}


@pytest.mark.slow
def test_shim_tells_the_time_that_it_ran_and_that_it_waited_to_run(node: Node) -> None:
    code = """
        exports.handler = () => {
          const start = process.cpuUsage();
          while (process.cpuUsage(start).user < 50000);
        };
    """
    sebsx = node.answer(code, memory_mib=1769)["sebsx"]
    samples = sebsx["samples"]
    if not Path("/proc/self/schedstat").exists():
        pytest.skip("this kernel has no schedstat")
    assert samples["function.cpu_s"] >= 0.05
    assert samples["function.cpu_s"] < sebsx["duration_s"] + 0.5  # its own, and that of the threads of the runtime
    assert samples["function.runqueue_s"] >= 0.0
    asleep = node.answer(handler("await new Promise((done) => setTimeout(done, 200));"))["sebsx"]
    assert asleep["samples"]["function.cpu_s"] < 0.15  # it waited for a timer


@pytest.mark.slow
def test_process_collector_sees_time_and_memory_of_the_call(node: Node) -> None:
    body = node.answer(
        """
        exports.handler = () => {
          const start = process.cpuUsage();
          while (process.cpuUsage(start).user < 50000);
          return Buffer.alloc(50 * 2 ** 20, 1).length;
        };
    """,
        memory_mib=1769,
    )

    samples = body["sebsx"]["samples"]
    registered = {metric.name for metric in node_metrics()}
    assert samples.keys() - OWN == {name for name in registered if ".child_" not in name}  # absent, not zero
    assert 0.05 <= samples["process.cpu_user_s"] < 5
    assert samples["process.max_rss_bytes"] > 50 * 2**20


def node_metrics() -> Any:
    from sebsx_process.collector import ProcessCollector

    return ProcessCollector.metrics


def test_event_that_is_no_json_is_refused(node: Node) -> None:
    import http.client

    deployment = node.function(ECHO)
    address, _, path = (deployment.endpoint or "").removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("POST", f"/{path}", b'{"a": ')
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()

    assert (response.status, body["error"]["type"]) == (400, "Sebsx.EventNotJson")
    assert node.call(deployment, 1)[1]["output"] == 1
