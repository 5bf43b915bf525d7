"""What a comparison comes to, as data, and how it reads: as a report, as a sentence, as Markdown for a pull request."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Column, Estimate, Figure, Finding, Method, Report, Table
from sebsx.reading.blocks import in_sandboxes
from sebsx.reading.units import many, show
from sebsx.stats import Verdict, magnitude

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sebsx.model.metrics import Metric
    from sebsx.reading.comparison.facts import Difference
    from sebsx.reading.comparison.pairing import Missing
    from sebsx.reading.comparison.same_code import SameCode

# Worst first: what must be looked at, what could not be said, what is good news.
SEVERITY = (
    Verdict.REGRESSION, Verdict.INCOMPARABLE, Verdict.INCONCLUSIVE, Verdict.CHANGE, Verdict.IMPROVEMENT,
    Verdict.EQUIVALENT,
)  # fmt: skip
_UNSAID = (Verdict.INCOMPARABLE, Verdict.INCONCLUSIVE)
CHANGED = (Verdict.REGRESSION, Verdict.CHANGE, Verdict.IMPROVEMENT)
COMMENT_CHARACTERS = 65_536  # limit of a comment on GitHub
ROWS_SHOWN = 50
_FIGURE_ROWS = 40
_LISTED = 20
_FACTOR_FROM = 3.0  # from here on a change reads better as a factor than as a percentage

_OF_SANDBOXES = "change is the typical ratio of sandboxes, new to base, and not that of the medians beside it"

_COLUMNS = (
    Column("verdict", "verdict", essential=True),
    Column("condition", "condition", essential=True),
    Column("metric", "metric"),
    Column("base", "base"),
    Column("new", "new"),
    Column("change", "change", essential=True),
    Column("p", "p", meaning="of the test, corrected for the number of comparisons (Holm)"),
    Column("effect", "effect", meaning="Cliff's delta: share of pairs where new is larger, minus the reverse"),
    Column("n", "n", meaning="calls of base and new with their sandboxes, or pairs of sandboxes"),
    Column("reason", "why"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """The verdict on one metric of one condition.

    Args:
        condition: What tells it from the others, in words.
        identity: Level of each factor on the base side.
        metric: What was compared.
        statistic: `p50`, `mean` or `share` (of failures).
        verdict: What it comes to.
        reason: Why, in one sentence; with what to do where nothing can be said.
        base: Estimate of the statistic there.
        new: Estimate there.
        ratio: New to base with its interval; without a value where there is none.
        shift: The change in the metric's unit, with its interval.
        threshold: Smallest change that matters, as a share.
        p: Of the test, not corrected; None where there was no test.
        adjusted_p: Corrected for all tests of the comparison.
        cliff: Cliff's delta, above 0 if new is larger.
        method: `paired`, `unpaired`, or empty where nothing was tested.
        differences: What is not the same on both sides and should be; empty unless incomparable.
        doubt: Why a change may be none of the code's; empty for none.
    """

    condition: str
    identity: Mapping[str, Any]
    metric: Metric
    statistic: str
    verdict: Verdict
    reason: str
    base: Estimate
    new: Estimate
    ratio: Estimate
    shift: Estimate
    threshold: float
    p: float | None
    adjusted_p: float | None
    cliff: float | None
    method: str
    differences: tuple[Difference, ...] = ()
    doubt: str = ""

    @property
    def name(self) -> str:
        """A stable name of the number: `client.latency_s.p50`."""
        return f"{self.metric.name}.{self.statistic}"

    @property
    def change(self) -> str:
        """The change in words: `+10.3 % [+8.9, +11.8]`, `x 4.10 [3.90, 4.32]`, `+5.0 points [+1.2, +9.9]`."""
        if self.ratio.value is not None:
            return change_in_words(self.ratio)
        if self.statistic == "share" and self.shift.value is not None:
            return _in_percent(self.shift, "points")
        if self.shift.value:
            return f"{'+' if self.shift.value > 0 else ''}{show(self.shift, self.metric.unit)}"
        return "-"

    @property
    def judged(self) -> bool:
        """Whether the samples decided something, if only that there is no difference."""
        return self.verdict is not Verdict.INCOMPARABLE and (
            self.adjusted_p is not None or self.verdict is Verdict.EQUIVALENT
        )

    def cells(self) -> dict[str, Any]:
        """Return the row of a table."""
        effect = "-" if self.cliff is None else f"{self.cliff:+.2f} {magnitude(self.cliff)}"
        sizes = dict.fromkeys(map(_size_in_words, (self.base, self.new)))
        n = f"{self.shift.n} pairs" if self.method == "paired" else " / ".join(sizes)
        return {
            "verdict": self.verdict, "condition": self.condition, "metric": self.name,
            "base": show(self.base, self.metric.unit), "new": show(self.new, self.metric.unit),
            "change": self.change, "p": _p_in_words(self.adjusted_p), "effect": effect, "n": n,
            "reason": f"{self.reason}, but {self.doubt}" if self.doubt else self.reason,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ComparisonReport:
    """The verdicts of one comparison, worst first.

    Args:
        base: What is compared with.
        new: What is compared.
        rows: By severity, then by size of the change.
        missing: Conditions that one side does not have.
        changed: What differs and may: the code and what comes with it.
        warnings: Why the verdicts may be wrong, one sentence each.
        alpha: Chance of any false alarm among all rows.
        paired: Whether sandboxes that shared rounds were compared as pairs.
        same_code: What identical code shows on this machine, of each platform and metric of which that is known.
    """

    base: str
    new: str
    rows: tuple[Row, ...]
    missing: tuple[Missing, ...]
    changed: tuple[Difference, ...]
    warnings: tuple[str, ...]
    alpha: float
    paired: bool
    same_code: tuple[SameCode, ...] = ()

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many rows there are of each verdict, worst first, those of which there are none left out."""
        return counted(self.rows)

    @property
    def comparable(self) -> bool:
        """Whether anything could be compared at all."""
        return any(row.verdict is not Verdict.INCOMPARABLE for row in self.rows)

    @property
    def judged(self) -> bool:
        """Whether a gate may rest on it: any metric was judged; shares of failures alone do not suffice."""
        measured = [row for row in self.rows if row.statistic != "share"] or self.rows
        return any(row.judged for row in measured)

    @property
    def undecided(self) -> tuple[Row, ...]:
        """The rows of which nothing could be said."""
        return tuple(row for row in self.rows if row.verdict in _UNSAID)

    @property
    def summary(self) -> str:
        """What it comes to in one sentence."""
        if not self.rows:
            return "nothing was measured on both sides"
        worst, counts = self.rows[0], in_words(self.counts)
        if worst.verdict is not Verdict.REGRESSION:
            return f"no regression in {many(len(self.rows), 'comparison')}: {counts}"
        return f"{counts}; the worst: {worst.condition} {worst.name} {worst.change}"

    def document(self) -> dict[str, Any]:
        """Return it as one document for programs."""
        return {
            "base": self.base, "new": self.new, "summary": self.summary, "counts": self.counts, "paired": self.paired,
            "alpha": self.alpha, "warnings": self.warnings, "changed": self.changed, "missing": self.missing,
            "rows": self.rows, "same_code": [one.document() for one in self.same_code],
        }  # fmt: skip

    def to_report(self, limit: int | None = ROWS_SHOWN) -> Report:
        """Return tables, a forest plot of the ratios, and findings.

        Args:
            limit: Most rows of a table, worst first; None for all.
        """
        shown = self.rows[:limit]
        rest = "" if len(shown) == len(self.rows) else _rest(self.rows[len(shown) :])
        caption = "; ".join(filter(None, (self._of_changes, rest)))
        tables = (
            [Table("comparison", columns=_telling(shown), rows=[row.cells() for row in shown], caption=caption)]
            if shown
            else []
        )
        findings = [Finding(text, warning=True) for text in (*self.warnings, *_listed(_unsaid(self.rows), limit))]
        findings += [Finding(text, warning=True) for text in _listed(_doubted(self.rows), limit)]
        findings += [Finding(text, warning=True) for text in _listed(self.missing, limit)]
        findings += [Finding(one.words) for one in self.same_code]
        findings += [Finding(f"differs, and may: {text}") for text in _listed(self.changed, limit)]
        findings.append(Finding(self.summary, numbers={str(verdict): n for verdict, n in self.counts.items()}))
        return Report(
            self.title, tables=tables, figures=self._figures(), findings=findings, methods=list(self._methods())
        )

    def _methods(self) -> Iterator[Method]:
        """Yield how the changes were made that it prints."""
        statistics = {row.statistic for row in self.rows}
        if "p50" in statistics:
            how = "a pair of sandboxes that shared rounds" if self.paired else "the sandbox"
            test = "signed-rank" if self.paired else "Mann-Whitney"
            yield Method(
                of="changes", unit=how,
                interval=f"the ratio is the Hodges-Lehmann centre with the interval of the {test} test, and p is "
                f"corrected over all rows (Holm, alpha {self.alpha:g})",
                silent="whether the code is the cause, where the sides were measured apart or identical code differs "
                "as much (sebsx selftest)",
                page="docs/compare.md",
            )  # fmt: skip
        if "mean" in statistics:
            yield Method(
                of="changes of costs", unit="the mean of a sandbox",
                interval="test and interval are those of all ways to hand the observations out to the sides "
                "(Pitman 1937)",
                silent="the rare expensive call that neither side met",
                page="docs/methods/statistics.md#two-samples",
            )  # fmt: skip

    @property
    def _of_changes(self) -> str:
        """What a change is the ratio of; empty where there is none of medians."""
        return _OF_SANDBOXES if any(row.statistic == "p50" and row.ratio.value is not None for row in self.rows) else ""

    @property
    def title(self) -> str:
        """What is compared with what."""
        return f"{self.new} against {self.base}"

    def to_markdown(self, limit: int = COMMENT_CHARACTERS) -> str:
        """Return it as Markdown of at most so many characters; what does not fit is counted, the worst is kept."""
        head = [f"### sebsx: {self.summary}", "", f"{self.title}, {self._method()}", ""]
        notes = [f"> **Warning**: {text}\n" for text in self.warnings]
        notes += [f"> {one.words}\n" for one in self.same_code]
        lists = [*_bullets("Missing", self.missing), *_bullets("Differs, and may", self.changed)]
        titles = [column.title for column in _COLUMNS if column.key != "effect"]
        table = [f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}"] if self.rows else []
        spare = limit - sum(len(line) + 1 for line in (*head, *notes, *table, *lists)) - 200
        for place, row in enumerate(self.rows):
            line = _markdown_row(row)
            spare -= len(line) + 1
            if spare < 0:
                lists.insert(0, f"\n{_rest(self.rows[place:])}\n")
                break
            table.append(line)
        return "\n".join([*head, *notes, *table, *lists])[: limit - 1].rstrip() + "\n"

    def _method(self) -> str:
        how = "sandboxes of the same rounds compared as pairs" if self.paired else "sandboxes not paired"
        return "; ".join(filter(None, (f"{how}, alpha {self.alpha:g} over all rows (Holm)", self._of_changes)))

    def _figures(self) -> list[Figure]:
        drawn = [row for row in self.rows if row.ratio.low is not None and row.ratio.high is not None][:_FIGURE_ROWS]
        if not drawn:
            return []
        series: dict[str, list[tuple[float, float]]] = {}
        intervals: dict[str, list[tuple[float, float]]] = {}
        samples: dict[str, int] = Counter()
        for place, row in enumerate(drawn):
            assert row.ratio.value is not None
            assert row.ratio.low is not None
            assert row.ratio.high is not None
            series.setdefault(str(row.verdict), []).append((float(place), row.ratio.value))
            intervals.setdefault(str(row.verdict), []).append((row.ratio.low, row.ratio.high))
            samples[str(row.verdict)] += row.base.n + row.new.n
        return [
            Figure(
                "comparison-ratios", "interval", title="Ratio of new to base, with its interval",
                x=Column("condition", "condition"), y=Column("ratio", "new / base"), series=series,
                categories=[f"{row.condition} {row.name}" for row in drawn], intervals=intervals, reference=1.0,
                samples=samples,
            )
        ]  # fmt: skip


