"""Simulations fed with what a run measured: held against its real part, then carried to the study's size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx.reading.units import show
from sebsx_serving.courses import costs_of, latency_of, reached_s, served_of, summary
from sebsx_serving.loads import RAMP, USERS, ServingLoad
from sebsx_serving.policies import BARE, HORIZONTAL, HYBRID, POLICIES
from sebsx_serving.simulation import simulate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx_serving.courses import ServedLoad
    from sebsx_serving.simulation import Course, ServerCosts

FLAT_MEMORY, BETTER_TAIL, SLOWER_WHILE_GROWING = "flat-memory", "better-tail", "slower-while-growing"
_TEXTS = {
    FLAT_MEMORY: "memory stays flat while it scales, unlike that of pods",
    BETTER_TAIL: "latency is better than that of pods from p80 on",
    SLOWER_WHILE_GROWING: "it is slower than bare while it grows",
}
_FLAT = 1.25  # memory of the end over that of the beginning which still is flat
_FROM_ON = (0.8, 0.95, 0.99)


@dataclass(frozen=True, kw_only=True)
class Carried:
    """One policy under one load of the study, simulated.

    Args:
        policy: Its name.
        load: What came.
        course: What happened.
        costs: What it was fed with.
    """

    policy: str
    load: ServingLoad
    course: Course
    costs: ServerCosts

    @property
    def growth(self) -> float | None:
        """Peak of memory over that of its beginning; None where memory is unknown."""
        memory = [each for _, each in self.course.memory if each]
        return max(memory) / memory[0] if memory else None

    def usd_per_thousand(self, vcpu_usd: float, gib_usd: float) -> float | None:
        """Return the cost of a thousand answers, of processors and memory reserved for their time.

        Args:
            vcpu_usd: Price of a processor for an hour.
            gib_usd: Price of a GiB for an hour.
        """
        course = self.course
        if not course.latency_s:
            return None
        ends = [*(time for time, _ in course.memory[1:]), course.duration_s]
        gib_s = sum(size / 2**30 * (end - begin) for (begin, size), end in zip(course.memory, ends, strict=True))
        return (course.worker_s * vcpu_usd + gib_s * gib_usd) / 3600 / len(course.latency_s) * 1000


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What the study says, and whether the simulation of a run's figures does as well.

    Args:
        name: Kebab-case.
        load: Under which load.
        text: The claim.
        confirmed: Whether it holds; None where it cannot be told.
        because: The numbers.
    """

    name: str
    load: str
    text: str
    confirmed: bool | None
    because: str


def study(kind: str, duration_s: float) -> ServingLoad:
    """Return a load of the study."""
    return ServingLoad(kind=kind, duration_s=duration_s)


def overlap(served: ServedLoad, view: RunView) -> Course:
    """Return a simulation of what was served for real: the same load, cap and period, and its service times."""
    return simulate(
        POLICIES[served.policy], served.load, costs_of(view, served.service_s),
        most=served.most, period_s=served.period_s, seed=served.seed,
    )  # fmt: skip


def carried(view: RunView, *, most: int, duration_s: float, period_s: float) -> Iterator[Carried]:
    """Yield every policy under both loads of the study, fed with the service times of a run."""
    all_served = served_of(view)
    # Of one worker's own processor: pods and functions that crowd a small machine are slower than those that do not.
    first = next((each for each in all_served if each.policy in (HYBRID, BARE)), all_served[0] if all_served else None)
    if first is None:
        return
    costs = costs_of(view, first.service_s)
    for kind in (USERS, RAMP):
        load = study(kind, duration_s)
        for policy in POLICIES.values():
            course = simulate(policy, load, costs, most=most, period_s=period_s, seed=view.run.seed)
            yield Carried(policy=policy.name, load=load, course=course, costs=costs)


def claims(simulated: Sequence[Carried]) -> Iterator[Claim]:
    """Yield the three claims of the study about the hybrid policy, for each load."""
    for kind in dict.fromkeys(each.load.kind for each in simulated):
        by = {each.policy: each for each in simulated if each.load.kind == kind}
        if not {HYBRID, HORIZONTAL, BARE} <= by.keys():
            continue
        judged = {
            FLAT_MEMORY: _flat(by[HYBRID], by[HORIZONTAL]),
            BETTER_TAIL: _better_tail(by[HYBRID], by[HORIZONTAL]),
            SLOWER_WHILE_GROWING: _slower_while_growing(by[HYBRID], by[BARE]),
        }
        if all(len(by[name].course.workers) <= 1 for name in (HYBRID, HORIZONTAL)):
            judged = dict.fromkeys(judged, (None, "nothing grew: one worker was enough"))
        for name, (confirmed, because) in judged.items():
            yield Claim(name=name, load=kind, text=_TEXTS[name], confirmed=confirmed, because=because)


def _flat(hybrid: Carried, pods: Carried) -> tuple[bool | None, str]:
    if hybrid.growth is None or pods.growth is None:
        return None, "memory was not measured"
    because = f"it grows {hybrid.growth:.2f} times, that of pods {pods.growth:.2f} times"
    return hybrid.growth <= _FLAT and hybrid.growth < pods.growth, because


def _better_tail(hybrid: Carried, pods: Carried) -> tuple[bool | None, str]:
    pairs = [[latency_of(each.course, q) for each in (hybrid, pods)] for q in _FROM_ON]
    orders = [[reached_s(each) for each in pair] for pair in pairs]
    if any(None in pair for pair in orders):
        return None, "too few requests were answered"
    because = ", ".join(
        f"p{round(100 * q)} {show(mine, 's')} against {show(theirs, 's')}"
        for q, (mine, theirs) in zip(_FROM_ON, pairs, strict=True)
    )
    return all((mine or 0) < (theirs or 0) for mine, theirs in orders), because


def _slower_while_growing(hybrid: Carried, bare: Carried) -> tuple[bool | None, str]:
    grown_s = hybrid.course.workers[-1][0] if len(hybrid.course.workers) > 1 else 0.0
    mine, theirs = (summary(each.course, 0.0, grown_s)["mean_s"] for each in (hybrid, bare))
    if mine is None or theirs is None:
        return None, "it never grew: one worker was enough"
    because = f"until it has grown, at {grown_s:.3g} s, its mean is {mine:.3g} s, that of bare {theirs:.3g} s"
    return mine > theirs, because
