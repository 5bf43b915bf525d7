"""Conditions: what was measured, by what distinguishes it, with its samples.

A condition is one combination of platform, benchmark, memory, start type and whatever else an experiment varied,
within one run. Analyzers, comparisons, reports and exporters all read runs through it, so that they count the same
invocations and give the same names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Column, factor_column
from sebsx.model import CellStatus, Factors, Kind, Role
from sebsx.model.frame import Frame
from sebsx.model.starts import COUNTED, counting, start_name
from sebsx.model.starved import MOST_STARVED, in_words
from sebsx.reading.blocks import SANDBOX, Observations
from sebsx.reading.executions import Executions
from sebsx.reading.lateness import Punctuality, generators
from sebsx.reading.levels import identity_of
from sebsx.reading.starved import starved_shares

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.model import Run
    from sebsx.model.frame import Mask, Numbers
    from sebsx.model.metrics import Metric
    from sebsx.model.stored import StoredCell, StoredDeployment

_CORE = Factors()


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One condition of one run and its measured invocations.

    Args:
        run: The run it belongs to.
        identity: Level of each factor by name: `platform`, `region`, `benchmark`, `size`, `language`, `architecture`,
            `memory_mib` (as the platform reports it), then the experiment's own, `start` last: the one that was had, so
            that cold starts from snapshots are `restored`, and both in one sample `cold+restored`.
        cell: The cell of the design; None for invocations outside one.
        deployments: The functions that were called.
        frame: Every measured invocation, failed ones and those of the wrong start type too (`RunView.frame`).
        starved: Share of its calls that had less than 0.8 of the processor time that they wanted and were due.
        executions: Every measured group of invocations, failed ones too (`RunView.execution_frame`).
        figures: The metrics that those have.
        generator: Figures of the load generator, where it was a load (`sebsx.reading.lateness.generators`).
    """

    run: Run
    identity: Mapping[str, Any]
    cell: StoredCell | None
    deployments: tuple[StoredDeployment, ...]
    frame: Frame
    starved: float = 0.0
    executions: Frame = field(default_factory=lambda: Frame({}, {}))
    figures: Mapping[str, Metric] = field(default_factory=dict)
    generator: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def counted(self) -> Frame:
        """The invocations that count: ended well, with the start type that the design asked for."""
        return self.frame.where(self._ok & self._as_wanted)

    def counted_for(self, metric: str) -> Frame:
        """Return what has a metric and counts: invocations, or the groups of them that ended well."""
        if metric not in self.figures or (metric in self.counted and len(self.counted.known(metric))):
            return self.counted
        return self.executions.where(self.executions.equals("status", "ok"))

    def observed(self, metric: str) -> Observations:
        """Return the values of a metric that count, with the sandboxes they came from.

        In times of the client, what was not answered is later than all of them.
        """
        return Observations.of(self.counted_for(metric), metric, self.late if metric.startswith("client.") else ())

    def values(self, metric: str) -> Numbers:
        """Return the values of a metric that count; empty where nothing has it."""
        import numpy as np  # heavy

        frame = self.counted_for(metric)
        return frame.known(metric) if metric in frame else np.empty(0)

    @cached_property
    def punctuality(self) -> Punctuality:
        """How late the requests were, and which quantiles the load generator made itself."""
        return Punctuality.of(self.frame, self.generator)

    @property
    def wanted(self) -> str | None:
        """The start that the design asked for; None outside of one."""
        return self.cell.factors.get("start") if self.cell else None

    @property
    def latency_s(self) -> Numbers:
        """Client latency of the invocations that count."""
        return self.counted["client.latency_s"]

    @property
    def failed(self) -> Mapping[str, int]:
        """Measured invocations that failed, by status."""
        return {str(status): n for status, n in self.frame.tally("status").items() if status != "ok"}

    @property
    def unserved(self) -> int:
        """Measured invocations without a good answer: in quantiles of times they are later than all that had one."""
        return sum(self.failed.values())

    @property
    def late(self) -> Numbers:
        """The round of each invocation without a good answer: in times that a user waits they are later than all."""
        return self.frame["round"][~self._ok]

    @property
    def wrong_start(self) -> int:
        """Invocations that ended well and are not counted, because they were of another start type."""
        return int((self._ok & ~self._as_wanted).sum())

    @property
    def mixture(self) -> str:
        """How many of each start type count where several do for one start: `3 cold, 27 restored`; else empty."""
        had = self.counted.tally("start_type") if self.wanted in COUNTED else {}
        return ", ".join(f"{n} {start}" for start, n in had.items()) if len(had) > 1 else ""

    @property
    def invalid(self) -> str:
        """Why the measurement must not be believed; empty where it may."""
        return self.cell.stop_reason or "" if self.cell and self.cell.status is CellStatus.INVALID else ""

    @property
    def doubt(self) -> str:
        """Why its numbers must not be held against others: it is invalid, or was starved; empty where they may."""
        return in_words(self.starved) if self.was_starved and not self.invalid else self.invalid

    @property
    def was_starved(self) -> bool:
        """Whether too many of its calls were starved to choose or to compare by them."""
        return self.starved > MOST_STARVED

    @property
    def emulated(self) -> bool:
        """Whether the processor was emulated: its times are not those of a real one."""
        return any(deployment.effective.get("emulated") for deployment in self.deployments)

    @property
    def unlimited(self) -> bool:
        """Whether nothing limited the processor to what goes with the memory: its times are not those of that size."""
        return any("cpu" in deployment.effective.get("unenforced", ()) for deployment in self.deployments)

    @cached_property
    def _ok(self) -> Mask:
        return self.frame.equals("status", "ok")

    @cached_property
    def _as_wanted(self) -> Mask:
        return counting(self.frame, self.wanted)


