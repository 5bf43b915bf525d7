"""The project: a server on loopback that takes what Google's libraries, and functions, send."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs

import urllib3
from gcp_storage_emulator.server import create_server
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from tests.emulated_gcp import contract, faults, firestore
from tests.emulated_gcp.data_plane import Answer, DataPlane
from tests.emulated_gcp.faults import error
from tests.emulated_gcp.functions import ControlPlane, RefusedError
from tests.emulated_gcp.identities import Identities
from tests.faults import Fault
from tests.laws import Law

PROJECT, REGION = "emulated-project", "us-central1"
_RUN = re.compile(r"/run/([a-z0-9-]+)/?")
_SOURCE = re.compile(r"/upload-source/([0-9a-f]+)")
_FIRESTORE = re.compile(r"/v1/(projects/[^/]+/databases/[^/]+/documents(?:/.+)?):(\w+)")
_FILTER = re.compile(
    r'resource\.type="cloud_run_revision" AND resource\.labels\.service_name="([a-z0-9-]+)" '
    r'AND logName=\("([^"]+)" OR "([^"]+)"\) AND timestamp>="([^"]+)"'
)
_JSON = "application/json"
_TOO_LARGE = 32 * 1024 * 1024


class Seen(NamedTuple):
    """A request."""

    method: str
    path: str


class EmulatedProject:
    """A project of its own for each instance; everything in it is gone on exit.

    Args:
        workdir: Folder for code and logs.
        port: Port on 127.0.0.1; 0 for any free one.

    Attributes:
        faults: What goes wrong on purpose; may be changed at any time.
        requests: Every request so far.
        violations: What was not as Google's documents say, of requests and of answers.
        lose_answers: Patterns of paths: the next request to each is carried out and answered with 503.
        log_delay_s: How long log entries take to become visible.
        law: How it treats instances and calls.
        log_share: Which requests are logged at all: every one whose number is a multiple of it is lost; 0 for none.
    """

    def __init__(self, workdir: Path, *, port: int = 0) -> None:
        self.faults: list[Fault] = []
        self.requests: list[Seen] = []
        self.violations: list[str] = []
        self.lose_answers: list[str] = []
        self.log_delay_s = 0.0
        self.log_share = 0
        self.law = Law()
        self.workdir = workdir
        self._server = make_server("127.0.0.1", port, self._serve, threaded=True, request_handler=_Quiet)
        self.port = self._server.port
        self.url = f"http://127.0.0.1:{self.port}"
        self.identities = Identities()
        self.key = workdir / "key.json"
        self._data = DataPlane(workdir, self._event)
        self.control = ControlPlane(self.url, f"projects/{PROJECT}/locations/{REGION}", self._data, workdir)
        self._firestore = firestore.Firestore()
        self._objects = create_server("127.0.0.1", 0, in_memory=True)
        self._http = urllib3.PoolManager(maxsize=32)
        self._entries: list[tuple[float, dict[str, Any]]] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self.workdir.mkdir(parents=True, exist_ok=True)
        self.identities.write_key(self.key, PROJECT, f"{self.url}/token")
        self._objects.start()
        self._data.start()
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._data.stop()
        self._objects.stop()
        self._firestore.stop()
        self._http.clear()

    @property
    def settings(self) -> dict[str, str]:
        """Settings of the platform that lead here and nowhere else."""
        urls = {f"{name}_url": self.url for name in ("functions", "storage", "firestore", "logging")}
        return {"credentials": str(self.key), "region": REGION, "metadata_host": f"127.0.0.1:{self.port}", **urls}

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which the command line finds this project and no other."""
        return {f"SEBSX_PLATFORM__GCP__{name.upper()}": value for name, value in self.settings.items()}

    def reset(self) -> None:
        """Empty the project and forget every fault and request; instances end."""
        self.faults.clear()
        self.requests.clear()
        self.violations.clear()
        self.lose_answers.clear()
        self.control.reset()
        self._firestore.stop()
        self._objects.wipe()
        self._entries.clear()
        self.log_delay_s, self.log_share = 0.0, 0
        self.law = Law()

    def remaining(self) -> dict[str, list[str]]:
        """Return everything that is left, by kind."""
        buckets = [item["name"] for item in json.loads(self._object("GET", "/storage/v1/b").data)["items"]]
        tables = self._tables()
        found = {"functions": sorted(self.control.functions), "buckets": buckets, "tables": tables}
        return {kind: names for kind, names in found.items() if names}

    def _tables(self) -> list[str]:
        if not any("/documents" in seen.path for seen in self.requests):
            return []
        place = f"projects/{PROJECT}/databases/(default)/documents/sebsx/all"
        query = {"structuredQuery": {"from": [{"collectionId": "tables"}]}}
        return [one["document"]["name"] for one in self._firestore.ask("runQuery", place, query) if "document" in one]

    def _serve(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        request = Request(environ)
        path = environ.get("RAW_URI", request.path).partition("?")[0]
        self.requests.append(Seen(request.method, path))
        for fault in self.faults:
            if fault.takes(request.method, path):
                if not fault.status:
                    return _cut(request)
                return Response(faults.told(fault), fault.status, content_type=_JSON)(environ, start)
        try:
            response = self._answer(request, path)
        except contract.ViolationError as exc:
            self.violations.append(str(exc))
            response = Response(error(400, "INVALID_ARGUMENT", str(exc)), 400, content_type=_JSON)
        except RefusedError as exc:
            response = Response(error(exc.code, exc.status, str(exc)), exc.code, content_type=_JSON)
        for pattern in self.lose_answers:
            if request.method == "POST" and re.match(pattern, path):
                self.lose_answers.remove(pattern)
                response = Response(error(503, "UNAVAILABLE", "lost"), 503, content_type=_JSON)
                break
        return response(environ, start)

    def _answer(self, request: Request, path: str) -> Response:
        if found := _RUN.fullmatch(path):
            return self._invoked(request, found[1])
        if not path.startswith(("/token", "/computeMetadata/", "/upload-source/")):
            return self._by_api(request, path)
        if path == "/token":
            return self._token(request)
        if found := _SOURCE.fullmatch(path):
            return self._uploaded(request, found[1])
        if request.headers.get("Metadata-Flavor") != "Google":
            raise RefusedError(403, "PERMISSION_DENIED", "missing Metadata-Flavor")
        return _json(self.identities.of_machine())

    def _by_api(self, request: Request, path: str) -> Response:
        """Answer a request of an API, which must be as its document says."""
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.identities.access:
            raise RefusedError(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if "/storage/v1/" in path:
            return self._stored(request, path)
        name = {"/v2/entries:list": "logging.v2"}.get(path) or (
            "firestore.v1" if path.startswith("/v1/") else "cloudfunctions.v2"
        )
        api = contract.api(name)
        method = api.method(request.method, path)
        query = parse_qs(request.query_string.decode(), keep_blank_values=True)
        body = _read(request)
        method.check_request(query, body)
        first = {key: values[0] for key, values in query.items()}
        if name == "logging.v2":
            told = self._listed(body)
        elif found := _FIRESTORE.fullmatch(path.replace("%28", "(").replace("%29", ")")):
            told = self._firestore.ask(found[2], found[1], body or {})
        else:
            told = self.control.answer(request.method, path, first, body)
        for one in told if isinstance(told, list) else [told]:
            method.check_answer(one)
        return _json(told)

    def _stored(self, request: Request, path: str) -> Response:
        """Hand a request on to the emulator, once it is as the document says."""
        method = contract.api("storage.v1").method(request.method, path)
        query, data = parse_qs(request.query_string.decode(), keep_blank_values=True), request.get_data()
        is_upload = path.startswith(("/upload/", "/resumable/"))
        method.check_request(query, None if is_upload or not data else json.loads(data))
        sent = {key: value for key, value in request.headers.items() if key.lower() not in ("host", "content-length")}
        where = f"{path}?{request.query_string.decode()}"
        told = self._object(request.method, where, data, sent)
        if method.id == "storage.buckets.insert" and told.status == 200:
            # It keeps no more than the name of a new bucket; a change keeps the rest.
            wanted = json.loads(data)
            changes = json.dumps({key: value for key, value in wanted.items() if key != "name"}).encode()
            told = self._object("PATCH", f"/storage/v1/b/{wanted['name']}", changes, sent)
        kept = {key: value for key, value in told.headers.items() if key.lower() not in _HOP}
        if "Location" in kept:
            kept["Location"] = re.sub(r"^https?://[^/]+", self.url, kept["Location"])
        return Response(told.data, told.status, headers=kept)

    def _object(self, method: str, where: str, data: bytes = b"", headers: dict[str, str] | None = None) -> Any:
        port = self._objects._api.server_port if hasattr(self._objects._api, "server_port") else self._storage_port()
        url = f"http://127.0.0.1:{port}{where}"
        return self._http.request(method, url, body=data or None, headers=headers or {}, retries=False)

    def _storage_port(self) -> int:
        return int(self._objects._api._httpd.server_address[1])

    def _token(self, request: Request) -> Response:
        try:
            return _json(self.identities.answer(request.form["assertion"]))
        except ValueError as exc:
            return Response(
                json.dumps({"error": "invalid_grant", "error_description": str(exc)}), 400, content_type=_JSON
            )

    def _uploaded(self, request: Request, key: str) -> Response:
        if "Authorization" in request.headers:
            raise RefusedError(403, "AccessDenied", "the identity of the credentials may not write here")
        if request.headers.get("content-type") != "application/zip":
            raise RefusedError(403, "SignatureDoesNotMatch", "content-type is signed as application/zip")
        path = self.workdir / f"{key}.zip"
        with path.open("wb") as file:
            shutil.copyfileobj(request.stream, file)
        self.control.take_source(key, path)
        return Response(b"", 200)

    def _invoked(self, request: Request, name: str) -> Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        uri = f"{self.url}/run/{name}"
        if name not in self.control.functions:
            return Response("<html>404 Page not found</html>", 404)
        if token not in self.identities.identities:
            return _refused(401, "Unauthorized", "requested URL")
        if self.identities.identities[token] != uri:
            return _refused(401, "Unauthorized", "requested URL", 'Bearer error="invalid_token"')
        data = request.get_data()
        if len(data) > _TOO_LARGE:
            return Response("<html>413 Request Entity Too Large</html>", 413)
        headers = {"X-Sebsx-Request-Id": request.headers.get("X-Sebsx-Request-Id", "")}
        answer = self._data.call(name, data, headers, self.law)
        self._log_request(name, uri, answer)
        return Response(answer.body, answer.status, headers=answer.headers)

    def _log_request(self, name: str, uri: str, answer: Answer) -> None:
        revision = self.control.functions.get(name, {}).get("serviceConfig", {}).get("revision", "")
        told = {
            "requestMethod": "POST", "requestUrl": uri, "status": answer.status, "protocol": "HTTP/1.1",
            "latency": f"{answer.latency_s:.9f}s", "responseSize": str(len(answer.body)),
        }  # fmt: skip
        self._log(name, revision, "requests", answer.instance, answer.received_s, httpRequest=told,
                  trace=f"projects/{PROJECT}/traces/{answer.trace}")  # fmt: skip
        for line in self._data.printed(name):  # a line that is an object of JSON is taken apart, as Cloud Run does
            said = {"jsonPayload": json.loads(line)} if line.startswith("{") else {"textPayload": line}
            self._log(name, revision, "stdout", answer.instance, time.time(), **said)

    def _event(self, service: str, revision: str, instance: str, text: str) -> None:
        self._log(service, revision, "varlog%2Fsystem", instance, time.time(), textPayload=text)

    def _log(self, service: str, revision: str, log: str, instance: str, at_s: float, **words: Any) -> None:
        labels = {
            "service_name": service, "revision_name": revision, "location": REGION, "project_id": PROJECT,
            "configuration_name": service,
        }  # fmt: skip
        entry = {
            "insertId": secrets.token_hex(8), "logName": f"projects/{PROJECT}/logs/run.googleapis.com%2F{log}",
            "timestamp": datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z"),
            "resource": {"type": "cloud_run_revision", "labels": labels}, "severity": "INFO",
            **({"labels": {"instanceId": instance}} if instance else {}), **words,
        }  # fmt: skip
        with self._lock:
            self._entries.append((time.monotonic() + self.log_delay_s, entry))

    def _listed(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a page of entries; a filter of another form than that of the platform is refused."""
        found = _FILTER.fullmatch(body.get("filter", ""))
        if found is None or body.get("resourceNames") != [f"projects/{PROJECT}"]:
            raise RefusedError(400, "INVALID_ARGUMENT", f"Unparseable filter: {body.get('filter')}")
        service, *logs, since = found.groups()
        with self._lock:
            visible = [entry for ready_s, entry in self._entries if time.monotonic() >= ready_s]
        wanted = [
            entry for entry in visible
            if entry["resource"]["labels"]["service_name"] == service and entry["logName"] in logs
            and datetime.fromisoformat(entry["timestamp"]) >= datetime.fromisoformat(since)
        ]  # fmt: skip
        if self.log_share:
            wanted = [entry for number, entry in enumerate(wanted, 1) if number % self.log_share]
        wanted.sort(key=lambda entry: entry["timestamp"])
        first, size = int(body.get("pageToken") or 0), min(int(body.get("pageSize") or 50), 3)
        page: dict[str, Any] = {"entries": wanted[first : first + size]}
        return page | ({"nextPageToken": str(first + size)} if first + size < len(wanted) else {})


_HOP = frozenset({"connection", "transfer-encoding", "content-length", "server", "date"})


def _refused(code: int, title: str, what: str, proof: str = "") -> Response:
    """Return the page of Google's front end."""
    page = (
        f"<html><head><title>{code} {title}</title></head><body><h1>Error: {title}</h1>"
        f"<h2>Your client does not have permission to the {what} <code>/</code>.</h2></body></html>"
    )
    headers = {"server": "Google Frontend", **({"www-authenticate": proof} if proof else {})}
    return Response(page, code, headers, content_type="text/html; charset=UTF-8")


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: Any) -> None:
        pass


def _read(request: Request) -> Any:
    data = request.get_data()
    return json.loads(data) if data else None


def _json(told: Any) -> Response:
    return Response(json.dumps(told), 200, content_type=_JSON)


def _cut(request: Request) -> Iterable[bytes]:
    """Read a part of the body and break the connection off."""
    request.stream.read(10)
    with suppress(OSError):
        request.environ["werkzeug.socket"].shutdown(2)
    raise ConnectionAbortedError
