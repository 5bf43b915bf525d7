"""The nouns of sebsx as frozen dataclasses: what is deployed, called, measured and stored.

Durations are seconds (float), sizes bytes (int), memory MiB where clouds ask for it, money USD.
Points in time inside an `Invocation` are seconds since the Unix epoch, taken from one monotonic clock
that was anchored to wall time once (`sebsx.load.clock`); elsewhere they are aware UTC datetimes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path


class Capability(StrEnum):
    """What a platform can do beyond deploy and teardown; experiments and benchmarks ask for these."""

    FORCE_COLD = "force-cold"
    RESIZE = "resize"
    RECORDS = "records"
    STORAGE = "storage"
    TABLE = "table"
    KEEP_ALIVE_POLICY = "keep-alive-policy"
    ADOPT = "adopt"


class Status(StrEnum):
    """How an invocation ended."""

    OK = "ok"
    FUNCTION_ERROR = "function_error"
    WRONG_OUTPUT = "wrong_output"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    THROTTLED = "throttled"
    DROPPED = "dropped"
    PLATFORM_ERROR = "platform_error"


class StartType(StrEnum):
    """In what state the sandbox was when the invocation reached it."""

    COLD = "cold"
    WARM = "warm"
    RESTORED = "restored"
    PROVISIONED = "provisioned"
    PROACTIVE = "proactive"
    UNKNOWN = "unknown"


class Kind(StrEnum):
    """Whether an invocation counts as a measurement."""

    WARMUP = "warmup"
    MEASURED = "measured"


class RunStatus(StrEnum):
    """State of a run; `interrupted` is also derived for a `running` one whose process is gone."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class CellStatus(StrEnum):
    """State of one cell of the design; `invalid` was measured, but must not be believed."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"
    INVALID = "invalid"


class Design(StrEnum):
    """In what order the cells of a run were measured; what may be concluded from comparing them depends on it.

    `sequential` measures one cell after the other, so that drift of the platform looks like a difference. `rmit`
    (randomised multiple interleaved trials) measures in rounds, every cell once a round in seeded random order:
    samples of a round are pairs.
    """

    SEQUENTIAL = "sequential"
    RMIT = "rmit"


class Severity(StrEnum):
    """How bad a problem is: an `error` stops the run, a `warning` is said and stored."""

    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something `check` or `doctor` found.

    Args:
        message: What is wrong, on what.
        advice: What to do about it; empty only where nothing can be done.
        severity: Whether a run is possible all the same.
    """

    message: str
    advice: str = ""
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Target:
    """What a package is built for.

    Args:
        language: Name of a registered language, e.g. `python`.
        version: Version of the language, e.g. `3.12`.
        architecture: `x86_64` or `arm64`.
        binaries: Binary interface of native dependencies, as the language names it: for Python a
            platform tag without the architecture (`manylinux_2_28`); empty for "any".
    """

    language: str
    version: str
    architecture: str
    binaries: str = ""


