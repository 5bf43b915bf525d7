"""How far the clock of a sandbox is from the driver's: from exchanges of messages alone, and always with its error.

    alignment = align(exchanges)                  # chooses by the length of the window
    alignment.offset_s(at_s), alignment.uncertainty_s(at_s)
    alignment.to_driver_s(function_time_s)

Pure functions on exchanges; nothing here sends or waits. The offset is *function clock minus driver clock*: a
message cannot arrive before it was sent, so each exchange bounds it from above (way out) and from below (way back).

Sources: Cristian, Probabilistic Clock Synchronization (1989); Moon, Skelly & Towsley, Estimation and Removal of Clock
Skew from Network Delay Measurements (INFOCOM'99); Zhang, Liu & Xia, Clock Synchronization Algorithms for Network
Measurements (INFOCOM'02).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DRIFT_PPM = 200.0
"""Drift that a short window allows for: crystals are within 100 ppm, and there are two clocks."""
SHORT_S = 10.0
"""Windows up to this long are aligned by one exchange; longer ones by a line."""
# Resolution of a time since 1970 in a float, some readings of it: what rounding alone can make inconsistent.
_ROUNDING_S = 2e-6


class ClockError(UserError):
    """These exchanges say nothing about one steady clock."""


@dataclass(frozen=True, slots=True)
class ClockExchange:
    """A question and its answer, in seconds: `d_` by the driver's clock, `f_` by the function's.

    Args:
        d_send: The driver sent.
        f_recv: The function received.
        f_send: The function answered.
        d_recv: The driver received the answer.
    """

    d_send: float
    f_recv: float
    f_send: float
    d_recv: float

    @property
    def offset_s(self) -> float:
        """Function clock minus driver clock, if both ways took the same time."""
        return ((self.f_send - self.d_recv) + (self.f_recv - self.d_send)) / 2

    @property
    def rtt_s(self) -> float:
        """Time on the way, both ways together."""
        return (self.f_recv - self.d_send) - (self.f_send - self.d_recv)

    @property
    def at_s(self) -> float:
        """Middle of the exchange by the driver's clock."""
        return (self.d_send + self.d_recv) / 2


@dataclass(frozen=True, slots=True)
class Alignment(ABC):
    """What exchanges say of two clocks.

    Args:
        exchanges: How many there were.
        span_s: From the first to the last.
        rtt_s: The shortest round trip.
        drift_ppm: How much faster the function's clock runs; None where one exchange cannot tell.
        method: `min-rtt` or `hull`.
    """

    exchanges: int
    span_s: float
    rtt_s: float
    drift_ppm: float | None
    method: str

    @abstractmethod
    def offset_s(self, at_s: float) -> float:
        """Return function clock minus driver clock at a time of the driver's clock."""

    @abstractmethod
    def uncertainty_s(self, at_s: float) -> float:
        """Return by how much the offset may be wrong there, however unequal the two ways are."""

    def to_driver_s(self, function_s: float) -> float:
        """Return a time of the function's clock by the driver's."""
        at_s = function_s - self.offset_s(function_s)
        return function_s - self.offset_s(at_s)  # a second time, for the offset was one at another time


@dataclass(frozen=True, slots=True)
class Shortest(Alignment):
    """The exchange with the shortest round trip (Cristian): wrong by no more than half of it, and by the drift since.

    Args:
        offset: Of that exchange.
        at: When it was.
        drift_bound_ppm: Drift that is allowed for.
    """

    offset: float
    at: float
    drift_bound_ppm: float

    def offset_s(self, at_s: float) -> float:
        """Return the offset of that exchange, whenever."""
        return self.offset

    def uncertainty_s(self, at_s: float) -> float:
        """Return half the round trip and what the clocks may have drifted since."""
        return self.rtt_s / 2 + abs(at_s - self.at) * self.drift_bound_ppm * 1e-6


@dataclass(frozen=True, slots=True)
class LinearAlignment(Alignment):
    """A line in the middle of what every exchange allows.

    Args:
        origin: Time from which the lines count.
        intercept: Offset there.
        slope: Drift, as a share.
        corners: (offset at the origin, drift) of the extreme lines that no exchange contradicts.
    """

    origin: float
    intercept: float
    slope: float
    corners: tuple[tuple[float, float], ...]

    def offset_s(self, at_s: float) -> float:
        """Return the offset on the line."""
        return self.intercept + self.slope * (at_s - self.origin)

    def uncertainty_s(self, at_s: float) -> float:
        """Return the distance to the farthest line that is possible."""
        since = at_s - self.origin
        here = self.intercept + self.slope * since
        return max(abs(offset + drift * since - here) for offset, drift in self.corners)


def align(exchanges: Sequence[ClockExchange], *, short_s: float = SHORT_S, drift_ppm: float = DRIFT_PPM) -> Alignment:
    """Return the alignment by the method that suits the window: the shortest exchange, or the hull when it is long.

    Raises:
        ClockError: If there is no exchange, or none of the lines fits them: the clock was set in between.
    """
    _check(exchanges)
    return hull(exchanges) if _span_s(exchanges) > short_s else shortest(exchanges, drift_ppm=drift_ppm)


