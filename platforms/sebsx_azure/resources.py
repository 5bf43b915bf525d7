"""What is made in a subscription: how each kind of resource is made, deleted and found, and how functions reach it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from sebsx.clouds import tags as our_tags
from sebsx.clouds.accounts import ResourceKind
from sebsx.contracts.naming import NamingRule
from sebsx.system.lazy import require
from sebsx_azure import cosmos
from sebsx_azure.clients import EXTRA, AzureClients, listed
from sebsx_azure.errors import ERRORS
from sebsx_azure.settings import COSMOS
from sebsx_azure.storage import BlobStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from sebsx.model import Resource

GROUP, ACCOUNT, COSMOS_ACCOUNT, WORKSPACE, COMPONENT, PLAN, FUNCTION = (
    "resource-group", "storage-account", "cosmos-account", "workspace", "component", "plan", "function",
)  # fmt: skip
# Resource Manager's name of each kind, and the version of the API that it is made and deleted by.
TYPES = {
    ACCOUNT: ("Microsoft.Storage/storageAccounts", "2023-05-01"),
    COSMOS_ACCOUNT: ("Microsoft.DocumentDB/databaseAccounts", "2024-11-15"),
    WORKSPACE: ("Microsoft.OperationalInsights/workspaces", "2023-09-01"),
    COMPONENT: ("Microsoft.Insights/components", "2020-02-02"),
    PLAN: ("Microsoft.Web/serverfarms", "2024-04-01"),
    FUNCTION: ("Microsoft.Web/sites", "2024-04-01"),
}
_KINDS = {name.lower(): kind for kind, (name, _) in TYPES.items()}
# Storage accounts are the strictest (docs: "Naming rules and restrictions for Azure resources", 2026-09).
ACCOUNT_NAME = NamingRule(longest=24, shortest=3, marks="")
SHARED_NAME = NamingRule(longest=60, shortest=4)
_OBJECTS, _TABLE = "objects", "items"


@dataclass(frozen=True, kw_only=True)
class Account:
    """A storage account.

    Args:
        name: Of the account.
        key: Good for everything in it.
        endpoints: URL of each service, by `blob`, `queue` and `table`.
    """

    name: str
    key: str
    endpoints: Mapping[str, str]

    @property
    def connection(self) -> str:
        """The connection string, with its key."""
        places = "".join(f";{service.title()}Endpoint={url}" for service, url in self.endpoints.items())
        return f"DefaultEndpointsProtocol=https;AccountName={self.name};AccountKey={self.key}{places}"


class AzureResources:
    """What the functions of one run share, as they reach it; each is made when it is first asked for.

    Args:
        clients: The subscription.
        shared: Returns the place of the resource of a kind, which exists then; see `AccountPlatform.shared`.
        expires_at: When signatures end.
    """

    def __init__(self, clients: AzureClients, shared: Callable[[str], str], expires_at: datetime) -> None:
        self._clients = clients
        self._shared = shared
        self._expires_at = expires_at
        self._items: dict[str, str] = {}

    @cached_property
    def account(self) -> Account:
        """The run's storage account."""
        return read_account(self._clients, self._shared(ACCOUNT))

    @cached_property
    def insights(self) -> str:
        """The connection string by which apps tell Application Insights of their requests."""
        self._shared(WORKSPACE)
        return str(read(self._clients, COMPONENT, self._shared(COMPONENT))["ConnectionString"])

    def storage(self) -> BlobStorage:
        """Return the run's objects."""
        return BlobStorage(made_container(self._clients.blobs(self.account.connection), _OBJECTS))

    def upload(self, container: Any, name: str, path: Path) -> str:
        """Write a package, and return a URL by which an app reads it as long as the run may last."""
        account, blob = self.account, require("azure.storage.blob", extra=EXTRA)
        BlobStorage(container).put_file(name, path)
        proof = blob.generate_blob_sas(
            account.name, container.container_name, name, account_key=account.key, permission="r",
            expiry=self._expires_at, protocol="https",
        )  # fmt: skip
        return f"{container.url}/{name}?{proof}"

    def table(self) -> None:
        """Make the run's table; an account of Cosmos DB takes Azure some minutes."""
        if self._clients.settings.table == COSMOS:
            self._items = self._items or cosmos.made_container(self._clients, self._shared(COSMOS_ACCOUNT))
            return
        with ERRORS.explained("create of the table"):
            self._clients.tables(self.account.connection).create_table_if_not_exists(_TABLE)

    def urls(self) -> dict[str, str]:
        """Return what functions reach objects and table by: URLs, each with a signature that is good for it alone.

        Items in Cosmos DB are reached by the key of their account.
        """
        account = self.account
        blob, tables = require("azure.storage.blob", extra=EXTRA), require("azure.data.tables", extra=EXTRA)
        credential = require("azure.core.credentials", extra=EXTRA).AzureNamedKeyCredential(account.name, account.key)
        objects = blob.generate_container_sas(
            account.name, _OBJECTS, account.key, permission="rcwdl", expiry=self._expires_at, protocol="https"
        )
        items = tables.generate_table_sas(
            credential, _TABLE, permission=tables.TableSasPermissions(read=True, add=True, update=True, delete=True),
            expiry=self._expires_at, protocol="https",
        )  # fmt: skip
        return {
            "SEBSX_CONTAINER_URL": f"{account.endpoints['blob'].rstrip('/')}/{_OBJECTS}?{objects}",
            "SEBSX_TABLE_URL": f"{account.endpoints['table'].rstrip('/')}/{_TABLE}?{items}",
            **self._items,
        }


