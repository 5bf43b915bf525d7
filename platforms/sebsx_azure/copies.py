"""What a copy of a function app is made of: its package, read back from where Azure keeps it, and its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sebsx.clouds.fresh import NONCE
from sebsx.errors import UnsupportedError
from sebsx.system.lazy import require
from sebsx_azure.clients import EXTRA
from sebsx_azure.errors import ERRORS
from sebsx_azure.functions import deployment_storage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sebsx_azure.clients import AzureClients
    from sebsx_azure.existing import AzureFunction

# How Flex Consumption calls the package in an app's container (docs: "Infrastructure as code", 2026-11).
PACKAGE = "released-package.zip"
# The host's own storage, and in variants with `__` who reaches it.
_HOST_STORAGE = "AzureWebJobsStorage"


def read_package(clients: AzureClients, app: Mapping[str, Any], settings: Mapping[str, str], path: Path) -> Path:
    """Write the package of an app on Flex Consumption into a file, and return the file.

    Args:
        clients: The subscription; whoever it acts as must read the app's storage where the app does so by an identity.
        app: What Azure says of the app.
        settings: Its application settings, one of which may be the key to its storage.
        path: The file; its folder is made.

    Raises:
        UnsupportedError: If there is none.
    """
    storage, name = app["properties"]["functionAppConfig"]["deployment"]["storage"], app["name"]
    secret = settings.get((storage.get("authentication") or {}).get("storageAccountConnectionStringName") or "")
    account, _, container = storage["value"].rstrip("/").rpartition("/")
    blobs = clients.blobs(secret) if secret else clients.blobs_as_user(account)
    errors = require("azure.core.exceptions", extra=EXTRA)
    path.parent.mkdir(parents=True, exist_ok=True)
    with ERRORS.explained(f"read of the package of {name!r}"), path.open("wb") as file:
        try:
            blobs.get_blob_client(container, PACKAGE).download_blob().readinto(file)
        except errors.ResourceNotFoundError:
            raise UnsupportedError(
                f"{name!r} cannot be copied: there is no {PACKAGE} in its container {container!r}; measure it as it is "
                "(without --memory)"
            ) from None
    return path


def copy_of(told: AzureFunction, plan_id: str, connection: str, container_url: str, memory_mib: int) -> dict[str, Any]:
    """Return a copy of an app, as Azure takes it; nothing but HTTP starts anything in it.

    Args:
        told: The function, and its app.
        plan_id: Full id of the copy's plan.
        connection: Connection string of the copy's storage account.
        container_url: Where the copy's package is kept.
        memory_mib: Of its instances.
    """
    flex = told.app["properties"]["functionAppConfig"]
    scale = {key: value for key, value in flex["scaleAndConcurrency"].items() if key != "alwaysReady" and value}
    scale["instanceMemoryMB"] = memory_mib
    setting, storage = deployment_storage(container_url)
    known = {key: value for key, value in told.settings.items() if key != NONCE and not key.startswith(_HOST_STORAGE)}
    known |= {_HOST_STORAGE: connection, setting: connection}
    known |= {f"AzureWebJobs.{name}.Disabled": "true" for name in told.others}
    return {
        "kind": told.app["kind"],
        "properties": {
            "serverFarmId": plan_id, "httpsOnly": True,
            "functionAppConfig": {
                "deployment": {"storage": storage}, "runtime": flex["runtime"], "scaleAndConcurrency": scale,
            },
            "siteConfig": {"appSettings": [{"name": name, "value": value} for name, value in known.items()]},
        },
    }  # fmt: skip
