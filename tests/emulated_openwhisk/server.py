"""The REST API of OpenWhisk: actions, activations, limits; in front of an invoker."""

from __future__ import annotations

import base64
import json
import re
import secrets
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tests import official
from tests.emulated_openwhisk.invoker import SUCCESS, Invoker
from tests.laws import Law

CONTRACT = "openwhisk.swagger.json"
BASE = "/api/v1"
USER, PASSWORD = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502", "emulated"
NAMESPACE = "guest"
DEFAULTS = {"python:default": "python:3.11", "nodejs:default": "nodejs:20"}
KINDS = ("python:3.11", "python:3.10", "nodejs:20", "nodejs:18", "blackbox")
_PAYLOAD_BYTES = 1024 * 1024
_GONE = "The requested resource does not exist."
# What servers answer though the contract does not name it: too large a payload, too many changes at once.
_BEYOND = {("POST", 413), ("PUT", 429), ("DELETE", 429), ("GET", 429)}


@dataclass
class Fault:
    """What some requests get instead of their answer.

    Args:
        method: HTTP method.
        path: Pattern that the path behind `/api/v1` matches from its beginning.
        status: HTTP status; 0 to break the connection.
        message: The server's words.
        times: How many requests get it.
        partial: Whether the answer breaks off in its middle.
    """

    method: str
    path: str
    status: int
    message: str = "as the test wants it"
    times: int = 1
    partial: bool = False
    given: int = 0


class Seen(NamedTuple):
    """A request that came."""

    method: str
    path: str
    query: str