def counted(rows: Iterable[Row]) -> dict[Verdict, int]:
    """Return how many rows there are of each verdict, worst first, those of which there are none left out."""
    found = Counter(row.verdict for row in rows)
    return {verdict: found[verdict] for verdict in SEVERITY if found[verdict]}


def in_words(counts: Mapping[Verdict, int]) -> str:
    """Return counts as people say them: `2 regressions, 1 inconclusive`."""
    return ", ".join(many(n, verdict) if verdict in CHANGED else f"{n} {verdict}" for verdict, n in counts.items())


def change_in_words(ratio: Estimate) -> str:
    """Return a ratio as a change: `+10.3 % [+8.9, +11.8]`, or as a factor from 3 on and below a third."""
    assert ratio.value is not None
    if 1 / _FACTOR_FROM < ratio.value < _FACTOR_FROM:
        low, high = (None if end is None else end - 1 for end in (ratio.low, ratio.high))
        return _in_percent(Estimate(ratio.value - 1, low=low, high=high), "%")
    interval = "" if ratio.low is None or ratio.high is None else f" [{ratio.low:.3g}, {ratio.high:.3g}]"
    return f"x {ratio.value:.3g}{interval}"


def _in_percent(share: Estimate, unit: str) -> str:
    assert share.value is not None
    interval = ""
    if share.low is not None and share.high is not None:
        interval = f" [{100 * share.low:+.1f}, {100 * share.high:+.1f}]"
    return f"{100 * share.value:+.1f} {unit}{interval}"


