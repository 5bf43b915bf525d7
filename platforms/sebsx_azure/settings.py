"""Settings of the platform `azure`."""

from __future__ import annotations

from dataclasses import dataclass

from sebsx.clouds.accounts import AccountSettings
from sebsx.settings import setting

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
NODES = ("20", "22")
STORAGE, COSMOS = TABLES = ("storage", "cosmos")


@dataclass(frozen=True)
class AzureSettings(AccountSettings):
    """Where functions are made, as whom and how; what each gets are its options."""

    subscription: str = setting("", help="id of the subscription; default: AZURE_SUBSCRIPTION_ID")
    region: str = setting("eastus", help="region of everything that is made")
    resource_group: str = setting("", help="existing resource group to work in; default: one for each run")
    tenant: str = setting("", help="id of the tenant, with client and client_secret")
    client: str = setting("", help="id of a service principal; default: Azure's default chain, such as `az login`")
    client_secret: str = setting("", help="secret of that service principal", secret=True)
    python: str = setting("3.12", help="version of the Python runtime", choices=PYTHONS)
    nodejs: str = setting("22", help="version of the Node.js runtime", choices=NODES)
    table: str = setting(STORAGE, help="what keeps the items of functions: Table storage or Cosmos DB", choices=TABLES)
    login_url: str = setting("https://login.microsoftonline.com", help="endpoint of Microsoft Entra ID")
    arm_url: str = setting("https://management.azure.com", help="endpoint of Azure Resource Manager")
    logs_url: str = setting("https://api.loganalytics.io", help="endpoint of Azure Monitor's logs")
    certificate: str = setting("", help="file with self-signed certificates of all endpoints, as PEM, to trust them")
