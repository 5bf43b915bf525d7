"""Which condition to take: the cheapest, the fastest, the balanced one, the Pareto front, and the knee."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Column, Figure, Finding, Table
from sebsx.reading.believed import quantile_of
from sebsx.reading.conditions import identity_columns, level
from sebsx.reading.estimates import mean_estimate
from sebsx.reading.units import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.analyzers import Estimate
    from sebsx.reading.conditions import Condition
    from sebsx.reading.saved_prices import SavedPrices

# What one may choose; whatever else two conditions differ in makes them different questions.
_NAMED = 3  # of options that are all alike; more are counted
_CHOSEN = ("platform", "region", "architecture", "memory_mib")
_COLUMNS = (
    Column("median_s", "median", unit="s", meaning="client latency, with the interval of its median"),
    Column(
        "million_usd",
        "cost per million",
        unit="USD",
        meaning="mean cost, times a million, with the interval of the mean",
    ),
    Column(
        "score",
        "score",
        meaning="weighted cost and duration, each as a share of the largest; the least is balanced",
    ),
    Column("front", "front", meaning="whether nothing is both cheaper and faster (Pareto)"),
    Column("choice", "choice", meaning="what it is the best at"),
)


@dataclass(frozen=True)
class Choice:
    """One condition of a sweep with what decides: its duration and its cost."""

    condition: Condition
    duration: Estimate
    cost: Estimate

    @property
    def memory_mib(self) -> int:
        """Memory as the platform reports it."""
        return int(self.condition.identity["memory_mib"])

    @property
    def duration_s(self) -> float:
        """Median of the client latency."""
        assert self.duration.value is not None
        return self.duration.value

    @property
    def million_usd(self) -> float:
        """Mean cost, times a million."""
        assert self.cost.value is not None
        return self.cost.value


@dataclass(frozen=True)
class Sweep:
    """Options between which one may choose, by memory: the same work on the same terms."""

    name: str
    options: Sequence[Choice]

    def scores(self, weight: float) -> list[float]:
        """Return `w * cost / max_cost + (1 - w) * duration / max_duration` of each option."""
        most = max(option.million_usd for option in self.options) or 1.0
        longest = max(option.duration_s for option in self.options) or 1.0
        return [
            weight * option.million_usd / most + (1 - weight) * option.duration_s / longest for option in self.options
        ]

    def front(self) -> list[bool]:
        """Return which options are on the Pareto front: no other is as good in both cost and time, better in one."""
        points = [(option.million_usd, option.duration_s) for option in self.options]
        return [not any(_dominates(other, point) for other in points) for point in points]

    def lines(self) -> list[list[Choice]]:
        """Return the options that differ in memory only, each line by ascending memory."""
        found: dict[tuple[Any, ...], list[Choice]] = defaultdict(list)
        for option in self.options:
            found[tuple(option.condition.identity.get(key) for key in _CHOSEN[:-1])].append(option)
        return [sorted(line, key=lambda option: option.memory_mib) for line in found.values()]


def knee(costs: Sequence[float], durations: Sequence[float]) -> int | None:
    """Return the place of the memory size from which more memory costs more than it saves.

    A step to the next size pays when the duration falls by at least the factor by which the cost rises, which is when
    the product of cost and duration does not rise. The knee is the size after which no step pays any more: the
    place after the last step that does.

    Args:
        costs: Of sizes of ascending memory.
        durations: Of the same sizes, in any unit.

    Returns:
        None if the last step pays as well: the knee lies beyond the sizes measured.

    Source: the idea is Ganju and Shankar's (their inference functions stop to gain at 1500 to 1750 MB); the criterion
    is the product that chip designers weigh energy against delay with (Gonzalez & Horowitz, Energy Dissipation in
    General Purpose Microprocessors, 1996), with money in place of energy.
    """
    products = [cost * duration for cost, duration in zip(costs, durations, strict=True)]
    paying = [place for place in range(1, len(products)) if products[place] <= products[place - 1]]
    last = paying[-1] if paying else 0
    return last if last < len(products) - 1 else None


def sweeps(found: Sequence[Condition], saved: SavedPrices, confidence: float) -> list[Sweep]:
    """Return what may be chosen between, where durations and costs are known; the warm ones where there are any.

    Costs that a run has not are those saved with it, as estimates.
    """
    families: dict[tuple[Any, ...], dict[str | None, list[Condition]]] = defaultdict(lambda: defaultdict(list))
    for condition in found:
        if len(condition.latency_s) and condition.identity["memory_mib"]:  # nobody knows that of a URL
            rest = {key: word for key, word in condition.identity.items() if key not in (*_CHOSEN, "start")}
            key = (condition.run.id, *sorted((key, str(word)) for key, word in rest.items()))
            families[key][condition.wanted].append(condition)
    telling = [column.key for column in identity_columns(found) if column.key not in _CHOSEN]
    made = []
    for starts in families.values():
        members = starts.get("warm") or next(iter(starts.values()))
        options = [_option(each, saved, confidence) for each in members]
        if known := [option for option in options if option.duration.value is not None]:
            made.append(Sweep(_name(members[0], telling), known))
    return made


def priced(sweep: Sweep) -> Sweep | None:
    """Return the options of a sweep that have a price; None if there are fewer than two."""
    options = [option for option in sweep.options if option.cost.value is not None]
    return Sweep(sweep.name, options) if len(options) > 1 else None


def choices_table(found: Sequence[Sweep], identity: Sequence[Column], weight: float) -> Iterator[Table]:
    """Yield the options with score, front and what each is best at."""
    rows: list[dict[str, Any]] = []
    for sweep in found:
        best = _best(sweep, weight)
        for option, score, front in zip(sweep.options, sweep.scores(weight), sweep.front(), strict=True):
            words = [
                f"{choice} (tie)" if tied else choice
                for choice, (winner, tied) in best.items()
                if winner is option or any(other is option for other in tied)
            ]
            words += ["knee"] if any(option is turning for turning, _ in _knees(sweep)) else []
            rows.append(
                {
                    **option.condition.identity,
                    "run": option.condition.run.id,
                    "median_s": option.duration,
                    "million_usd": option.cost,
                    "score": score,
                    "front": "yes" if front else "no",
                    "choice": ", ".join(words) or None,
                }
            )
    if rows:
        yield Table(
            "choices", columns=(*identity, *_COLUMNS), rows=rows, caption=f"weight of cost in the score: {weight:g}"
        )


def about_choices(found: Sequence[Sweep], weight: float) -> Iterator[Finding]:
    """Yield the cheapest, fastest and balanced option and the knee of each sweep, and what cannot be told from them."""
    for sweep in found:
        scores = dict(zip(map(id, sweep.options), sweep.scores(weight), strict=True))
        for choice, (winner, tied) in _best(sweep, weight).items():
            figures = f"{show(winner.duration_s, 's')} and {show(winner.million_usd, 'USD')} per million"
            text = f"{sweep.name}: {choice} is {_place(winner, sweep)}, {figures}"
            if tied:
                alike = sorted([winner, *tied], key=lambda option: option.memory_mib)
                places = f"all {len(alike)}" if len(alike) == len(sweep.options) > _NAMED else _places(alike, sweep)
                text = f"{sweep.name}: {choice} is a tie of {places}; {_place(winner, sweep)} had {figures}"
            numbers = {
                "choice": choice, "memory_mib": winner.memory_mib, "median_s": winner.duration_s,
                "million_usd": winner.million_usd, "score": scores[id(winner)], "tied": len(tied),
            }  # fmt: skip
            yield Finding(text, numbers=numbers)
        for turning, following in _knees(sweep):
            text = f"{sweep.name}: from {_place(turning, sweep)} on more memory costs more than it saves"
            if not (_apart(turning.cost, following.cost) or _apart(turning.duration, following.duration)):
                text += f"; it cannot be distinguished from {_place(following, sweep)}"
            yield Finding(text, numbers={"choice": "knee", "memory_mib": turning.memory_mib})


def choices_figures(found: Sequence[Sweep]) -> Iterator[Figure]:
    """Yield the options as points of cost and duration, those of the front marked."""
    series: dict[str, list[Choice]] = defaultdict(list)
    labels: dict[str, list[str]] = defaultdict(list)
    for sweep in found:
        for option, front in zip(sweep.options, sweep.front(), strict=True):
            name = f"{sweep.name}, on the front" if front else sweep.name
            series[name].append(option)
            labels[name].append(_place(option, sweep))
    if series:
        yield Figure(
            "cost-latency",
            "scatter",
            title="Cost and duration",
            x=Column("million_usd", "cost of a million invocations", unit="USD"),
            y=Column("median_s", "median latency", unit="s"),
            series={
                name: [(option.million_usd, option.duration_s) for option in options]
                for name, options in series.items()
            },
            intervals={name: [_ends(option.duration) for option in options] for name, options in series.items()},
            x_intervals={name: [_ends(option.cost) for option in options] for name, options in series.items()},
            labels=labels,
            samples=_samples(series),
        )


def memory_figures(found: Sequence[Sweep]) -> Iterator[Figure]:
    """Yield the duration over memory, where it was measured at several sizes."""
    lines: dict[str, list[Choice]] = {}
    for sweep in found:
        several = len(sweep.lines()) > 1
        for line in sweep.lines():
            if len(line) > 1:
                words = _words(line[0], sweep, without=("memory_mib",)) if several else []
                lines[" ".join([*words, sweep.name])] = line
    if lines:
        yield Figure(
            "memory-latency",
            "line",
            title="Median latency by memory",
            x=Column("memory_mib", "memory in MiB", meaning="as the platform reports it"),
            y=Column("median_s", "median latency", unit="s"),
            series={
                name: [(float(option.memory_mib), option.duration_s) for option in line] for name, line in lines.items()
            },
            intervals={name: [_ends(option.duration) for option in line] for name, line in lines.items()},
            samples=_samples(lines),
            log="x",
        )


def _ends(estimate: Estimate) -> tuple[float, float]:
    """Return the ends of an interval; the value itself where it is too uncertain to have one."""
    assert estimate.value is not None
    return (
        estimate.value if estimate.low is None else estimate.low,
        estimate.value if estimate.high is None else estimate.high,
    )


def _samples(series: Mapping[str, Sequence[Choice]]) -> dict[str, int]:
    return {name: sum(option.duration.n for option in options) for name, options in series.items()}


def about_prices(found: Sequence[Sweep], saved: SavedPrices) -> Iterator[Finding]:
    """Yield by whose prices costs are estimated, and of which sizes nothing is known to choose by cost."""
    estimated: dict[tuple[str, str], None] = {}
    unpriced: dict[tuple[str, str], None] = {}
    for sweep in found:
        for option in sweep.options:
            platform = str(option.condition.identity["platform"])
            if price := saved.of(option.condition):
                estimated[platform, price.prices] = None
            elif option.cost.value is None and len(sweep.options) > 1:
                unpriced[platform, option.condition.run.id] = None
    for platform, prices in estimated:
        text = f"costs of {platform} are estimates: the times measured there, by the prices of {prices}"
        yield Finding(text, numbers={"platform": platform, "prices": prices, "estimate": True})
    for platform, run in unpriced:
        text = (
            f"no price is known for {platform}, so that no size is chosen by cost; to estimate what the sizes would "
            f"cost elsewhere: sebsx reprice {run} --as PROVIDER:REGION --save"
        )
        yield Finding(text, numbers={"platform": platform, "run": run})


def _option(condition: Condition, saved: SavedPrices, confidence: float) -> Choice:
    price = saved.of(condition)
    return Choice(
        condition,
        quantile_of(condition, "client.latency_s", 0.5, confidence),
        price.million() if price else mean_estimate(condition.observed("cost_usd"), 1e6, confidence),
    )


def _name(member: Condition, telling: Sequence[str]) -> str:
    """Return what all options of a sweep share and other sweeps do not, in words."""
    return " ".join(str(word) for key in telling if (word := level(member, key)) not in (None, ""))


def _best(sweep: Sweep, weight: float) -> Mapping[str, tuple[Choice, list[Choice]]]:
    """Return the winner of each kind, and the options that its interval overlaps; ties go to less memory."""
    scores = dict(zip(map(id, sweep.options), sweep.scores(weight), strict=True))
    cheapest = min(sweep.options, key=lambda option: (option.million_usd, option.memory_mib))
    fastest = min(sweep.options, key=lambda option: (option.duration_s, option.memory_mib))
    balanced = min(sweep.options, key=lambda option: (scores[id(option)], option.memory_mib))
    return {
        "cheapest": (cheapest, _tied(sweep, cheapest, ("cost",))),
        "fastest": (fastest, _tied(sweep, fastest, ("duration",))),
        "balanced": (balanced, _tied(sweep, balanced, ("cost", "duration"))),
    }


def _tied(sweep: Sweep, winner: Choice, by: Sequence[str]) -> list[Choice]:
    return [
        option
        for option in sweep.options
        if option is not winner and not any(_apart(getattr(option, name), getattr(winner, name)) for name in by)
    ]


def _apart(one: Estimate, other: Estimate) -> bool:
    """Tell whether two intervals do not overlap; without intervals nothing can be told."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.high < other.low or other.high < one.low


