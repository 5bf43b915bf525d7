"""One sandbox as the gateway sees it: its Runtime API, the invocation in its hands, and its end."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from dataclasses import replace
from enum import Enum
from time import perf_counter
from typing import TYPE_CHECKING

from sebsx.model import StartType, Status
from sebsx.sandboxes.alarm import Alarm
from sebsx.sandboxes.http import HttpProtocol, Request
from sebsx.sandboxes.journal import Log, Record

if TYPE_CHECKING:
    from sebsx.sandboxes.launcher import Sandbox
    from sebsx.sandboxes.pool import Pool

logger = logging.getLogger(__name__)

_RUNTIME = b"/2018-06-01/runtime/"
_NEXT = _RUNTIME + b"invocation/next"
_INIT_ERROR = _RUNTIME + b"init/error"
_LOADED = _RUNTIME + b"init/loaded"  # ours: see `Worker._take_loaded`
_INVOCATION = _RUNTIME + b"invocation/"
_ERROR_TYPE = b"lambda-runtime-function-error-type"
# A runtime client needs one or two; a function has no more to hold bodies in.
_CONNECTIONS = 4
# Of what a sandbox printed before it died.
_LAST_LINES, _LAST_CHARACTERS = 5, 500

HTTP_CODES = {
    Status.OK: 200,
    Status.FUNCTION_ERROR: 502,
    Status.TIMEOUT: 504,
    Status.OUT_OF_MEMORY: 507,
    Status.THROTTLED: 429,
    Status.PLATFORM_ERROR: 500,
}


def error_body(error_type: str, message: str) -> bytes:
    """Return an envelope for a failure that the function could not report itself."""
    return json.dumps({"error": {"type": error_type, "message": message, "traceback": ""}}).encode()


class PlacedCall:
    """One invocation on its way through the gateway."""

    __slots__ = ("body", "client", "request_id", "start", "started")

    def __init__(self, request_id: str, body: bytes, client: HttpProtocol) -> None:
        self.request_id = request_id
        self.body = body
        self.client = client
        self.start = StartType.COLD
        self.started: float | None = None  # perf_counter at which the event was handed over


class State(Enum):
    """What a worker is doing."""

    STARTING = 1
    IDLE = 2
    BUSY = 3
    ENDING = 4


class Worker:
    """A sandbox and the Runtime API that only it is given.

    Args:
        pool: The deployment's pool.
        call: The invocation for which it is started.
        sandbox_id: What its sandbox is called.
    """

    def __init__(self, pool: Pool, call: PlacedCall, sandbox_id: str) -> None:
        self.id = sandbox_id
        self.state = State.STARTING
        self.retired = False
        self.expires = 0.0
        self.log = Log()
        self._pool = pool
        self._config = pool.config
        self._spec = pool.spec(sandbox_id)  # as it was prepared, whatever the pool is told meanwhile
        self._call: PlacedCall | None = call
        call.start = StartType.COLD  # it may have been given to a warm one before, which went away
        self._waiting: HttpProtocol | None = None  # the sandbox's open question for the next event
        self._connections: set[HttpProtocol] = set()
        self._loaded: HttpProtocol | None = None  # the sandbox's word that it has loaded, until the limits are in force
        self._limited = False
        self._sandbox: Sandbox | None = None
        self._init_s: float | None = None
        self._launched = perf_counter()
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._timed_out)
        self._alarm.set(self._config.init_timeout_s)
        self.task = self._loop.create_task(self._run())

    def assign(self, call: PlacedCall) -> None:
        """Give an invocation to an idle sandbox."""
        self.state = State.BUSY
        self._call = call
        call.start = StartType.WARM
        self._alarm.set(self._config.timeout_s)
        if self._waiting is not None:
            self._dispatch(call)

    def end(self) -> None:
        """Kill the sandbox; an invocation in its hands is answered when it is gone. Harmless twice."""
        self.state = State.ENDING
        self._alarm.end()
        self._pool.forget(self)
        if self._sandbox is not None:
            self._sandbox.kill()

    def retire(self) -> None:
        """Take no further invocation; end now, or after the one in hand."""
        self.retired = True
        if self.state is State.IDLE:
            self.end()

    async def _run(self) -> None:
        """Live the sandbox's life, from launch until all it held is released."""
        server = None
        try:
            listener = self._pool.launcher.listen()
            host, port = listener.getsockname()[:2]
            server = await self._loop.create_server(self._protocol, sock=listener)
            environment = {**self._config.environment, **self._environment(f"{host}:{port}")}
            self._launched = perf_counter()
            sandbox = await self._pool.launcher.launch(replace(self._spec, environment=environment), self.log.write)
        except OSError as exc:
            logger.exception("sandbox of %r cannot be started", self._config.name)
            self._finish(Status.PLATFORM_ERROR, error_body("Sebsx.LaunchFailed", f"no sandbox can be started: {exc}"))
            await self._pool.launcher.unpark(self.id)  # else what was prepared for it would stay
        else:
            self._sandbox = sandbox
            if self.state is State.ENDING:  # ended while it was being launched
                sandbox.kill()
            elif self._init_s is not None or self._loaded is not None:  # it was faster than its launcher
                self._limit(sandbox)
            self._exited(await sandbox.wait())
            await sandbox.close()
        finally:
            self.end()
            # Only left where the launcher failed in a way that it should not have; asyncio logs that.
            self._finish(Status.PLATFORM_ERROR, error_body("Sebsx.GatewayFault", "the launcher failed; see its log"))
            if server is not None:
                server.close()

    def _environment(self, address: str) -> dict[str, str]:
        config = self._config
        ours = {
            "AWS_LAMBDA_RUNTIME_API": address,
            "AWS_LAMBDA_FUNCTION_NAME": config.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory_mib),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{config.name}",
            "SEBSX_FUNCTION_ARN": f"arn:aws:lambda:local:000000000000:function:{config.name}",
            "SEBSX_MEMORY_MIB": str(config.memory_mib),
            "SEBSX_TIMEOUT_S": repr(config.timeout_s),
            "SEBSX_SANDBOX_ID": self.id,
            "SEBSX_LIMITS_ONCE_LOADED": "1",
        }
        told = {name: value for name, value in config.environment.items() if name.startswith("AWS_LAMBDA_FUNCTION_")}
        return {**ours, **told}  # whoever emulates a provider says which version of a function this is

    def _protocol(self) -> HttpProtocol:
        """Return a connection of the sandbox, one that closes at once where there are too many."""
        protocol = HttpProtocol(self._handle, self._pool.response_bytes, self._lost)
        if len(self._connections) >= _CONNECTIONS:
            protocol.refuse()
        else:
            self._connections.add(protocol)
        return protocol

    def _lost(self, protocol: HttpProtocol) -> None:
        self._connections.discard(protocol)

    def _handle(self, request: Request, protocol: HttpProtocol) -> None:
        """Serve the Runtime API."""
        path = request.path
        if path == _NEXT:
            self._ask_next(protocol)
        elif path == _LOADED:
            self._take_loaded(protocol)
        elif path == _INIT_ERROR:
            protocol.respond(202, b"{}")
            self._finish(_status_of_error(request), request.body)
            self.end()
        elif path.startswith(_INVOCATION):
            self._take_answer(request, protocol)
        else:
            protocol.respond(404, b"{}")

    def _ask_next(self, protocol: HttpProtocol) -> None:
        if self._waiting is not None or (self._call is not None and self._call.started is not None):
            protocol.respond(403, b'{"errorType":"InvalidStateTransition"}')
            return
        self._waiting = protocol
        if self.state is State.STARTING:
            self._init_s = perf_counter() - self._launched
            self._alarm.set(self._config.timeout_s)
            self.state = State.BUSY
            if self._sandbox is not None:
                self._limit(self._sandbox)
        elif self._call is not None:
            self._dispatch(self._call)

    def _take_loaded(self, protocol: HttpProtocol) -> None:
        """Put the limits in force before the first event is asked for, and answer with what they give too much.

        Runtimes need not ask: without it the limits come into force with the question for the first event.
        """
        if self.state is not State.STARTING or self._loaded is not None or self._limited:
            protocol.respond(403, b'{"errorType":"InvalidStateTransition"}')
            return
        self._loaded = protocol
        if self._sandbox is not None:
            self._limit(self._sandbox)

    def _limit(self, sandbox: Sandbox) -> None:
        """Put the limits in force that are meant for invocations; hand the first event over as soon as they are."""
        in_force = None if self._limited else sandbox.initialised()
        self._limited = True
        if in_force is None:
            self._in_force()
        else:
            in_force.add_done_callback(self._in_force)

    def _in_force(self, _in_force: asyncio.Future[None] | None = None) -> None:
        if self._loaded is not None and self._sandbox is not None:
            loaded, self._loaded = self._loaded, None
            unearned = self._sandbox.unearned
            loaded.respond(202, b"{}", unearned.headers if unearned else "")
        if self._call is not None and self._waiting is not None and self.state is State.BUSY:
            self._dispatch(self._call)

    def _dispatch(self, call: PlacedCall) -> None:
        protocol, self._waiting = self._waiting, None
        assert protocol is not None
        deadline_ms = int((time.time() + self._config.timeout_s) * 1000)
        call.started = perf_counter()
        protocol.respond(
            200,
            call.body,
            f"Lambda-Runtime-Aws-Request-Id: {call.request_id}\r\nLambda-Runtime-Deadline-Ms: {deadline_ms}\r\n",
        )

    def _take_answer(self, request: Request, protocol: HttpProtocol) -> None:
        call = self._call
        request_id, _, kind = request.path[len(_INVOCATION) :].decode("latin-1").partition("/")
        if call is None or call.request_id != request_id or kind not in ("response", "error"):
            protocol.respond(400, b'{"errorType":"InvalidRequestID"}')
            return
        status, body = Status.OK, request.body
        if request.too_large:
            limit = self._pool.response_bytes
            status, body = Status.FUNCTION_ERROR, error_body("Sebsx.ResponseTooLarge", f"more than {limit} bytes")
        elif kind == "error":
            status = _status_of_error(request)
        self._alarm.stop()
        protocol.respond(413 if request.too_large else 202, b"{}")
        malformed = request.headers.get(_ERROR_TYPE) == b"Sebsx.EventNotJson"
        self._finish(status, body, 400 if malformed else None)
        if self.retired or status is Status.OUT_OF_MEMORY:
            self.end()
        else:
            self.state = State.IDLE
            self._pool.became_idle(self)

    def _exited(self, how: str) -> None:
        """Answer the invocation that the sandbox took with it."""
        call = self._call
        if call is None:
            return
        assert self._sandbox is not None
        if self._sandbox.is_out_of_memory():
            body = error_body("Sebsx.OutOfMemory", f"killed for memory at {self._config.memory_mib} MiB")
            self._finish(Status.OUT_OF_MEMORY, body)
        elif call.started is None and call.start is StartType.WARM and self.state is not State.ENDING:
            self._call = None
            self._pool.forget(self)  # its place is free for the next
            self._pool.submit(call)  # it never reached the function, which went away between two calls
        else:
            when = "while the function was loaded" if self._init_s is None else "during the invocation"
            self._finish(Status.FUNCTION_ERROR, error_body("Sebsx.SandboxExited", f"{how} {when}{self._last_words()}"))

    def _last_words(self) -> str:
        """Return what the sandbox printed last, as part of a message; empty where it printed nothing."""
        lines = [line.strip() for line in self.log.text().splitlines() if line.strip()]
        words = " | ".join(lines[-_LAST_LINES:])[-_LAST_CHARACTERS:]
        return f"; it said last: {words}" if words else ""

    def _timed_out(self) -> None:
        if self.state is State.STARTING:
            body = error_body("Sebsx.InitTimeout", f"not loaded after {self._config.init_timeout_s:g} s")
        else:
            body = error_body("Sebsx.Timeout", f"ended after {self._config.timeout_s:g} s")
        self._finish(Status.TIMEOUT, body)
        self.end()

    def _finish(self, status: Status, body: bytes, code: int | None = None) -> None:
        """Record the invocation in hand and answer its client."""
        call, self._call = self._call, None
        if call is None:
            return
        if code is not None:
            status = Status.PLATFORM_ERROR
        self._pool.records.add(
            call.request_id,
            Record(
                status=status.value,
                start=call.start.value,
                sandbox=self.id,
                duration_s=None if call.started is None else perf_counter() - call.started,
                init_s=self._init_s_of(call),
                max_memory_bytes=None if self._sandbox is None else self._sandbox.max_memory_bytes(),
            ),
        )
        headers = (
            f"X-Sebsx-Status: {status.value}\r\nX-Sebsx-Sandbox: {self.id}\r\nX-Sebsx-Start: {call.start.value}\r\n"
        )
        call.client.respond(code or HTTP_CODES[status], body, headers)

    def _init_s_of(self, call: PlacedCall) -> float | None:
        """Return how long the initialisation took that a call caused, also where it failed."""
        if call.start is not StartType.COLD:
            return None
        if self._init_s is None and self._sandbox is not None:
            return perf_counter() - self._launched
        return self._init_s


def _status_of_error(request: Request) -> Status:
    out_of_memory = request.headers.get(_ERROR_TYPE) == b"MemoryError"
    return Status.OUT_OF_MEMORY if out_of_memory else Status.FUNCTION_ERROR
