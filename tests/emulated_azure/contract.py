"""Azure's own SDKs as judges: of every request that the stand-in gets, and of every answer it gives.

Which methods and paths there are is read from the operations of the SDKs, what is in a body from their models.
"""

from __future__ import annotations

import enum
import functools
import importlib
import inspect
import operator
import re
import types
import typing
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

_URL = re.compile(r'_url = (?:kwargs\.pop\(\s*"template_url",)?\s*\(?\s*((?:"[^"]*"\s*)+)')
_METHOD = re.compile(r'HttpRequest\(method="([A-Z]+)"')
_API_VERSION = re.compile(r"20\d\d-\d\d-\d\d")
_SDKS = {
    "web": ("azure.mgmt.web.operations._operations", "azure.mgmt.web.models"),
    "storage": ("azure.mgmt.storage.operations._operations", "azure.mgmt.storage.models"),
    "resources": ("azure.mgmt.resource.resources.operations._operations", "azure.mgmt.resource.resources.models"),
    "loganalytics": ("azure.mgmt.loganalytics.operations._operations", "azure.mgmt.loganalytics.models"),
    "cosmosdb": ("azure.mgmt.cosmosdb.operations._operations", "azure.mgmt.cosmosdb.models"),
    "insights": (
        "azure.mgmt.applicationinsights.v2020_02_02.operations._components_operations",
        "azure.mgmt.applicationinsights.v2020_02_02.models",
    ),
}
# What is in the bodies of those that the platform needs: by SDK, method and end of the path.
_BODIES: dict[tuple[str, str, str], tuple[str | None, str | None]] = {
    ("web", "PUT", "/serverfarms/{name}"): ("AppServicePlan", "AppServicePlan"),
    ("web", "PUT", "/sites/{name}"): ("Site", "Site"),
    ("web", "GET", "/serverfarms/{name}"): (None, "AppServicePlan"),
    ("web", "GET", "/sites/{name}"): (None, "Site"),
    ("web", "GET", "/providers/Microsoft.Web/sites"): (None, "[Site]"),
    ("web", "GET", "/providers/Microsoft.Web/geoRegions"): (None, "[GeoRegion]"),
    ("web", "PUT", "/sites/{name}/config/appsettings"): ("StringDictionary", "StringDictionary"),
    ("web", "POST", "/sites/{name}/config/appsettings/list"): (None, "StringDictionary"),
    ("web", "GET", "/sites/{name}/functions"): (None, "[FunctionEnvelope]"),
    ("web", "GET", "/sites/{name}/functions/{functionName}"): (None, "FunctionEnvelope"),
    ("storage", "PUT", "/storageAccounts/{accountName}"): ("StorageAccountCreateParameters", "StorageAccount"),
    ("storage", "GET", "/storageAccounts/{accountName}"): (None, "StorageAccount"),
    ("storage", "POST", "/storageAccounts/{accountName}/listKeys"): (None, "StorageAccountListKeysResult"),
    ("cosmosdb", "PUT", "/databaseAccounts/{accountName}"): (
        "DatabaseAccountCreateUpdateParameters", "DatabaseAccountGetResults",
    ),
    ("cosmosdb", "GET", "/databaseAccounts/{accountName}"): (None, "DatabaseAccountGetResults"),
    ("cosmosdb", "POST", "/databaseAccounts/{accountName}/listKeys"): (None, "DatabaseAccountListKeysResult"),
    ("cosmosdb", "PUT", "/sqlDatabases/{databaseName}"): (
        "SqlDatabaseCreateUpdateParameters", "SqlDatabaseGetResults",
    ),
    ("cosmosdb", "PUT", "/containers/{containerName}"): (
        "SqlContainerCreateUpdateParameters", "SqlContainerGetResults",
    ),
    ("loganalytics", "PUT", "/workspaces/{workspaceName}"): ("Workspace", "Workspace"),
    ("loganalytics", "GET", "/workspaces/{workspaceName}"): (None, "Workspace"),
    ("insights", "PUT", "/components/{resourceName}"): ("ApplicationInsightsComponent", "ApplicationInsightsComponent"),
    ("insights", "GET", "/components/{resourceName}"): (None, "ApplicationInsightsComponent"),
    ("resources", "PUT", "/resourcegroups/{resourceGroupName}"): ("ResourceGroup", "ResourceGroup"),
    ("resources", "GET", "/resourcegroups"): (None, "[ResourceGroup]"),
    ("resources", "GET", "/resources"): (None, "[GenericResourceExpanded]"),
    ("resources", "GET", "{subscriptionId}/providers"): (None, "[Provider]"),
}  # fmt: skip
_PLAIN = {"str": str, "int": int, "bool": bool, "float": float}


