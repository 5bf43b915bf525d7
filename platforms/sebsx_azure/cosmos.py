"""Cosmos DB as the run's table: an account of its own, without servers to choose, with one container of items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx_azure.errors import ERRORS

if TYPE_CHECKING:
    from sebsx_azure.clients import AzureClients

DATABASE, CONTAINER = "sebsx", "items"


def account(region: str) -> dict[str, Any]:
    """Return an account, as Azure takes it: items are charged by request, and a read has what was written before."""
    return {
        "kind": "GlobalDocumentDB",
        "properties": {
            "databaseAccountOfferType": "Standard", "minimalTlsVersion": "Tls12",
            "locations": [{"locationName": region, "failoverPriority": 0}],
            "capabilities": [{"name": "EnableServerless"}],
            "consistencyPolicy": {"defaultConsistencyLevel": "Strong"},
        },
    }  # fmt: skip


def made_container(clients: AzureClients, place: str) -> dict[str, str]:
    """Make the container of items in an account, and return what functions reach it by.

    Its key is good for the account, which has nothing else. Nothing is indexed but what items are found by.
    """
    databases, accounts = clients.cosmos.sql_resources, clients.cosmos.database_accounts
    group, _, name = place.partition("/")
    container = {
        "id": CONTAINER, "partitionKey": {"paths": ["/partition"], "kind": "Hash", "version": 2},
        "indexingPolicy": {
            "indexingMode": "consistent", "automatic": True, "includedPaths": [{"path": "/partition/?"}],
            "excludedPaths": [{"path": "/*"}],
        },
    }  # fmt: skip
    with ERRORS.explained(f"create of the table in {name!r}"):
        wanted: dict[str, Any] = {"location": clients.region, "properties": {"resource": {"id": DATABASE}}}
        databases.begin_create_update_sql_database(group, name, DATABASE, wanted).result()
        wanted["properties"] = {"resource": container}
        databases.begin_create_update_sql_container(group, name, DATABASE, CONTAINER, wanted).result()
        endpoint = accounts.get(group, name).properties.document_endpoint
        key = accounts.list_keys(group, name).primary_master_key
    return {
        "SEBSX_COSMOS_URL": f"{endpoint.rstrip('/')}/dbs/{DATABASE}/colls/{CONTAINER}", "SEBSX_COSMOS_KEY": str(key),
    }  # fmt: skip