def _size_in_words(side: Estimate) -> str:
    return str(side.n) if side.blocks is None else f"{side.n} in {in_sandboxes(side.blocks)}"


def _p_in_words(p: float | None) -> str:
    if p is None:
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _telling(rows: Sequence[Row]) -> list[Column]:
    """Return the columns that say anything; reasons stand below the table, where there is room for them."""
    tested = any(row.adjusted_p is not None for row in rows)
    return [column for column in _COLUMNS if column.key != "reason" and (tested or column.key not in {"p", "effect"})]


def _unsaid(rows: Sequence[Row]) -> list[str]:
    """Return why nothing could be said, once for all rows that share a reason."""
    groups: dict[tuple[Verdict, str], list[Row]] = {}
    for row in rows:
        if row.verdict in _UNSAID:
            groups.setdefault((row.verdict, row.reason), []).append(row)
    return [
        f"{verdict}: {members[0].condition} {members[0].name}"
        f"{f' and {len(members) - 1} more' if len(members) > 1 else ''}: {reason}"
        for (verdict, reason), members in groups.items()
    ]


def _doubted(rows: Sequence[Row]) -> list[str]:
    return [f"{row.verdict}: {row.condition} {row.name} {row.change}: {row.doubt}" for row in rows if row.doubt]


def _rest(rows: Sequence[Row]) -> str:
    return f"and {many(len(rows), 'row')} more: {in_words(counted(rows))}"


def _listed(items: Sequence[object], limit: int | None) -> list[str]:
    shown = items if limit is None else items[:_LISTED]
    rest = [f"and {len(items) - len(shown)} more"] if len(shown) < len(items) else []
    return [*map(str, shown), *rest]


def _bullets(heading: str, items: Sequence[object]) -> list[str]:
    return ["", f"**{heading}**", "", *(f"- {_plain(text)}" for text in _listed(items, _LISTED))] if items else []


def _markdown_row(row: Row) -> str:
    cells = {**row.cells(), "verdict": f"**{row.verdict}**" if row.verdict is SEVERITY[0] else str(row.verdict)}
    return f"| {' | '.join(_plain(str(cells[column.key])) for column in _COLUMNS if column.key != 'effect')} |"


def _plain(text: str) -> str:
    """Return text that neither ends a cell nor starts a tag or a mention."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("@", "&#64;")
