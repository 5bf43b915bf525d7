"""What a run of memory-sharing says: memory by strategy and replicas, what is private and shared, and at what cost."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.analyzers import (
    Analyzer,
    Column,
    Figure,
    Finding,
    IntervalSettings,
    Method,
    Report,
    Table,
    about_runs,
)
from sebsx.reading.believed import believed
from sebsx.reading.blocks import Observations
from sebsx.reading.conditions import caption, conditions, factors_of, identity_columns, level, name_of
from sebsx.reading.doubts import about_failed
from sebsx.reading.units import many, show
from sebsx_memory import metrics
from sebsx_memory.settings import DIFFERENT, SAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.analyzers import Estimate
    from sebsx.contracts.runs import RunView
    from sebsx.reading.conditions import Condition

_OWN = ("model", "strategy", "weights", "replicas")
_HIDDEN = frozenset({*_OWN, "benchmark", "start", "size", "parameters"})
# What a control may seem to share: page tables move, and what is zero at the start of a page merges as well.
_NOTHING = 0.02
_COLUMNS = (
    Column("pss_bytes", "PSS", unit="bytes", meaning="of all replicas: what they take together", essential=True),
    Column("each_bytes", "each", unit="bytes", meaning="PSS of one replica", essential=True),
    Column("saving", "saving", unit="1", meaning="PSS below that of as many copies", essential=True),
    Column("rss_bytes", "RSS", unit="bytes", meaning="of all replicas, what is shared counted in each"),
    Column("uss_bytes", "USS", unit="bytes", meaning="of all replicas, what each has alone"),
    Column("shared", "shared", unit="1", meaning="1 - PSS / RSS: what is shared, also with other programs"),
    Column("identical", "identical", unit="1", meaning="pages whose content another has: the most that could be saved"),
    Column("zero", "zero", unit="1", meaning="pages of zeros"),
    Column("model_bytes", "model", unit="bytes", meaning="PSS of the model's mappings, of all replicas"),
    Column("rounds", "rounds", unit="count", meaning="of fresh sandboxes"),
)
_COSTS = (
    Column("load_s", "load", unit="s", meaning="the model, in one replica"),
    Column("read_s", "read", unit="s", meaning="reading the whole model: latency once it is shared"),
    Column("first_write_s", "first write", unit="s", meaning="to a page of the model"),
    Column("later_write_s", "second write", unit="s", meaning="to the same page"),
    Column("merge_s", "merging", unit="s", meaning="until the kernel found nothing more to merge"),
    Column("merge_cpu_s", "its processor time", unit="s", meaning="of the kernel's thread"),
)
_FITTED = (
    Column("private_bytes", "private", unit="bytes", meaning="P of PSS = P + S / N: what each replica has for itself"),
    Column("shared_bytes", "shared", unit="bytes", meaning="S: what all have together"),
    Column("r2", "R2", meaning="of the fit over the numbers of replicas"),
)
_METHOD = Method(
    of="memory of replicas",
    unit="the round, with fresh sandboxes",
    interval="the interval is that of order statistics of the rounds",
    silent="what sandboxes in virtual machines share below their kernels",
    page="docs/methods/memory-sharing.md",
)


@dataclass(frozen=True, slots=True)
class _Measured:
    """The rounds of one condition."""

    condition: Condition
    confidence: float

    def of(self, metric: str) -> Estimate:
        frame = self.condition.executions
        good = frame.where(frame.equals("status", "ok")) if len(frame) else frame
        return believed(self.condition, metric, Observations.of(good, metric), 0.5, self.confidence)

    @property
    def pss(self) -> float | None:
        return self.of(metrics.PSS).value

    def level(self, key: str) -> Any:
        return level(self.condition, key)

    def beside(self, *without: str) -> tuple[Any, ...]:
        """Return what it has in common with those that differ only in some factors."""
        held = {key: str(word) for key, word in self.condition.identity.items() if key not in without}
        return (self.condition.run.id, *sorted(held.items()))


class MemorySharingAnalyzer(Analyzer[IntervalSettings]):
    """PSS by strategy and number of replicas, the fit of what is private and shared, and the price of sharing."""

    name = "memory-sharing"
    summary = "memory of replicas by strategy: private, shared, and what could be shared"
    Settings: ClassVar[type[Any]] = IntervalSettings

    def analyze(self, runs: Sequence[RunView], settings: IntervalSettings) -> Report:
        """Return the report of one or more runs."""
        found = conditions(runs)
        measured = [_Measured(each, settings.confidence) for each in found]
        known = [each for each in measured if each.pss]
        return Report(
            "Memory sharing",
            tables=tuple(_tables(known or measured)),
            figures=tuple(_drawn(known)),
            findings=[
                *_nothing(measured, known),
                *_beyond(known),
                *_prices(known),
                *_controls(known),
                *about_failed(found),
                *about_runs(runs),
            ],
            answers=list(_answers(known)),
            methods=[_METHOD] if known else [],
        )


def _tables(known: Sequence[_Measured]) -> Iterator[Table]:
    if not known:
        return
    among = [each.condition for each in known]
    factors = factors_of(among)
    others = [column for column in identity_columns(among) if column.key not in _HIDDEN]
    identity = [*others, *(Column(name, factors[name].title, meaning=factors[name].meaning) for name in _OWN)]
    savings = {id(each): saving for each, saving in _savings(known)}

    def named(each: _Measured) -> dict[str, Any]:
        return {column.key: each.level(column.key) for column in identity}

    rows = [{**named(each), **_memory(each), "saving": savings.get(id(each))} for each in known]
    yield Table("sharing", columns=(*identity, *_COLUMNS), rows=rows, caption=caption(among))
    names = {column.key: f"sharing.{column.key}" for column in _COSTS}
    rows = [{**named(each), **{key: each.of(metric) for key, metric in names.items()}} for each in known]
    for row in rows:
        row.update({key: None for key in names if row[key].value is None})
    yield Table("costs", columns=(*identity, *_COSTS), rows=rows)
    fits = list(_fits(known))
    if fits:
        words = [column for column in identity if column.key not in ("weights", "replicas")]
        rows = [
            {**{column.key: each.level(column.key) for column in words}, "private_bytes": private,
             "shared_bytes": shared, "r2": r2}
            for each, private, shared, r2 in fits
        ]  # fmt: skip
        yield Table("fits", columns=(*words, *_FITTED), rows=rows, caption="PSS of one replica = P + S / N")


def _memory(each: _Measured) -> dict[str, Any]:
    pss, rss = each.of(metrics.PSS), each.of(metrics.RSS)
    if pss.value is None:
        return dict.fromkeys(column.key for column in _COLUMNS)
    return {
        "pss_bytes": pss,
        "each_bytes": pss.value / each.level("replicas"),
        "rss_bytes": rss,
        "uss_bytes": each.of(metrics.USS),
        "shared": 1 - pss.value / rss.value if rss.value else None,
        "identical": each.of(metrics.IDENTICAL).value,
        "zero": each.of(metrics.ZERO).value,
        "model_bytes": each.of(metrics.MODEL_PSS),
        "rounds": pss.n,
    }


def _savings(known: Sequence[_Measured]) -> Iterator[tuple[_Measured, float]]:
    """Yield by how much each takes less than as many copies of the same."""
    copies = {each.beside("strategy"): each.pss for each in known if each.level("strategy") == "copy"}
    for each in known:
        base = copies.get(each.beside("strategy"))
        if base and each.pss and each.level("strategy") != "copy":
            yield each, 1 - each.pss / base


def _fits(known: Sequence[_Measured]) -> Iterator[tuple[_Measured, float, float, float]]:
    """Yield P, S and R2 of PSS(N) / N = P + S / N where there are three numbers of replicas."""
    import numpy as np  # heavy

    alike: dict[Any, list[_Measured]] = defaultdict(list)
    for each in known:
        if each.level("weights") == SAME:
            alike[each.beside("replicas")].append(each)
    for those in alike.values():
        if len(those) < 3:
            continue
        n = np.array([each.level("replicas") for each in those], dtype=float)
        y = np.array([each.pss for each in those], dtype=float) / n
        design = np.stack([np.ones_like(n), 1 / n], axis=1)
        (private, shared), *_ = np.linalg.lstsq(design, y, rcond=None)
        spread = float(((y - y.mean()) ** 2).sum())
        left = float(((y - design @ (private, shared)) ** 2).sum())
        yield those[0], float(private), float(shared), 1 - left / spread if spread else 1.0


def _answers(known: Sequence[_Measured]) -> Iterator[str]:
    """Yield a sentence for each model on each platform: the strategy by which the most replicas take least.

    One whose control shares what it cannot share is left out.
    """
    savings = {id(each): saving for each, saving in _savings(known)}
    doubted = {_strategy_of(each) for each in known if _missing(each) > _NOTHING}
    alike: dict[Any, list[_Measured]] = defaultdict(list)
    for each in known:
        if each.level("weights") == SAME:
            alike[each.beside("replicas", "strategy")].append(each)
    for those in alike.values():
        most = max(each.level("replicas") for each in those)
        last = [each for each in those if each.level("replicas") == most]
        place = name_of({key: last[0].level(key) for key in ("platform",)})
        what = f"{place}: {many(most, 'replica')} of {last[0].level('model')}"
        trusted = sorted((each for each in last if _strategy_of(each) not in doubted), key=lambda each: each.pss or 0.0)
        if not trusted:
            yield f"{what}: nothing is recommended; the warnings say why"
            continue
        best, *others = trusted
        taken = f"take {show(best.pss, 'bytes')} by {best.level('strategy')}"
        beside = ", ".join(f"{each.level('strategy')} {show(each.pss, 'bytes')}" for each in others)
        if not others:
            yield f"{what} {taken}; other --strategies show what they would save"
        elif best.level("strategy") == "copy":
            yield f"{what} {taken}, and no strategy takes less ({beside})"
        else:
            less = f", {savings[id(best)]:.0%} less than copies" if id(best) in savings else ""
            yield f"{what} {taken}{less} ({beside})"


def _strategy_of(each: _Measured) -> Any:
    return each.beside("replicas", "weights")


def _is_control(each: _Measured) -> bool:
    return bool(each.level("weights") == DIFFERENT and each.level("replicas") > 1)


def _missing(each: _Measured) -> float:
    """Return the share of their models that replicas with nothing in common seem to share; 0 for others."""
    if not _is_control(each):
        return 0.0
    whole = float(each.level("replicas") * each.condition.identity["model_bytes"])
    return 1 - (each.of(metrics.MODEL_PSS).value or 0.0) / whole


def _controls(known: Sequence[_Measured]) -> Iterator[Finding]:
    """Yield what replicas with different weights seem to share of their models, which must be nothing."""
    for each in known:
        if not _is_control(each):
            continue
        missing = _missing(each)
        name = f"{each.level('strategy')}, {each.level('replicas')} replicas with different weights"
        numbers = {"strategy": each.level("strategy"), "missing": missing}
        if missing > _NOTHING:
            yield Finding(
                f"{name} seem to share {missing:.1%} of their models, which have nothing in common: the figures of "
                "this strategy are not to be trusted",
                numbers=numbers,
                warning=True,
            )
        else:
            yield Finding(f"{name} share nothing of their models, as it must be", numbers=numbers)


def _beyond(known: Sequence[_Measured]) -> Iterator[Finding]:
    """Yield what is left to save at the most replicas of each model, whatever the strategy."""
    for each in known:
        if each.level("weights") == SAME and each.level("strategy") == "copy" and each.level("replicas") > 1:
            identical, zero = each.of(metrics.IDENTICAL).value or 0.0, each.of(metrics.ZERO).value or 0.0
            text = (
                f"{each.level('replicas')} copies of {each.level('model')}: {identical:.0%} of the resident pages are "
                f"equal to another one, {zero:.1%} are zero"
            )
            yield Finding(text, numbers={"identical": identical, "zero": zero})


def _nothing(measured: Sequence[_Measured], known: Sequence[_Measured]) -> Iterator[Finding]:
    if measured and not known:
        yield Finding("not enough data: no round of replicas was measured", warning=True)


def _prices(known: Sequence[_Measured]) -> Iterator[Finding]:
    """Yield what sharing costs beside copies, at the most replicas of each strategy."""
    copies = {each.beside("strategy"): each for each in known if each.level("strategy") == "copy"}
    most = max((each.level("replicas") for each in known), default=0)
    for each in known:
        base = copies.get(each.beside("strategy"))
        if base is None or base is each or each.level("weights") != SAME or each.level("replicas") != most:
            continue
        write, read = (
            tuple(which.of(metric).value for which in (each, base)) for metric in (metrics.FIRST_WRITE, metrics.READ)
        )
        if None in (*write, *read):
            continue
        text = (
            f"{each.level('strategy')}, {most} replicas of {each.level('model')}: a first write to a page takes "
            f"{show(write[0], 's')} ({show(write[1], 's')} in a copy), reading the model {show(read[0], 's')} "
            f"({show(read[1], 's')})"
        )
        numbers = {"first_write_s": write[0], "copy_first_write_s": write[1], "read_s": read[0], "copy_read_s": read[1]}
        yield Finding(text, numbers=numbers)


def _drawn(known: Sequence[_Measured]) -> Iterator[Figure]:
    alike: dict[str, list[_Measured]] = defaultdict(list)
    among = [each.condition for each in known]
    told = [column.key for column in identity_columns(among) if column.key not in ("replicas", "benchmark", "weights")]
    for each in known:
        if each.level("weights") == SAME:
            alike[name_of({key: each.level(key) for key in told}, factors_of(among)) or "replicas"].append(each)
    if not alike:
        return
    replicas = Column("replicas", "replicas", unit="count")
    samples = {name: sum(each.of(metrics.PSS).n for each in those) for name, those in alike.items()}
    yield Figure(
        "memory-per-replica", "line", title="Memory of one replica", x=replicas,
        y=Column("each_bytes", "PSS", unit="bytes"), samples=samples,
        series={
            name: [(float(each.level("replicas")), (each.pss or 0.0) / each.level("replicas")) for each in those]
            for name, those in alike.items()
        },
    )  # fmt: skip
    yield Figure(
        "memory", "line", title="Memory of all replicas", x=replicas, y=Column("pss_bytes", "PSS", unit="bytes"),
        series={
            name: [(float(each.level("replicas")), each.pss or 0.0) for each in those] for name, those in alike.items()
        },
        samples=samples,
    )  # fmt: skip
