"""The gateway process: one port for invocations and control, and the pools behind it."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import importlib
import json
import logging
import os
import re
import signal
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sebsx.errors import DeployError
from sebsx.sandboxes.http import HttpProtocol, Request
from sebsx.sandboxes.pool import Pool, PoolConfig
from sebsx.sandboxes.worker import PlacedCall, error_body
from sebsx.system.processes import owner_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.sandboxes.launcher import Launcher

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
ENVELOPE_BYTES = 64 * 1024  # what our envelope may add to the output of a function
_PLATFORM_ERROR = "X-Sebsx-Status: platform_error\r\n"
_INVOKE = b"/invoke/"
_CONTROL = b"/control/"
_OUR_NAMES = frozenset({b"127.0.0.1", b"localhost"})
_OUR_ENDING = b".localhost"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """What the gateway process is told on its standard input.

    Args:
        launcher: `module:Class` of the launcher.
        options: The platform's settings for it.
        token: Needed for control.
        port: Port for invocations and control; 0 for any.
        payload_bytes: Largest event.
        response_bytes: Largest output.
    """

    launcher: str
    options: Mapping[str, Any]
    token: str
    port: int = 0
    payload_bytes: int = 6 * 1024 * 1024
    response_bytes: int = 6 * 1024 * 1024


class Server:
    """Routes requests to pools, and control to its methods.

    Args:
        config: See `ServerConfig`.
        launcher: Makes sandboxes; opened by the caller.
    """

    def __init__(self, config: ServerConfig, launcher: Launcher) -> None:
        self._config = config
        self._launcher = launcher
        self._token = config.token.encode()
        self._pools: dict[bytes, Pool] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> int:
        """Listen and return the port.

        Raises:
            OSError: If the port is taken.
        """
        listener = socket.create_server((HOST, self._config.port), backlog=1024)
        self._server = await asyncio.get_running_loop().create_server(self._protocol, sock=listener)
        return int(listener.getsockname()[1])

    async def close(self) -> None:
        """Stop listening and end every sandbox."""
        if self._server is not None:
            self._server.close()
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))

    def _protocol(self) -> HttpProtocol:
        return HttpProtocol(self._handle, self._config.payload_bytes)

    def _handle(self, request: Request, protocol: HttpProtocol) -> None:
        path = request.path
        if b"origin" in request.headers or not self._is_us(request.headers.get(b"host")):
            _refuse(protocol, 403, "Sebsx.Foreign", "this gateway answers programs on this machine, by its own name")
        elif path.startswith(_INVOKE):
            self._invoke(path[len(_INVOKE) :], request, protocol)
        elif path.startswith(_CONTROL):
            task = asyncio.get_running_loop().create_task(self._control(path[len(_CONTROL) :], request, protocol))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            _refuse(protocol, 404, "Sebsx.NoSuchPath", "POST /invoke/DEPLOYMENT is the only path here")

    def _is_us(self, host: bytes | None) -> bool:
        """Tell whether a request means this machine: a browser on a foreign page would name another, or its origin."""
        if host is None:
            return True
        name = host.partition(b":")[0]
        return name in _OUR_NAMES or name.endswith(_OUR_ENDING)  # RFC 6761: no name server answers for these

    def _invoke(self, name: bytes, request: Request, protocol: HttpProtocol) -> None:
        pool = self._pools.get(name)
        request_id = request.headers.get(b"x-sebsx-request-id")
        if pool is None:
            _refuse(protocol, 404, "Sebsx.NoSuchDeployment", f"no deployment is called {name.decode('latin-1')!r}")
        elif request.method != b"POST":
            _refuse(protocol, 400, "Sebsx.Malformed", "invocations are sent by POST")
        elif request.too_large:
            limit = self._config.payload_bytes
            _refuse(protocol, 413, "Sebsx.PayloadTooLarge", f"the event is larger than {limit} bytes")
        elif request_id is not None and not _REQUEST_ID.fullmatch(request_id):
            _refuse(protocol, 400, "Sebsx.Malformed", "X-Sebsx-Request-Id is not 1 to 128 letters, digits, . _ : or -")
        else:
            word = request_id.decode("ascii") if request_id is not None else uuid4().hex
            pool.submit(PlacedCall(word, request.body, protocol))

    async def _control(self, action: bytes, request: Request, protocol: HttpProtocol) -> None:
        if not hmac.compare_digest(request.headers.get(b"x-sebsx-token", b""), self._token):
            protocol.respond(403, b'{"error":"the token is wrong"}')
            return
        try:
            method = getattr(self, f"_do_{action.decode('ascii')}", None)
            if method is None:
                protocol.respond(404, b'{"error":"no such action"}')
                return
            answer = await method(**json.loads(request.body or b"{}"))
        except Exception as exc:  # the client is told, and the gateway goes on serving other deployments
            logger.exception("control %r failed", action)
            protocol.respond(500, json.dumps({"error": f"{type(exc).__name__}: {exc}"}).encode())
        else:
            protocol.respond(200, json.dumps(answer).encode())

    async def _do_deploy(self, **config: Any) -> dict[str, Any]:
        wanted = PoolConfig(**config)
        pool = self._pools.get(wanted.name.encode())
        if pool is None:
            self._pools[wanted.name.encode()] = Pool(
                wanted, self._launcher, self._config.response_bytes + ENVELOPE_BYTES
            )
        else:
            pool.update(wanted)
        return {"limits": self._launcher.limits(wanted.memory_mib, wanted.cpus)}

    async def _do_remove(self, name: str) -> dict[str, Any]:
        pool = self._pools.pop(name.encode(), None)
        if pool is not None:
            await pool.close()
        return {"removed": pool is not None}

    async def _do_force_cold(self, name: str) -> dict[str, Any]:
        await self._pools[name.encode()].force_cold()
        return {}

    async def _do_records(self, name: str, request_ids: list[str]) -> dict[str, Any]:
        return self._pools[name.encode()].records.get(request_ids)

    async def _do_logs(self, name: str) -> dict[str, str]:
        return self._pools[name.encode()].logs()

    async def _do_log(self, name: str, sandbox: str) -> dict[str, str]:
        return {"text": self._pools[name.encode()].logs().get(sandbox, "")}

    async def _do_state(self) -> dict[str, Any]:
        return {name.decode(): pool.state() for name, pool in self._pools.items()}


def _refuse(protocol: HttpProtocol, code: int, error_type: str, message: str) -> None:
    protocol.respond(code, error_body(error_type, message), _PLATFORM_ERROR)


async def serve(config: ServerConfig) -> None:
    """Run until standard input ends or SIGTERM comes; tell the port, or the error, on standard output."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_reader(sys.stdin.fileno(), _read_stdin, stop)
    module, _, name = config.launcher.partition(":")
    owner = owner_of(os.getpid())
    assert owner is not None
    launcher: Launcher = getattr(importlib.import_module(module), name)(config.options, owner)
    server = Server(config, launcher)
    try:
        try:
            await launcher.open()
            port = await server.open()
        except (DeployError, OSError) as exc:
            _tell({"error": str(exc)})
            return
        _tell({"port": port, "pid": os.getpid(), "owner": owner})
        await stop.wait()
    finally:
        await server.close()
        await launcher.close()


def _read_stdin(stop: asyncio.Event) -> None:
    """The other end never writes again; what can be read is its end."""
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


def _tell(answer: Mapping[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), json.dumps(answer).encode() + b"\n")
