"""Resource Manager: groups, and resources in them, as far as the platform needs them."""

from __future__ import annotations

import re
import secrets
import threading
import time
import uuid
from copy import deepcopy
from typing import Any

from tests.emulated_azure import cosmos
from tests.emulated_azure.storage import KEY, Storage

_GROUP = re.compile(r"/subscriptions/[^/]+/resourcegroups/([^/]+)", re.IGNORECASE)
_RESOURCE = re.compile(
    r"(/subscriptions/[^/]+/resourcegroups/([^/]+)/providers/([^/]+/[^/]+)/([^/]+))((?:/.+)?)", re.IGNORECASE
)
_FILTER = re.compile(r"tagName eq '([^']+)' and tagValue eq '([^']+)'")
_TYPES = {
    "microsoft.web/sites": "Microsoft.Web/sites", "microsoft.web/serverfarms": "Microsoft.Web/serverFarms",
    "microsoft.storage/storageaccounts": "Microsoft.Storage/storageAccounts",
    "microsoft.documentdb/databaseaccounts": "Microsoft.DocumentDB/databaseAccounts",
    "microsoft.insights/components": "microsoft.insights/components",
    "microsoft.operationalinsights/workspaces": "Microsoft.OperationalInsights/workspaces",
}  # fmt: skip
_NAMES = {
    "microsoft.web/sites": r"[a-z0-9A-Z][a-zA-Z0-9-]{0,58}[a-zA-Z0-9]", "microsoft.web/serverfarms": r"[\w-]{1,60}",
    "microsoft.storage/storageaccounts": r"[a-z0-9]{3,24}",
    "microsoft.documentdb/databaseaccounts": r"[a-z0-9-]{3,44}", "microsoft.insights/components": r"[^%&?/]{1,260}",
    "microsoft.operationalinsights/workspaces": r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
}  # fmt: skip
_FLEX_MIB = (512, 2048, 4096)
_HIDDEN = ("appSettings",)  # of a site's configuration, which is told where it is asked for alone


