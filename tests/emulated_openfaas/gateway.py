"""The gateway: functions, secrets, calls, queued calls, logs; replicas behind it."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import os
import re
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

from tests import official
from tests.emulated_openfaas import containers
from tests.emulated_openfaas.watchdog import Watchdog
from tests.laws import Law

CONTRACT = "openfaas.openapi.yml"
NAMESPACE = "openfaas-fn"
_CLAMPED = 5  # most replicas, whatever is asked for
_CALLS = re.compile(r"/(?P<way>function|async-function)/(?P<name>[a-z0-9-]+)(?:\.[a-z0-9-]+)?(?P<rest>[/?].*)?")
# What a real gateway answers though the contract does not name it.
_BEYOND = {("POST", "/system/functions", 200), ("PUT", "/system/functions", 202), ("POST", "/system/secrets", 200)}


class Seen(NamedTuple):
    """A request that came."""

    method: str
    path: str
    body: Any


@dataclass
class Fault:
    """What some requests get instead of their answer; a status of 0 breaks the connection.

    One that is late is carried out before.
    """

    method: str
    path: str
    status: int
    text: str = "as the test wants it"
    times: int = 1
    is_late: bool = False
    given: int = 0


@dataclass
class Function:
    """A function as it was sent, and its replicas."""

    document: dict[str, Any]
    replicas: list[Replica] = field(default_factory=list)
    invocations: int = 0
    in_flight: int = 0
    idle_since_s: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Replica(NamedTuple):
    """One replica and its name."""

    name: str
    watchdog: Watchdog | containers.ContainerReplica


@dataclass
class EmulatedOpenFaas:
    """A gateway and its provider, in one.

    Args:
        folder: Where secrets are.
        port: On 127.0.0.1; 0 for any.
        with_engine: Whether images are pulled and run by the Docker engine of this machine.

    Attributes:
        images: Folder of the unpacked package, and command and variables of the image, by its name: what it can pull.
        starts_s: How long a replica takes until its process is begun.
        violations: What was wrong with requests or answers by the official contract; empty where that is missing.
        requests: What came to `/system`.
        law: How it treats functions and calls: one that is idle is scaled to zero, and from there by its next call.
    """

    folder: Path
    port: int = 0
    user: str = "admin"
    password: str = "emulated"
    with_engine: bool = False

    def __post_init__(self) -> None:
        self.images: dict[str, tuple[Path, dict[str, str]]] = {}
        self.functions: dict[str, Function] = {}
        self.secrets: dict[str, str] = {}
        self.violations: list[str] = []
        self.requests: list[Seen] = []
        self.faults: list[Fault] = []
        self.law = Law()
        contract = official.find(CONTRACT)
        self.official = official.Official(contract) if contract is not None else None
        self._turn = itertools.count()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        prefix = "SEBSX_PLATFORM__OPENFAAS__"
        return {f"{prefix}GATEWAY": self.url, f"{prefix}PASSWORD": self.password}

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._server = _Server(("127.0.0.1", self.port), type("Handler", (_Handler,), {"owner": self}))
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.reset()

    def reset(self) -> None:
        """Delete what is there, and forget what came."""
        for name in list(self.functions):
            self._end(self.functions.pop(name))
        self.images.clear()
        self.secrets.clear()
        self.requests.clear()
        self.faults.clear()
        self.law = Law()

    def fail(self, method: str, path: str, status: int, text: str = "as the test wants it", **more: Any) -> None:
        """Let the next requests that match get something else than their answer."""
        self.faults.append(Fault(method, path, status, text, **more))

    def fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.method == method and re.match(fault.path, path) and fault.given < fault.times:
                fault.given += 1
                return fault
        return None

    def metrics(self) -> str:
        """Return what Prometheus scrapes, as far as sebsx asks for it."""
        lines = ["# TYPE gateway_service_count gauge"]
        for name, function in list(self.functions.items()):
            lines.append(f'gateway_service_count{{function_name="{name}.{NAMESPACE}"}} {len(function.replicas)}')
        return "\n".join(lines) + "\n"

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        """Return status and answer of a request to `/system` that is allowed."""
        if path == "/system/info":
            version = {"sha": "emulated", "release": "0.27.0"}
            provider = {"provider": "faasd-ce", "orchestration": "containerd", "version": version}
            return 200, {"provider": provider, "version": version, "arch": "x86_64"}
        if path == "/system/namespaces":
            return 200, [NAMESPACE, NAMESPACE]
        if path == "/system/secrets":
            return self._secret(method, body)
        if path == "/system/functions":
            return self._function(method, body)
        name = path.rpartition("/")[2]
        if path == "/system/logs":
            name = query["name"]
        found = self.functions.get(name)
        if found is None:
            return 404, "not found"
        if path == "/system/logs":
            return 200, self._log(name, found, query.get("since", ""))
        if path.startswith("/system/scale-function/"):
            self._scale(found, min(_CLAMPED, max(1, body["replicas"])))
            return 202, None
        return 200, self._status(found)

    def call(
        self, name: str, path: str, headers: dict[str, str], body: bytes, method: str = "POST"
    ) -> tuple[int, dict[str, str], bytes]:
        """Call a function, by the next of its replicas."""
        call_id = headers.get("X-Call-Id") or str(uuid.uuid4())
        own = {"X-Call-Id": call_id, "X-Start-Time": str(time.time_ns())}
        function = self.functions.get(name)
        if function is None:
            return 404, {**own, "X-OpenFaaS-Internal": "gateway"}, f"error finding function {name}".encode()
        self.law.carry(len(body))
        watchdog = self._taken(function)
        passed = {"Content-Type": headers.get("Content-Type", ""), "X-Call-Id": call_id}
        try:
            status, found, data = watchdog.call(method, path, passed, body)
        finally:
            with function.lock:
                function.in_flight -= 1
                function.idle_since_s = time.monotonic()
        return status, {**own, **found}, data

    def _taken(self, function: Function) -> Watchdog | containers.ContainerReplica:
        """Return the next of a function's replicas, which are started where it is scaled to zero."""
        with function.lock:
            if not function.in_flight and self.law.ends(function.idle_since_s):
                self._end(function)
            if not function.replicas:
                self._scale(function, _least(function.document))
                for replica in function.replicas:
                    replica.watchdog.wait()
            function.in_flight += 1
            function.invocations += 1
            return function.replicas[next(self._turn) % len(function.replicas)].watchdog

    def queue(
        self, name: str, path: str, headers: dict[str, str], body: bytes, _method: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Queue a call, whose result goes to a callback."""
        if name not in self.functions:
            return 404, {"X-OpenFaaS-Internal": "gateway"}, b""
        call_id = headers.get("X-Call-Id") or str(uuid.uuid4())
        given = {**headers, "X-Call-Id": call_id}
        threading.Thread(target=self._work, args=(name, path, given, body), daemon=True).start()
        return 202, {"X-Call-Id": call_id, "X-Start-Time": str(time.time_ns())}, b""

    def _work(self, name: str, path: str, headers: dict[str, str], body: bytes) -> None:
        status, found, data = self.call(name, path, headers, body)
        if not (callback := headers.get("X-Callback-Url")):
            return
        parts = urlsplit(callback)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        try:
            told = {**found, "X-Function-Name": name, "X-Function-Status": str(status)}
            connection.request("POST", parts.path, data, told)
            connection.getresponse().read()
        except OSError:
            pass  # nobody takes it: the queue gives up
        finally:
            connection.close()

    def _function(self, method: str, body: Any) -> tuple[int, Any]:
        if method == "GET":
            return 200, [self._status(function) for function in self.functions.values()]
        if method == "DELETE":
            function = self.functions.pop(body["functionName"], None)
            if function is None:
                return 404, "not found"
            self._end(function)
            return 200, None
        name = body["service"]
        if not (containers.pulled(body["image"]) if self.with_engine else body["image"] in self.images):
            return 400, f"unable to pull image {body['image']}"
        if missing := [secret for secret in body.get("secrets", ()) if secret not in self.secrets]:
            return 400, f"unable to find secret {missing[0]}"
        if method == "PUT" and name not in self.functions:
            return 404, "not found"
        old = self.functions.get(name)
        new = Function(body)
        self._scale(new, _least(body))
        self.functions[name] = new
        if old is not None:
            self._end(old)
        return (202 if method == "POST" else 200), None

    def _secret(self, method: str, body: Any) -> tuple[int, Any]:
        if method == "GET":
            return 200, [{"name": name, "namespace": NAMESPACE} for name in self.secrets]
        path = self.folder / body["name"]
        if method == "DELETE":
            if self.secrets.pop(body["name"], None) is None:
                return 404, "not found"
            path.unlink()
            return 204, None
        self.secrets[body["name"]] = body["value"]
        path.write_text(body["value"])
        return 201, None

    def _scale(self, function: Function, replicas: int) -> None:
        document = function.document
        while len(function.replicas) < min(_CLAMPED, replicas):
            watchdog = self._start(document)
            function.replicas.append(Replica(f"{document['service']}-{uuid.uuid4().hex[:8]}", watchdog))
        for replica in function.replicas[replicas:]:
            replica.watchdog.stop()
        del function.replicas[replicas:]

    def _start(self, document: dict[str, Any]) -> Watchdog | containers.ContainerReplica:
        given = {**document.get("envVars", {}), "SEBSX_SECRETS": str(self.folder)}
        if self.with_engine:
            return containers.ContainerReplica(document["image"], given)
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        root, variables = self.images[document["image"]]
        own = {"PATH": os.environ["PATH"], "upstream_url": f"http://127.0.0.1:{port}"}
        watchdog = Watchdog({**variables, **given, **own}, str(root))
        watchdog.start()
        return watchdog

    def _end(self, function: Function) -> None:
        replicas, function.replicas = function.replicas, []
        for replica in replicas:
            replica.watchdog.stop()

    def _status(self, function: Function) -> dict[str, Any]:
        """Return a status as the gateway gives it: available as soon as it is made, counts that are 0 left out."""
        document = function.document
        told = {
            "name": document["service"], "image": document["image"], "namespace": NAMESPACE,
            "envProcess": "", "envVars": document.get("envVars", {}), "labels": document.get("labels"),
            "annotations": document.get("annotations"), "limits": document.get("limits"),
            "secrets": document.get("secrets", []), "requests": document.get("requests"),
            "invocationCount": function.invocations,
            "createdAt": datetime.now(UTC).isoformat(),
        }  # fmt: skip
        if function.replicas:
            told |= {"replicas": len(function.replicas), "availableReplicas": len(function.replicas)}
        return told

    def _log(self, name: str, function: Function, since: str) -> list[dict[str, Any]]:
        from_s = datetime.fromisoformat(since).timestamp() if since else 0.0
        return [
            {
                "name": name, "namespace": NAMESPACE, "instance": replica.name, "text": text,
                "timestamp": datetime.fromtimestamp(at_s, UTC).isoformat(),
            }
            for replica in function.replicas
            for at_s, text in list(replica.watchdog.log)
            if at_s >= from_s
        ]  # fmt: skip


def _least(document: dict[str, Any]) -> int:
    return int((document.get("labels") or {}).get("com.openfaas.scale.min", 1))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_args: object) -> None:
        """A client that gives up is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    """Takes requests of one gateway, `owner`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    owner: EmulatedOpenFaas

    def serve(self) -> None:
        """Answer a request, or let it fail as a test wants it."""
        fault = self.owner.fault(self.command, self.path)
        length = int(self.headers.get("Content-Length") or 0)
        if fault is not None and not fault.status and not fault.is_late:
            self.rfile.read(min(64, length))
            self.close_connection = True
            return
        data = self.rfile.read(length)
        if self.path == "/metrics":  # of a port of its own in a real gateway
            self._say(200, self.owner.metrics().encode(), {"Content-Type": "text/plain; version=0.0.4"})
            return
        if fault is not None and fault.is_late:
            owner, body = self.owner, json.loads(data)
            owner.requests.append(Seen(self.command, self.path, body))
            owner.answer(self.command, self.path, {}, body)
            self.close_connection = True
        if fault is not None and not fault.status:
            return
        if fault is not None:
            self._say(fault.status, fault.text.encode(), {})
        elif call := _CALLS.fullmatch(self.path):
            self._call(call["way"], call["name"], call["rest"] or "/", data)
        else:
            self._system(data)

    do_GET = do_PUT = do_POST = do_DELETE = serve  # noqa: N815  # names of the library

    def _call(self, way: str, name: str, rest: str, data: bytes) -> None:
        owner = self.owner
        # The contract names POST alone; every provider hands on what else is sent, such as questions for health.
        wanted = owner.official.request_fault("POST", f"/{way}/{name}", "", None) if owner.official else None
        if wanted is not None:
            owner.violations.append(wanted)
        path = rest if rest.startswith("/") else f"/{rest}"
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        names = {name.lower(): name for name in headers}
        kept = {known: headers[names[known.lower()]] for known in ("X-Call-Id", "X-Callback-Url", "Content-Type")
                if known.lower() in names}  # fmt: skip
        act = owner.call if way == "function" else owner.queue
        status, told, body = act(name, path, kept, data, self.command)
        self._say(status, body, told)

    def _system(self, data: bytes) -> None:
        owner, parts, method = self.owner, urlsplit(self.path), self.command
        key = base64.b64encode(f"{owner.user}:{owner.password}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {key}":
            self._say(401, b"invalid credentials", {})
            return
        body = json.loads(data) if data else None
        owner.requests.append(Seen(method, parts.path, body))
        contract = owner.official
        held, query = body, parts.query
        if (method, parts.path) == ("DELETE", "/system/functions"):  # which knows a namespace, as faas-cli sends it
            held, query = {name: value for name, value in body.items() if name != "namespace"}, ""
        wrong = contract.request_fault(method, parts.path, query, held) if contract is not None else None
        if wrong is not None:
            owner.violations.append(wrong)
            self._say(400, wrong.encode(), {})
            return
        status, answer = owner.answer(method, parts.path, dict(parse_qsl(parts.query)), body)
        if contract is not None and (method, parts.path, status) not in _BEYOND:
            is_log = parts.path == "/system/logs" and status == 200
            wrong = contract.answer_fault(method, parts.path, status, answer) if not is_log else None
            wrong = wrong or next(filter(None, (contract.fault("LogEntry", entry) for entry in answer)), None) \
                if is_log else wrong  # fmt: skip
            if wrong is not None:
                owner.violations.append(wrong)
        if isinstance(answer, list) and parts.path == "/system/logs":
            self._say(status, b"".join(json.dumps(entry).encode() + b"\n" for entry in answer), {})
        elif answer is None or isinstance(answer, str):
            self._say(status, (answer or "").encode(), {})
        else:
            self._say(status, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _say(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if status != 204:
            self.wfile.write(data)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""
