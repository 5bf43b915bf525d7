"""What the errors of AWS's services mean to a person, as botocore raises them."""

from __future__ import annotations

import re

from sebsx.clouds.amazon import unreadable
from sebsx.clouds.failures import ProviderErrors, ProviderFailure
from sebsx.clouds.refusals import Refusal
from sebsx.clouds.s3 import code_of, words_of
from sebsx.errors import CredentialsError, DeployError, QuotaError, UnsupportedError

CREDENTIALS = (
    "ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId", "InvalidAccessKeyId",
    "UnrecognizedClientException", "SignatureDoesNotMatch", "AuthFailure", "InvalidSignatureException",
    "InvalidToken", "IncompleteSignature", "IncompleteSignatureException", "MissingAuthenticationTokenException",
)  # fmt: skip
DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")
# The first that covers an error counts.
_REFUSALS = (
    Refusal(
        error=CredentialsError, codes=CREDENTIALS,
        advice="the credentials are wrong or have expired: log in again (aws sso login)",
    ),
    Refusal(error=CredentialsError, codes=DENIED, advice="allow it with the policy that 'sebsx aws policy' prints"),
    Refusal(
        error=QuotaError,
        codes=("TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded"),
        advice="AWS kept refusing for too many requests: run fewer functions at once, or later",
    ),
    Refusal(
        error=QuotaError,
        codes=(
            "CodeStorageExceededException", "LimitExceededException", "LimitExceeded", "ServiceQuotaExceededException",
        ),
        advice="delete what is not needed, or ask AWS for a higher quota (Service Quotas)",
    ),
    Refusal(
        error=UnsupportedError,
        codes=("RequestEntityTooLargeException", "RequestTooLargeException", "EntityTooLarge"),
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
GONE = (
    "ResourceNotFoundException", "NoSuchEntity", "NoSuchBucket", "404", "NotFound", "RepositoryNotFoundException",
    "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist",
)  # fmt: skip
_BUSY = ("ResourceConflictException", "ResourceInUseException", "OperationAborted", "DeleteConflict")
# The number of an account, an access key, and what a signed URL carries.
_SECRET = re.compile(
    r"\b\d{12}\b|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|X-Amz-(?:Signature|Credential|Security-Token)=[^&\s\"']+"
)
NO_CREDENTIALS = "no AWS credentials were found; log in (aws sso login, aws configure), or set AWS_PROFILE"
_NOT_RENEWED = "AWS credentials cannot be renewed: {said}; log in again (aws sso login)"
_NO_ENDPOINT = "{what}: {said}; is the region right, the service offered there, and the network up?"
_FAILURES = {
    "NoCredentialsError": ProviderFailure(error=CredentialsError, text=NO_CREDENTIALS),
    "PartialCredentialsError": ProviderFailure(error=CredentialsError, text=NO_CREDENTIALS),
    "TokenRetrievalError": ProviderFailure(error=CredentialsError, text=_NOT_RENEWED),
    "SSOError": ProviderFailure(error=CredentialsError, text=_NOT_RENEWED),
    "CredentialRetrievalError": ProviderFailure(error=CredentialsError, text=_NOT_RENEWED),
    "EndpointConnectionError": ProviderFailure(text=_NO_ENDPOINT),
    "WaiterError": ProviderFailure(error=DeployError, text="{what} did not become ready: {said}"),
    "ParamValidationError": ProviderFailure(error=DeployError, text="{what}: {said}"),
    "BotoCoreError": ProviderFailure(text="{what}: {said}"),
}


ERRORS = ProviderErrors(
    code_of=code_of,
    words_of=words_of,
    refused=("botocore.exceptions.ClientError",),
    refusals=_REFUSALS,
    failures={
        **unreadable("are region and endpoint_url right?"),
        **{f"botocore.exceptions.{name}": failure for name, failure in _FAILURES.items()},
    },
    gone=lambda exc: code_of(exc) in GONE,
    busy=lambda exc: code_of(exc) in _BUSY,
    secret=_SECRET,
)


def without_account(arn: str) -> str:
    """Return an ARN without the account's number, which results do not need and should not tell."""
    parts = arn.split(":")
    return ":".join([*parts[:4], "", *parts[5:]]) if len(parts) > 5 else arn