class RefusedError(Exception):
    """What Resource Manager refuses at once: HTTP status, name of the error, words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Manager:
    """The resources of one subscription.

    Args:
        base: URL of the stand-in.
        subscription: Its id.
        storage: Where storage accounts are.
        items: Where accounts of Cosmos DB are.
        apps: What makes and ends function apps: told of each that is made, changed, started or deleted.

    Attributes:
        settle_s: How long it takes until what was made is there.
        unregistered: Providers that the subscription has not registered.
    """

    def __init__(self, base: str, subscription: str, storage: Storage, items: cosmos.Cosmos, apps: Any) -> None:
        self._base, self._subscription, self._storage, self._apps = base, subscription, storage, apps
        self._cosmos = items
        self.settle_s = 0.0
        self.unregistered: set[str] = set()
        self.groups: dict[str, dict[str, Any]] = {}
        self.resources: dict[str, dict[str, Any]] = {}
        self.settings: dict[str, dict[str, str]] = {}  # of sites, by id
        self.keys: dict[str, str] = {}  # of functions, by site
        self._settles: dict[str, float] = {}
        self._deleting: dict[str, float] = {}
        self._lock = threading.RLock()

    def reset(self) -> None:
        for key in [key for key in self.resources if "/sites/" in key]:
            self._apps.remove(self.resources[key]["name"])
        for told in (self.groups, self.resources, self.settings, self.keys, self._settles, self._deleting):
            told.clear()
        self.settle_s = 0.0
        self.unregistered.clear()

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any, dict[str, str]]:
        """Return status, body and headers of an answer; raises `RefusedError`."""
        rest = path.removeprefix(f"/subscriptions/{self._subscription}")
        if rest == path:
            raise RefusedError(
                404, "SubscriptionNotFound", f"The subscription '{path.split('/')[2]}' could not be found."
            )
        with self._lock:
            if (listed := self._listed(rest.lower(), query)) is not None:
                return 200, {"value": listed}, {}
            if found := re.fullmatch(r"/operationresults/(\w+)", rest):
                done = time.monotonic() >= self._deleting[found[1]]
                return (200, None, {}) if done else (202, None, {"Location": self._base + path, "Retry-After": "0"})
            if found := _GROUP.fullmatch(path):
                return self._group(method, path, found[1], body)
            if (found := _RESOURCE.fullmatch(path)) is None:
                raise RefusedError(404, "InvalidResourceType", f"nothing is at {path}")
            identity, group, kind, name, action = found.groups()
            if group.lower() not in self.groups:
                raise RefusedError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
            if action:
                told = self._acted(identity.lower(), action.lower(), body)
                return (204 if told is None else 200), told, {}
            return self._resource(method, identity, kind.lower(), name, body)

    def _listed(self, rest: str, query: dict[str, str]) -> list[dict[str, Any]] | None:
        """Return what a list holds; None where a path means none."""
        if rest == "/resourcegroups":
            return self._filtered(self.groups, query)
        if rest == "/resources":
            shown = ("id", "name", "type", "location", "tags", "kind")
            return [{key: item.get(key) for key in shown} for item in self._filtered(self.resources, query)]
        if rest == "/providers":
            names = {kind.partition("/")[0] for kind in _TYPES.values()}
            return [
                {"namespace": name, "registrationState": "NotRegistered" if name in self.unregistered else "Registered"}
                for name in sorted(names)
            ]
        if rest == "/providers/microsoft.web/sites":
            return [self._shown(key) for key in self.resources if "/sites/" in key]
        if rest == "/providers/microsoft.web/georegions":
            return [{"name": name, "properties": {"displayName": name}} for name in ("East US", "West Europe")]
        return None

    def _group(self, method: str, path: str, name: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        key = name.lower()
        if method == "PUT":
            told = {
                "id": path.replace("resourcegroups", "resourceGroups"), "name": name,
                "type": "Microsoft.Resources/resourceGroups", **body, "properties": {"provisioningState": "Succeeded"},
            }  # fmt: skip
            self.groups[key] = told
            return 201, told, {}
        if key not in self.groups:
            raise RefusedError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
        for identity in [one for one in self.resources if f"/resourcegroups/{key}/" in one]:
            self._removed(identity)
        del self.groups[key]
        return self._ended(202)

    def _ended(self, status: int) -> tuple[int, Any, dict[str, str]]:
        operation = secrets.token_hex(8)
        self._deleting[operation] = time.monotonic() + self.settle_s
        place = f"{self._base}/subscriptions/{self._subscription}/operationresults/{operation}?api-version=2021-04-01"
        return status, None, {"Location": place, "Retry-After": "0"}

    def _resource(self, method: str, identity: str, kind: str, name: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        key = identity.lower()
        if method == "PUT":
            if not re.fullmatch(_NAMES[kind], name):
                raise RefusedError(400, "InvalidResourceName", f"{name!r} is no name for a {kind}")
            if len(body.get("tags") or {}) > 50 or any(len(text) > 256 for text in (body.get("tags") or {}).values()):
                raise RefusedError(400, "InvalidTagValue", "a tag is too long")
            self._made(key, identity, kind, name, deepcopy(body))
            self._settles[key] = time.monotonic() + self.settle_s
            return (200 if "microsoft.web" in kind else 201), self._shown(key), {"Retry-After": "0"}
        if key not in self.resources:
            if method == "DELETE":
                return 204, None, {}
            raise RefusedError(404, "ResourceNotFound", f"The Resource '{kind}/{name}' was not found.")
        if method == "DELETE":
            self._removed(key)
            return (200, None, {}) if "microsoft.web" in kind else self._ended(202)
        return 200, self._shown(key), {"Retry-After": "0"}

    def _made(self, key: str, identity: str, kind: str, name: str, body: dict[str, Any]) -> None:
        told = {"id": identity, "name": name, "type": _TYPES[kind], **body}
        properties = told.setdefault("properties", {})
        if kind == "microsoft.storage/storageaccounts":
            properties["primaryEndpoints"] = self._storage.endpoints(name)
        elif kind == "microsoft.documentdb/databaseaccounts":
            told["properties"] = {**properties, "documentEndpoint": self._cosmos.made(name)}
        elif kind == "microsoft.operationalinsights/workspaces":
            properties["customerId"] = str(uuid.uuid4())
        elif kind == "microsoft.insights/components":
            properties["ConnectionString"] = f"InstrumentationKey={uuid.uuid4()};IngestionEndpoint={self._base}"
        elif kind == "microsoft.web/sites":
            self._make_site(key, told)
        self.resources[key] = told

    def _make_site(self, key: str, told: dict[str, Any]) -> None:
        properties, name = told["properties"], told["name"]
        plan = self.resources.get(properties["serverFarmId"].lower())
        if plan is None:
            raise RefusedError(404, "NotFound", f"Cannot find serverFarm {properties['serverFarmId']}.")
        config = properties.get("siteConfig") or {}
        flex, is_flex = properties.get("functionAppConfig"), plan["sku"]["name"] == "FC1"
        if is_flex != (flex is not None):
            raise RefusedError(
                400, "BadRequest", "Site.FunctionAppConfig is invalid. It is for Flex Consumption alone."
            )
        if flex is not None:
            scale = flex["scaleAndConcurrency"]
            if scale["instanceMemoryMB"] not in _FLEX_MIB:
                raise RefusedError(400, "BadRequest", f"The instanceMemoryMB {scale['instanceMemoryMB']} is not valid.")
            scale.setdefault("maximumInstanceCount", 100)
        settings = {item["name"]: item["value"] for item in config.get("appSettings") or ()}
        self.settings[key] = settings or self.settings.get(key, {})
        self.keys.setdefault(name, secrets.token_urlsafe(40))
        host = self._apps.made(name)
        states = [{"name": host, "hostType": kind, "sslState": "Disabled"} for kind in ("Standard", "Repository")]
        properties |= {
            "state": "Running", "defaultHostName": host, "hostNames": [host], "enabledHostNames": [host],
            "hostNameSslStates": states, "siteConfig": {k: v for k, v in config.items() if k not in _HIDDEN},
        }  # fmt: skip
        self._apps.changed(name, told, self.settings[key])

    def _acted(self, key: str, action: str, body: Any) -> Any:
        if key not in self.resources:
            raise RefusedError(404, "ResourceNotFound", f"The Resource '{key}' was not found.")
        told = self.resources[key]
        if action == "/listkeys" and "/databaseaccounts/" in key:
            return {"primaryMasterKey": cosmos.KEY, "secondaryMasterKey": cosmos.KEY}
        if action.startswith("/sqldatabases/"):
            self._cosmos.make(told["name"], action.removeprefix("/sqldatabases/"), body["properties"]["resource"])
            return {"id": told["id"] + action, "properties": {"resource": body["properties"]["resource"]}}
        if action == "/listkeys":
            keys = [{"keyName": "key1", "value": KEY, "permissions": "FULL"}]
            return {"keys": keys}
        if action == "/config/appsettings/list":
            return {"id": told["id"], "properties": self.settings[key]}
        if action == "/config/appsettings":
            self.settings[key] = dict(body["properties"])
            self._apps.changed(told["name"], told, self.settings[key])
            return {"id": told["id"], "properties": self.settings[key]}
        if action == "/syncfunctiontriggers":
            self._apps.synced(told["name"], self.settings[key])
            return None
        return self._function(told, action)

    def _function(self, told: dict[str, Any], action: str) -> Any:
        functions = self._apps.functions(told["name"])
        envelopes = {
            function["name"].lower(): {
                "id": f"{told['id']}/functions/{function['name']}", "name": f"{told['name']}/{function['name']}",
                "type": "Microsoft.Web/sites/functions",
                "properties": {
                    "isDisabled": False, "language": "python",
                    "invoke_url_template": f"https://{told['properties']['defaultHostName']}/api/{route}",
                    "config": {"bindings": [{"type": "httpTrigger", "authLevel": function["auth"]}]},
                },
            }
            for route, function in functions.items()
        }  # fmt: skip
        if action == "/functions":
            return {"value": list(envelopes.values())}
        _, _, name, *more = action.split("/")
        if name not in envelopes:
            raise RefusedError(404, "NotFound", f"Function '{name}' was not found.")
        return {"default": self.keys[told["name"]]} if more == ["listkeys"] else envelopes[name]

    def _removed(self, key: str) -> None:
        told = self.resources.pop(key)
        if "/sites/" in key:
            self._apps.remove(told["name"])
            self.settings.pop(key)
        elif "/databaseaccounts/" in key:
            self._cosmos.remove(told["name"])

    def _shown(self, key: str) -> dict[str, Any]:
        told = deepcopy(self.resources[key])
        is_there = time.monotonic() >= self._settles.get(key, 0.0)
        if "/sites/" not in key:
            told["properties"]["provisioningState"] = "Succeeded" if is_there else "Creating"
        told["properties"].pop("Flow_Type", None)
        return told

    @staticmethod
    def _filtered(items: dict[str, dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
        found = _FILTER.fullmatch(query.get("$filter", ""))
        if query.get("$filter") and found is None:
            raise RefusedError(400, "InvalidFilterInQueryString", f"Invalid $filter '{query['$filter']}'")
        return [
            deepcopy(item) for item in items.values()
            if found is None or (item.get("tags") or {}).get(found[1]) == found[2]
        ]  # fmt: skip
