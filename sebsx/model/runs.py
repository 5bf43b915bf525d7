"""What is measured: runs, their designs and the cells of those; points in time are aware UTC."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sebsx.model.factors import Factors
from sebsx.model.hashing import content_hash, is_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sebsx.model.offers import Provision


class RunStatus(StrEnum):
    """State of a run; `interrupted` is also derived for a `running` one whose process is gone.

    `unsuccessful` was carried out to its end like `finished`, and nothing or almost nothing in it worked.
    """

    RUNNING = "running"
    FINISHED = "finished"
    UNSUCCESSFUL = "unsuccessful"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


# Why cells fail that is no property of the function.
NOT_DEPLOYED = "not deployed"
PLUGIN_FAILED = "plugin failed"


# Factors of core whose levels are words.
_WORDS = ("platform", "benchmark", "language", "architecture")


class CellStatus(StrEnum):
    """State of one cell of the design; `invalid` was measured, but must not be believed."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"
    INVALID = "invalid"


class PhaseStatus(StrEnum):
    """State of a phase of load; `broken_off` was cut short and begun again, so that none of it counts."""

    RUNNING = "running"
    FINISHED = "finished"
    BROKEN_OFF = "broken_off"


class Design(StrEnum):
    """In what order the cells of a run were measured; what may be concluded from comparing them depends on it.

    `sequential` measures one cell after the other, so that drift of the platform looks like a difference. `rmit`
    (randomised multiple interleaved trials) measures in rounds, every cell once a round in seeded random order:
    samples of a round are pairs.
    """

    SEQUENTIAL = "sequential"
    RMIT = "rmit"


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of factor levels in an experiment's design.

    Raises:
        ValueError: If a level cannot be stored as JSON, or is not what a factor of core has.

    Args:
        factors: Level of each factor (`sebsx.model.factors`) by name: JSON scalars, or a JSON object for `parameters`.
        invocations: How many measured invocations the design wants.
        duration_s: Expected time of the cell, for the plan; None when unknown.
        cost_usd: Expected cost, for the plan; None where there is no price.
        cost_bound_usd: The most it can cost: as many attempts as allowed, all of them until their time-out.
        provision: What is asked of the platform, and what it offers for that (`Scene.provisions`); its `factors` are
            among the cell's.
        unsupported: Why it cannot be done, for the plan; None where it can. Core says so of what a platform cannot do.
        in_flight: How many calls may be in flight together: users, a burst; 2 for an open loop, which knows no bound.
    """

    factors: Mapping[str, Any]
    invocations: int
    _: KW_ONLY
    duration_s: float | None = None
    cost_usd: float | None = None
    cost_bound_usd: float | None = None
    provision: Provision | None = None
    unsupported: str | None = None
    in_flight: int = 1

    def __post_init__(self) -> None:
        for name, level in self.factors.items():
            if not (isinstance(name, str) and is_json(level)):
                raise ValueError(
                    f"factor {name!r} of a cell cannot be stored: {type(level).__name__} is not plain JSON"
                )
        for name in _WORDS:
            if not isinstance(self.factors.get(name, ""), str | None):
                raise ValueError(f"factor {name!r} of a cell is {self.factors[name]!r}, not a word")
        if not isinstance(self.factors.get("memory_mib"), int | None):
            raise ValueError(f"factor 'memory_mib' of a cell is {self.factors['memory_mib']!r}, not a whole number")
        if self.factors.get("language") and not (self.factors.get("benchmark") or self.factors.get("folder")):
            raise ValueError("a cell names a language, but no benchmark")
        if self.invocations < 0:
            raise ValueError(f"a cell has {self.invocations} invocations")

    @property
    def hash(self) -> str:
        """Content hash of the factors: the same cell has it in every run, so that a resume can skip it."""
        return content_hash(self.factors)


@dataclass(frozen=True, slots=True)
class Plan:
    """What an experiment would do, before it does anything.

    Args:
        cells: The design, in the order in which it would run.
        deployments: How many functions would be deployed.
        notes: What the plan cannot know, one line each.
        design: In what order the cells are measured; stored with the run.
        together: Whether cells are measured at the same time: they take as long as the longest.
        factors: What the cells differ in; filled in by whoever knows the experiment.
    """

    cells: tuple[Cell, ...]
    _: KW_ONLY
    deployments: int
    notes: tuple[str, ...] = ()
    design: Design = Design.SEQUENTIAL
    together: bool = False
    factors: Factors = field(default_factory=Factors)

    @property
    def supported(self) -> list[Cell]:
        """The cells that their platforms can do."""
        return [cell for cell in self.cells if cell.unsupported is None]

    @property
    def invocations(self) -> int:
        """Measured invocations over all cells that are supported."""
        return sum(cell.invocations for cell in self.supported)

    @property
    def duration_s(self) -> float | None:
        """Expected time, or None when a cell's is unknown."""
        known = [cell.duration_s for cell in self.supported]
        longest = max((duration_s for duration_s in known if duration_s is not None), default=None)
        return longest if self.together and None not in known else _sum_known(known)

    @property
    def cost_usd(self) -> float | None:
        """Expected cost, or None when a cell has no price."""
        return _sum_known([cell.cost_usd for cell in self.supported])

    @property
    def cost_bound_usd(self) -> float | None:
        """The most it can cost, or None when a cell has no price."""
        return _sum_known([cell.cost_bound_usd for cell in self.supported])


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of an experiment, as stored.

    Args:
        id: ULID; sorts by time.
        experiment: Name of the experiment.
        settings: Complete: all that is needed to run it again (`experiment`, `platforms`, `collectors`, `limits`), and
            under `factors` what it varied, under `fail_if` the thresholds of its gate.
        seed: Of the run's random generator.
        status: See `RunStatus`.
        started_at: Aware UTC.
        finished_at: Aware UTC, None while it runs.
        error: Why it failed or was unsuccessful, one line.
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

    @property
    def factors(self) -> Factors:
        """The factors of its design, as its experiment declared them."""
        return Factors.read(self.settings.get("factors"))


def _sum_known(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
