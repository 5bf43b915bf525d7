"""How the numbers of a page were made, in sentences that follow from what was really done."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sebsx.contracts.analyzers import Method
from sebsx.model import Design, Kind
from sebsx.stats import LEAST_BLOCKS, median_ranks, tail_samples

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.reading.reporting.measured import MeasuredCondition

_DESIGNS = {
    Design.SEQUENTIAL: (
        "Conditions were measured one after the other. Whatever changed on the platform or this machine meanwhile "
        "looks like a difference between them: differences within such a run are hints, not proof."
    ),
    Design.RMIT: (
        "Conditions were measured in rounds, each once a round in seeded random order (randomised multiple "
        "interleaved trials), so that slow changes of the platform hit all of them alike."
    ),
}
_SMALLEST = (0.9, 0.99)
_PAGE = "docs/methods/statistics.md"


def sentences(
    views: Sequence[RunView], measured: Sequence[MeasuredCondition], more: Sequence[Method] = ()
) -> Iterator[str]:
    """Yield the methods, a paragraph each: the design, each kind of number that is printed, what was not counted.

    Args:
        views: The runs.
        measured: The conditions, as the page shows them.
        more: Of the numbers that analyzers and a comparison add.
    """
    for design in Design:
        runs = [view.run.id for view in views if view.run.design is design]
        if runs:
            which = "" if len(runs) == len(views) else f" ({', '.join(runs)})"
            yield f"Design{which}: {design.value}. {_DESIGNS[design]}"
    if not measured:
        return
    yield (
        "Latency is the time from the request sent to the last byte of the answer, on one monotonic clock of the "
        "client. Clocks of two hosts are never subtracted."
    )
    yield from map(str, dict.fromkeys((*_kinds(measured), *more)))
    tails = " and ".join(f"p{100 * q:g} below {tail_samples(q)}" for q in _SMALLEST)
    yield (
        f"What a sample is too small for is not said: an interval of the median below {_least_samples()} invocations, "
        f"{tails} (Wilks 1941: fewer may not have seen that tail at all)."
    )
    yield _stopping(views)
    yield _excluded(views, measured)


def _kinds(measured: Sequence[MeasuredCondition]) -> Iterator[Method]:
    """Yield how each kind of number is made that the page itself prints."""
    said = {name: summary.estimate for each in measured for name, summary in each.said.items()}
    medians = [summary.estimate for each in measured for name, summary in each.said.items() if ".p50" in name]
    levels = sorted({found.confidence for found in medians if found.low is not None})
    if medians:
        level = ", ".join(f"{confidence:.0%}" for confidence in levels)
        yield Method(
            of="medians",
            unit="the sandbox, whose value is the median of its calls (a cold start is a sandbox of its own)",
            interval=(
                f"each stands with its {level} confidence interval of order statistics (Le Boudec 2010, theorem 2.1), "
                "which assumes nothing of the distribution"
                if levels
                else f"no interval is given from fewer than {LEAST_BLOCKS} sandboxes"
            ),
            silent="whether two rows differ, nor what sandboxes of another hour or region would have taken",
            page=_PAGE,
        )
    if any(found.value is not None for name, found in said.items() if name.partition(".p")[2][:2] in ("90", "99")):
        yield Method(
            of="p90 and p99",
            unit="the call",
            interval="the interval is that of order statistics, and is left out where calls share a sandbox",
            silent="what happens more rarely than once in as many calls",
            page=f"{_PAGE}#one-sample",
        )
    if "cost_per_million_usd.mean" in said:
        yield Method(
            of="cost of a million",
            unit="the call; costs add up, so that it is the arithmetic mean, times a million",
            interval="it has no interval here, and is compared by the means of sandboxes",
            silent="the rare expensive call that the sample did not meet",
            page=_PAGE,
        )
    if any(found.value for name, found in said.items() if name == "errors.share"):
        yield Method(
            of="share of failures",
            unit="the call",
            interval="it has no interval here, and is compared by Fisher's exact test, where calls that "
            "fail together count as fewer",
            silent="why they failed, which the section of failures does",
            page=_PAGE,
        )


def _least_samples() -> int:
    return next(n for n in range(1, 100) if _has_interval(n))


def _has_interval(n: int) -> bool:
    from sebsx.stats import TooFewSamplesError

    try:
        median_ranks(n)
    except TooFewSamplesError:
        return False
    return True


def _stopping(views: Sequence[RunView]) -> str:
    reasons = Counter(cell.stop_reason or "no reason stored" for view in views for cell in view.cells())
    told = "; ".join(f"{reason} ({n})" for reason, n in reasons.most_common(8))
    more = f"; {len(reasons) - 8} other reasons" if len(reasons) > 8 else ""
    return f"Sampling of a condition ended by: {told}{more}." if reasons else "No stopping rule is stored."


def _excluded(views: Sequence[RunView], measured: Sequence[MeasuredCondition]) -> str:
    kinds: Counter[Kind] = Counter()
    for view in views:
        for (kind, _, _), n in view.counts().items():
            kinds[kind] += n
    broken_off = kinds[Kind.BROKEN_OFF]
    cut = f", {broken_off:,} of what was cut short and begun again" if broken_off else ""
    failed = sum(sum(each.condition.failed.values()) for each in measured)
    wrong = sum(each.condition.wrong_start for each in measured)
    total = sum(len(each.condition.frame) for each in measured)
    return (
        f"Not counted in statistics: {kinds[Kind.WARMUP]:,} warm-ups{cut}, and of {total:,} measured invocations "
        f"{failed:,} that failed and {wrong:,} of another start type than wanted. In quantiles of the client's times "
        "what failed is later than all that did not; one that lies among the failed is not reached. All of them are "
        "stored. Nothing else was left out, and no outlier was removed."
    )
