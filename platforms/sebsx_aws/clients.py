"""boto3 clients of one account and region."""

from __future__ import annotations

import logging
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sebsx.clouds.accounts import CloudAccount
from sebsx.clouds.amazon import check_answers
from sebsx.errors import CredentialsError, MissingDependencyError, UserError
from sebsx.system.lazy import require
from sebsx_aws.errors import ERRORS, NO_CREDENTIALS, without_account

if TYPE_CHECKING:
    from sebsx_aws.settings import AwsSettings

logger = logging.getLogger(__name__)

# Attempts of one control-plane call: throttling is AWS's way to say "slower", and adaptive retries obey it.
_ATTEMPTS = 10
_SERVICES = {"functions": "lambda", "tagging": "resourcegroupstaggingapi"}


class Clients(CloudAccount):
    """Makes clients when they are first needed.

    Args:
        settings: Profile, region and endpoint.

    Raises:
        UserError: If the profile is not there, or no region is known.
    """

    errors = ERRORS

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

    def noted(self, name: str, made: str) -> str:
        """Return an ARN without the number of the account; of a URL, which has it as well, the name alone."""
        return without_account(made) if made.startswith("arn:") else name

    def credentials(self) -> Any:
        """Return credentials as they are now; those that expire are renewed where the chain can.

        Raises:
            CredentialsError: If the default chain finds none.
        """
        with self.explained("credentials"):
            found = self._session.get_credentials()
            if found is None:
                raise CredentialsError(NO_CREDENTIALS)
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
        check_answers(session)
        return session

    def _make(self, name: str) -> Any:
        config = require("botocore.config", extra="aws").Config(
            retries={"mode": "adaptive", "total_max_attempts": _ATTEMPTS},
            connect_timeout=10,
            read_timeout=70,
            user_agent_extra="sebsx",
        )
        with self.explained(name):
            return self._session.client(
                name, region_name=self.region, endpoint_url=self._settings.endpoint_url or None, config=config
            )


def _log_call(model: Any, **_: Any) -> None:
    logger.debug("%s %s", model.service_model.service_name, model.name)
