"""Which runs there are: what each measured and how it ended, as `sebsx runs` lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sebsx.errors import StoreError, UnknownNameError, UserError
from sebsx.model import Kind, Status
from sebsx.model.metrics import RUN_NOTE
from sebsx.store.values import damaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from sebsx.contracts.runs import RunView
    from sebsx.model import Run, RunStatus
    from sebsx.store import Store
    from sebsx.store.index import RunIndex


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which runs are wanted; what is empty or None says nothing.

    Args:
        benchmark: One that was measured.
        platform: One that it was measured on.
        campaign: Label of the run.
        status: How it ended.
        since: When it began at the earliest.
    """

    benchmark: str = ""
    platform: str = ""
    campaign: str = ""
    status: RunStatus | None = None
    since: datetime | None = None

    def accepts(self, run: Run) -> bool:
        """Tell whether a run is one of them, by what needs none of its cells."""
        return (
            self.campaign in ("", run.campaign)
            and self.status in (None, run.status)
            and (self.since is None or run.started_at >= self.since)
        )


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A run with what it measured.

    Args:
        run: The run.
        benchmarks: What was called.
        platforms: Where.
        sizes: Sizes of the input.
        memory_mib: Memory sizes of its design, by size.
        ok: Measured invocations that ended well.
        failed: Those that did not.
        note: What its user said of it.
    """

    run: Run
    benchmarks: tuple[str, ...]
    platforms: tuple[str, ...]
    sizes: tuple[str, ...]
    memory_mib: tuple[int, ...]
    ok: int
    failed: int
    note: str


def listed(index: RunIndex, wanted: Wanted, tell: Callable[[StoreError], None]) -> Iterator[Listed]:
    """Yield the runs that are wanted, newest first; one that is damaged is told and keeps no other back."""
    sound, wrong = index.sound_runs()
    for damage in wrong.values():
        tell(damage)
    for run in sound:
        if wanted.accepts(run):
            try:
                item = _listed(index, run)
            except StoreError as exc:
                tell(exc)
                continue
            if wanted.benchmark in ("", *item.benchmarks) and wanted.platform in ("", *item.platforms):
                yield item


def chosen(store: Store, names: Sequence[str], campaign: str | None) -> list[str]:
    """Return what names the runs that a command is about: as given, or the runs of a campaign, oldest first.

    Raises:
        UserError: If neither is given, or both are; UnknownNameError if there is no such campaign.
    """
    if names and campaign:
        raise UserError(f"--campaign {campaign!r} names runs already; leave out {names[0]!r}")
    if names:
        return list(names)
    if not campaign:
        raise UserError("name a run: an id, its beginning, 'last', a baseline, or --campaign NAME (sebsx runs)")
    runs = store.runs()
    found = [run.id for run in reversed(runs) if run.campaign == campaign]
    if not found:
        raise UnknownNameError("campaign", campaign, {run.campaign for run in runs if run.campaign}, "sebsx runs")
    return found


def note_of(view: RunView) -> str:
    """Return what the user of a run said of it last."""
    return next((value.text or "" for value in reversed(view.values()) if value.metric == RUN_NOTE.name), "")


def _listed(index: RunIndex, run: Run) -> Listed:
    cells = index.factors(run.id)
    counts = {True: 0, False: 0}
    for (kind, status, _), n in index.counts(run.id).items():
        if kind is Kind.MEASURED:
            counts[status is Status.OK] += n
    try:
        return Listed(
            run=run,
            benchmarks=_levels(cells, "benchmark"),
            platforms=_levels(cells, "platform") or tuple(run.settings.get("platforms", {})),
            sizes=_levels(cells, "size"),
            memory_mib=tuple(sorted(_levels(cells, "memory_mib"))),
            ok=counts[True],
            failed=counts[False],
            note=index.note(run.id),
        )
    except TypeError as exc:  # JSON that is no level of a factor
        raise damaged("the store", f"the cells or settings of run {run.id} hold what they cannot: {exc}") from exc


def _levels(cells: Sequence[Any], name: str) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(cell[name] for cell in cells if cell.get(name) not in (None, "")))
