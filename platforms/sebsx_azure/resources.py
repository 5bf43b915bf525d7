"""What a run makes in a subscription beside functions: made when first needed, tagged, written down, and deleted."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sebsx.clouds import tags as our_tags
from sebsx.clouds.made import Made, by_kind
from sebsx.contracts.naming import NamingRule
from sebsx.system.lazy import require
from sebsx_azure import cosmos
from sebsx_azure.clients import EXTRA, AzureClients, explained, is_gone
from sebsx_azure.settings import COSMOS
from sebsx_azure.storage import BlobStorage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sebsx.contracts.platforms import PlatformContext
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
_ACCOUNT_NAME = NamingRule(longest=24, shortest=3, marks="")
_NAME = NamingRule(longest=60, shortest=4)
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
    """The shared resources of one run.

    Args:
        clients: The subscription.
        context: Says what they are called, what each is tagged with, and where it is written down before it is made.
    """

    def __init__(self, clients: AzureClients, context: PlatformContext) -> None:
        self._clients = clients
        self._made = Made(context.ledger, partial(delete, clients), clients.region)
        self.tags = dict(context.tags)
        self._expires_at = context.expires_at
        self._own_group = context.name("shared", _NAME)
        self._account_name = context.name("shared", _ACCOUNT_NAME)
        self._known: Account | None = None
        self._connection = ""
        self._items: dict[str, str] = {}

    @property
    def group(self) -> str:
        """The resource group of everything, which exists when this returns."""
        if self._clients.settings.resource_group:
            return self._clients.settings.resource_group
        return self._made.once(GROUP, self._own_group, self._make_group)

    @property
    def account(self) -> Account:
        """The run's storage account."""
        if self._known is None:
            name = self._make(ACCOUNT, self._account_name, {
                "kind": "StorageV2", "sku": {"name": "Standard_LRS"},
                "properties": {"allowBlobPublicAccess": False, "minimumTlsVersion": "TLS1_2"},
            })  # fmt: skip
            self._known = read_account(self._clients, self.group, name)
        return self._known

    @property
    def insights(self) -> str:
        """The connection string by which apps tell Application Insights of their requests."""
        if not self._connection:
            keeps = {"sku": {"name": "PerGB2018"}, "retentionInDays": 30}
            workspace = self._make(WORKSPACE, self._own_group, {"properties": keeps})
            wanted = {
                "Application_Type": "web", "IngestionMode": "LogAnalytics",
                "WorkspaceResourceId": arm_id(self._clients, WORKSPACE, f"{self.group}/{workspace}"),
            }  # fmt: skip
            name = self._make(COMPONENT, self._own_group, {"kind": "web", "properties": wanted})
            self._connection = str(read(self._clients, COMPONENT, f"{self.group}/{name}")["ConnectionString"])
        return self._connection

    def container(self) -> Any:
        """Return a client of the run's container of objects, which exists when this returns."""
        return made_container(self._clients.blobs(self.account.connection), _OBJECTS)

    def storage(self) -> BlobStorage:
        """Return the run's objects."""
        return BlobStorage(self.container())

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
            if not self._items:
                name = self._make(COSMOS_ACCOUNT, self._account_name, cosmos.account(self._clients.region))
                self._items = cosmos.made_container(self._clients, self.group, name)
            return
        with explained("create of the table"):
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

    def workspace_id(self) -> str:
        """Return the id by which the run's logs are asked for; the run may have ended."""
        group = self._clients.settings.resource_group or self._own_group
        return str(read(self._clients, WORKSPACE, f"{group}/{self._own_group}")["customerId"])

    def keep_logs(self) -> None:
        """Leave the logs, and the group that they are in, to `sebsx records` and whoever cleans up."""
        self._made.leave(WORKSPACE, f"{self.group}/{self._own_group}")
        self._made.leave(GROUP, self._own_group)

    def delete_all(self) -> None:
        """Delete what was made; one that cannot be stays in the ledger, for whoever cleans up."""
        self._known, self._connection, self._items = None, "", {}
        self._made.delete_all()

    def _make_group(self) -> str:
        with explained(f"create of {GROUP} {self._own_group!r}"):
            wanted = {"location": self._clients.region, "tags": self.tags}
            self._clients.resources.resource_groups.create_or_update(self._own_group, wanted)
        return self._own_group

    def _make(self, kind: str, name: str, wanted: Mapping[str, Any]) -> str:
        place = f"{self.group}/{name}"
        self._made.once(kind, place, lambda: put(self._clients, kind, place, self.tags, wanted))
        return name


def read_account(clients: AzureClients, group: str, name: str) -> Account:
    """Return a storage account with its key."""
    endpoints = read(clients, ACCOUNT, f"{group}/{name}")["primaryEndpoints"]
    with explained(f"read of the keys of {ACCOUNT} {name!r}"):
        [key, *_] = clients.storage.storage_accounts.list_keys(group, name).keys_property
    known = {service: endpoints[service] for service in ("blob", "queue", "table") if service in endpoints}
    return Account(name=name, key=key.value, endpoints=known)


def made_container(blobs: Any, name: str) -> Any:
    """Return a client of a container, which exists when this returns."""
    container, errors = blobs.get_container_client(name), require("azure.core.exceptions", extra=EXTRA)
    with explained(f"create of container {name!r}"), contextlib.suppress(errors.ResourceExistsError):
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
    with explained(f"create of {kind} {place.partition('/')[2]!r}"):
        clients.resources.resources.begin_create_or_update_by_id(
            arm_id(clients, kind, place), {"location": clients.region, "tags": dict(tags), **wanted},
            api_version=TYPES[kind][1],
        ).result()  # fmt: skip
    return place


def read(clients: AzureClients, kind: str, place: str) -> Mapping[str, Any]:
    """Return the properties of a resource."""
    with explained(f"read of {kind} {place.partition('/')[2]!r}"):
        found = clients.resources.resources.get_by_id(arm_id(clients, kind, place), api_version=TYPES[kind][1])
    return dict(found.properties or {})


def delete(clients: AzureClients, kind: str, place: str) -> None:
    """Delete one resource by its kind and place, and wait until it is gone. Harmless when it is.

    Raises:
        PlatformError: If it exists and cannot be deleted.
    """
    by_kind({GROUP: (), **TYPES}, kind, place)
    errors = require("azure.core.exceptions", extra=EXTRA)
    with explained(f"delete of {kind} {place!r}"):
        try:
            if kind == GROUP:
                clients.resources.resource_groups.begin_delete(place).result()
                return
            clients.resources.resources.begin_delete_by_id(
                arm_id(clients, kind, place), api_version=TYPES[kind][1]
            ).result()
        except errors.HttpResponseError as exc:
            if not is_gone(exc):
                raise


def tagged(clients: AzureClients, platform: str) -> Iterator[Resource]:
    """Yield every resource that the platform made in the subscription, by our tags, whatever run it was for."""
    wanted = f"tagName eq '{our_tags.PLATFORM_TAG}' and tagValue eq '{platform}'"
    with explained("search for resources with our tags"):
        found = [*clients.resources.resources.list(filter=wanted)]
        found += clients.resources.resource_groups.list(filter=wanted)
    for item in found:
        tags = dict(item.tags or {})
        kind = _KINDS.get((item.type or "").lower(), GROUP)
        if our_tags.are_ours(tags, platform) and (kind != GROUP or "/providers/" not in item.id):
            name = item.name if kind == GROUP else f"{item.id.split('/')[4]}/{item.name}"
            yield our_tags.resource(kind, name, tags, region=item.location, provider_id=name)