class ViolationError(Exception):
    """A request or an answer is not what Azure's SDK says."""


@dataclass(frozen=True)
class Operation:
    """One operation of an API."""

    sdk: str
    method: str
    template: str
    request: str | None
    response: str | None

    def check_request(self, query: dict[str, str], body: Any) -> None:
        """Raise `ViolationError` if a parameter or the body is not what the operation takes."""
        if not _API_VERSION.match(query.get("api-version", "")):
            raise ViolationError(f"{self.method} {self.template} needs an api-version")
        if body is None:
            if self.request is not None:
                raise ViolationError(f"{self.method} {self.template} needs a body")
        elif self.request is None:
            raise ViolationError(f"{self.method} {self.template} takes no body")
        else:
            check(self.sdk, self.request, body, of_request=True)

    def check_answer(self, body: Any) -> None:
        """Raise `ViolationError` if a body is not what the operation answers."""
        if self.response is not None and body is not None:
            if self.response.startswith("["):
                for item in body["value"]:
                    check(self.sdk, self.response.strip("[]"), item, of_request=False)
            else:
                check(self.sdk, self.response, body, of_request=False)


@cache
def operations() -> list[tuple[re.Pattern[str], Operation]]:
    """Return every operation of the SDKs, with the pattern of its path; plain parts of paths before variable ones."""
    found = []
    for sdk, (module, _) in _SDKS.items():
        source = inspect.getsource(importlib.import_module(module))
        for builder in source.split("\ndef build_")[1:]:
            url, verb = _URL.search(builder), _METHOD.search(builder)
            assert url is not None, builder[:400]
            assert verb is not None, builder[:400]
            template, method = "".join(re.findall(r'"([^"]*)"', url[1])), verb[1]
            if template.startswith("/{") or "/{resourceType}" in template:
                continue  # of any resource by its id: the SDK of its kind says what it is
            bodies = [value for (name, verb, end), value in _BODIES.items()
                      if (name, verb) == (sdk, method) and template.endswith(end)]  # fmt: skip
            request, response = bodies[0] if bodies else (None, None)
            parts = re.split(r"(\{[^}]+\})", template)
            pattern = "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in parts)
            found.append((re.compile(pattern, re.IGNORECASE), Operation(sdk, method, template, request, response)))
    return sorted(found, key=lambda item: item[1].template.count("{"))


def operation(method: str, path: str) -> Operation:
    """Return the operation that a request is for."""
    for pattern, found in operations():
        if found.method == method and pattern.fullmatch(path):
            return found
    raise ViolationError(f"no SDK has an operation {method} {path}")


def check(sdk: str, model: str, value: Any, *, of_request: bool) -> None:
    """Raise `ViolationError` if a value is not what a model says; its names are closed."""
    cls = getattr(importlib.import_module(_SDKS[sdk][1]), model)
    _check_model(cls, value, model, of_request)


def _check_model(cls: type[Any], value: Any, where: str, of_request: bool) -> None:
    if not isinstance(value, dict):
        raise ViolationError(f"{where} is {value!r}, not an object")
    if hasattr(cls, "_attribute_map"):
        _check_flat(cls, value, where, of_request)
        return
    known = fields(cls)
    for key, item in value.items():
        if key not in known:
            raise ViolationError(f"{where} has no property {key!r}")
        hint, is_read_only = known[key]
        if of_request and is_read_only:
            raise ViolationError(f"{where}.{key} is for answers only")
        if item is not None:
            _check_hint(hint, item, f"{where}.{key}", of_request)


@cache
def fields(cls: type[Any]) -> dict[str, tuple[Any, bool]]:
    """Return the properties of a model by their names on the wire: the type, and whether they are in answers only."""
    models = importlib.import_module(cls.__module__.rpartition(".")[0])
    names = {**vars(models), "_models": models}
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        for name, text in vars(base).get("__annotations__", {}).items():
            module = importlib.import_module(base.__module__)
            hints[name] = eval(text, {**vars(module), **names}) if isinstance(text, str) else text
    found = {}
    cls({})  # which makes the SDK look at its own annotations
    for name, field in cls._attr_to_rest_field.items():
        visibility = field._visibility or []
        found[field._rest_name] = (_resolved(hints[name], names), visibility == ["read"])
    return found


