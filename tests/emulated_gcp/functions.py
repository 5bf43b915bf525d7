"""The control plane of Cloud Functions, second version: functions, their builds, and operations that take a while."""

from __future__ import annotations

import re
import secrets
import threading
import time
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx_gcp.functions import VCPU_BY_MEMORY, memory_mib

if TYPE_CHECKING:
    from tests.emulated_gcp.data_plane import DataPlane

RUNTIMES = ("python310", "python311", "python312", "python313", "nodejs20", "nodejs22")
_ID = re.compile(r"[a-z][a-z0-9-]{2,61}[a-z0-9]")
_ENUMS = {"environment": ("ENVIRONMENT_UNSPECIFIED", "GEN_1", "GEN_2")}
_INVALID, _EXISTS = 3, 6
_PAGE = 40


class RefusedError(Exception):
    """What the API refuses at once: HTTP status, name of the error, words."""

    def __init__(self, code: int, status: str, message: str) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class ControlPlane:
    """The functions of one project and region.

    Args:
        base: URL of the stand-in.
        location: `projects/P/locations/R`.
        data: Where functions run.
        workdir: For sources.

    Attributes:
        settle_s: How long an operation takes.
        failing: Words with which the next builds fail, if any.
    """

    def __init__(self, base: str, location: str, data: DataPlane, workdir: Path) -> None:
        self._base, self._location, self._data, self._workdir = base, location, data, workdir
        self.settle_s = 0.0
        self.failing = ""
        self.functions: dict[str, dict[str, Any]] = {}
        self.operations: dict[str, tuple[float, dict[str, Any]]] = {}
        self.sources: dict[str, Path] = {}
        self._lock = threading.Lock()

    def reset(self) -> None:
        for name in list(self.functions):
            self._data.remove(name)
        self.functions.clear()
        self.operations.clear()
        self.sources.clear()
        self.settle_s, self.failing = 0.0, ""

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        """Return what the API answers; raises `RefusedError`."""
        place = path.removeprefix("/v2/")
        if not place.startswith(self._location):
            raise RefusedError(
                403, "PERMISSION_DENIED", f"Permission denied on resource {place.split('/locations')[0]}."
            )
        rest = place.removeprefix(self._location).strip("/").split("/")
        if rest[0] == "operations":
            return self._operation(rest[1])
        if rest[0] == "runtimes":
            return {"runtimes": [{"name": name, "environment": "GEN_2", "stage": "GA"} for name in RUNTIMES]}
        if rest[0] == "functions:generateUploadUrl":
            return self._upload_url()
        if len(rest) == 1:
            return self._create(query.get("functionId", ""), body) if method == "POST" else self._list(query)
        if rest[1] not in self.functions:
            raise RefusedError(404, "NOT_FOUND", f"Resource '{place}' was not found")
        if method == "GET":
            return self._shown(rest[1])
        if method == "DELETE":
            return self._delete(rest[1])
        return self._patch(rest[1], query.get("updateMask", ""), body)

    def take_source(self, key: str, path: Path) -> None:
        self.sources[key] = path

    def _upload_url(self) -> dict[str, Any]:
        key = secrets.token_hex(8)
        source = {"bucket": "gcf-v2-uploads-1-emulated", "object": f"{key}.zip", "generation": "1"}
        return {"uploadUrl": f"{self._base}/upload-source/{key}?X-Goog-Signature=emulated0", "storageSource": source}

    def _create(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        if not _ID.fullmatch(name):
            raise RefusedError(400, "INVALID_ARGUMENT", f"Invalid function name {name!r}")
        with self._lock:
            if name in self.functions:
                raise RefusedError(409, "ALREADY_EXISTS", f"Could not create function {name}: already exists")
            told = _named(body)
            self.functions[name] = {**told, "name": f"{self._location}/functions/{name}", "state": "DEPLOYING"}
        for key, value in told.get("labels", {}).items():
            if not re.fullmatch(r"[a-z0-9_-]{0,63}", value) or not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key):
                del self.functions[name]
                raise RefusedError(400, "INVALID_ARGUMENT", f"label {key}={value} is invalid")
        return self._started(name, lambda: self._deploy(name, "00001"))

    def _patch(self, name: str, mask: str, body: dict[str, Any]) -> dict[str, Any]:
        function = self.functions[name]
        before = deepcopy(function)
        for path in mask.split(","):
            part, _, key = path.partition(".")
            function[part][key] = body.get(part, {}).get(key)
        number = f"{int(function['serviceConfig']['revision'].rsplit('-', 2)[1]) + 1:05}"

        def change() -> dict[str, Any] | None:
            failure = self._deploy(name, number)
            if failure:
                self.functions[name] = before
            return failure

        return self._started(name, change)

    def _delete(self, name: str) -> dict[str, Any]:
        self._data.remove(name)
        del self.functions[name]
        return self._started(name, lambda: None)

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        names = sorted(self.functions)
        first = int(query.get("pageToken") or 0)
        page = {"functions": [self._shown(name) for name in names[first : first + _PAGE]]}
        return page | ({"nextPageToken": str(first + _PAGE)} if first + _PAGE < len(names) else {})

    def _shown(self, name: str) -> dict[str, Any]:
        told = deepcopy(self.functions[name])
        if told["state"] != "ACTIVE":
            told.get("serviceConfig", {}).pop("uri", None)
        return told

    def _started(self, name: str, work: Any) -> dict[str, Any]:
        """Do something at once, and tell of it when it has settled."""
        failure = work()
        operation = f"{self._location}/operations/{secrets.token_hex(8)}"
        told = {"name": operation, "done": True}
        told |= {"error": failure} if failure else {"response": {"@type": "type.googleapis.com/google.protobuf.Empty"}}
        self.operations[operation.rpartition("/")[2]] = (time.monotonic() + self.settle_s, told)
        return {"name": operation, "done": False}

    def _operation(self, name: str) -> dict[str, Any]:
        if name not in self.operations:
            raise RefusedError(404, "NOT_FOUND", f"operation {name} was not found")
        done_s, told = self.operations[name]
        return told if time.monotonic() >= done_s else {"name": told["name"], "done": False}

    def _deploy(self, name: str, number: str) -> dict[str, Any] | None:
        """Build and serve what a function now is; return the error of the operation, if it is one."""
        function = self.functions[name]
        service, build = function.setdefault("serviceConfig", {}), function["buildConfig"]
        failure = self.failing or _combination(service)
        key = build["source"]["storageSource"]["object"].removesuffix(".zip")
        if not failure and build["runtime"] not in RUNTIMES:
            failure = f"runtime {build['runtime']} is not supported"
        if not failure and key not in self.sources:
            failure = "Build failed: source not found"
        revision = f"{name}-{number}-{secrets.token_hex(2)[:3]}"
        shown = {
            "availableCpu": f"{VCPU_BY_MEMORY[memory_mib(service['availableMemory']) or 256]:g}", "timeoutSeconds": 60,
            "maxInstanceCount": 100, "maxInstanceRequestConcurrency": 1, "environmentVariables": {},
            "serviceAccountEmail": "1-compute@developer.gserviceaccount.com", "ingressSettings": "ALLOW_ALL",
        }  # fmt: skip
        read_back = {
            **shown, **service, "revision": revision, "uri": f"{self._base}/run/{name}",
            "service": f"{self._location}/services/{name}",
        }  # fmt: skip
        if not failure:
            try:
                self._data.deploy(name, revision, self.sources[key], read_back, build)
            except ValueError as exc:
                failure = f"Build failed: {exc}"
        if failure:
            function["state"] = "FAILED"
            function["stateMessages"] = [{"severity": "ERROR", "type": "CloudRunServiceNotFound", "message": failure}]
            return {"code": _INVALID, "message": failure}
        function |= {
            "serviceConfig": read_back, "state": "ACTIVE", "url": read_back["uri"],
            "updateTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        }  # fmt: skip
        build["build"] = f"projects/1/locations/us-central1/builds/{secrets.token_hex(8)}"
        return None


def _named(body: dict[str, Any]) -> dict[str, Any]:
    """Return a function with the names of enumerations where numbers came."""
    told = deepcopy(body)
    for key, names in _ENUMS.items():
        if isinstance(told.get(key), int):
            told[key] = names[told[key]]
    return told


def _combination(service: dict[str, Any]) -> str:
    """Return Google's words where memory, processors and concurrency do not go together."""
    vcpu, memory = float(service.get("availableCpu") or 0), memory_mib(service.get("availableMemory", "256Mi")) or 0
    if vcpu and service.get("maxInstanceRequestConcurrency", 1) > 1 and vcpu < 1:
        return "Total cpu < 1 is not supported with concurrency > 1."
    if vcpu >= 4 and memory < 2048:
        return f"Invalid memory/cpu combination: {vcpu:g} cpu requires at least 2048Mi"
    return ""
