"""Cosmos DB: accounts of a stand-in from npm, behind a front that knows who may ask, by Microsoft's own client."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any

import urllib3
from azure.cosmos.auth import _get_authorization_header
from werkzeug.serving import BaseWSGIServer
from werkzeug.wrappers import Request, Response

from tests.emulated_azure.storage import _free_port, _listens
from tests.emulated_gcp import node

COSMOS = "@zeit/cosmosdb-server@0.13.4"
KEY = base64.b64encode(b"of an emulated account of Cosmos DB, which is 64 letters long...").decode()
_READY_S = 60.0
_UNDEFINED = b"Cannot read properties of undefined"  # how the stand-in says that there is no such item
_PARTS = re.compile(r"/dbs/(?P<database>[^/]+)(?:/colls/[^/]+(?:/docs(?:/[^/]+)?)?)?")
_PASSED_ON = ("content-type", "etag", "x-ms-continuation", "x-ms-item-count", "x-ms-request-charge")


class Cosmos:
    """Accounts of Cosmos DB, each with an endpoint of its own; their items are kept by one server from npm.

    Args:
        listening: Makes a server of an app, over TLS.
        started: Starts it.

    Attributes:
        page: How many items a page of an answer has at most; 0 for as many as there are.
    """

    def __init__(self, listening: Callable[[Any], BaseWSGIServer], started: Callable[[BaseWSGIServer], None]) -> None:
        self._listening, self._started = listening, started
        self._fronts: dict[str, BaseWSGIServer] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._http = urllib3.PoolManager(maxsize=16)
        self._lock = threading.Lock()
        self._url = ""
        self.page = 0

    def stop(self) -> None:
        """End everything."""
        self.reset()
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
        self._http.clear()

    def reset(self) -> None:
        """Remove every account."""
        self.page = 0
        for name in list(self._fronts):
            self.remove(name)

    def made(self, name: str) -> str:
        """Return the endpoint of an account, which is there when this returns."""
        self._start()
        if name not in self._fronts:
            self._fronts[name] = self._listening(lambda environ, start: self._serve(name, environ, start))
            self._started(self._fronts[name])
        return f"https://127.0.0.1:{self._fronts[name].port}/"

    def remove(self, name: str) -> None:
        """Remove an account with what is in it."""
        if front := self._fronts.pop(name, None):
            front.shutdown()
            front.server_close()
            for found in json.loads(self._asked("GET", "/dbs").data)["Databases"]:
                if found["id"].startswith(f"{name}."):
                    self._asked("DELETE", f"/dbs/{found['id']}")

    def make(self, account: str, path: str, resource: dict[str, Any]) -> None:
        """Make a database, or a container in one, as Resource Manager asks for it."""
        database, _, container = path.partition("/containers/")
        place = "/dbs" if not container else f"/dbs/{account}.{database}/colls"
        told = resource if container else {"id": f"{account}.{database}"}
        answer = self._asked("POST", place, body=json.dumps(told).encode())
        assert answer.status in (201, 409), answer.data

    def _start(self) -> None:
        with self._lock:
            if self._process is not None:
                return
            command, port = node.modules(COSMOS) / "@zeit/cosmosdb-server/lib/cli.js", _free_port()
            words = ["node", str(command), "--no-ssl", "--host", "127.0.0.1", "--port", str(port)]
            self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, start_new_session=True)
            self._url = f"http://127.0.0.1:{port}"
            until_s = time.monotonic() + _READY_S
            while not _listens(port):
                assert self._process.poll() is None, "the stand-in for Cosmos DB ended"
                assert time.monotonic() < until_s, "the stand-in for Cosmos DB does not listen"
                time.sleep(0.05)

    def _serve(self, account: str, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        request = Request(environ)
        return self._answer(account, request)(environ, start)

    def _answer(self, account: str, request: Request) -> Response:
        if not _is_signed(request):
            return _refused(401, "The input authorization token can't serve the request.")
        found = _PARTS.fullmatch(request.path)
        if found is None:
            return _refused(404, f"Resource {request.path} is not here")
        body = request.get_data()
        if "/docs" in request.path and (wrong := _wrong_partition(request, body)):
            return _refused(400, wrong)
        headers = {key: value for key, value in request.headers.items() if key.lower() != "host"}
        if self.page:
            headers.setdefault("x-ms-max-item-count", str(self.page))
        path = request.path.replace(f"/dbs/{found['database']}", f"/dbs/{account}.{found['database']}", 1)
        answer = self._asked(request.method, path, body, headers)
        if answer.status == 500 and _UNDEFINED in answer.data:
            return _refused(404, "Entity with the specified id does not exist in the system.")
        kept = {key: value for key, value in answer.headers.items() if key.lower() in _PASSED_ON}
        return Response(answer.data, answer.status, headers=kept)

    def _asked(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Any:
        return self._http.request(method, self._url + path, body=body, headers=headers, retries=False, timeout=30)


def _is_signed(request: Request) -> bool:
    """Tell whether whoever asks has the key, as Microsoft's client proves it."""
    date = request.headers.get("x-ms-date", "")
    try:
        age_s = (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds()
    except ValueError:
        return False
    parts = request.path.strip("/").split("/")
    kind = parts[-1] if len(parts) % 2 else parts[-2]
    link = "/".join(parts[:-1] if len(parts) % 2 else parts)
    known: Any = SimpleNamespace(master_key=KEY)
    proof = _get_authorization_header(known, request.method, "", link, True, kind, {"x-ms-date": date})
    told = urllib.parse.unquote(request.headers.get("authorization", ""))
    return abs(age_s) < 900 and told == proof and bool(request.headers.get("x-ms-version"))


def _wrong_partition(request: Request, body: bytes) -> str:
    """Return what is wrong with the partition that a request names, as Cosmos DB says it."""
    try:
        [partition] = json.loads(request.headers["x-ms-documentdb-partitionkey"])
    except (KeyError, ValueError):
        return "PartitionKey value must be supplied for this operation."
    document = json.loads(body) if body else {}
    if request.method == "POST" and "query" not in document and document.get("partition") != partition:
        return "PartitionKey extracted from document doesn't match the one specified in the header."
    return ""


def _refused(status: int, message: str) -> Response:
    return Response(json.dumps({"code": str(status), "message": message}), status, content_type="application/json")
