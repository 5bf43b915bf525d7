"""Faults that users of such tools met in public, from one end to the other: the run goes on, and its rows are true."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from sebsx.errors import EXIT_USAGE
from tests.sending.test_sent_once import Step, Unruly
from tests.support import Call, Cli, Write

CALLS = 10


def statuses(sebsx: Cli) -> list[str]:
    return [status for (status,) in sebsx.rows("SELECT status FROM invocations ORDER BY sequence")]


@pytest.mark.parametrize("then", ["close", "reset"])
def test_function_that_dies_at_every_second_call_ran_as_often_as_there_are_rows(
    sebsx: Cli, call: Call, then: str
) -> None:
    dies = [Step(), Step(answer=b"", then=then, wait_s=0.01)]
    with Unruly(*[dies] * 3 * CALLS) as server:
        words = ("--repetitions", str(CALLS // 2), "--max-failures", "100")
        call("run", "function", server.url, *words)
    found = statuses(sebsx)
    assert sum(server.received.values()) == len(found) >= CALLS - 1
    assert set(server.received.values()) == {1}
    assert abs(found.count("ok") - found.count("platform_error")) <= 1
    assert set(found) == {"ok", "platform_error"}


@contextmanager
def resetting() -> Iterator[str]:
    """Yield the address of a server that dies while a large request is on its way."""

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.recv(65536)
            client.close()  # unread bytes: the kernel sends a reset

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def test_reset_in_the_middle_of_a_large_request_is_a_stored_failure(sebsx: Cli, call: Call) -> None:
    (sebsx.home / "large.json").write_text(f'"{"x" * 4_000_000}"')
    with resetting() as url:
        said = call("run", "function", url, "--payload", "large.json", "--max-failures", "3")
    assert said.code != 0
    assert said.error
    found = statuses(sebsx)
    assert len(found) >= 3
    assert set(found) == {"platform_error"}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_handler_that_answers_by_its_callback_takes_the_time_it_takes(sebsx: Cli, call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "callback"
    (folder / "nodejs").mkdir(parents=True)
    (folder / "benchmark.toml").write_text(
        'name = "callback"\nversion = "1"\nsummary = "s"\n[languages.nodejs]\nhandler = "function.handler"\n'
    )
    (folder / "nodejs" / "function.js").write_text(
        "exports.handler = (event, context, callback) => { setTimeout(() => callback(null, { x: 1 }), 50); };"
    )
    said = call("run", "benchmark", str(folder), "--language", "nodejs", "--repetitions", "3", "--start", "warm")
    measured = sebsx.rows("SELECT status, function_duration_s FROM invocations WHERE kind = 'measured'")
    if said.code == 0:
        assert len(measured) == 3
        assert all(status == "ok" and duration_s >= 0.05 for status, duration_s in measured)
    else:  # where AWS's runtime of that version refuses callbacks, so do we
        assert "callback" in said.error
        assert all(status == "function_error" for status, _ in measured)


@pytest.mark.parametrize("target", ["/etc/passwd", "/etc/ssl"], ids=["file", "folder"])
def test_link_that_leaves_the_folder_is_refused_by_name(call: Call, write_function: Write, target: str) -> None:
    folder = write_function("linked", "def handler(event, context):\n    return {}\n")
    (folder / "python" / "way-out").symlink_to(target)
    call("run", "benchmark", str(folder), "--repetitions", "1").assert_fails(EXIT_USAGE, "way-out")
