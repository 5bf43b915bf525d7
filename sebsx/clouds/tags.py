"""Tags: whose a resource is, and when anybody may delete it. Made by the core, put on everything by platforms."""

from __future__ import annotations

import getpass
import os
import re
import socket
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from sebsx.errors import UnsupportedError
from sebsx.model import Resource, ResourceState

if TYPE_CHECKING:
    from collections.abc import Mapping

S = TypeVar("S")

RUN_TAG = "sebsx-run"
PLATFORM_TAG = "sebsx-platform"
OWNER_TAG = "sebsx-owner"
EXPIRES_TAG = "sebsx-expires"

_NOT_IN_TAGS = re.compile(r"[^\w .:/=+@-]")  # AWS IAM takes the fewest of all
_LONGEST = 256


def make(run_id: str, platform: str, expires_at: datetime) -> dict[str, str]:
    """Return the tags of everything that a platform makes for a run.

    Args:
        run_id: The ULID.
        platform: Name of the platform.
        expires_at: When anybody may delete what is left, aware.
    """
    return {
        RUN_TAG: run_id,
        PLATFORM_TAG: platform,
        OWNER_TAG: _NOT_IN_TAGS.sub("-", f"{_user()}@{socket.gethostname()}")[:_LONGEST],
        EXPIRES_TAG: expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def are_ours(tags: Mapping[str, str], platform: str) -> bool:
    """Tell whether tags are those of a platform of sebsx: what carries none is never deleted."""
    return RUN_TAG in tags and tags.get(PLATFORM_TAG) == platform


def check_ours(resource: Resource, platform: str) -> None:
    """Refuse to touch what was found on a provider and does not carry our tags; what the ledger knows is ours.

    Raises:
        UnsupportedError: If it is somebody else's.
    """
    if resource.id is None and not are_ours(resource.tags, platform):
        raise UnsupportedError(f"{resource.kind} {resource.name!r} does not carry our tag and is left alone")


def in_region(settings: S, resource: Resource) -> S:
    """Return settings of a platform that lead to where a resource is; the same where regions mean nothing to them."""
    known = {"region": resource.region} if resource.region and hasattr(settings, "region") else {}
    return replace(settings, **known)  # type: ignore[type-var]  # a dataclass, as all settings are


def resource(
    kind: str, name: str, tags: Mapping[str, str], *, region: str = "", provider_id: str | None = None
) -> Resource:
    """Return something that was found on a provider, for `Platform.orphans`.

    Args:
        kind: What it is.
        name: As `Platform.remove` wants it.
        tags: All that it carries, ours among them. Without an expiry it is kept until its run is named.
        region: Where it is.
        provider_id: As the provider calls it.
    """
    return Resource(
        kind,
        name,
        platform=tags[PLATFORM_TAG],
        run_id=tags[RUN_TAG],
        region=region,
        provider_id=provider_id,
        state=ResourceState.CREATED,
        tags=tags,
        expires_at=_expiry(tags.get(EXPIRES_TAG, "")),
    )


def _expiry(text: str) -> datetime:
    try:
        expires_at = datetime.fromisoformat(text)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
    return expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in many containers
        return str(os.getuid())
