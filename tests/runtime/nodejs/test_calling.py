"""Handlers answer as they do on AWS's runtime of this version of Node.js."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from sebsx_nodejs.language import NodejsLanguage
from tests.runtime.nodejs.conftest import Node

VERSION = int((NodejsLanguage().host_version() or "0").partition(".")[0])
with_callbacks = pytest.mark.skipif(VERSION > 22, reason="callbacks are refused from Node.js 24 on")


def handler(body: str) -> str:
    return f"exports.handler = (event, context, callback) => {{ {body} }};"


@with_callbacks
@pytest.mark.parametrize(
    ("body", "output", "least_s"),
    [
        ("setTimeout(() => callback(null, { x: 1 }), 50);", {"x": 1}, 0.045),
        ("callback(null, 5);", 5, 0.0),
        ("callback(undefined, 5); callback(null, 6);", 5, 0.0),
        ("setTimeout(() => {}, 60); callback(null, 'waits for an empty loop');", "waits for an empty loop", 0.055),
        ("context.callbackWaitsForEmptyEventLoop = false; setTimeout(() => {}, 5000); callback(null, 1);", 1, 0.0),
        ("setTimeout(() => context.succeed('ok'), 20); return 'ignored';", "ok", 0.015),
        ("context.done(null, 7);", 7, 0.0),
        ("", None, 0.0),
        ("setTimeout(() => {}, 60);", None, 0.055),
        ("return 'not by a promise';", None, 0.0),
        ("return require('stream').Readable.from(['a']);", None, 0.0),
        ("return Promise.resolve('by a promise');", "by a promise", 0.0),
        ("return { then: (resolve) => resolve('by a thenable') };", "by a thenable", 0.0),
    ],
)
def test_answer_comes_as_the_handler_gives_it(node: Node, body: str, output: Any, least_s: float) -> None:
    answer = node.answer(handler(body))
    assert answer.get("error") is None
    assert answer["output"] == output
    assert least_s <= answer["sebsx"]["duration_s"] < 4.0


@with_callbacks
@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("callback(new TypeError('no'));", "TypeError", "no"),
        ("callback('a word');", "string", "a word"),
        ("context.fail(new RangeError('far'));", "RangeError", "far"),
        ("context.fail();", "string", "handled"),
        ("throw new SyntaxError('at once');", "SyntaxError", "at once"),
        ("return new Promise(() => {});", None, ""),
    ],
)
def test_error_comes_as_the_handler_gives_it(node: Node, body: str, kind: str | None, message: str) -> None:
    answer = node.answer(handler(body))
    if kind is None:  # AWS answers null where a handler that is not `async` leaves nothing to do
        assert answer["output"] is None
    else:
        assert (answer["error"]["type"], answer["error"]["message"]) == (kind, message)


def test_function_need_not_be_async(node: Node) -> None:
    """What it returns is its answer from Node.js 24 on, and ignored before."""
    output = node.answer("exports.handler = (event) => event + 1;", 1)["output"]
    assert output == (None if VERSION <= 22 else 2)


def test_async_handler_that_leaves_nothing_to_do_fails_at_once(node: Node) -> None:
    answer = node.answer("exports.handler = async () => { await new Promise(() => {}); };", timeout_s=20.0)
    assert answer["error"]["type"] == "Runtime.NodeJsExit"


@with_callbacks
def test_one_call_does_not_change_the_next(node: Node) -> None:
    code = handler("""
        if (event === 'late') { callback(null, 'first'); callback(null, 'second'); }
        else if (event === 'nothing') return;
        else setTimeout(() => callback(null, event), 20);
    """)
    deployment = node.function(code)
    answers = [node.call(deployment, event)[1] for event in ("late", 1, "nothing", 2, "late", 3)]
    assert [answer["output"] for answer in answers] == ["first", 1, None, 2, "first", 3]
    assert [answer["sebsx"]["call"] for answer in answers] == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_what_is_thrown_after_the_answer_ends_the_sandbox_and_no_other_call(node: Node) -> None:
    code = "exports.handler = async (event) => { if (event) setTimeout(() => { throw new Error('late'); }, 30); };"
    deployment = node.function(code)
    assert node.call(deployment, True)[1]["sebsx"]["call"] == 1
    time.sleep(0.3)
    after = node.call(deployment, None)[1]
    assert (after["sebsx"]["call"], after.get("error")) == (1, None)


def test_context_has_the_names_of_awss_own(node: Node) -> None:
    names = ["awsRequestId", "functionName", "functionVersion", "memoryLimitInMB", "logGroupName", "invokedFunctionArn"]
    code = f"""exports.handler = async (event, context) =>
        [{", ".join(f"context.{name}" for name in names)}, context.getRemainingTimeInMillis()];"""
    reply, body = node.call(node.function(code, memory_mib=200, timeout_s=20.0))
    request_id, name, version, memory, group, arn, left_ms = body["output"]
    assert (request_id, version, memory) == (reply.request_id, "$LATEST", "200")
    assert group == f"/aws/lambda/{name}"
    assert arn.split(":")[-1] == name
    assert 0 < left_ms <= 20_000


@pytest.mark.parametrize(("parameters", "refused"), [("event, context", False), ("event, context, callback", True)])
def test_callbacks_are_refused_by_the_versions_whose_runtime_refuses_them(
    tmp_path: Path, parameters: str, refused: bool
) -> None:
    for name, source in NodejsLanguage().runtime_files().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(source)
    (tmp_path / "function.js").write_text(f"exports.handler = ({parameters}) => event;")
    (tmp_path / "sebsx.json").write_text('{"handler": "function.handler"}')
    script = """
        Object.defineProperty(process.versions, 'node', { value: '24.1.0' });
        const { Shim } = require(`${process.argv[1]}/sebsx_runtime/shim.cjs`);
        const shim = new Shim(process.argv[1]);
        shim.load().then(() => shim.invoke(5, 'x'), (error) => error.answer).then((answer) => console.log(answer.text));
    """
    done = subprocess.run(["node", "-e", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert ("Runtime.CallbackHandlerDeprecated" in done.stdout) is refused
    assert ('"output":5' in done.stdout) is not refused
