"""What exists on a platform because of a run."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class ResourceState(StrEnum):
    """State of a resource in the ledger."""

    PLANNED = "planned"
    CREATED = "created"
    DELETED = "deleted"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that exists (or may exist) on a platform because of a run.

    Args:
        kind: What it is to the platform: `function`, `role`, `bucket`, `gateway`, `cgroup`, ...
        name: The name under which it is or would be created.
        platform: Name of the platform.
        region: Where.
        run_id: The run it belongs to.
        provider_id: The platform's identifier, None until it was created.
        state: See `ResourceState`.
        tags: Labels on it.
        id: Row in the ledger; None for an orphan found on the platform and not in the ledger.
        expires_at: When anybody may delete it, whether or not they know of its run; None for at any time.
    """

    kind: str
    name: str
    _: KW_ONLY
    platform: str
    run_id: str
    region: str = ""
    provider_id: str | None = None
    state: ResourceState = ResourceState.PLANNED
    tags: Mapping[str, str] = field(default_factory=dict)
    id: int | None = None
    expires_at: datetime | None = None
