"""The checks that look at a run as a whole: its cells, deployments, sandboxes and conditions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

from sebsx.model import CellStatus, RunStatus, content_hash
from sebsx.model.starts import COUNTED, counting
from sebsx.model.starved import MOST_STARVED, in_words
from sebsx.reading.conditions import conditions_of
from sebsx.reading.starved import starved_shares
from sebsx.stats import order_statistic_interval
from sebsx.stats.samples import SamplesError
from sebsx_quality.checks import COLUMNS, Check, Outcome
from sebsx_quality.evidence import READY, sandboxes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sebsx.contracts.runs import RunView
    from sebsx.model import Factors
    from sebsx.model.frame import Frame, Mask
    from sebsx.model.stored import StoredCell
    from sebsx.reading.conditions import Condition
    from sebsx_quality.checks import DataQualitySettings

FIRST_FEW = 5

# What is needed to judge the client that measured.
_CLIENT_FACTS = ("sebsx", "python", "system", "release", "machine", "cpu_count", "cpu_model", "clock_synchronized")
_SANDBOX_FACTS = ("cpu_model", "cpu_count", "kernel")


@dataclass(frozen=True)
class Evidence:
    """A run and all of its invocations, read once."""

    view: RunView
    settings: DataQualitySettings

    @cached_property
    def frame(self) -> Frame:
        """Every invocation, warm-ups too."""
        return self.view.frame(kind=None, more=COLUMNS)

    @cached_property
    def factors(self) -> Factors:
        """What the cells differ in."""
        return self.view.factors

    @cached_property
    def cells(self) -> list[StoredCell]:
        """The cells of the design."""
        return self.view.cells()

    @cached_property
    def measured(self) -> Mask:
        """Which invocations are measurements."""
        return self.frame.equals("kind", "measured")

    @cached_property
    def ok(self) -> Mask:
        """Which measurements ended well."""
        return self.measured & self.frame.equals("status", "ok")

    @cached_property
    def wrong_start(self) -> Mask:
        """Which of those have another start type than their cell wanted."""
        import numpy as np  # heavy

        wanted = self._of_cells([str(cell.factors.get("start")) for cell in self.cells])
        right = [(wanted == word)[self.cell_places] & counting(self.frame, word) for word in COUNTED]
        wrong: Mask = self.ok & self.told_start & ~np.any(right, axis=0)
        return wrong

    @cached_property
    def told_start(self) -> Mask:
        """Which invocations belong to a cell that wants them cold, or warm."""
        import numpy as np  # heavy

        return np.isin(self._of_cells([str(cell.factors.get("start")) for cell in self.cells]), list(COUNTED))[
            self.cell_places
        ]

    @cached_property
    def cell_places(self) -> NDArray[np.int64]:
        """The place among `cells` of each invocation's cell; one past the last for none."""
        import numpy as np  # heavy

        ids = np.array([cell.id for cell in self.cells], dtype=np.float64)
        order = np.argsort(ids)
        places = np.searchsorted(ids[order], self.frame["cell_id"])
        inside = np.minimum(places, max(len(ids) - 1, 0))
        if not len(ids):
            return np.zeros(len(self.frame), dtype=np.int64)
        known = ids[order][inside] == self.frame["cell_id"]
        found: NDArray[np.int64] = np.where(known, order[inside], len(ids))
        return found

    def per_cell(self, mask: Mask) -> NDArray[np.int64]:
        """Return how many invocations of a mask each cell has."""
        import numpy as np  # heavy

        return np.bincount(self.cell_places[mask], minlength=len(self.cells) + 1)[: len(self.cells)]

    def places(self, mask: Mask) -> tuple[str, tuple[int, ...]]:
        """Return in words where the first few invocations of a mask are, and their sequences."""
        import numpy as np  # heavy

        first = np.flatnonzero(mask)[:FIRST_FEW]
        sequences = tuple(int(self.frame["sequence"][row]) for row in first)
        cells = dict.fromkeys(int(self.cell_places[row]) for row in first)
        named = [self.cell_name(self.cells[place]) for place in cells if place < len(self.cells)]
        more = ", ..." if int(mask.sum()) > FIRST_FEW else ""
        within = f" in {'; '.join(named)}" if named else ""
        return f"sequences {', '.join(map(str, sequences))}{more}{within}", sequences

    def cell_name(self, cell: StoredCell) -> str:
        """Return what a cell is called in findings."""
        label = self.factors.label(cell.factors)
        return f"cell {cell.position} ({label})" if label else f"cell {cell.position}"

    def _of_cells(self, words: Sequence[str]) -> NDArray[Any]:
        """Return a word for each cell, and one more for no cell."""
        return _array([*words, ""])


