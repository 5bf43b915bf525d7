"""Clients of one subscription and region, and who they act as."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sebsx.clouds.accounts import CloudAccount, KeptClient
from sebsx.clouds.certificates import text_of
from sebsx.clouds.pages import each_page
from sebsx.errors import UserError
from sebsx.system.homes import expanded
from sebsx.system.lazy import require
from sebsx_azure.errors import ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sebsx_azure.settings import AzureSettings

EXTRA = "azure"
# How a call is repeated that Azure refuses for now: for half a minute, unless Azure itself says how long to wait.
RETRIES: dict[str, Any] = {"retry_total": 6, "retry_backoff_factor": 0.4, "retry_backoff_max": 10}
POLLING_S = 5  # where Azure does not say how long to wait
_NEED_HTTPS = "are sent over https alone: give https://..."


def _manager(module: str, name: str) -> Callable[[AzureClients], Any]:
    """Return what makes a client of Resource Manager."""

    def make(account: AzureClients) -> Any:
        return getattr(require(module, extra=EXTRA), name)(
            account.credential, account.subscription, base_url=account.settings.arm_url.rstrip("/"),
            credential_scopes=[account.scope], polling_interval=POLLING_S, **account.trust, **RETRIES,
        )  # fmt: skip

    return make


class AzureClients(CloudAccount):
    """Makes clients when they are first needed; making one sends nothing but for credentials.

    Args:
        settings: Subscription, region, credentials and endpoints.
    """

    errors = ERRORS

    def __init__(self, settings: AzureSettings) -> None:
        self.settings = settings
        self._opened: list[Any] = []  # clients of accounts

    @property
    def region(self) -> str:
        """The region of everything that is made."""
        return self.settings.region

    def prove(self) -> None:
        """See that Azure gives out a token."""
        self.token()

    @cached_property
    def subscription(self) -> str:
        """The id of the subscription.

        Raises:
            UserError: If nobody names one.
        """
        found = self.settings.subscription or os.environ.get("AZURE_SUBSCRIPTION_ID", "")
        if not found:
            raise UserError("no Azure subscription is known; give one with --set subscription=ID (az account list)")
        return found

    @KeptClient
    def credential(self) -> Any:
        """What tokens are asked for with.

        Raises:
            UserError: If the settings name a part of a service principal only, or an endpoint without encryption.
        """
        settings, identity = self.settings, require("azure.identity", extra=EXTRA)
        for name in ("login_url", "arm_url", "logs_url"):
            if not getattr(settings, name).startswith("https://"):
                raise UserError(f"{name} is {getattr(settings, name)!r}, and credentials {_NEED_HTTPS}")
        text_of(settings.certificate)  # which says so where it cannot be read
        where = {"authority": settings.login_url, **self.trust}
        if settings.certificate:  # a login of its own, which Microsoft does not know of
            where["disable_instance_discovery"] = True
        principal = (settings.tenant, settings.client, settings.client_secret)
        if not any(principal):
            return identity.DefaultAzureCredential(**where)
        if not all(principal):
            raise UserError("a service principal needs the settings tenant, client and client_secret together")
        return identity.ClientSecretCredential(*principal, **where)

    resources = KeptClient(_manager("azure.mgmt.resource.resources", "ResourceManagementClient"))
    """What all resources have in common."""
    web = KeptClient(_manager("azure.mgmt.web", "WebSiteManagementClient"))
    """Function apps."""
    storage = KeptClient(_manager("azure.mgmt.storage", "StorageManagementClient"))
    """Storage accounts."""
    cosmos = KeptClient(_manager("azure.mgmt.cosmosdb", "CosmosDBManagementClient"))
    """Accounts of Cosmos DB."""

    @KeptClient
    def logs(self) -> Any:
        """The client of Azure Monitor's logs."""
        client = require("azure.monitor.query", extra=EXTRA).LogsQueryClient
        return client(self.credential, endpoint=self.settings.logs_url, **self.trust, **RETRIES)

    def blobs(self, connection: str) -> Any:
        """Return a client of the objects of a storage account, by its connection string."""
        client = require("azure.storage.blob", extra=EXTRA).BlobServiceClient
        return self._kept(client.from_connection_string(connection, **self.trust))

    def blobs_as_user(self, account_url: str) -> Any:
        """Return a client of the objects of a storage account, by the credentials of the settings."""
        client = require("azure.storage.blob", extra=EXTRA).BlobServiceClient
        return self._kept(client(account_url, credential=self.credential, **self.trust))

    def tables(self, connection: str) -> Any:
        """Return a client of the tables of a storage account, by its connection string."""
        client = require("azure.data.tables", extra=EXTRA).TableServiceClient
        return self._kept(client.from_connection_string(connection, **self.trust))

    def token(self) -> str:
        """Return a token for the management of apps."""
        with self.explained("token"):
            return str(self.credential.get_token(self.scope).token)

    @property
    def trusted(self) -> str | bool:
        """What makes a server trusted: a file with certificates, or True for those of this machine."""
        return str(expanded(self.settings.certificate)) if self.settings.certificate else True

    def close(self) -> None:
        """Close every connection. A second call is harmless."""
        super().close()
        while self._opened:
            self._opened.pop().close()

    def _kept(self, client: Any) -> Any:
        self._opened.append(client)
        return client

    @property
    def scope(self) -> str:
        """What a token for the management of apps is good for."""
        return f"{self.settings.arm_url.rstrip('/')}/.default"

    @property
    def trust(self) -> dict[str, Any]:
        """How every client is told whom it trusts."""
        return {"connection_verify": self.trusted}


def listed(what: str, listing: Any) -> Iterator[Any]:
    """Yield the items of a listing of Azure's libraries.

    Args:
        what: What is listed, for messages.
        listing: As it was asked for.

    Raises:
        PlatformError: If it does not end.
    """
    pages = listing.by_page()
    return (item for page in each_page(what, pages, lambda _page: pages.continuation_token) for item in page)