def read_account(clients: AzureClients, place: str) -> Account:
    """Return a storage account with its key."""
    endpoints, (group, _, name) = read(clients, ACCOUNT, place)["primaryEndpoints"], place.partition("/")
    with ERRORS.explained(f"read of the keys of {ACCOUNT} {name!r}"):
        [key, *_] = clients.storage.storage_accounts.list_keys(group, name).keys_property
    known = {service: endpoints[service] for service in ("blob", "queue", "table") if service in endpoints}
    return Account(name=name, key=key.value, endpoints=known)


def made_container(blobs: Any, name: str) -> Any:
    """Return a client of a container, which exists when this returns."""
    container, errors = blobs.get_container_client(name), require("azure.core.exceptions", extra=EXTRA)
    with ERRORS.explained(f"create of container {name!r}"), contextlib.suppress(errors.ResourceExistsError):
        container.create_container()
    return container


def arm_id(clients: AzureClients, kind: str, place: str) -> str:
    """Return the full id of a resource.

    Args:
        clients: The subscription.
        kind: Its kind.
        place: Group and name, as in the ledger.
    """
    group, _, name = place.partition("/")
    return f"/subscriptions/{clients.subscription}/resourceGroups/{group}/providers/{TYPES[kind][0]}/{name}"


def put(clients: AzureClients, kind: str, place: str, tags: Mapping[str, str], wanted: Mapping[str, Any]) -> str:
    """Make or change a resource, wait until it is there, and return its place."""
    with ERRORS.explained(f"create of {kind} {place.partition('/')[2]!r}"):
        clients.resources.resources.begin_create_or_update_by_id(
            arm_id(clients, kind, place), {"location": clients.region, "tags": dict(tags), **wanted},
            api_version=TYPES[kind][1],
        ).result()  # fmt: skip
    return place


def read(clients: AzureClients, kind: str, place: str) -> Mapping[str, Any]:
    """Return the properties of a resource."""
    with ERRORS.explained(f"read of {kind} {place.partition('/')[2]!r}"):
        found = clients.resources.resources.get_by_id(arm_id(clients, kind, place), api_version=TYPES[kind][1])
    return dict(found.properties or {})


def workspace_id(clients: AzureClients, place: str) -> str:
    """Return the id by which the logs in a workspace are asked for."""
    return str(read(clients, WORKSPACE, place)["customerId"])


def tagged(clients: AzureClients, platform: str) -> Iterator[Resource]:
    """Yield every resource that the platform made in the subscription, by our tags, whatever run it was for."""
    wanted = f"tagName eq '{our_tags.PLATFORM_TAG}' and tagValue eq '{platform}'"
    found = [*listed("search for resources", clients.resources.resources.list(filter=wanted))]
    found += listed("search for resource groups", clients.resources.resource_groups.list(filter=wanted))
    for item in found:
        tags = dict(item.tags or {})
        kind = _KINDS.get((item.type or "").lower(), GROUP)
        if our_tags.are_ours(tags, platform) and (kind != GROUP or "/providers/" not in item.id):
            name = item.name if kind == GROUP else f"{item.id.split('/')[4]}/{item.name}"
            yield our_tags.resource(kind, name, tags, region=item.location, provider_id=name)


def _make_group(clients: AzureClients, name: str, tags: Mapping[str, str]) -> str:
    clients.resources.resource_groups.create_or_update(name, {"location": clients.region, "tags": dict(tags)})
    return name


def _make_account(clients: AzureClients, place: str, tags: Mapping[str, str]) -> str:
    properties = {"allowBlobPublicAccess": False, "minimumTlsVersion": "TLS1_2"}
    wanted = {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": properties}
    return put(clients, ACCOUNT, place, tags, wanted)


def _make_cosmos_account(clients: AzureClients, place: str, tags: Mapping[str, str]) -> str:
    return put(clients, COSMOS_ACCOUNT, place, tags, cosmos.account(clients.region))


def _make_workspace(clients: AzureClients, place: str, tags: Mapping[str, str]) -> str:
    keeps = {"sku": {"name": "PerGB2018"}, "retentionInDays": 30}
    return put(clients, WORKSPACE, place, tags, {"properties": keeps})


def _make_component(clients: AzureClients, place: str, tags: Mapping[str, str]) -> str:
    """Make what takes in the requests of apps; the workspace that keeps them has the same name."""
    wanted = {
        "Application_Type": "web", "IngestionMode": "LogAnalytics",
        "WorkspaceResourceId": arm_id(clients, WORKSPACE, place),
    }  # fmt: skip
    return put(clients, COMPONENT, place, tags, {"kind": "web", "properties": wanted})


def _delete_group(clients: AzureClients, name: str) -> None:
    clients.resources.resource_groups.begin_delete(name).result()


def _delete(kind: str, clients: AzureClients, place: str) -> None:
    """Delete a resource that is in a group, and wait until it is gone."""
    where = arm_id(clients, kind, place)
    clients.resources.resources.begin_delete_by_id(where, api_version=TYPES[kind][1]).result()


_MAKE = {
    ACCOUNT: _make_account,
    COSMOS_ACCOUNT: _make_cosmos_account,
    WORKSPACE: _make_workspace,
    COMPONENT: _make_component,
}
KINDS = {
    GROUP: ResourceKind(make=_make_group, delete=_delete_group),
    **{kind: ResourceKind(make=_MAKE.get(kind), delete=partial(_delete, kind)) for kind in TYPES},
}