def conditions(views: Iterable[RunView], more: Sequence[str] = ()) -> list[Condition]:
    """Return the conditions of some runs, in the order of their designs.

    Args:
        views: The runs.
        more: Columns and samples wanted in their frames besides the usual ones; see `RunView.frame`.
    """
    wanted = list(dict.fromkeys((*more, SANDBOX)))
    found = ((view, view.frame(kind=Kind.MEASURED, more=wanted)) for view in views)
    return [condition for view, frame in found for condition in conditions_of(view, frame)]


def identity_columns(found: Sequence[Condition], *, telling: bool = True) -> list[Column]:
    """Return the columns of the conditions' identities.

    Args:
        found: The conditions.
        telling: Only those that tell them apart (benchmark, memory and start type always do for a reader).
    """
    factors = factors_of(found)
    keys = factors.ordered(key for condition in found for key in condition.identity)
    if telling:
        keys = [key for key in keys if factors[key].always or len(_levels(found, key)) > 1]
        keys = [key for key in keys if factors[key].role is not Role.DERIVED or _tells_more(found, key, keys)]
    columns = [factor_column(factors[key]) for key in keys]
    return [Column("run", "run"), *columns] if len({condition.run.id for condition in found}) > 1 else columns


def factors_of(found: Iterable[Condition]) -> Factors:
    """Return what the runs of some conditions say of their factors."""
    known = {condition.run.id: condition.run for condition in found}
    return reduce(or_, (run.factors for run in known.values()), Factors())


def _tells_more(found: Sequence[Condition], key: str, keys: Sequence[str]) -> bool:
    """Tell whether a factor that follows from others has several levels where all others have one."""
    told: dict[tuple[str, ...], Any] = {}
    for condition in found:
        rest = (condition.run.id, *(str(level(condition, other)) for other in keys if other != key))
        if told.setdefault(rest, level(condition, key)) != level(condition, key):
            return True
    return False


def level(condition: Condition, key: str) -> Any:
    """Return the level of one identity column; None where the condition has none."""
    return condition.run.id if key == "run" else condition.identity.get(key)


def label(condition: Condition, among: Sequence[Condition]) -> str:
    """Return the shortest name that tells a condition from the others."""
    levels = {column.key: level(condition, column.key) for column in identity_columns(among)}
    return name_of(levels, factors_of(among))


def labels(found: Sequence[Condition]) -> list[str]:
    """Return the `label` of each condition among all of them."""
    columns, factors = identity_columns(found), factors_of(found)
    return [name_of({column.key: level(one, column.key) for column in columns}, factors) for one in found]


def name_of(levels: Mapping[str, Any], factors: Factors = _CORE) -> str:
    """Return levels by name as words: `graph-bfs 512 MiB warm`."""
    return " ".join(filter(None, (factors[key].show(word) for key, word in levels.items())))


def caption(found: Sequence[Condition]) -> str:
    """Return in words what all conditions share and no column shows."""
    shown = {column.key for column in identity_columns(found)}
    hidden = [column.key for column in identity_columns(found, telling=False) if column.key not in shown]
    shared = [(key, level(found[0], key)) for key in hidden] if found else []
    factors = factors_of(found)
    return ", ".join(
        f"{factors[key].title} {word}" if isinstance(word, str) else factors[key].show(word)
        for key, word in shared
        if word not in (None, "")
    )


def conditions_of(view: RunView, frame: Frame) -> Iterable[Condition]:
    """Yield the conditions of one run whose measured invocations (`RunView.frame`) were read already."""
    import numpy as np  # heavy

    cells, factors = {cell.id: cell for cell in view.cells()}, view.run.factors
    deployments = {deployment.id: deployment for deployment in view.deployments()}
    # As one complex number each, for sorting rows of an array takes ten times as long.
    keys, codes = np.unique(np.nan_to_num(frame["cell_id"], nan=-1) + 1j * frame["deployment_id"], return_inverse=True)
    pairs = np.stack([keys.real, keys.imag])
    # Where each pair is, found by one sort: looking at every invocation for each of 10,000 would take a minute.
    rows = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes, minlength=pairs.shape[1]))[:-1])
    members: dict[tuple[Any, ...], list[int]] = {}
    executions = Executions(view)
    starved, generated = starved_shares(view), generators(view)
    for code, (cell_id, deployment_id) in enumerate(pairs.T):
        identity = identity_of(factors, cells.get(int(cell_id)), deployments[int(deployment_id)])
        members.setdefault(tuple(identity.items()), []).append(code)
    for items, mine in members.items():
        cell = cells.get(int(pairs[0, mine[0]]))
        functions = tuple(deployments[int(key)] for key in dict.fromkeys(pairs[1, mine]))
        places = rows[mine[0]] if len(mine) == 1 else np.sort(np.concatenate([rows[code] for code in mine]))
        identity, own = dict(items), frame.where(places)
        identity["start"] = _start_had(own, identity["start"])
        groups, figures = executions.of(cell.id if cell else None, [function.id for function in functions])
        yield Condition(
            run=view.run,
            identity=identity,
            cell=cell,
            deployments=functions,
            frame=own,
            starved=starved.get(cell.id, 0.0) if cell else 0.0,
            executions=groups,
            figures=figures,
            generator=generated.get(cell.id, {}) if cell else {},
        )


def _start_had(frame: Frame, wanted: str | None) -> str | None:
    """Return the start of a condition as the invocations had it that ended well."""
    import numpy as np  # heavy

    codes, words = frame.codes("start_type")
    return start_name(wanted, {words[code] for code in np.unique(codes[frame.equals("status", "ok")])})


def _levels(found: Iterable[Condition], key: str) -> set[Any]:
    return {level(condition, key) for condition in found}