@dataclass(frozen=True, slots=True)
class Package:
    """A built function: code, shim, collectors, wrapper and dependencies in one deterministic zip.

    Args:
        path: The zip file in the package cache.
        sha256: Digest of the zip.
        bytes: Size of the zip.
        unpacked_bytes: Size of its contents.
        content_hash: Digest of everything that goes in (not of what comes out); the cache key.
        target: What it was built for.
        benchmark: Name of the benchmark.
        benchmark_version: Version from its manifest.
        build_s: Time the build took; 0 when it came from the cache.
        cached: Whether it came from the cache.
        requirements: Dependencies as resolved, `name==version`.
    """

    path: Path
    sha256: str
    bytes: int
    unpacked_bytes: int
    content_hash: str
    target: Target
    benchmark: str
    benchmark_version: str
    build_s: float
    cached: bool
    requirements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FunctionConfig:
    """What is asked of the platform for one deployment.

    Args:
        name: Name of the function on the platform; unique per run.
        memory_mib: Provisioned memory; 0 where it is not ours to choose, or nobody knows it.
        timeout_s: Time after which the platform must end an invocation.
        architecture: `x86_64` or `arm64`.
        environment: Variables for the function.
        tags: Labels that mark the resource as ours; always holds `sebsx-run`.
    """

    name: str
    memory_mib: int
    timeout_s: float
    architecture: str
    environment: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Adoption:
    """What is asked of a platform for a function that somebody else deployed.

    Args:
        platform: Name of the platform.
        target: As the user names it: an identifier of the platform, or a URL. May hold a secret: never stored.
        subject: Its name without secrets (`Platform.subject_of`).
        config: For a copy its name, memory, time-out, architecture and tags; 0 and "" leave what the function has.
        copy: Measure a copy that is made for it, rather than the function.
        in_place: Change the function, and put it back.
        force: Copy code to another architecture even where it does not look as if it would run there.
        method: HTTP method, where the target is a URL.
        headers: Sent with every invocation of a URL; never stored.
    """

    platform: str
    target: str
    subject: str
    config: FunctionConfig
    copy: bool = False
    in_place: bool = False
    force: bool = False
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """One short line for progress."""
        how = "a copy of " if self.copy else ""
        size = f" with {self.config.memory_mib} MiB" if self.config.memory_mib else ""
        return f"{how}{self.subject} on {self.platform}{size}"


@dataclass(frozen=True, slots=True)
class Deployment:
    """A function that a platform runs for us.

    Args:
        id: The platform's identifier (an ARN, a URL, a name).
        config: What was asked for.
        effective: What the platform REPORTS BACK, under the names of `FunctionConfig` (`memory_mib`,
            `timeout_s`, `architecture`) plus facts of its own (region, runtime, limits applied).
        endpoint: URL for HTTP invocations; None where only the platform's own `invoke` reaches it.
        headers: Sent with every HTTP invocation; never stored.
        region: Where it runs, as the platform names it; empty on this machine.
        method: HTTP method of invocations.
        adopted: Whether it came by `adopt`: its code is not ours, so that what it answers is taken as it is.
    """

    id: str
    config: FunctionConfig
    effective: Mapping[str, Any]
    endpoint: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    region: str = ""
    method: str = "POST"
    adopted: bool = False


DROPPED = "dropped: too many requests in flight"
"""The `error` of a reply to a request that was due and not sent."""


@dataclass(slots=True)  # not frozen: made for each request, in half the time
class Reply:
    """What came back for one invocation, as the client saw it; times are Unix seconds.

    `first_byte_s` and `connected_s` are None when that point was never reached; `error` says why there
    is no answer at all (`http_status` is None then).
    """

    request_id: str
    intended_s: float
    sent_s: float
    connected_s: float | None
    first_byte_s: float | None
    done_s: float
    http_status: int | None
    headers: Mapping[str, str]
    body: bytes
    bytes_out: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    """What the provider says of one invocation. None where it says nothing.

    `start_type` is for what the figures do not show; without it, one with an initialisation was cold.
    """

    request_id: str
    duration_s: float | None = None
    init_s: float | None = None
    billed_s: float | None = None
    max_memory_bytes: int | None = None
    status: Status | None = None
    sandbox_id: str | None = None
    cost_usd: float | None = None
    start_type: StartType | None = None