def _array(words: Sequence[str | None]) -> NDArray[Any]:
    import numpy as np  # heavy

    return np.array([word or "" for word in words], dtype=np.str_)


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found[:FIRST_FEW]) + (f" and {len(found) - FIRST_FEW} more" if len(found) > FIRST_FEW else "")


def _cells(
    evidence: Evidence, check: Check, among: Iterable[StoredCell], bad: Sequence[tuple[StoredCell, str]]
) -> Outcome:
    names = [f"{evidence.cell_name(cell)}: {why}" if why else evidence.cell_name(cell) for cell, why in bad]
    return Outcome(check, len(list(among)), len(bad), _listed(names))


def _run_closed(evidence: Evidence, check: Check) -> Outcome:
    status = evidence.view.run.status
    bad = status is not RunStatus.FINISHED
    return Outcome(check, 1, int(bad), ": ".join(filter(None, (status.value, evidence.view.run.error))) if bad else "")


def _client_clock(evidence: Evidence, check: Check) -> Outcome:
    """Look for steps of the client's wall clock, which is looked at whenever something is stored."""
    steps = [value.value for value in evidence.view.values() if value.metric == "client.clock_step_s"]
    words = ", ".join(f"{step_s:+.3f} s" for step_s in steps[:FIRST_FEW] if step_s is not None)
    return Outcome(check, 1, int(bool(steps)), words)


def _complete(evidence: Evidence, check: Check) -> Outcome:
    """Count sequences that are missing between the first and the last."""
    sequence = evidence.frame["sequence"]
    if not len(sequence):
        return Outcome(check, 0)
    highest = int(sequence[-1])
    missing = highest - len(sequence)
    where = f"{missing} of 1 to {highest} are not there" if missing else ""
    return Outcome(check, highest, missing, where)


def _cells_finished(evidence: Evidence, check: Check) -> Outcome:
    counts = evidence.per_cell(evidence.measured)
    bad = []
    for cell, count in zip(evidence.cells, counts, strict=True):
        if cell.status in {CellStatus.FAILED, CellStatus.UNSUPPORTED}:
            bad.append((cell, f"{cell.status.value}: {_one_line(cell.error or cell.stop_reason)}"))
        elif cell.status is CellStatus.RUNNING:
            bad.append((cell, "not finished"))
        elif not count:
            bad.append((cell, "never measured"))
    return _cells(evidence, check, evidence.cells, bad)


def _cells_valid(evidence: Evidence, check: Check) -> Outcome:
    bad = [(cell, _one_line(cell.stop_reason)) for cell in evidence.cells if cell.status is CellStatus.INVALID]
    return _cells(evidence, check, evidence.cells, bad)


def _starved(evidence: Evidence, check: Check) -> Outcome:
    """Look for cells whose calls something else on their host kept from their processor."""
    told = starved_shares(evidence.view)
    shares = [(cell, share) for cell in evidence.cells if (share := told.get(cell.id)) is not None]
    bad = [(cell, in_words(share)) for cell, share in shares if share > MOST_STARVED]
    return _cells(evidence, check, (cell for cell, _share in shares), bad)


