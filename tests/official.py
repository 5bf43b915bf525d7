"""Official contracts of APIs, as their makers publish them: what a request and an answer must look like.

They lie beside this project, in `shared/contracts` of a folder above it, and are no part of it: `find` returns None
where they are missing. Objects whose properties a contract names are closed: a key that it does not name is a fault.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jsonschema
import yaml

MISSING = "the official contract {name!r} is not in `shared/contracts` above this project"
_OURS = Path(__file__).resolve()
_JSON = ("application/json", "application/x-ndjson", "*/*")
_TYPES = {"integer": r"-?\d+", "number": r"-?\d+(\.\d+)?", "boolean": "true|false", "string": ".*"}


def find(name: str) -> Path | None:
    """Return the file of a contract; None where it is missing."""
    found = (parent / "shared" / "contracts" / name for parent in _OURS.parents)
    return next((path for path in found if path.is_file()), None)


class Official:
    """A contract in the form of Swagger 2 or OpenAPI 3.

    Args:
        path: Its file, JSON or YAML.
    """

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        self._document: dict[str, Any] = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        for name, schema in self._document.get("components", {}).get("schemas", {}).items():
            if len(parts := schema.get("allOf", ())) > 1:
                self._document["components"]["schemas"][name] = self._merged(parts)

    def request_fault(self, method: str, path: str, query: str, body: Any) -> str | None:
        """Return what is wrong with a request; None if nothing is.

        Args:
            method: HTTP method.
            path: As the contract counts it, without what all paths begin with.
            query: Behind the path.
            body: As JSON; None for none.
        """
        found = self._operation(method, path)
        if found is None:
            return f"{method} {path} is not in the contract"
        parameters, operation = found
        known = {item["name"]: item.get("schema", item) for item in parameters if item["in"] == "query"}
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name not in known:
                return f"{method} {path} takes no query {name!r}"
            schema = known[name]
            allowed = schema.get("enum")
            if not re.fullmatch(_TYPES[schema["type"]], value) or (allowed and value not in allowed):
                return f"{method} {path}: query {name}={value!r} is no {schema['type']} that it takes"
        wanted = self._body(parameters, operation)
        if wanted is None:
            return None if body is None else f"{method} {path} takes no body"
        return self._fault(wanted, body, f"{method} {path}") if body is not None else None

    def answer_fault(self, method: str, path: str, status: int, body: Any) -> str | None:
        """Return what is wrong with an answer; None if nothing is."""
        found = self._operation(method, path)
        if found is None:
            return f"{method} {path} is not in the contract"
        responses = found[1]["responses"]
        if str(status) not in responses:
            return f"{method} {path} does not answer {status}"
        response = self._resolved(responses[str(status)])
        schema = response.get("schema") or _content(response)
        return None if schema is None else self._fault(schema, body, f"{status} of {method} {path}")

    def fault(self, name: str, value: Any) -> str | None:
        """Return what is wrong with a value of a type that the contract names."""
        return self._fault({"$ref": f"{self._types}/{name}"}, value, name)

    def _merged(self, parts: list[dict[str, Any]]) -> dict[str, Any]:
        """Return one object for several, which could not be closed one by one."""
        found = [self._resolved(part) for part in parts]
        properties = {name: schema for part in found for name, schema in part["properties"].items()}
        required = [name for part in found for name in part.get("required", ())]
        return {"type": "object", "properties": properties, "required": required}

    @cached_property
    def _types(self) -> str:
        return "#/definitions" if "definitions" in self._document else "#/components/schemas"

    @cached_property
    def _closed(self) -> dict[str, Any]:
        closed: dict[str, Any] = _closed(self._document)
        return closed

    def _operation(self, method: str, path: str) -> tuple[list[dict[str, Any]], dict[str, Any]] | None:
        for template, item in self._document["paths"].items():
            pattern = re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path) and method.lower() in item:
                operation = item[method.lower()]
                named = [*item.get("parameters", ()), *operation.get("parameters", ())]
                return [self._resolved(parameter) for parameter in named], operation
        return None

    def _body(self, parameters: list[dict[str, Any]], operation: dict[str, Any]) -> dict[str, Any] | None:
        for parameter in parameters:
            if parameter["in"] == "body":
                schema: dict[str, Any] = parameter["schema"]
                return schema
        return _content(operation.get("requestBody", {}))

    def _resolved(self, item: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in item:
            place: Any = self._document
            for part in item["$ref"].removeprefix("#/").split("/"):
                place = place[part]
            item = place
        return item

    def _fault(self, schema: Mapping[str, Any], value: Any, what: str) -> str | None:
        validator = jsonschema.Draft4Validator({**self._closed, **_closed(schema)})
        error = next(iter(_errors(validator, value)), None)
        return None if error is None else f"{what}: {error.json_path}: {error.message[:300]}"


def _errors(validator: Any, value: Any) -> Iterator[Any]:
    yield from validator.iter_errors(value)


def _content(holder: Mapping[str, Any]) -> dict[str, Any] | None:
    content = holder.get("content", {})
    for kind in _JSON:
        schema: dict[str, Any] | None = content.get(kind, {}).get("schema")
        if schema is not None and schema.get("format") != "binary" and kind != "application/x-ndjson":
            return schema
    return None


def _closed(value: Any) -> Any:
    """Return a schema, or a document of schemas, whose objects take no keys beyond those that are named."""
    if isinstance(value, list):
        return [_closed(item) for item in value]
    if not isinstance(value, dict):
        return value
    closed = {key: _closed(item) for key, item in value.items()}
    if isinstance(value.get("properties"), dict) and "additionalProperties" not in value and "allOf" not in value:
        closed["additionalProperties"] = False
    if closed.pop("nullable", False) is True:
        return {"anyOf": [{"type": "null"}, closed]}
    return closed
