"""Clients of one project and region, and who they act as."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sebsx.clouds.accounts import CloudAccount, KeptClient
from sebsx.clouds.pages import each_page
from sebsx.clouds.rest import LOOPBACK
from sebsx.errors import CredentialsError, UserError
from sebsx.system.lazy import require
from sebsx_gcp.errors import ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx_gcp.settings import GcpSettings

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
# How long a call of the control plane is repeated that Google refuses for now.
RETRY_S = 60.0
_TRANSIENT = frozenset({429, 503})


class GcpClients(CloudAccount):
    """Makes clients when they are first needed.

    Args:
        settings: Project, region, credentials and endpoints.
    """

    errors = ERRORS

    def __init__(self, settings: GcpSettings) -> None:
        self.settings = settings
        self._identities: dict[str, Any] = {}

    @property
    def region(self) -> str:
        """The region of functions and bucket."""
        return self.settings.region

    def prove(self) -> None:
        """See that credentials and a project are known."""
        _ = self.credentials, self.project

    @cached_property
    def credentials(self) -> Any:
        """What calls are sent with.

        Raises:
            CredentialsError: If there are none.
        """
        return self._found[0]

    @cached_property
    def project(self) -> str:
        """The project of the settings, or of the credentials.

        Raises:
            UserError: If neither names one.
        """
        project = self.settings.project or self._found[1]
        if not project:
            raise UserError("no Google Cloud project is known; give one with --set project=ID")
        return str(project)

    @property
    def location(self) -> str:
        """Project and region, as names of functions begin."""
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def documents(self) -> str:
        """The root of Firestore's documents."""
        return f"projects/{self.project}/databases/{self.settings.database}/documents"

    @KeptClient
    def functions(self) -> Any:
        """The client of Cloud Functions, second version of its API."""
        service = "google.cloud.functions_v2.services.function_service"
        return self._over_rest(
            service, "FunctionService", self.settings.functions_url or "https://cloudfunctions.googleapis.com"
        )

    @KeptClient
    def firestore(self) -> Any:
        """The client of Firestore, over HTTP like that of the functions."""
        url = self.settings.firestore_url or "https://firestore.googleapis.com"
        return self._over_rest("google.cloud.firestore_v1.services.firestore", "Firestore", url)

    @KeptClient
    def storage(self) -> Any:
        """The client of Cloud Storage."""
        return self._client("google.cloud.storage", self.settings.storage_url)

    @KeptClient
    def logging(self) -> Any:
        """The client of Cloud Logging, over HTTP."""
        return self._client("google.cloud.logging", self.settings.logging_url, _use_grpc=False)

    def retry(self) -> Any:
        """Return how calls of functions and Firestore are repeated that Google refuses for now."""
        retries = require("google.api_core.retry", extra="gcp")
        passes = lambda exc: getattr(exc, "code", None) in _TRANSIENT  # noqa: E731  # what the library calls
        return retries.Retry(predicate=passes, initial=0.2, multiplier=1.6, maximum=5.0, timeout=RETRY_S)

    def identity(self, audience: str) -> str:
        """Return a token that says to `audience` who we are, good for some minutes at least; empty for emulators.

        Raises:
            CredentialsError: If these credentials cannot make one.
        """
        if self.settings.anonymous:
            return ""
        if audience not in self._identities:
            self._identities[audience] = self._identity(audience)
        found = self._identities[audience]
        with self.explained("identity token"):
            if not found.valid or found.expired:
                found.refresh(require("google.auth.transport.requests", extra="gcp").Request())
        return str(found.token)

    def close(self) -> None:
        """Close every connection. A second call is harmless."""
        super().close()
        self._identities.clear()

    def close_client(self, client: Any) -> None:
        """Close the connections of a client: those of generated clients are their transport's."""
        (client if hasattr(client, "close") else client.transport).close()

    def _client(self, package: str, url: str, **more: Any) -> Any:
        """Return a client of one of the libraries that Google wrote by hand."""
        where = {"api_endpoint": url} if url else None
        client = require(package, extra="gcp").Client
        return client(project=self.project, credentials=self.credentials, client_options=where, **more)

    def _over_rest(self, service: str, name: str, url: str) -> Any:
        """Return a client of one of the libraries that Google generates, which would use gRPC by itself."""
        transport = getattr(require(f"{service}.transports.rest", extra="gcp"), f"{name}RestTransport")
        client, parts = getattr(require(service, extra="gcp"), f"{name}Client"), urlsplit(url)
        return client(transport=transport(host=parts.netloc, url_scheme=parts.scheme, credentials=self.credentials))

    @cached_property
    def _found(self) -> tuple[Any, str | None]:
        """Credentials, and the project that came with them."""
        auth = require("google.auth", extra="gcp")
        if self.settings.anonymous:
            return require("google.auth.credentials", extra="gcp").AnonymousCredentials(), None
        self._check_encrypted()
        with self.explained("credentials"):
            if self.settings.credentials:
                found = _from_key(self.settings.credentials)
                project = found.project_id
            else:
                found, project = auth.default(scopes=_SCOPES)
        if self.settings.impersonate:
            found = require("google.auth.impersonated_credentials", extra="gcp").Credentials(
                source_credentials=found, target_principal=self.settings.impersonate, target_scopes=list(_SCOPES)
            )
        return found, project

    def _check_encrypted(self) -> None:
        """Refuse endpoints that tokens would travel to unencrypted, which are good for the whole project.

        Raises:
            UserError: If the settings name one beyond this machine.
        """
        settings = self.settings
        for url in (settings.functions_url, settings.storage_url, settings.firestore_url, settings.logging_url):
            parts = urlsplit(url)
            if parts.scheme == "http" and parts.hostname not in LOOPBACK:
                raise UserError(
                    f"credentials would go to {parts.hostname!r} unencrypted; give an https:// URL, or for an emulator "
                    "--set anonymous=true"
                )

    def _identity(self, audience: str) -> Any:
        """Return credentials whose token is an identity token, of the kind that ours can make."""
        own = self.credentials
        accounts = require("google.oauth2.service_account", extra="gcp")
        impersonated = require("google.auth.impersonated_credentials", extra="gcp")
        machine = require("google.auth.compute_engine", extra="gcp")
        if isinstance(own, accounts.Credentials):
            token_uri = own._token_uri  # noqa: SLF001  # the library has no public name for it
            return accounts.IDTokenCredentials(own.signer, own.service_account_email, token_uri, audience)
        if isinstance(own, impersonated.Credentials):
            return impersonated.IDTokenCredentials(own, target_audience=audience, include_email=True)
        if isinstance(own, machine.Credentials):
            request = require("google.auth.transport.requests", extra="gcp").Request()
            return machine.IDTokenCredentials(request, audience, use_metadata_identity_endpoint=True)
        raise CredentialsError(
            "a person's credentials make no identity tokens for functions; act as a service account with "
            "--set impersonate=NAME@PROJECT.iam.gserviceaccount.com"
        )


def pages_of(what: str, listing: Any) -> Iterator[Any]:
    """Yield the pages of a listing of Google's libraries; `what` names it in messages.

    Raises:
        PlatformError: If the listing does not end.
    """
    return each_page(what, listing.pages, lambda _page: listing.next_page_token)


def _from_key(path: str) -> Any:
    """Return the credentials of a service account's key.

    Raises:
        UserError: If the file is not one.
    """
    accounts = require("google.oauth2.service_account", extra="gcp")
    try:
        return accounts.Credentials.from_service_account_file(path, scopes=_SCOPES)
    except (OSError, ValueError) as exc:  # what is wrong with it may hold a part of it
        reason = exc.strerror if isinstance(exc, OSError) else "it has not the form of one"
        raise UserError(f"{path!r} cannot be read as the key of a service account: {reason}") from exc