@dataclass
class EmulatedOpenWhisk:
    """A server of one namespace, `guest`.

    Args:
        folder: Where containers live.
        certificate: File with key and certificate, for TLS; None for plain HTTP.
        blocking_s: How long a blocking invocation waits for its result.
        limits: Of the namespace.
        port: On 127.0.0.1; 0 for any.

    Attributes:
        violations: What was wrong with requests or answers by the official contract; empty where that is missing.
        requests: What came.
        law: How it treats containers and calls.
        validates: Whether the contract is at hand.
    """

    folder: Path
    certificate: Path | None = None
    blocking_s: float = 60.0
    limits: dict[str, Any] = field(default_factory=lambda: {
        "concurrentInvocations": 100, "invocationsPerMinute": 100_000, "minActionMemory": 128, "maxActionMemory": 512,
        "minActionTimeout": 100, "maxActionTimeout": 300_000, "minActionConcurrency": 1, "maxActionConcurrency": 10,
        "maxParameterSize": "1048576 B", "storeActivations": True,
    })  # fmt: skip
    port: int = 0
    code_bytes: int = 48 * 1024 * 1024

    def __post_init__(self) -> None:
        self.violations: list[str] = []
        self.requests: list[Seen] = []
        self.faults: list[Fault] = []
        self.actions: dict[str, dict[str, Any]] = {}
        self.invoker = Invoker(self.folder)
        self.law = Law()
        contract = official.find(CONTRACT)
        self.official = official.Official(contract) if contract is not None else None
        self._revisions = 0
        self._lock = threading.Lock()

    @property
    def validates(self) -> bool:
        return self.official is not None

    @property
    def key(self) -> str:
        return f"{USER}:{PASSWORD}"

    @property
    def url(self) -> str:
        scheme, host = ("https", "localhost") if self.certificate else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self._server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        prefix = "SEBSX_PLATFORM__OPENWHISK__"
        return {f"{prefix}API_HOST": self.url, f"{prefix}AUTH": self.key}

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._server = _Server(("127.0.0.1", self.port), type("Handler", (_Handler,), {"owner": self}))
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(str(self.certificate))
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.invoker.close()

    def reset(self) -> None:
        """Delete what is there, and forget what came."""
        for name in list(self.actions):
            self.delete(name)
        self.requests.clear()
        self.faults.clear()
        self.invoker.record_delay_s, self.invoker.concurrent, self.invoker.per_minute = 0.05, 100, 100_000
        self.law = Law()
        self.blocking_s = 60.0

    def fail(self, method: str, path: str, status: int, message: str = "as the test wants it", **more: Any) -> None:
        """Let the next requests that match get something else than their answer."""
        self.faults.append(Fault(method, path, status, message, **more))

    def fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.method == method and re.match(fault.path, path) and fault.given < fault.times:
                fault.given += 1
                return fault
        return None

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any, dict[str, str]]:
        """Return status, answer and headers of a request that is allowed."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts == ["namespaces"]:
            return 200, [NAMESPACE], {}
        collection, name = parts[2], "/".join(parts[3:])
        if collection == "limits":
            return 200, self.limits, {}
        if collection == "activations":
            record = self.invoker.record(name)
            return (200, record, {}) if record else (404, _refusal(_GONE), {})
        if not name:
            skip, limit = int(query.get("skip", 0)), int(query.get("limit", 30)) or 200
            listed = sorted(self.actions)[skip : skip + limit]
            return 200, [_brief(self.actions[key]) for key in listed], {}
        if method == "PUT":
            return (*self._put(name, body or {}, overwrite=query.get("overwrite") == "true"), {})
        if name not in self.actions:
            return 404, _refusal(_GONE), {}
        if method == "GET":
            return 200, _told(self.actions[name], with_code=query.get("code", "true") == "true"), {}
        if method == "DELETE":
            return 200, _told(self.delete(name), with_code=False), {}
        return self._invoke(self.actions[name], body or {}, blocking=query.get("blocking") == "true",
                            result=query.get("result") == "true")  # fmt: skip

    def delete(self, name: str) -> dict[str, Any]:
        with self._lock:
            action = self.actions.pop(name)
        self.invoker.forget(name)
        return action

    def _put(self, name: str, body: dict[str, Any], *, overwrite: bool) -> tuple[int, Any]:
        with self._lock:
            old = self.actions.get(name)
            if old is not None and not overwrite:
                return 409, _refusal("resource already exists")
            if old is None and "exec" not in body:
                return 400, _refusal("exec undefined")
            executable = dict(body.get("exec") or (old or {})["exec"])
            executable["kind"] = DEFAULTS.get(executable["kind"], executable["kind"])
            if executable["kind"] not in KINDS:
                return 400, _refusal(
                    f"The request content was malformed:\nkind '{executable['kind']}' not in Set({', '.join(KINDS)})"
                )
            if len(executable.get("code", "")) > self.code_bytes:
                return 413, _refusal(f"exec larger than allowed: {len(executable['code'])} > {self.code_bytes} bytes.")
            limits = {"timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1, **(old or {}).get("limits", {}),
                      **body.get("limits", {})}  # fmt: skip
            if limits["memory"] > self.limits.get("maxActionMemory", 512):
                return 400, _refusal(
                    "The request content was malformed:\nrequirement failed: memory "
                    f"{limits['memory']} MB exceeds allowed threshold of {self.limits['maxActionMemory']} MB"
                )
            self._revisions += 1
            version = f"0.0.{int(old['version'].rpartition('.')[2]) + 1 if old else 1}"
            given = body.get("annotations", (old or {}).get("annotations", []))
            kept = [item for item in given if item["key"] != "exec"]
            self.actions[name] = {
                "namespace": NAMESPACE, "name": name, "version": version, "publish": False, "exec": executable,
                "limits": limits, "parameters": body.get("parameters", (old or {}).get("parameters", [])),
                "annotations": [*kept, {"key": "exec", "value": executable["kind"]}],
                "updated": int(time.time() * 1000), "revision": self._revisions,
            }  # fmt: skip
            return 200, _told(self.actions[name], with_code=True)

    def _invoke(
        self, action: dict[str, Any], payload: dict[str, Any], *, blocking: bool, result: bool
    ) -> tuple[int, Any, dict[str, str]]:
        if (why := self.invoker.throttled()) is not None:
            return 429, _refusal(why), {}
        defaults = {item["key"]: item["value"] for item in action["parameters"]}
        self.law.carry(len(json.dumps(payload)))
        activation = self.invoker.begin(action, {**defaults, **payload}, self.law)
        headers = {"x-openwhisk-activation-id": activation.id}
        if not blocking or not activation.over.wait(self.blocking_s):
            return 202, {"activationId": activation.id}, headers
        record = activation.record
        assert record is not None
        if self.official is not None and (wrong := self.official.fault("Activation", record)):
            self.violations.append(wrong)
        status = 200 if record["response"]["status"] == SUCCESS else 502
        return status, record["response"]["result"] if result else record, headers


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_args: object) -> None:
        """A client that gives up is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    """Takes requests of one server, `owner`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    owner: EmulatedOpenWhisk

    def serve(self) -> None:
        """Answer a request, or let it fail as a test wants it."""
        parts = urlsplit(self.path)
        path = parts.path.removeprefix(BASE)
        self.owner.requests.append(Seen(self.command, path, parts.query))
        fault = self.owner.fault(self.command, path)
        length = int(self.headers.get("Content-Length") or 0)
        if fault is not None and not fault.status:
            self.rfile.read(min(1024, length))
            self.close_connection = True
            return
        data = self.rfile.read(length)
        wanted = "Basic " + base64.b64encode(self.owner.key.encode()).decode()
        if self.headers.get("Authorization") != wanted:
            self._say(401, _refusal("The supplied authentication is invalid"))
        elif fault is not None:
            self._say(fault.status, _refusal(fault.message), partial=fault.partial)
        elif self.command == "POST" and len(data) > _PAYLOAD_BYTES:
            self._say(413, _refusal(f"Request larger than allowed: {len(data)} > {_PAYLOAD_BYTES} bytes."))
        else:
            self._held(path, parts.query, json.loads(data) if data else None)

    do_GET = do_PUT = do_POST = do_DELETE = serve  # noqa: N815  # names of the library

    def _held(self, path: str, query: str, body: Any) -> None:
        """Answer, and hold request and answer to the contract."""
        owner, contract, method = self.owner, self.owner.official, self.command
        wrong = contract.request_fault(method, path, query, body) if contract is not None else None
        if wrong is not None:
            owner.violations.append(wrong)
            self._say(400, _refusal(wrong))
            return
        status, answer, headers = owner.answer(method, path, dict(parse_qsl(query)), body)
        if contract is not None and (method, status) not in _BEYOND:
            wrong = contract.answer_fault(method, path, status, answer)
            if wrong is not None:
                owner.violations.append(wrong)
        self._say(status, answer, headers)

    def _say(self, status: int, answer: Any, headers: dict[str, str] | None = None, *, partial: bool = False) -> None:
        data = json.dumps(answer, ensure_ascii=False).encode("utf-8", "backslashreplace")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if partial else data)
        self.close_connection = self.close_connection or partial

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


def _refusal(text: str) -> dict[str, str]:
    return {"error": text, "code": secrets.token_hex(16)}


def _told(action: dict[str, Any], *, with_code: bool) -> dict[str, Any]:
    told = {key: value for key, value in action.items() if key != "revision"}
    if not with_code:
        told["exec"] = {key: value for key, value in action["exec"].items() if key != "code"}
    return told


def _brief(action: dict[str, Any]) -> dict[str, Any]:
    """Return an action as a listing has it."""
    told = {key: value for key, value in action.items() if key not in ("revision", "parameters")}
    return {**told, "exec": {"binary": action["exec"].get("binary", False)}}
