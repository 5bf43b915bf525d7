"""What a run found, in one sentence for each benchmark: how fast it was where, how cold starts compare, what failed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sebsx.reading.believed import quantile_of
from sebsx.reading.conditions import factors_of, identity_columns, level, name_of
from sebsx.reading.subjects import in_words, little
from sebsx.reading.units import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.analyzers import Estimate
    from sebsx.reading.conditions import Condition

_NAMED = ("benchmark", "start", "run")


def answers(found: Sequence[Condition]) -> Iterator[str]:
    """Yield one sentence for each benchmark of each run."""
    benchmarks: dict[tuple[str, str], list[Condition]] = defaultdict(list)
    for each in found:
        benchmarks[each.run.id, str(each.identity.get("benchmark"))].append(each)
    several = len({run for run, _ in benchmarks}) > 1
    for (run, benchmark), members in benchmarks.items():
        starts: dict[str, list[tuple[Condition, Estimate]]] = defaultdict(list)
        for each in members:
            middle = quantile_of(each, "client.latency_s")
            if middle.value is not None:
                starts[str(each.identity.get("start") or "")].append((each, middle))
        warm_first = sorted(starts, key=lambda start: start != "warm")
        said = [_speed(start, starts[start], found) for start in warm_first]
        share = little(members)
        said += [in_words(share)] if share is not None else []
        said += [text for each in members if (text := _few(each))][:1]
        calls, failed = sum(len(each.frame) for each in members), sum(each.unserved for each in members)
        said += [f"{failed} of {calls} invocations failed"] if failed or not said else []
        platforms = ", ".join(dict.fromkeys(str(each.identity.get("platform")) for each in members))
        where = f"{platforms} (run {run})" if several else platforms
        yield f"{benchmark} on {where}: {'; '.join(said)}"


def _few(each: Condition) -> str:
    """Return why its times may be those of a sandbox; empty where there are sandboxes enough."""
    observed = each.observed("client.latency_s")
    return "" if observed.singles else observed.caution


def _speed(start: str, group: Sequence[tuple[Condition, Estimate]], found: Sequence[Condition]) -> str:
    """Return the fastest median of a start type and where it was, with the slowest beside it."""
    ordered = sorted(group, key=lambda pair: pair[1].value or 0.0)
    (fastest, least), (slowest, most) = ordered[0], ordered[-1]
    text = f"{start} {show(least.value, 's')}".strip()
    if fastest is slowest:
        return f"{text} at {_place(fastest, found)}"
    if least.high is None or most.low is None or least.high >= most.low:
        return f"{text} to {show(most.value, 's')}, the {len(group)} configurations cannot be distinguished"
    return f"{text} at {_place(fastest, found)}, up to {show(most.value, 's')} at {_place(slowest, found)}"


def _place(each: Condition, found: Sequence[Condition]) -> str:
    """Return the levels that tell a condition from the others of its benchmark and start; its memory at least."""
    columns = [column.key for column in identity_columns(found) if column.key not in _NAMED]
    return name_of({key: level(each, key) for key in columns}, factors_of(found))
