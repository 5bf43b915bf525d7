"""What the errors of Azure's services mean to a person, as Microsoft's libraries raise them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sebsx.clouds.failures import ProviderErrors, ProviderFailure
from sebsx.clouds.refusals import Refusal
from sebsx.errors import CredentialsError, PlatformError, QuotaError, UnsupportedError

if TYPE_CHECKING:
    from sebsx.clouds.answers import ReadAnswer

_LOGIN = "az login"
# The first that covers an error counts.
_REFUSALS = (
    Refusal(
        error=CredentialsError,
        codes=("InvalidAuthenticationToken", "ExpiredAuthenticationToken", "AuthenticationFailed", "401"),
        advice=f"the credentials are wrong or have expired: log in again ({_LOGIN})",
    ),
    Refusal(
        error=CredentialsError,
        codes=(
            "AuthorizationFailed", "LinkedAuthorizationFailed", "403", "AuthorizationFailure",
            "AuthorizationPermissionMismatch", "KeyBasedAuthenticationNotPermitted",
        ),
        advice="grant the role that docs/platforms/azure.md names, and wait some minutes",
    ),
    Refusal(
        error=PlatformError, codes=("MissingSubscriptionRegistration", "SubscriptionNotRegistered"),
        advice="register the providers that docs/platforms/azure.md lists (az provider register)",
    ),
    Refusal(
        error=PlatformError, codes=("SubscriptionNotFound", "InvalidSubscriptionId"),
        advice="give another with --set subscription=ID (az account list)",
    ),
    Refusal(
        error=PlatformError, codes=("RequestDisallowedByPolicy", "ReadOnlyDisabledSubscription"),
        advice="ask whoever administers the subscription",
    ),
    Refusal(
        error=PlatformError, codes=("LocationNotAvailableForResourceType",),
        words=("is not available in", "does not support the requested operation in region"),
        advice="choose another region with --set region= (az functionapp list-flexconsumption-locations)",
    ),
    Refusal(
        error=QuotaError,
        codes=("QuotaExceeded", "SubscriptionRequestsThrottled", "TooManyRequests", "429"),
        words=("quota", "Too many requests"),
        advice="run fewer functions at once, later, or ask Azure for a higher quota (Quotas in the portal)",
    ),
    Refusal(
        error=UnsupportedError, codes=("RequestEntityTooLarge", "413"),
        advice="leave out of a package what it does not need",
    ),
)  # fmt: skip
# Ids of subscriptions and tenants, tokens, keys and signatures.
_SECRET = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|eyJ[\w.-]{20,}"
    r"|(?:AccountKey|sig|code|client_secret)=[^&;\s\"']+",
    re.IGNORECASE,
)
_UNREADABLE = ProviderFailure(text="{what}: the answer cannot be read ({kind}); are the endpoints those of Azure?")
_UNREACHABLE = ProviderFailure(text="{what}: {said}; are the endpoints right, and is the network up?")
_FAILURES = {
    "azure.core.exceptions.ClientAuthenticationError": ProviderFailure(
        error=CredentialsError,
        text=f"{{what}}: no credentials, or Azure does not accept them: {{said:.300}}; log in again ({_LOGIN})",
        when=lambda exc: exc.response is None,
    ),
    "azure.core.exceptions.DecodeError": _UNREADABLE,
    "azure.core.exceptions.AzureError": _UNREACHABLE,
    "requests.exceptions.RequestException": _UNREACHABLE,
    # Azure's libraries take whatever comes for what they expect.
    "builtins.AttributeError": _UNREADABLE,
    "builtins.RecursionError": _UNREADABLE,
    "builtins.TypeError": _UNREADABLE,
    "builtins.ValueError": _UNREADABLE,
}


def _code_of(error: Any) -> str:
    """Return Azure's name of an error, else the HTTP status; empty for an exception that is none of Azure's."""
    told = getattr(error, "error", None)
    found = getattr(told, "code", None) or getattr(error, "error_code", None) or getattr(error, "status_code", None)
    return str(getattr(found, "value", found) or "")  # storage has an enumeration of its own


def _words_of(error: Any) -> str:
    told = getattr(error, "error", None)
    return str(getattr(told, "message", None) or getattr(error, "reason", None) or error)


ERRORS = ProviderErrors(
    code_of=_code_of,
    words_of=_words_of,
    refused=("azure.core.exceptions.HttpResponseError",),
    refusals=_REFUSALS,
    failures=_FAILURES,
    gone=lambda exc: getattr(exc, "status_code", None) == 404,
    secret=_SECRET,
)


def answered(what: str, answer: ReadAnswer) -> PlatformError:
    """Return what an answer means with which an app refused a request."""
    return ERRORS.answered(what, str(answer.status_code), answer.text[:300])
