"""Settings of the platform `gcp`."""

from __future__ import annotations

from dataclasses import dataclass

from sebsx.clouds.accounts import AccountSettings
from sebsx.settings import setting

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
NODES = ("20", "22", "24")


@dataclass(frozen=True)
class GcpSettings(AccountSettings):
    """Where functions are made, as whom and how; what each gets are its options."""

    project: str = setting("", help="id of the project; default: that of the credentials")
    region: str = setting("us-central1", help="region of functions and bucket")
    credentials: str = setting("", help="key file of a service account; default: application default credentials")
    impersonate: str = setting("", help="service account to act as; people need one for identity tokens")
    anonymous: bool = setting(False, help="send no credentials at all, for emulators")
    service_account: str = setting("", help="service account that functions run as; default: that of the project")
    database: str = setting("(default)", help="Firestore database for the run's table")
    python: str = setting("3.12", help="version of the Python runtime", choices=PYTHONS)
    nodejs: str = setting("22", help="version of the Node.js runtime", choices=NODES)
    functions_url: str = setting("", help="another endpoint for Cloud Functions; default: Google's own")
    storage_url: str = setting("", help="another endpoint for Cloud Storage, for driver and functions")
    firestore_url: str = setting("", help="another endpoint for Firestore, for driver and functions")
    logging_url: str = setting("", help="another endpoint for Cloud Logging")
    metadata_host: str = setting("", help="HOST:PORT that functions ask for tokens; default: Google's metadata server")