def _cell_identity(evidence: Evidence, check: Check) -> Outcome:
    """Look for cells whose hash another has too, or that is not the digest of their factors."""
    seen: set[str] = set()
    bad = []
    for cell in evidence.cells:
        if cell.hash in seen:
            bad.append((cell, "twice"))
        elif content_hash(cell.factors) != cell.hash:
            bad.append((cell, "its factors are not those it was stored with"))
        seen.add(cell.hash)
    return _cells(evidence, check, evidence.cells, bad)


def _enough(evidence: Evidence, check: Check) -> Outcome:
    counts = evidence.per_cell(evidence.ok & ~evidence.wrong_start)
    taken = [pair for pair in zip(evidence.cells, counts, strict=True) if pair[0].status is not CellStatus.UNSUPPORTED]
    bad = [(cell, f"{count} of {cell.wanted}") for cell, count in taken if count < cell.wanted]
    return _cells(evidence, check, (cell for cell, _count in taken), bad)


def _failures(evidence: Evidence, check: Check) -> Outcome:
    totals, good = evidence.per_cell(evidence.measured), evidence.per_cell(evidence.ok)
    tried = [(cell, int(n), int(n - ok)) for cell, n, ok in zip(evidence.cells, totals, good, strict=True) if n]
    limit = evidence.settings.failed_share
    bad = [(cell, f"{failed} of {n} failed") for cell, n, failed in tried if failed > limit * n]
    return _cells(evidence, check, (cell for cell, _n, _failed in tried), bad)


def _wrong_start(evidence: Evidence, check: Check) -> Outcome:
    where, sequences = evidence.places(evidence.wrong_start) if evidence.wrong_start.any() else ("", ())
    return Outcome(
        check, int((evidence.ok & evidence.told_start).sum()), int(evidence.wrong_start.sum()), where, sequences
    )


def _mixed_starts(evidence: Evidence, check: Check) -> Outcome:
    """Look for groups that want no start type and count cold ones and warm ones as one sample."""
    import numpy as np  # heavy

    free = evidence.ok & (evidence.cell_places == len(evidence.cells))
    deployments = evidence.frame["deployment_id"]
    cold, warm = (np.unique(deployments[free & counting(evidence.frame, word)]) for word in ("cold", "warm"))
    mixed = np.intersect1d(cold, warm)
    names = [f"deployment {int(key)}" for key in mixed]
    return Outcome(check, len(np.unique(deployments[free])), len(mixed), _listed(names))


def _mixed_cold(evidence: Evidence, check: Check) -> Outcome:
    """Look for cells whose samples are of several start types that all count as cold."""
    counted = evidence.ok & ~evidence.wrong_start
    had = [(word, evidence.per_cell(counted & evidence.frame.equals("start_type", word))) for word in COUNTED["cold"]]
    among, bad = [], []
    for place, cell in enumerate(evidence.cells):
        known = [f"{counts[place]} {word}" for word, counts in had if counts[place]]
        if known:
            among.append(cell)
        if len(known) > 1:
            bad.append((cell, ", ".join(known)))
    return _cells(evidence, check, among, bad)


def _memory(evidence: Evidence, check: Check) -> Outcome:
    asked = [item for item in evidence.view.deployments() if item.status in READY and "memory_mib" in item.requested]
    bad = [
        f"{item.provider_id or item.benchmark}: {item.memory_mib} MiB, asked for {item.requested['memory_mib']}"
        for item in asked
        if item.memory_mib != item.requested["memory_mib"]
    ]
    return Outcome(check, len(asked), len(bad), _listed(bad))


def _options(evidence: Evidence, check: Check) -> Outcome:
    """Look for deployments whose options the platform reports back as other than was asked for."""
    asked = [item for item in evidence.view.deployments() if item.status in READY and item.options]
    bad = [
        f"{item.provider_id or item.benchmark}: {name} {item.effective[name]}, asked for {wanted}"
        if name in item.effective
        else f"{item.provider_id or item.benchmark}: {name} is not reported, asked for {wanted}"
        for item in asked
        for name, wanted in item.options.items()
        if item.effective.get(name) != wanted
    ]
    return Outcome(check, sum(len(item.options) for item in asked), len(bad), _listed(bad))


