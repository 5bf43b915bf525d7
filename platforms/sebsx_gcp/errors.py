"""What the errors of Google's services mean to a person, as Google's libraries raise them."""

from __future__ import annotations

import re
from typing import Any

from sebsx.clouds.failures import ProviderErrors, ProviderFailure
from sebsx.clouds.refusals import Refusal
from sebsx.errors import CredentialsError, PlatformError, QuotaError, UnsupportedError
from sebsx.system.lazy import require

_LOGIN = "gcloud auth application-default login"
_STATUS = {
    401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ALREADY_EXISTS", 413: "TOO_LARGE",
    429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE",
}  # fmt: skip
# The first that covers an error counts.
_REFUSALS = (
    Refusal(
        error=CredentialsError, codes=("UNAUTHENTICATED",),
        advice=f"the credentials are wrong or have expired: log in again ({_LOGIN})",
    ),
    Refusal(
        error=PlatformError, words=("has not been used in project", "it is disabled"),
        advice="enable the services that docs/platforms/gcp.md lists (gcloud services enable ...)",
    ),
    Refusal(
        error=PlatformError, words=("illing account", "illing to be enabled"),
        advice="link the project to a billing account (gcloud billing projects link)",
    ),
    Refusal(
        error=PlatformError, words=("database (default) does not exist", "database does not exist"),
        advice="make it once: gcloud firestore databases create --location=REGION",
    ),
    Refusal(
        error=CredentialsError, codes=("PERMISSION_DENIED",),
        advice="grant the roles that docs/platforms/gcp.md lists",
    ),
    Refusal(
        error=QuotaError, codes=("RESOURCE_EXHAUSTED",), words=("uota exceeded", "uota limit"),
        advice="run fewer functions at once, later, or ask Google for a higher quota (IAM & Admin, Quotas)",
    ),
    Refusal(
        error=UnsupportedError, codes=("TOO_LARGE",), words=("too large", "exceeds the maximum"),
        advice="give a larger payload through storage, and leave out of a package what it does not need",
    ),
)  # fmt: skip
# Numbers of projects, tokens, keys, and what a signed URL carries.
_SECRET = re.compile(
    r"\b\d{10,13}\b|ya29\.[\w.-]+|eyJ[\w.-]{20,}|\bAIza[\w-]{30,}"
    r"|(?:X-Goog-(?:Signature|Credential)|GoogleAccessId|Signature)=[^&\s\"']+"
)

_REQUEST = re.compile(r"^[A-Z]+ https?://\S+: ")  # which the library puts before Google's words
_NOT_FOUND = f"no Google credentials were found ({{said:.200}}); log in ({_LOGIN}), or --set credentials=FILE"
_NOT_ACCEPTED = f"Google no longer accepts the credentials: {{said}}; log in again ({_LOGIN})"
_UNREACHABLE = ProviderFailure(text="{what}: {said}; are region and endpoints right, and is the network up?")
_UNREADABLE = ProviderFailure(text="{what}: the answer cannot be read ({kind}); are the endpoints those of Google?")
_FAILURES = {
    "google.auth.exceptions.DefaultCredentialsError": ProviderFailure(error=CredentialsError, text=_NOT_FOUND),
    "google.auth.exceptions.GoogleAuthError": ProviderFailure(error=CredentialsError, text=_NOT_ACCEPTED),
    "google.auth.exceptions.TransportError": _UNREACHABLE,
    "requests.exceptions.RequestException": _UNREACHABLE,
    "google.protobuf.json_format.ParseError": _UNREADABLE,
    # Google's libraries take whatever comes for what they expect.
    "builtins.AttributeError": _UNREADABLE,
    "builtins.RecursionError": _UNREADABLE,
    "builtins.TypeError": _UNREADABLE,
    "builtins.ValueError": _UNREADABLE,
}


def code_of(error: Any) -> str:
    """Return Google's name of an error; empty for an exception that is none of Google's."""
    code = getattr(_cause(error), "code", None)
    return "" if code is None else _STATUS.get(int(code), str(int(code)))


def _words_of(error: Any) -> str:
    cause = _cause(error)
    return _REQUEST.sub("", getattr(cause, "message", "") or str(cause))


def _cause(error: Any) -> Any:
    """Return what kept coming, of an error that says that a call was repeated for too long."""
    return getattr(error, "cause", None) or error


ERRORS = ProviderErrors(
    code_of=code_of,
    words_of=_words_of,
    refused=("google.api_core.exceptions.RetryError", "google.api_core.exceptions.GoogleAPICallError"),
    refusals=_REFUSALS,
    failures=_FAILURES,
    gone=lambda exc: code_of(exc) == "NOT_FOUND",
    secret=_SECRET,
)


def failed(what: str, status: Any) -> PlatformError:
    """Return what the status means with which an operation ended."""
    codes = require("google.rpc.code_pb2", extra="gcp").Code
    return ERRORS.answered(what, codes.Name(status.code), status.message)
