"""The client of a polling sandbox: a process of its own, which no other thread keeps from asking."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED_MEMORY, LOOPBACK = "shared-memory", "loopback"
WAYS = (SHARED_MEMORY, LOOPBACK)
FOLDER = Path(__file__).parent / "shipped"
_HEAD_BYTES = 64
_CLIENT = FOLDER / "python" / "slot.py"


@dataclass(slots=True, kw_only=True)
class PollingClient:
    """A client that waits for a sandbox.

    Args:
        event: What the sandbox is to be called with.
        process: The client.
    """

    event: dict[str, Any]
    process: subprocess.Popen[str]

    def times_s(self) -> list[float]:
        """Return how long each exchange took; waits until all are made.

        Raises:
            PlatformError: If the sandbox did not come, or changed a payload.
        """
        out, err = self.process.communicate()
        if self.process.returncode:
            said = err.strip().splitlines()
            raise PlatformError(f"exchanges with a polling sandbox: {said[-1] if said else 'the client ended'}")
        times: list[float] = json.loads(out)
        return times


@contextmanager
def client(way: str, payload_bytes: int, exchanges: int, warmups: int, timeout_s: float) -> Iterator[PollingClient]:
    """Start a client that exchanges payloads with the sandbox that is called with its event.

    Args:
        way: `shared-memory` or `loopback`.
        payload_bytes: Size of each, there and back.
        exchanges: How many count.
        warmups: How many come before and do not.
        timeout_s: Time within which all must be done.
    """
    how = {
        "do": "poll", "way": way, "bytes": payload_bytes, "payload_bytes": payload_bytes, "warmups": warmups,
        "exchanges": exchanges + warmups, "timeout_s": timeout_s, "parent": os.getpid(),
    }  # fmt: skip
    with ExitStack() as stack:
        passed: tuple[int, ...] = ()
        if way == SHARED_MEMORY:
            how["path"] = stack.enter_context(_memory(_HEAD_BYTES + 2 * payload_bytes))
        else:
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            listener.listen(1)
            how |= {"port": listener.getsockname()[1], "listener": listener.fileno()}
            passed = (listener.fileno(),)
        process = subprocess.Popen(
            [sys.executable, "-I", str(_CLIENT), json.dumps(how)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, pass_fds=passed,
        )  # fmt: skip
        try:
            yield PollingClient(event=how, process=process)
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


@contextmanager
def _memory(size: int) -> Iterator[str]:
    """Yield the path of so many bytes that two processes can map; on Linux, `kill -9` leaves nothing of them."""
    if not hasattr(os, "memfd_create"):  # not Linux
        with tempfile.NamedTemporaryFile(prefix="sebsx-") as file:
            file.truncate(size)
            yield file.name
        return
    descriptor = os.memfd_create("sebsx-hot-start")
    try:
        os.truncate(descriptor, size)
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)