def _emulated(evidence: Evidence, check: Check) -> Outcome:
    ready = [item for item in evidence.view.deployments() if item.status in READY]
    bad = [
        f"{item.provider_id or item.benchmark} ({item.architecture})"
        for item in ready
        if item.effective.get("emulated")
    ]
    return Outcome(check, len(ready), len(bad), _listed(bad))


def _costs(evidence: Evidence, check: Check) -> Outcome:
    """Look for invocations without a cost in deployments that have a price."""
    import numpy as np  # heavy

    frame, deployments = evidence.frame, evidence.frame["deployment_id"]
    named = [value.deployment_id for value in evidence.view.values() if value.metric == "price_book"]
    priced = np.union1d(
        np.array([key for key in named if key is not None], dtype=np.float64),
        np.unique(deployments[~np.isnan(frame["cost_usd"])]),
    )
    applies = evidence.ok & np.isin(deployments, priced)
    bad = applies & np.isnan(frame["cost_usd"])
    where, sequences = evidence.places(bad) if bad.any() else ("", ())
    return Outcome(check, int(applies.sum()), int(bad.sum()), where, sequences)


def _client_facts(evidence: Evidence, check: Check) -> Outcome:
    missing = [name for name in _CLIENT_FACTS if name not in evidence.view.environment]
    return Outcome(check, len(_CLIENT_FACTS), len(missing), ", ".join(missing))


def _sandbox_facts(evidence: Evidence, check: Check) -> Outcome:
    import numpy as np  # heavy

    places, names = sandboxes_of(evidence.frame)
    told = [names[place] for place in np.unique(places[evidence.ok]) if names[place][1]]
    known = {
        (item.deployment_id, item.sandbox_id)
        for item in evidence.view.sandboxes()
        if all(name in item.facts for name in _SANDBOX_FACTS)
    }
    bad = [f"{sandbox}" for deployment, sandbox in told if (deployment, sandbox) not in known]
    return Outcome(check, len(told), len(bad), _listed(bad))


def _sizes(evidence: Evidence, check: Check) -> Outcome:
    """Compare conditions of one benchmark that differ only in how much there is to do."""
    if len({content_hash(item.parameters) for item in evidence.view.deployments()}) < 2:
        return Outcome(check, 0)
    frame = evidence.frame if evidence.measured.all() else evidence.frame.where(evidence.measured)
    groups: dict[tuple[Any, ...], list[Condition]] = defaultdict(list)
    for condition in conditions_of(evidence.view, frame):
        same = {key: level for key, level in condition.identity.items() if key not in {"size", "parameters"}}
        groups[tuple(same.items())].append(condition)
    checked, bad = 0, []
    for group in groups.values():
        for one, other in combinations(group, 2) if len(group) <= _MOST_SIZES else pairwise(group):
            small, large = (one, other) if _less_work(one, other) else (other, one)
            if not _less_work(small, large):
                continue
            ends = _duration_interval(small), _duration_interval(large)
            if ends[0] is None or ends[1] is None:
                continue
            checked += 1
            if ends[1][1] < ends[0][0]:
                bad.append(
                    f"{_named(large)} takes {ends[1][1]:.4g} s at most, {_named(small)} at least {ends[0][0]:.4g} s"
                )
    return Outcome(check, checked, len(bad), _listed(bad))


_MOST_SIZES = 30  # of one benchmark that are compared all with all


def _less_work(small: Condition, large: Condition) -> bool:
    """Tell whether the parameters of one are the other's with some numbers larger and none smaller."""
    few, many = (dict(item.deployments[0].parameters) for item in (small, large))
    if few.keys() != many.keys():
        return False
    numbers = [key for key in few if _is_number(few[key]) and _is_number(many[key])]
    if any(few[key] != many[key] for key in few if key not in numbers):
        return False
    return all(few[key] <= many[key] for key in numbers) and any(few[key] < many[key] for key in numbers)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _duration_interval(condition: Condition) -> tuple[float, float] | None:
    counted = condition.counted
    values = counted.known("function.duration_s")
    try:
        interval = order_statistic_interval(values if len(values) else counted.known("client.latency_s"))
    except SamplesError:
        return None
    return interval.low, interval.high


