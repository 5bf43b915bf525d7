"""The subscription that tests of azure run against is held to Azure's own SDKs: what is wrong is caught."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from tests.emulated_azure import SUBSCRIPTION, EmulatedSubscription
from tests.emulated_azure.contract import ViolationError, operation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/g"
SITE = f"{GROUP}/providers/Microsoft.Web/sites/a"
QUERY = {"api-version": "2025-05-01"}
APP: dict[str, Any] = {
    "location": "eastus", "kind": "functionapp,linux", "tags": {"sebsx-run": "x"},
    "properties": {
        "serverFarmId": "p", "httpsOnly": True, "siteConfig": {"appSettings": [{"name": "A", "value": "b"}]},
        "functionAppConfig": {
            "runtime": {"name": "python", "version": "3.12"},
            "deployment": {
                "storage": {
                    "type": "blobContainer", "value": "https://x/y",
                    "authentication": {
                        "type": "StorageAccountConnectionString", "storageAccountConnectionStringName": "X",
                    },
                }
            },
            "scaleAndConcurrency": {
                "instanceMemoryMB": 512, "maximumInstanceCount": 7,
                "alwaysReady": [{"name": "http", "instanceCount": 1}],
                "triggers": {"http": {"perInstanceConcurrency": 4}},
            },
        },
    },
}  # fmt: skip
OTHERS: list[tuple[str, str, dict[str, Any]]] = [
    ("PUT", f"/subscriptions/{SUBSCRIPTION}/resourcegroups/g", {"location": "x", "tags": {"a": "b"}}),
    ("PUT", f"{GROUP}/providers/Microsoft.Web/serverfarms/p",
     {"location": "x", "kind": "functionapp", "sku": {"name": "FC1", "tier": "FlexConsumption"},
      "properties": {"reserved": True}}),
    ("PUT", f"{GROUP}/providers/Microsoft.Storage/storageAccounts/s",
     {"location": "x", "kind": "StorageV2", "sku": {"name": "Standard_LRS"},
      "properties": {"allowBlobPublicAccess": False, "minimumTlsVersion": "TLS1_2"}}),
    ("PUT", f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/w",
     {"location": "x", "properties": {"sku": {"name": "PerGB2018"}, "retentionInDays": 30}}),
    ("PUT", f"{GROUP}/providers/Microsoft.Insights/components/c",
     {"location": "x", "kind": "web", "properties": {"Application_Type": "web", "WorkspaceResourceId": "w"}}),
    ("PUT", f"{SITE}/config/appsettings", {"properties": {"A": "b"}}),
]  # fmt: skip
FREE = {"tags"}  # whose names are the user's; those of settings are, too


def ways(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value in a document."""
    if way:
        yield way
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from ways(item, (*way, key))


def changed(document: dict[str, Any], way: tuple[Any, ...]) -> tuple[dict[str, Any], Any]:
    """Return a copy of a document, and in it what holds the value at a way."""
    told = copy.deepcopy(document)
    place: Any = told
    for key in way[:-1]:
        place = place[key]
    return told, place


@pytest.mark.parametrize(("method", "path", "document"), [("PUT", SITE, APP), *OTHERS])
def test_every_wrong_type_and_name_in_a_request_is_caught(method: str, path: str, document: dict[str, Any]) -> None:
    found = operation(method, path)
    found.check_request(QUERY, document)
    for way in ways(document):
        told, place = changed(document, way)
        for wrong in ("text", 1.5, True, {"a": 1}, ["x"]):
            if type(wrong) is type(place[way[-1]]) and not isinstance(wrong, dict | list):
                continue
            other, spot = changed(document, way)
            spot[way[-1]] = wrong
            with pytest.raises(ViolationError):
                found.check_request(QUERY, other)
        if isinstance(way[-1], int) or FREE & set(way[:-1]) or (path.endswith("appsettings") and len(way) > 1):
            continue
        place[f"{way[-1]}X"] = place.pop(way[-1])
        with pytest.raises(ViolationError, match="has no property"):
            found.check_request(QUERY, told)


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("POST", SITE, QUERY, APP),
        ("PUT", SITE.replace("sites", "site"), QUERY, APP),
        ("GET", f"{SITE}/function", QUERY, None),
        ("PUT", SITE, {}, APP),
        ("PUT", SITE, {"api-version": "latest"}, APP),
        ("PUT", SITE, QUERY, None),
        ("GET", SITE, QUERY, APP),
        ("PUT", SITE, QUERY, {**APP, "id": "for answers only"}),
        ("PUT", SITE, QUERY, {**APP, "properties": {"defaultHostName": "for answers only"}}),
        ("POST", f"{SITE}/functions/f/listKeyz", QUERY, None),
    ],
)
def test_wrong_method_path_parameter_or_value_is_caught(
    method: str, path: str, query: dict[str, str], body: Any
) -> None:
    with pytest.raises(ViolationError):
        operation(method, path).check_request(query, body)


def test_stand_in_refuses_and_remembers_what_is_wrong_and_says_nothing_wrong(
    one_subscription: EmulatedSubscription,
) -> None:
    one_subscription.reset()
    one_subscription.tokens.add("token")
    url = f"{one_subscription.url}{SITE}?api-version=2025-05-01"
    headers = {"Authorization": "Bearer token", "Content-Type": "application/json"}
    with urllib3.PoolManager(ca_certs=str(one_subscription.certificate)) as http:
        answer = http.request("PUT", url, body=json.dumps({**APP, "memory": 1}), headers=headers)
        assert answer.status == 400
        assert one_subscription.violations == ["Site has no property 'memory'"]
        assert http.request("GET", url).status == 401
    with pytest.raises(ViolationError):  # answers are held to the same
        operation("GET", SITE).check_answer({"properties": {"defaultHostname": "x"}})
    one_subscription.reset()
