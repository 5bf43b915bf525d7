"""boto3 clients of one account and region, and what their errors mean to a person."""

from __future__ import annotations

import logging
import os
import re
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sebsx.clouds.accounts import CloudAccount
from sebsx.clouds.refusals import Refusal, explain
from sebsx.clouds.s3 import code_of
from sebsx.errors import (
    CredentialsError,
    DeployError,
    MissingDependencyError,
    PlatformError,
    QuotaError,
    UnsupportedError,
    UserError,
)
from sebsx.system.lazy import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx_aws.settings import AwsSettings

logger = logging.getLogger(__name__)

# Attempts of one control-plane call: throttling is AWS's way to say "slower", and adaptive retries obey it.
_ATTEMPTS = 10
CREDENTIALS = frozenset(
    {
        "ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId", "InvalidAccessKeyId",
        "UnrecognizedClientException", "SignatureDoesNotMatch", "AuthFailure", "InvalidSignatureException",
        "InvalidToken", "IncompleteSignature", "IncompleteSignatureException", "MissingAuthenticationTokenException",
    }
)  # fmt: skip
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})
# The first that covers an error counts.
_REFUSALS = (
    Refusal(
        error=CredentialsError, codes=CREDENTIALS,
        advice="the credentials are wrong or have expired: log in again (aws sso login)",
    ),
    Refusal(error=CredentialsError, codes=DENIED, advice="allow it with the policy that 'sebsx aws policy' prints"),
    Refusal(
        error=QuotaError,
        codes=frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded"}),
        advice="AWS kept refusing for too many requests: run fewer functions at once, or later",
    ),
    Refusal(
        error=QuotaError,
        codes=frozenset(
            {
                "CodeStorageExceededException", "LimitExceededException", "LimitExceeded",
                "ServiceQuotaExceededException",
            }
        ),
        advice="delete what is not needed, or ask AWS for a higher quota (Service Quotas)",
    ),
    Refusal(
        error=UnsupportedError,
        codes=frozenset({"RequestEntityTooLargeException", "RequestTooLargeException", "EntityTooLarge"}),
        words=("too large", "Unzipped size"),
        advice="a larger package needs --option package=image, a larger payload storage",
    ),
    Refusal(
        error=UnsupportedError, words=("MemorySize", "memorySize"),
        advice="new accounts get less memory: ask AWS for a higher quota (Service Quotas)",
    ),
    Refusal(
        error=QuotaError, words=("ConcurrentExecution",),
        advice="new accounts get less concurrency: ask AWS for a higher quota (Service Quotas)",
    ),
)  # fmt: skip
GONE = frozenset(
    {
        "ResourceNotFoundException", "NoSuchEntity", "NoSuchBucket", "404", "NotFound", "RepositoryNotFoundException",
        "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist",
    }
)  # fmt: skip
_BUSY = frozenset({"ResourceConflictException", "ResourceInUseException", "OperationAborted", "DeleteConflict"})
# The number of an account, an access key, and what a signed URL carries.
_SECRET = re.compile(
    r"\b\d{12}\b|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|X-Amz-(?:Signature|Credential|Security-Token)=[^&\s\"']+"
)


_SERVICES = {"functions": "lambda", "tagging": "resourcegroupstaggingapi"}