def _named(condition: Condition) -> str:
    words = [condition.identity.get("benchmark"), condition.identity.get("size")]
    parameters = ",".join(f"{key}={value}" for key, value in condition.deployments[0].parameters.items())
    return " ".join(str(word) for word in (*words, f"({parameters})") if word)


def _one_line(text: str | None) -> str:
    return (text or "no reason given").partition("\n")[0][:200]


RunCheck = tuple[Check, "Callable[[Evidence, Check], Outcome]"]

RUN_CHECKS: tuple[RunCheck, ...] = (
    (Check("run-finished", "did not finish", "resume with: sebsx run --resume RUN", "runs"), _run_closed),
    (Check("client-clock", "had the clock of their client set while they ran", "durations are right; do not subtract "
           "dates from before and after, and let NTP keep the clock", "runs"), _client_clock),
    (Check("record", "are missing from the record", "rows were deleted: the run can no longer be judged; take it from "
           "a snapshot", fails=True), _complete),
    (Check("cells-measured", "were not measured to the end", "resume with: sebsx run --resume RUN, or read why",
           "cells", missing="the run has no cells"), _cells_finished),
    (Check("cells-valid", "are marked invalid by the load generator", "do not use them; lower the rate or use a larger "
           "client", "cells", fails=True, missing="the run has no cells"), _cells_valid),
    (Check("starved", "did not get the processor they were due", "choose and compare nothing by them; measure again on "
           "a machine with less to do", "cells", missing="no function reported how long it waited"), _starved),
    (Check("cell-identity", "are not the cells that they were stored as", "the store was edited; take the run from a "
           "snapshot", "cells", fails=True, missing="the run has no cells"), _cell_identity),
    (Check("samples", "have fewer samples that count than the design wanted", "intervals are wider than planned; raise "
           "max_attempts or max_time_s", "cells", missing="the run has no cells"), _enough),
    (Check("failures", "have too many failed invocations", "what is left is not a random part of the whole; read the "
           "errors first (sebsx export -f csv)", "cells", missing="no cell has invocations"), _failures),
    (Check("start-type", "have another start type than their cell wanted", "they are stored and do not count; nothing "
           "to do unless they are many", missing="no cell wants cold or warm starts"), _wrong_start),
    (Check("mixed-starts", "mix cold and warm invocations in one sample", "measure them as two conditions, or read "
           "them apart by start_type", "deployments", missing="all invocations belong to cells"), _mixed_starts),
    (Check("restored", "hold cold starts and restored ones in one sample", "they take different times; read them apart "
           "by start_type, and measure again", "cells", missing="no cell has cold starts"), _mixed_cold),
    (Check("sizes", "take less time for more work", "the size does not do what its name says, or something else "
           "changed between them", "pairs of sizes", missing="no benchmark at two sizes with samples enough"), _sizes),
    (Check("memory", "have another memory than was asked for", "read results by the effective memory, which tables "
           "show", "deployments", missing="no deployment says what was asked for"), _memory),
    (Check("options", "are not in force as asked for", "read results by what the platform reports (sebsx show)",
           "options", missing="no options were asked for"), _options),
    (Check("processor", "ran on an emulated processor", "their times are not those of a real one; deploy on that "
           "architecture", "deployments", fails=True, missing="no deployment was ready"), _emulated),
    (Check("costs", "have no cost though a price is known", "the provider gave no record of them; costs are a lower "
           "bound", missing="no price is known for any deployment"), _costs),
    (Check("client-facts", "of the client are not stored", "measure with this version of sebsx", "facts"),
     _client_facts),
    (Check("sandbox-facts", "did not report their processor", "their first call failed or was never seen; times "
           "cannot be distinguished by CPU model", "sandboxes", missing="no function reported its sandbox"),
     _sandbox_facts),
)  # fmt: skip