def _resolved(hint: Any, names: dict[str, Any]) -> Any:
    """Return a hint with the names in it replaced by what they mean."""
    if isinstance(hint, typing.ForwardRef):
        return eval(hint.__forward_arg__, dict(names))
    if isinstance(hint, str):
        return eval(hint, dict(names))
    origin = typing.get_origin(hint)
    arguments = () if origin is typing.Literal else tuple(_resolved(each, names) for each in typing.get_args(hint))
    if not arguments:
        return hint
    return functools.reduce(operator.or_, arguments) if _is_union(origin) else origin[arguments]


def _is_union(origin: Any) -> bool:
    return origin in (typing.Union, types.UnionType)


def _check_hint(hint: Any, value: Any, where: str, of_request: bool) -> None:
    origin = typing.get_origin(hint)
    if _is_union(origin):
        _check_any(typing.get_args(hint), value, where, of_request)
    elif origin in (list, dict):
        _check_many(hint, value, where, of_request)
    elif origin is typing.Literal:
        if value not in typing.get_args(hint):
            raise ViolationError(f"{where} is {value!r}, none of {typing.get_args(hint)}")
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        if value not in [member.value for member in hint]:
            raise ViolationError(f"{where} is {value!r}, none of {[member.value for member in hint]}")
    elif isinstance(hint, type) and hint.__module__.endswith("models._models"):
        _check_model(hint, value, where, of_request)
    else:
        _check_plain(hint, value, where)


def _check_any(choices: tuple[Any, ...], value: Any, where: str, of_request: bool) -> None:
    failures = []
    for choice in choices:
        if choice is type(None):
            continue
        try:
            _check_hint(choice, value, where, of_request)
        except ViolationError as exc:
            failures.append(exc)
        else:
            return
    raise failures[-1]


def _check_many(hint: Any, value: Any, where: str, of_request: bool) -> None:
    wanted = typing.get_origin(hint)
    if not isinstance(value, wanted):
        raise ViolationError(f"{where} is {value!r}, not a {wanted.__name__}")
    for key, item in value.items() if wanted is dict else enumerate(value):
        _check_hint(typing.get_args(hint)[-1], item, f"{where}.{key}", of_request)


def _check_plain(hint: Any, value: Any, where: str) -> None:
    if hint is datetime:
        try:
            datetime.fromisoformat(value)
        except (TypeError, ValueError):
            raise ViolationError(f"{where} is {value!r}, not a point in time") from None
    elif hint is float:
        if type(value) not in (int, float):
            raise ViolationError(f"{where} is {value!r}, not a number")
    elif hint in (str, int, bool) and type(value) is not hint:
        raise ViolationError(f"{where} is {value!r}, not a {hint.__name__}")


def _check_flat(cls: type[Any], value: dict[str, Any], where: str, of_request: bool) -> None:
    """Check against a model of the older kind, whose map says where in the document each attribute is."""
    known: dict[str, tuple[str, bool]] = {}
    for name, told in cls._attribute_map.items():
        is_read_only = bool(cls._validation.get(name, {}).get("readonly"))
        known[told["key"].replace("\\.", "\0")] = (told["type"], is_read_only)
    for key, item in _leaves(value, {path.partition(".")[0] for path in known if "." in path}):
        if key not in known:
            raise ViolationError(f"{where} has no property {key!r}")
        kind, is_read_only = known[key]
        if of_request and is_read_only:
            raise ViolationError(f"{where}.{key} is for answers only")
        if kind == "{str}":
            _check_hint(dict[str, str], item, f"{where}.{key}", of_request)
        elif kind in _PLAIN:
            _check_plain(_PLAIN[kind], item, f"{where}.{key}")


def _leaves(value: dict[str, Any], inner: set[str]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, item in value.items():
        if key in inner and isinstance(item, dict):
            found += [(f"{key}.{name}", each) for name, each in item.items()]
        elif key in inner:
            raise ViolationError(f"{key} is {item!r}, not an object")
        elif item is not None:
            found.append((key, item))
    return found