def _knees(sweep: Sweep) -> list[tuple[Choice, Choice]]:
    """Return the knee of every line that has one, with the next larger size."""
    found = []
    for line in sweep.lines():
        place = knee([option.million_usd for option in line], [option.duration_s for option in line])
        if place is not None:
            found.append((line[place], line[place + 1]))
    return found


def _dominates(other: tuple[float, float], point: tuple[float, float]) -> bool:
    return other != point and other[0] <= point[0] and other[1] <= point[1]


def _place(option: Choice, sweep: Sweep) -> str:
    """Return the levels that one chooses, where they differ, memory last."""
    return " ".join([*_words(option, sweep, without=("memory_mib",)), f"{option.memory_mib} MiB"])


def _places(options: Sequence[Choice], sweep: Sweep) -> str:
    """Return the levels of several options in words: `512 and 1769 MiB`."""
    words = [_place(option, sweep) for option in options]
    if not any(_words(option, sweep, without=("memory_mib",)) for option in options):
        words = [word.removesuffix(" MiB") for word in words[:-1]] + words[-1:]
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _words(option: Choice, sweep: Sweep, without: Sequence[str]) -> list[str]:
    identities = [each.condition.identity for each in sweep.options]
    keys = [key for key in _CHOSEN if key not in without and len({item.get(key) for item in identities}) > 1]
    return [str(option.condition.identity.get(key)) for key in keys]
