"""Clients of one subscription and region, who they act as, and what Azure's errors mean to a person."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sebsx.clouds.accounts import CloudAccount
from sebsx.clouds.certificates import text_of
from sebsx.clouds.refusals import Refusal, explain
from sebsx.errors import CredentialsError, PlatformError, QuotaError, UnsupportedError, UserError
from sebsx.system.homes import expanded
from sebsx.system.lazy import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from sebsx.clouds.answers import ReadAnswer
    from sebsx_azure.settings import AzureSettings

EXTRA = "azure"
# How a call is repeated that Azure refuses for now: for half a minute, unless Azure itself says how long to wait.
RETRIES: dict[str, Any] = {"retry_total": 6, "retry_backoff_factor": 0.4, "retry_backoff_max": 10}
POLLING_S = 5  # where Azure does not say how long to wait
_NEED_HTTPS = "are sent over https alone: give https://..."
_LOGIN = "az login"
# The first that covers an error counts.
_REFUSALS = (
    Refusal(
        error=CredentialsError,
        codes=frozenset({"InvalidAuthenticationToken", "ExpiredAuthenticationToken", "AuthenticationFailed", "401"}),
        advice=f"the credentials are wrong or have expired: log in again ({_LOGIN})",
    ),
    Refusal(
        error=CredentialsError,
        codes=frozenset(
            {
                "AuthorizationFailed", "LinkedAuthorizationFailed", "403", "AuthorizationFailure",
                "AuthorizationPermissionMismatch", "KeyBasedAuthenticationNotPermitted",
            }
        ),
        advice="grant the role that docs/platforms/azure.md names, and wait some minutes",
    ),
    Refusal(
        error=PlatformError, codes=frozenset({"MissingSubscriptionRegistration", "SubscriptionNotRegistered"}),
        advice="register the providers that docs/platforms/azure.md lists (az provider register)",
    ),
    Refusal(
        error=PlatformError, codes=frozenset({"SubscriptionNotFound", "InvalidSubscriptionId"}),
        advice="give another with --set subscription=ID (az account list)",
    ),
    Refusal(
        error=PlatformError, codes=frozenset({"RequestDisallowedByPolicy", "ReadOnlyDisabledSubscription"}),
        advice="ask whoever administers the subscription",
    ),
    Refusal(
        error=PlatformError, codes=frozenset({"LocationNotAvailableForResourceType"}),
        words=("is not available in", "does not support the requested operation in region"),
        advice="choose another region with --set region= (az functionapp list-flexconsumption-locations)",
    ),
    Refusal(
        error=QuotaError,
        codes=frozenset({"QuotaExceeded", "SubscriptionRequestsThrottled", "TooManyRequests", "429"}),
        words=("quota", "Too many requests"),
        advice="run fewer functions at once, later, or ask Azure for a higher quota (Quotas in the portal)",
    ),
    Refusal(
        error=UnsupportedError, codes=frozenset({"RequestEntityTooLarge", "413"}),
        advice="leave out of a package what it does not need",
    ),
)  # fmt: skip
# Ids of subscriptions and tenants, tokens, keys and signatures.
_SECRET = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|eyJ[\w.-]{20,}"
    r"|(?:AccountKey|sig|code|client_secret)=[^&;\s\"']+",
    re.IGNORECASE,
)


class AzureClients(CloudAccount):
    """Makes clients when they are first needed; making one sends nothing but for credentials.

    Args:
        settings: Subscription, region, credentials and endpoints.
    """

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

    def explained(self, what: str) -> AbstractContextManager[None]:
        """Return a context that turns what Azure's libraries raise into an error of ours."""
        return explained(what)

    def is_gone(self, exc: BaseException) -> bool:
        """Tell whether it does not exist, or no longer."""
        return is_gone(exc)

    def clean(self, text: str) -> str:
        """Return words of Azure in one line, without ids of subscriptions, tokens, keys and signatures."""
        return clean(text)

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

    @cached_property
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
        where = {"authority": settings.login_url, **self._trust}
        if settings.certificate:  # a login of its own, which Microsoft does not know of
            where["disable_instance_discovery"] = True
        principal = (settings.tenant, settings.client, settings.client_secret)
        if not any(principal):
            return identity.DefaultAzureCredential(**where)
        if not all(principal):
            raise UserError("a service principal needs the settings tenant, client and client_secret together")
        return identity.ClientSecretCredential(*principal, **where)

    @cached_property
    def resources(self) -> Any:
        """The client of what all resources have in common."""
        return self._manager("azure.mgmt.resource.resources", "ResourceManagementClient")

    @cached_property
    def web(self) -> Any:
        """The client of function apps."""
        return self._manager("azure.mgmt.web", "WebSiteManagementClient")

    @cached_property
    def storage(self) -> Any:
        """The client of storage accounts."""
        return self._manager("azure.mgmt.storage", "StorageManagementClient")

    @cached_property
    def cosmos(self) -> Any:
        """The client of accounts of Cosmos DB."""
        return self._manager("azure.mgmt.cosmosdb", "CosmosDBManagementClient")

    @cached_property
    def logs(self) -> Any:
        """The client of Azure Monitor's logs."""
        client = require("azure.monitor.query", extra=EXTRA).LogsQueryClient
        return client(self.credential, endpoint=self.settings.logs_url, **self._trust, **RETRIES)

    def blobs(self, connection: str) -> Any:
        """Return a client of the objects of a storage account, by its connection string."""
        client = require("azure.storage.blob", extra=EXTRA).BlobServiceClient
        return self._kept(client.from_connection_string(connection, **self._trust))

    def blobs_as_user(self, account_url: str) -> Any:
        """Return a client of the objects of a storage account, by the credentials of the settings."""
        client = require("azure.storage.blob", extra=EXTRA).BlobServiceClient
        return self._kept(client(account_url, credential=self.credential, **self._trust))

    def tables(self, connection: str) -> Any:
        """Return a client of the tables of a storage account, by its connection string."""
        client = require("azure.data.tables", extra=EXTRA).TableServiceClient
        return self._kept(client.from_connection_string(connection, **self._trust))

    def token(self) -> str:
        """Return a token for the management of apps."""
        with explained("token"):
            return str(self.credential.get_token(self._scope).token)

    @property
    def trusted(self) -> str | bool:
        """What makes a server trusted: a file with certificates, or True for those of this machine."""
        return str(expanded(self.settings.certificate)) if self.settings.certificate else True

    def close(self) -> None:
        """Close every connection. A second call is harmless."""
        for name in ("resources", "web", "storage", "cosmos", "logs", "credential"):
            client = self.__dict__.pop(name, None)
            if client is not None:
                client.close()
        while self._opened:
            self._opened.pop().close()

    def _kept(self, client: Any) -> Any:
        self._opened.append(client)
        return client

    @property
    def _scope(self) -> str:
        return f"{self.settings.arm_url.rstrip('/')}/.default"

    @property
    def _trust(self) -> dict[str, Any]:
        return {"connection_verify": self.trusted}

    def _manager(self, module: str, name: str) -> Any:
        return getattr(require(module, extra=EXTRA), name)(
            self.credential, self.subscription, base_url=self.settings.arm_url.rstrip("/"),
            credential_scopes=[self._scope], polling_interval=POLLING_S, **self._trust, **RETRIES,
        )  # fmt: skip


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn what Azure's libraries raise in the body into an error of ours that says what to do.

    Args:
        what: What was being done, for the message: `create of function 'f'`.
    """
    core = require("azure.core.exceptions", extra=EXTRA)
    http = require("requests.exceptions", extra=EXTRA)
    try:
        yield
    except core.ClientAuthenticationError as exc:
        if exc.response is None:
            said = clean(str(exc))[:300]
            raise CredentialsError(
                f"{what}: no credentials, or Azure does not accept them: {said}; log in again ({_LOGIN})"
            ) from exc
        raise refused(what, exc) from exc
    except (core.DecodeError, AttributeError, RecursionError, TypeError, ValueError) as exc:
        # Azure's libraries take whatever comes for what they expect.
        raise PlatformError(
            f"{what}: the answer cannot be read ({type(exc).__name__}); are the endpoints those of Azure?"
        ) from exc
    except core.HttpResponseError as exc:
        raise refused(what, exc) from exc
    except (core.AzureError, http.RequestException) as exc:
        raise PlatformError(f"{what}: {clean(str(exc))}; are the endpoints right, and is the network up?") from exc


def refused(what: str, error: Any) -> PlatformError:
    """Return what an error of a call means."""
    return explain(what, code_of(error), clean(_words(error)), _REFUSALS)


def answered(what: str, answer: ReadAnswer) -> PlatformError:
    """Return what an answer means with which an app refused a request."""
    return explain(what, str(answer.status_code), clean(answer.text[:300]) or "no reason was given", _REFUSALS)


def code_of(error: Any) -> str:
    """Return Azure's name of an error, else the HTTP status; empty for an exception that is none of Azure's."""
    told = getattr(error, "error", None)
    found = getattr(told, "code", None) or getattr(error, "error_code", None) or getattr(error, "status_code", None)
    return str(getattr(found, "value", found) or "")  # storage has an enumeration of its own


def is_gone(error: Any) -> bool:
    """Tell whether it does not exist, or no longer."""
    return getattr(error, "status_code", None) == 404


def clean(text: str) -> str:
    """Return words of Azure in one line, without ids of subscriptions, tokens, keys and signatures."""
    return _SECRET.sub("***", " ".join(text.split()))


def _words(error: Any) -> str:
    told = getattr(error, "error", None)
    return str(getattr(told, "message", None) or getattr(error, "reason", None) or error)
