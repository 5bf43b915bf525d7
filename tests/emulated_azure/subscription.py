"""The subscription: servers on loopback, over TLS, that take what Azure's libraries, and callers of functions, send."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import ssl
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

import urllib3
from azure.storage.blob import BlobServiceClient
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from sebsx_azure.functions import TIMEOUT, seconds
from tests.emulated_azure import certificates, contract, faults
from tests.emulated_azure.cosmos import Cosmos
from tests.emulated_azure.data_plane import Answer, App, DataPlane
from tests.emulated_azure.faults import error
from tests.emulated_azure.manager import Manager, RefusedError
from tests.emulated_azure.storage import Storage
from tests.faults import Fault
from tests.laws import Law

SUBSCRIPTION, TENANT = "11111111-2222-3333-4444-555555555555", "99999999-8888-7777-6666-555555555555"
REGION = "eastus"
CLIENT, SECRET = "0a0a0a0a-1b1b-2c2c-3d3d-4e4e4e4e4e4e", "emulated~secret"  # of a service principal
_JSON = "application/json"
_QUERY = re.compile(
    r"AppRequests\n\| where AppRoleName =~ '([\w-]+)' and TimeGenerated >= datetime\(([^)]+)\)\n"
    r"\| project TimeGenerated, DurationMs, ResultCode, ItemCount, "
    r"InvocationId = tostring\(Properties\.InvocationId\), "
    r"ExecutionMs = todouble\(Properties\.FunctionExecutionTimeMs\), "
    r"Instance = tostring\(Properties\.HostInstanceId\)\n\| order by TimeGenerated asc"
)
_COLUMNS = (
    ("TimeGenerated", "datetime"), ("DurationMs", "real"), ("ResultCode", "string"), ("ItemCount", "int"),
    ("InvocationId", "string"), ("ExecutionMs", "real"), ("Instance", "string"),
)  # fmt: skip
_STORAGE_SCOPE = "https://storage.azure.com/.default"
_TOO_LARGE = 100 * 1024 * 1024


class Seen(NamedTuple):
    """A request."""

    method: str
    path: str


class EmulatedSubscription:
    """A subscription of its own for each instance; everything in it is gone on exit.

    Args:
        workdir: Folder for code and logs.

    Attributes:
        law: How it treats instances and calls.
        cosmos: The accounts of Cosmos DB.
        faults: What goes wrong on purpose; may be changed at any time.
        requests: Every request so far.
        violations: What was not as Azure's SDKs say, of requests and of answers.
        log_delay_s: How long requests take to become visible in the log.
        log_share: Which requests are logged at all: every one whose number is a multiple of it is lost; 0 for none.
        log_partial: Whether answers of the log are said to be a part of all.
        sampled: For how many requests each that is in the log stands.
        failing: Words with which the next packages are refused after they came, if any.
    """

    def __init__(self, workdir: Path) -> None:
        self.law = Law()
        self.faults: list[Fault] = []
        self.requests: list[Seen] = []
        self.violations: list[str] = []
        self.log_delay_s, self.log_share, self.log_partial, self.sampled, self.failing = 0.0, 0, False, 1, ""
        self.workdir = workdir
        workdir.mkdir(parents=True, exist_ok=True)
        self.certificate = workdir / "trusted.pem"
        self._secret = workdir / "server.pem"
        certificates.write(self._secret, self.certificate)
        self._server = self._listening(self._serve)
        self.url = f"https://127.0.0.1:{self._server.port}"
        self._storage = Storage(workdir, self._secret)
        self._data = DataPlane(workdir, self.certificate)
        self._apps = Apps(self)
        self.cosmos = Cosmos(self._listening, self._started)
        self.manager = Manager(self.url, SUBSCRIPTION, self._storage, self.cosmos, self._apps)
        self.tokens: set[str] = set()
        self._entries: list[tuple[float, str, dict[str, Any]]] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._storage.start()
        self._started(self._server)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.reset()
        self._ended(self._server)
        self._data.stop()
        self.cosmos.stop()
        self._storage.stop()

    @property
    def settings(self) -> dict[str, str]:
        """Settings of the platform that lead here and nowhere else."""
        urls = {f"{name}_url": self.url for name in ("login", "arm", "logs")}
        return {
            "subscription": SUBSCRIPTION, "region": REGION, "tenant": TENANT, "client": CLIENT, "client_secret": SECRET,
            "certificate": str(self.certificate), **urls,
        }  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which the command line finds this subscription and no other."""
        return {f"SEBSX_PLATFORM__AZURE__{name.upper()}": value for name, value in self.settings.items()}

    def reset(self) -> None:
        """Empty the subscription and forget every fault and request; instances end."""
        self.manager.reset()
        self.cosmos.reset()
        self.law = Law()
        for told in (self.faults, self.requests, self.violations, self._entries, self.tokens):
            told.clear()
        self.log_delay_s, self.log_share, self.log_partial, self.sampled, self.failing = 0.0, 0, False, 1, ""

    def remaining(self) -> dict[str, list[str]]:
        """Return everything that is left, by type."""
        found: dict[str, list[str]] = {}
        for item in [*self.manager.groups.values(), *self.manager.resources.values()]:
            found.setdefault(item["type"].rpartition("/")[2], []).append(item["name"])
        return found

    def _listening(self, app: Any) -> BaseWSGIServer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._secret)
        return make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet, ssl_context=context)

    def _started(self, server: BaseWSGIServer) -> None:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def _ended(self, server: BaseWSGIServer) -> None:
        server.shutdown()
        server.server_close()

    def _fault(self, request: Request, path: str, start: Any) -> Iterable[bytes] | None:
        self.requests.append(Seen(request.method, path))
        for fault in self.faults:
            if fault.takes(request.method, path):
                if not fault.status:
                    return _cut(request)
                told = Response(faults.told(fault), fault.status, headers=fault.headers, content_type=_JSON)
                return told(request.environ, start)
        return None

    def _serve(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        request = Request(environ)
        path = environ.get("RAW_URI", request.path).partition("?")[0]
        if (faulty := self._fault(request, path, start)) is not None:
            return faulty
        try:
            response = self._answer(request, path)
        except contract.ViolationError as exc:
            self.violations.append(str(exc))
            response = Response(error("BadRequest", str(exc)), 400, content_type=_JSON)
        except RefusedError as exc:
            response = Response(error(exc.code, str(exc)), exc.status, content_type=_JSON)
        return response(environ, start)

    def _answer(self, request: Request, path: str) -> Response:
        if path.startswith(f"/{TENANT}/"):
            return self._logged_in(request, path)
        self.check_token(request)
        if found := re.fullmatch(r"/v1/workspaces/([0-9a-f-]+)/query", path):
            return self._listed(found[1], _read(request))
        query, body = dict(request.args), _read(request)
        if "/operationresults/" in path:
            status, told, headers = self.manager.answer(request.method, path, query, body)
            return Response(b"", status, headers=headers)
        operation = contract.operation(request.method, path)
        operation.check_request(query, body)
        status, told, headers = self.manager.answer(request.method, path, query, body)
        operation.check_answer(told)
        data = b"" if told is None else json.dumps(told).encode()
        return Response(data, status, headers=headers, content_type=_JSON)

    def check_token(self, request: Request) -> None:
        """Raise `RefusedError` where a request has no token that was given here."""
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            raise RefusedError(401, "InvalidAuthenticationToken", "The access token is invalid.")

    def _logged_in(self, request: Request, path: str) -> Response:
        base = f"{self.url}/{TENANT}"
        if path.endswith("/.well-known/openid-configuration"):
            told = {
                "token_endpoint": f"{base}/oauth2/v2.0/token", "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            }  # fmt: skip
            return _json(told)
        form = request.form
        if (form["client_id"], form["client_secret"]) != (CLIENT, SECRET):
            said = "AADSTS7000215: Invalid client secret provided."
            return Response(json.dumps({"error": "invalid_client", "error_description": said}), 401, content_type=_JSON)
        assert form["scope"] in (f"{self.url}/.default", _STORAGE_SCOPE), form["scope"]
        token = f"eyJ{secrets.token_urlsafe(40)}"
        self.tokens.add(token)
        return _json({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    # The log

    def log(self, app: str, answer: Answer) -> None:
        """Write a request into the log, as Azure's host does for each invocation."""
        if not answer.invocation:
            return
        told = {
            "TimeGenerated": datetime.fromtimestamp(answer.received_s, UTC).isoformat().replace("+00:00", "Z"),
            "DurationMs": answer.duration_s * 1000, "ResultCode": str(answer.status), "ItemCount": self.sampled,
            "InvocationId": answer.invocation, "ExecutionMs": answer.duration_s * 1000, "Instance": answer.instance,
        }  # fmt: skip
        with self._lock:
            self._entries.append((time.monotonic() + self.log_delay_s, app, told))

    def _listed(self, workspace: str, body: dict[str, Any]) -> Response:
        """Return what the log has; a query of another form than that of the platform is refused."""
        if not set(body) <= {"query", "timespan", "workspaces"}:
            raise contract.ViolationError(f"a query has no property of {sorted(body)}")
        found = _QUERY.fullmatch(body["query"])
        if found is None:
            raise RefusedError(400, "BadArgumentError", f"The request had some invalid properties: {body['query']}")
        ids = [item["properties"].get("customerId") for item in self.manager.resources.values()]
        if workspace not in ids:
            raise RefusedError(404, "WorkspaceNotFoundError", "The workspace could not be found")
        since = datetime.fromisoformat(found[2])
        with self._lock:
            rows = [
                told for ready_s, app, told in self._entries
                if time.monotonic() >= ready_s and app == found[1]
                and datetime.fromisoformat(told["TimeGenerated"]) >= since
            ]  # fmt: skip
        if self.log_share:
            rows = [told for number, told in enumerate(rows, 1) if number % self.log_share]
        columns = [{"name": name, "type": kind} for name, kind in _COLUMNS]
        listed = [[told[name] for name, _ in _COLUMNS] for told in rows]
        table: dict[str, Any] = {"tables": [{"name": "PrimaryResult", "columns": columns, "rows": listed}]}
        if self.log_partial:
            table["error"] = {"code": "PartialError", "message": "There were some errors when processing your query."}
        return _json(table)


class Apps:
    """The function apps: what a front end of each answers, and what becomes of their packages."""

    def __init__(self, subscription: EmulatedSubscription) -> None:
        self._all = subscription
        self._servers: dict[str, BaseWSGIServer] = {}
        self._told: dict[str, tuple[dict[str, Any], dict[str, str]]] = {}
        self._packages: dict[str, Path] = {}
        self._deployments: dict[str, dict[str, Any]] = {}
        self._functions: dict[str, dict[str, Any]] = {}

    def made(self, name: str) -> str:
        """Return the host name of an app, which listens when this returns."""
        if name not in self._servers:
            server = self._all._listening(lambda environ, start: self._serve(name, environ, start))
            self._servers[name] = server
            self._all._started(server)
        return f"127.0.0.1:{self._servers[name].port}"

    def changed(self, name: str, told: dict[str, Any], settings: dict[str, str]) -> None:
        """Take what an app is from now on; its instances end."""
        self._told[name] = told, settings
        app = self._app(name)
        self._all._data.change(name, settings, timeout_s=app.timeout_s, each=app.each, most=app.most)

    def synced(self, name: str, settings: dict[str, str]) -> None:
        """Find out what functions an app has; on Consumption its package is fetched."""
        if url := settings.get("WEBSITE_RUN_FROM_PACKAGE"):
            path = self._all.workdir / f"{name}.zip"
            with urllib3.PoolManager(ca_certs=str(self._all.certificate)) as http:
                answer = http.request("GET", url)
                assert answer.status == 200, answer.data
                path.write_bytes(answer.data)
            self._deploy(name, path)

    def functions(self, name: str) -> dict[str, Any]:
        return self._functions.get(name, {})

    def remove(self, name: str) -> None:
        self._all._data.remove(name)
        for told in (self._told, self._packages, self._deployments, self._functions):
            told.pop(name, None)
        if server := self._servers.pop(name, None):
            self._all._ended(server)

    def _app(self, name: str) -> App:
        told, settings = self._told[name]
        flex = told["properties"].get("functionAppConfig")
        scale = flex["scaleAndConcurrency"] if flex else {}
        http = (scale.get("triggers") or {}).get("http") or {}
        limit = told["properties"]["siteConfig"].get("functionAppScaleLimit")
        return App(
            Path(), settings, seconds(settings.get(TIMEOUT, "")) or 300.0, http.get("perInstanceConcurrency") or 16,
            scale.get("maximumInstanceCount") or limit or 100,
        )  # fmt: skip

    def _deploy(self, name: str, package: Path) -> None:
        told, _ = self._told[name]
        scale = (told["properties"].get("functionAppConfig") or {}).get("scaleAndConcurrency") or {}
        ready = sum(item["instanceCount"] for item in scale.get("alwaysReady") or ())
        self._functions[name] = self._all._data.deploy(name, package, self._app(name), ready)

    def _serve(self, name: str, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        request = Request(environ)
        if (faulty := self._all._fault(request, request.path, start)) is not None:
            return faulty
        try:
            if request.path == "/api/publish":
                response = self._published(name, request)
            elif request.path == "/api/deployments/latest":
                self._all.check_token(request)
                told = self._deployments.get(name)
                response = Response(b"", 404) if told is None else _json(told)
            else:
                response = self._invoked(name, request)
        except RefusedError as exc:
            response = Response(error(exc.code, str(exc)), exc.status, content_type=_JSON)
        return response(environ, start)

    def _published(self, name: str, request: Request) -> Response:
        self._all.check_token(request)
        if not self._told[name][0]["properties"].get("functionAppConfig"):
            raise RefusedError(404, "NotFound", "This is for Flex Consumption alone")
        if request.method != "POST" or request.content_type != "application/zip":
            raise RefusedError(415, "UnsupportedMediaType", f"{request.content_type} is not application/zip")
        path = self._all.workdir / f"{name}.zip"
        with path.open("wb") as file:
            shutil.copyfileobj(request.stream, file)
        identity, words = secrets.token_hex(8), self._all.failing
        if not words:
            try:
                self._deploy(name, path)
            except ValueError as exc:
                words = str(exc)
        if not words:
            self._keep(name, path)
        told = {"id": identity, "status": 3 if words else 4, "status_text": words, "complete": True}
        self._deployments[name] = told
        return Response(json.dumps(identity), 202, content_type=_JSON)

    def _keep(self, name: str, package: Path) -> None:
        """Put a package where Flex Consumption keeps it: into the app's container, by the app's own key."""
        told, settings = self._told[name]
        storage = told["properties"]["functionAppConfig"]["deployment"]["storage"]
        connection = settings[storage["authentication"]["storageAccountConnectionStringName"]]
        account = BlobServiceClient.from_connection_string(connection, connection_verify=str(self._all.certificate))
        container = storage["value"].rpartition("/")[2]
        with account, package.open("rb") as file:
            account.get_blob_client(container, "released-package.zip").upload_blob(file, overwrite=True)

    def _invoked(self, name: str, request: Request) -> Response:
        key = request.headers.get("x-functions-key")
        route = request.path.removeprefix("/api/")
        function = self.functions(name).get(route)
        if function is not None and function["auth"] != "ANONYMOUS" and key != self._all.manager.keys[name]:
            return Response(b"", 401)
        data = request.get_data()
        if len(data) > _TOO_LARGE:
            return Response(b"", 413)
        sent = {key: value for key, value in request.headers.items() if key.lower() not in ("host", "connection")}
        answer = self._all._data.call(name, route, data, sent, self._all.law)
        self._all.log(name, answer)
        return Response(answer.body, answer.status, headers=answer.headers)


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
