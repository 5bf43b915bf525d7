"""Google's own discovery documents as judges: of every request that the stand-in gets, and of every answer it gives."""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import googleapiclient.discovery_cache

DOCUMENTS = Path(googleapiclient.discovery_cache.__file__).parent / "documents"
# Of the protocol, not of one service: gapic clients send them with every call.
_SYSTEM_PARAMETERS = frozenset({"$alt", "$.xgafv"})
_INTEGER = re.compile(r"-?\d+")
_INT32 = 2**31


class ViolationError(Exception):
    """A request or an answer is not what Google's document says."""


class Method:
    """One method of an API."""

    def __init__(self, api: Api, told: dict[str, Any]) -> None:
        self.api = api
        self.id: str = told["id"]
        self.http_method: str = told["httpMethod"]
        self.parameters: dict[str, Any] = told.get("parameters", {})
        self.request: dict[str, Any] | None = told.get("request")
        self.response: dict[str, Any] | None = told.get("response")
        self.upload = told.get("mediaUpload", {}).get("protocols", {}).get("simple", {}).get("path")
        path = f"/{api.document['servicePath']}{told['path']}"
        paths = [path, self.upload, f"/download{path}" if told.get("supportsMediaDownload") else None]
        self._paths = [re.compile(self._pattern(path)) for path in paths if path]

    def takes(self, http_method: str, path: str) -> bool:
        return http_method == self.http_method and any(pattern.fullmatch(path) for pattern in self._paths)

    def check_request(self, query: dict[str, list[str]], body: Any) -> None:
        """Raise `ViolationError` if a parameter or the body is not what the method takes."""
        known = {**self.api.document["parameters"], **self.parameters}
        if self.upload:
            known |= {"uploadType": {"type": "string", "location": "query"}}
        self._check_parameters(query, known)
        if self.request is None:
            if body is not None:
                raise ViolationError(f"{self.id} takes no body")
        elif body is not None:
            self.api.check(body, self.request, self.id, of_request=True)

    def _check_parameters(self, query: dict[str, list[str]], known: dict[str, Any]) -> None:
        for name, values in query.items():
            if name in _SYSTEM_PARAMETERS:
                continue
            if name not in known:
                raise ViolationError(f"{self.id} has no parameter {name!r}")
            for value in values:
                self._check_parameter(name, value, known[name])
        for name, parameter in self.parameters.items():
            if parameter.get("required") and parameter["location"] == "query" and name not in query:
                raise ViolationError(f"{self.id} needs parameter {name!r}")

    def check_answer(self, body: Any) -> None:
        """Raise `ViolationError` if a body is not what the method answers."""
        if self.response is not None:
            self.api.check(body, self.response, self.id, of_request=False)

    def _check_parameter(self, name: str, value: str, told: dict[str, Any]) -> None:
        kind = told.get("type")
        if kind == "integer" and not _INTEGER.fullmatch(value):
            raise ViolationError(f"{self.id}: parameter {name!r} is {value!r}, not an integer")
        if kind == "boolean" and value not in ("true", "false"):
            raise ViolationError(f"{self.id}: parameter {name!r} is {value!r}, not true or false")
        if "enum" in told and value not in told["enum"]:
            raise ViolationError(f"{self.id}: parameter {name!r} is {value!r}, none of {told['enum']}")
        if told.get("format") == "google-fieldmask" and not re.fullmatch(r"[a-zA-Z0-9.,_]+", value):
            raise ViolationError(f"{self.id}: parameter {name!r} is {value!r}, not a mask of fields")

    def _pattern(self, path: str) -> str:
        def one(found: re.Match[str]) -> str:
            name = found[1].removeprefix("+")
            own = self.parameters.get(name, {}).get("pattern", "^[^/]+$" if "+" not in found[1] else "^.+$")
            return f"({own.removeprefix('^').removesuffix('$')})"

        parts = re.split(r"(\{[^}]+\})", path)
        return "".join(
            one(found) if (found := re.fullmatch(r"\{([^}]+)\}", part)) else re.escape(part) for part in parts
        )


class Api:
    """One API of Google.

    Args:
        name: Of the document: `cloudfunctions.v2`.
    """

    def __init__(self, name: str) -> None:
        self.document = json.loads((DOCUMENTS / f"{name}.json").read_text(encoding="utf-8"))
        # `{+parent}:runQuery` before `{+parent}/{collectionId}`, which would take it as well.
        told = sorted(_methods(self.document), key=lambda method: ":" not in method["path"])
        self.methods = [Method(self, method) for method in told]

    def method(self, http_method: str, path: str) -> Method:
        """Return the method that a request is for.

        Args:
            http_method: `GET`, ...
            path: As it came, quoted.
        """
        quoted = re.sub(r"%2F", "\0", path, flags=re.IGNORECASE)  # within one part of a path
        for method in self.methods:
            if method.takes(http_method, unquote(quoted)):
                return method
        raise ViolationError(f"{self.document['id']} has no method {http_method} {path}")

    def check(self, value: Any, schema: dict[str, Any], where: str, *, of_request: bool) -> None:
        """Raise `ViolationError` if a value is not what a schema says; properties are closed."""
        if "$ref" in schema:
            schema = self.document["schemas"][schema["$ref"]]
        kind = schema.get("type", "object")
        if kind == "any":
            return
        if kind == "object":
            self._check_object(value, schema, where, of_request)
        elif kind == "array":
            if not isinstance(value, list):
                raise ViolationError(f"{where} is {value!r}, not a list")
            for item in value:
                self.check(item, schema["items"], f"{where}[]", of_request=of_request)
        else:
            _check_scalar(value, kind, schema, where)

    def _check_object(self, value: Any, schema: dict[str, Any], where: str, of_request: bool) -> None:
        if not isinstance(value, dict):
            raise ViolationError(f"{where} is {value!r}, not an object")
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        for key, item in value.items():
            if item is None and key in properties:
                continue  # as if it were not there
            inner = properties.get(key, others)
            if inner is None:
                raise ViolationError(f"{where} has no property {key!r}")
            if of_request and inner.get("readOnly"):
                raise ViolationError(f"{where}.{key} is for answers only")
            self.check(item, inner, f"{where}.{key}", of_request=of_request)


@cache
def api(name: str) -> Api:
    """Return an API; its document is read once."""
    return Api(name)


def _methods(resource: dict[str, Any]) -> list[dict[str, Any]]:
    found = list(resource.get("methods", {}).values())
    for inner in resource.get("resources", {}).values():
        found += _methods(inner)
    return found


def _check_scalar(value: Any, kind: str, schema: dict[str, Any], where: str) -> None:
    told = schema.get("format", "")
    if "enum" in schema:
        # By number where a client says `enum-encoding=int`; documents list names in the order of their numbers.
        if value in schema["enum"] or (type(value) is int and 0 <= value < len(schema["enum"])):
            return
        raise ViolationError(f"{where} is {value!r}, none of {schema['enum']}")
    right = {
        "string": isinstance(value, str) or (told in ("int64", "uint64") and type(value) is int),
        "boolean": isinstance(value, bool),
        "integer": type(value) is int and -_INT32 <= value < _INT32,
        "number": type(value) in (int, float),
    }[kind]
    if not right:
        raise ViolationError(f"{where} is {value!r}, not a {kind} ({told})")
    if told in ("int64", "uint64") and isinstance(value, str) and not _INTEGER.fullmatch(value):
        raise ViolationError(f"{where} is {value!r}, not an integer")
    if told in ("google-datetime", "date-time"):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            raise ViolationError(f"{where} is {value!r}, not a point in time") from None
