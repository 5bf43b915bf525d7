"""Rows of a store as dataclasses: what `RunView` hands out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sebsx.model import CellStatus, Client, Execution, Invocation, PhaseStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


@dataclass(slots=True, kw_only=True)
class StoredInvocation(Invocation):
    """An invocation as stored, with the rows it belongs to."""

    id: int = 0
    deployment_id: int = 0
    cell_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCell:
    """A cell of the design and how its sampling ended."""

    id: int
    hash: str
    position: int
    factors: Mapping[str, Any]
    wanted: int
    status: CellStatus
    stop_reason: str | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDeployment:
    """A deployment: what was asked (`requested`), what the platform reports (`effective`, `memory_mib`, ...)."""

    id: int
    platform: str
    region: str | None
    provider_id: str | None
    benchmark: str
    benchmark_version: str
    benchmark_sha256: str
    language: str
    language_version: str
    size: str
    parameters: Mapping[str, Any]
    package_sha256: str | None
    package_bytes: int | None
    package_unpacked_bytes: int | None
    package_content_hash: str | None
    package_cached: bool | None
    requested: Mapping[str, Any]
    effective: Mapping[str, Any]
    architecture: str
    memory_mib: int
    timeout_s: float
    status: str
    error: str | None
    build_s: float | None
    deploy_s: float | None
    created_at: datetime
    options: Mapping[str, Any] = field(default_factory=dict)
    deployed_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSandbox:
    """A sandbox that answered, with the facts it told at its first call."""

    id: int
    deployment_id: int
    sandbox_id: str
    facts: Mapping[str, Any]
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredExecution(Execution):
    """A group of invocations as stored, with the rows it belongs to."""

    id: int
    sequence: int
    deployment_id: int | None
    cell_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredClient(Client):
    """A machine that sent, as stored."""

    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPhase:
    """A phase of load: what was sent without a pause, at which attempt; `broken_off` where another one followed.

    `batch` is that of its invocations; `begin_s` and `end_s` are Unix seconds.
    """

    id: int
    deployment_id: int | None
    cell_id: int
    batch: int
    attempt: int
    status: PhaseStatus
    begin_s: float
    end_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredValue:
    """A value of a run, a deployment or a cell, or words about the invocation with this `sequence`."""

    metric: str
    value: float | None
    text: str | None
    deployment_id: int | None
    cell_id: int | None
    stored_at: datetime
    sequence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A name for a run that later ones are compared with."""

    name: str
    run: str
    set_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some rows of the view `invocations`, by sequence.

    Args:
        groups: For each row its place in `shared`.
        shared: The columns that rows of one deployment in one cell have in common, for each of these groups.
        own: The other columns, each as long as the page.
        samples: Samples by name, as long; None where an invocation has none, and those that all lack left out.
    """

    groups: Sequence[int]
    shared: Sequence[Mapping[str, Any]]
    own: Mapping[str, Sequence[Any]]
    samples: Mapping[str, Sequence[float | None]]