class Clients(CloudAccount):
    """Makes clients when they are first needed.

    Args:
        settings: Profile, region and endpoint.

    Raises:
        UserError: If the profile is not there, or no region is known.
    """

    def __init__(self, settings: AwsSettings) -> None:
        self._settings = settings
        self._made: dict[str, Any] = {}

    def __getattr__(self, service: str) -> Any:
        """Return the client of a service: `clients.iam`, `clients.functions` for Lambda."""
        if service.startswith("_"):
            raise AttributeError(service)
        if service not in self._made:
            self._made[service] = self._make(_SERVICES.get(service, service))
        return self._made[service]

    @cached_property
    def known_region(self) -> str:
        """The region of the settings, the environment or the profile; empty where none says it to who has no boto3."""
        if stated := self._settings.region or os.environ.get("AWS_DEFAULT_REGION"):
            return stated
        try:
            return str(self._session.region_name or "")
        except MissingDependencyError:
            return ""

    @cached_property
    def region(self) -> str:
        """The region of the settings, the environment or the profile."""
        region = self.known_region
        if not region and self._session:  # which says what is missing
            raise UserError("no AWS region is known; give one with --set region=us-east-1, or set AWS_DEFAULT_REGION")
        return region

    def prove(self) -> None:
        """See that there are credentials."""
        self.credentials()

    def explained(self, what: str) -> AbstractContextManager[None]:
        """Return a context that turns what botocore raises into an error of ours."""
        return explained(what)

    def is_gone(self, exc: BaseException) -> bool:
        """Tell whether it does not exist, or no longer."""
        return code_of(exc) in GONE

    def is_busy(self, exc: Exception) -> bool:
        """Tell whether something is still being made or changed."""
        return code_of(exc) in _BUSY

    def clean(self, text: str) -> str:
        """Return words of AWS in one line, without account numbers, access keys and signatures."""
        return clean(text)

    def noted(self, name: str, made: str) -> str:
        """Return an ARN without the number of the account; of a URL, which has it as well, the name alone."""
        return without_account(made) if made.startswith("arn:") else name

    def credentials(self) -> Any:
        """Return credentials as they are now; those that expire are renewed where the chain can.

        Raises:
            CredentialsError: If the default chain finds none.
        """
        with explained("credentials"):
            found = self._session.get_credentials()
            if found is None:
                raise CredentialsError(
                    "no AWS credentials were found; log in (aws sso login, aws configure), or set AWS_PROFILE"
                )
            return found.get_frozen_credentials()

    def close(self) -> None:
        """Close every connection. A second call is harmless."""
        for client in self._made.values():
            client.close()
        self._made.clear()

    @cached_property
    def _session(self) -> Any:
        boto3, exceptions = require("boto3", extra="aws"), require("botocore.exceptions", extra="aws")
        try:
            session = boto3.Session(profile_name=self._settings.profile or None)
        except exceptions.ProfileNotFound as exc:
            raise UserError(
                f"AWS profile {self._settings.profile!r} is not configured; see: aws configure list-profiles"
            ) from exc
        for name in ("boto3", "botocore", "urllib3"):  # they tell keys, signatures and payloads
            logging.getLogger(name).setLevel(logging.WARNING)
        session.events.register("before-call", _log_call)
        return session

    def _make(self, name: str) -> Any:
        config = require("botocore.config", extra="aws").Config(
            retries={"mode": "adaptive", "total_max_attempts": _ATTEMPTS},
            connect_timeout=10,
            read_timeout=70,
            user_agent_extra="sebsx",
        )
        with explained(name):
            return self._session.client(
                name, region_name=self.region, endpoint_url=self._settings.endpoint_url or None, config=config
            )


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn what botocore raises in the body into an error of ours that says what to do.

    Args:
        what: What was being done, for the message: `create of function 'f'`.
    """
    exceptions = require("botocore.exceptions", extra="aws")
    try:
        yield
    except exceptions.ClientError as exc:
        raise explain(what, code_of(exc), _message(exc), _REFUSALS) from exc
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as exc:
        raise CredentialsError(
            "no AWS credentials were found; log in (aws sso login, aws configure), or set AWS_PROFILE"
        ) from exc
    except (exceptions.TokenRetrievalError, exceptions.SSOError, exceptions.CredentialRetrievalError) as exc:
        raise CredentialsError(
            f"AWS credentials cannot be renewed: {clean(str(exc))}; log in again (aws sso login)"
        ) from exc
    except exceptions.EndpointConnectionError as exc:
        raise PlatformError(
            f"{what}: {clean(str(exc))}; is the region right, the service offered there, and the network up?"
        ) from exc
    except exceptions.WaiterError as exc:
        told = exc.last_response.get("Configuration", exc.last_response)
        reason = told.get("StateReason") or told.get("LastUpdateStatusReason") or str(exc)
        raise DeployError(f"{what} did not become ready: {clean(reason)}") from exc
    except exceptions.ParamValidationError as exc:
        raise DeployError(f"{what}: {clean(str(exc))}") from exc
    except exceptions.BotoCoreError as exc:
        raise PlatformError(f"{what}: {clean(str(exc))}") from exc


def without_account(arn: str) -> str:
    """Return an ARN without the account's number, which results do not need and should not tell."""
    parts = arn.split(":")
    return ":".join([*parts[:4], "", *parts[5:]]) if len(parts) > 5 else arn


def clean(text: str) -> str:
    """Return words of AWS in one line, without account numbers, access keys and signatures."""
    return _SECRET.sub("***", _one_line(text))


def _message(error: Any) -> str:
    return clean(str(error.response.get("Error", {}).get("Message", "") or error))


def _log_call(model: Any, **_: Any) -> None:
    logger.debug("%s %s", model.service_model.service_name, model.name)


def _one_line(text: str) -> str:
    return " ".join(text.split())