@dataclass(slots=True)
class Invocation:
    """One invocation, as it is stored. Times are Unix seconds, durations seconds.

    Not frozen, because the provider's figures arrive after the client's: they are filled in before the
    batch is committed, or by an update afterwards where a provider is late. `round` is the round of an
    interleaved design; None where the design has none.
    """

    sequence: int
    batch: int
    kind: Kind
    request_id: str
    status: Status
    start_type: StartType
    start_evidence: str
    sandbox_id: str | None
    error: str | None
    client_intended_s: float
    client_sent_s: float
    client_connected_s: float | None
    client_first_byte_s: float | None
    client_done_s: float
    function_started_s: float | None = None
    function_finished_s: float | None = None
    function_duration_s: float | None = None
    provider_duration_s: float | None = None
    provider_init_s: float | None = None
    provider_billed_s: float | None = None
    provider_max_memory_bytes: int | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    cost_usd: float | None = None
    round: int | None = None
    samples: Mapping[str, float] = field(default_factory=dict)

    @property
    def latency_s(self) -> float:
        """From the request sent to the last byte of the answer."""
        return self.client_done_s - self.client_sent_s


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of factor levels in an experiment's design.

    Args:
        factors: Level of each factor: `platform`, `benchmark`, `size`, `memory_mib`, `start`, ...;
            JSON scalars, or a JSON object for `parameters`. `folder` is where a benchmark that is not registered lies.
        invocations: How many measured invocations the design wants.
        duration_s: Expected time of the cell, for the plan; None when unknown.
        cost_usd: Expected cost, for the plan; None where there is no price.
        cost_bound_usd: The most it can cost: as many attempts as allowed, all of them until their time-out.
    """

    factors: Mapping[str, Any]
    invocations: int
    duration_s: float | None = None
    cost_usd: float | None = None
    cost_bound_usd: float | None = None

    @property
    def hash(self) -> str:
        """Content hash of the factors: the same cell has it in every run, so that a resume can skip it."""
        return content_hash(self.factors)

    @property
    def label(self) -> str:
        """One line for progress and messages: the levels a person chose, in the design's order."""
        levels = [str(self.factors[name]) for name in _LABELLED if self.factors.get(name)]
        if self.factors.get("memory_mib"):
            levels.append(f"{self.factors['memory_mib']} MiB")
        return " ".join(levels)


@dataclass(frozen=True, slots=True)
class Plan:
    """What an experiment would do, before it does anything.

    Args:
        cells: The design, in the order in which it would run.
        deployments: How many functions would be deployed.
        notes: What the plan cannot know, one line each.
        design: In what order the cells are measured; stored with the run.
        together: Whether cells are measured at the same time: they take as long as the longest.
    """

    cells: tuple[Cell, ...]
    deployments: int
    notes: tuple[str, ...] = ()
    design: Design = Design.SEQUENTIAL
    together: bool = False

    @property
    def invocations(self) -> int:
        """Measured invocations over all cells."""
        return sum(cell.invocations for cell in self.cells)

    @property
    def duration_s(self) -> float | None:
        """Expected time, or None when a cell's is unknown."""
        known = [cell.duration_s for cell in self.cells]
        longest = max((duration_s for duration_s in known if duration_s is not None), default=None)
        return longest if self.together and None not in known else _sum_known(known)

    @property
    def cost_usd(self) -> float | None:
        """Expected cost, or None when a cell has no price."""
        return _sum_known([cell.cost_usd for cell in self.cells])

    @property
    def cost_bound_usd(self) -> float | None:
        """The most it can cost, or None when a cell has no price."""
        return _sum_known([cell.cost_bound_usd for cell in self.cells])


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an experiment, as stored.

    Args:
        id: ULID; sorts by time.
        experiment: Name of the experiment.
        settings: Complete: all that is needed to run it again (`core`, `experiment`, `platforms`).
        seed: Of the run's random generator.
        status: See `RunStatus`.
        started_at: Aware UTC.
        finished_at: Aware UTC, None while it runs.
        error: Why it failed, one line.
        owner: Host, process and its start time, by which a dead run is recognised.
        environment: Fingerprint of the environment row.
        campaign: Free label that groups runs; empty for none.
        design: In what order its cells were measured.
    """

    id: str
    experiment: str
    settings: Mapping[str, Any]
    seed: int
    status: RunStatus
    started_at: datetime
    finished_at: datetime | None = None
    error: str | None = None
    owner: Mapping[str, Any] = field(default_factory=dict)
    environment: str = ""
    campaign: str = ""
    design: Design = Design.SEQUENTIAL


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
    platform: str
    run_id: str
    region: str = ""
    provider_id: str | None = None
    state: ResourceState = ResourceState.PLANNED
    tags: Mapping[str, str] = field(default_factory=dict)
    id: int | None = None
    expires_at: datetime | None = None


_LABELLED = ("platform", "benchmark", "version", "channel", "size", "start")


def content_hash(value: Any) -> str:
    """Return the SHA-256 of `value` as canonical JSON: key order and spacing do not matter."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _sum_known(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