def shortest(exchanges: Sequence[ClockExchange], *, drift_ppm: float = DRIFT_PPM) -> Shortest:
    """Return the alignment by the exchange with the shortest round trip.

    Args:
        exchanges: In any order, at least one.
        drift_ppm: Largest drift of one clock against the other.

    Raises:
        ClockError: If there is none, or they contradict each other by more than drift explains.
    """
    _check(exchanges)
    best = min(exchanges, key=lambda exchange: exchange.rtt_s)
    for other in exchanges:
        apart_s = abs(other.offset_s - best.offset_s) - (other.rtt_s + best.rtt_s) / 2
        if apart_s > abs(other.at_s - best.at_s) * drift_ppm * 1e-6 + _ROUNDING_S:
            raise ClockError(f"the clock was set: offsets differ by {apart_s:.6f} s more than round trips explain")
    return Shortest(
        len(exchanges), _span_s(exchanges), best.rtt_s, None, "min-rtt", best.offset_s, best.at_s, drift_ppm
    )


def hull(exchanges: Sequence[ClockExchange]) -> LinearAlignment:
    """Return the line between the convex hulls of the upper and the lower bounds of the offset.

    Above, the line that no upper bound lies under and that is nearest to them; below, likewise; the result is midway
    between the two. The uncertainty is the distance to any line that all bounds allow, so that it holds whatever the
    delays were, as long as the clock was steady.

    Args:
        exchanges: In any order, at least two at different times.

    Raises:
        ClockError: If there are fewer, or no line lies between the bounds: the clock was set.
    """
    import numpy as np  # heavy

    _check(exchanges)
    origin = (min(one.d_send for one in exchanges) + max(one.d_recv for one in exchanges)) / 2
    base = min(exchanges, key=lambda exchange: exchange.rtt_s).offset_s
    # Near zero, where a float has digits to spare. The offset when the message left was less than it seems on arrival.
    above = np.array([(one.d_send - origin, one.f_recv - one.d_send - base) for one in exchanges])
    below = np.array([(one.d_recv - origin, one.f_send - one.d_recv - base) for one in exchanges])
    if np.ptp(above[:, 0]) == 0:
        raise ClockError("a line needs exchanges at two different times")
    upper = _lower_hull(above)
    lower = _lower_hull(below * (1, -1)) * (1, -1)
    corners = _corners(upper, lower)
    if not len(corners):
        raise ClockError("the clock was set: no steady drift explains all exchanges")
    (top, rise), (bottom, fall) = _edge(upper, float(above[:, 0].mean())), _edge(lower, float(below[:, 0].mean()))
    slope = (rise + fall) / 2
    intercept = (top + bottom) / 2
    return LinearAlignment(
        len(exchanges),
        _span_s(exchanges),
        min(one.rtt_s for one in exchanges),
        slope * 1e6,
        "hull",
        origin,
        base + intercept,
        slope,
        tuple((base + float(offset), float(drift)) for offset, drift in corners),
    )


def since_minimum(exchanges: Sequence[ClockExchange]) -> int:
    """Return how many exchanges came after the one with the shortest round trip, in the order given.

    Sampling ends when there are enough of them without a new minimum.
    """
    round_trips = [exchange.rtt_s for exchange in exchanges]
    return len(round_trips) - 1 - round_trips.index(min(round_trips)) if round_trips else 0


def _check(exchanges: Sequence[ClockExchange]) -> None:
    if not exchanges:
        raise ClockError("no exchange to align the clocks by")
    for one in exchanges:
        if one.rtt_s < -_ROUNDING_S or one.d_recv < one.d_send:
            raise ClockError(f"the clock was set: an exchange took {one.rtt_s:.6f} s on the way")


def _span_s(exchanges: Sequence[ClockExchange]) -> float:
    times = [exchange.at_s for exchange in exchanges]
    return max(times) - min(times)


def _lower_hull(points: Floats) -> Floats:
    """Return the lower convex hull of points from left to right (Andrew's monotone chain)."""
    import numpy as np  # heavy

    chain: list[tuple[float, float]] = []
    for x, y in sorted(map(tuple, points.tolist())):
        if chain and chain[-1][0] == x:
            continue  # the one before is lower
        while len(chain) > 1:
            (x0, y0), (x1, y1) = chain[-2:]
            if (x1 - x0) * (y - y0) > (y1 - y0) * (x - x0):
                break
            chain.pop()
        chain.append((x, y))
    return np.array(chain)


def _edge(chain: Floats, at: float) -> tuple[float, float]:
    """Return offset and slope of the edge of a hull that spans a place: of the lines beside it, the nearest to all."""
    import numpy as np  # heavy

    place = min(max(int(np.searchsorted(chain[:, 0], at)), 1), len(chain) - 1)
    (x0, y0), (x1, y1) = chain[place - 1], chain[place]
    slope = (y1 - y0) / (x1 - x0)
    return float(y0 - slope * x0), float(slope)


def _corners(upper: Floats, lower: Floats) -> Floats:
    """Return (offset, slope) of the extreme lines that pass under all upper and over all lower points.

    Each of them passes through two of the points, as a corner of a linear program's feasible region does.
    """
    import numpy as np  # heavy

    points = np.concatenate([upper, lower])
    first, second = np.triu_indices(len(points), 1)
    run = points[second, 0] - points[first, 0]
    first, second, run = first[run != 0], second[run != 0], run[run != 0]
    slopes = (points[second, 1] - points[first, 1]) / run
    offsets = points[first, 1] - slopes * points[first, 0]
    over = offsets[:, None] + slopes[:, None] * upper[:, 0] <= upper[:, 1] + _ROUNDING_S
    under = offsets[:, None] + slopes[:, None] * lower[:, 0] >= lower[:, 1] - _ROUNDING_S
    possible = over.all(axis=1) & under.all(axis=1)
    return np.column_stack([offsets[possible], slopes[possible]])
