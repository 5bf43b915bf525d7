"""Thresholds as people write them: `p95>300ms`, `errors>1%`, `warm cost>2.50`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from sebsx.errors import UnknownNameError, UserError
from sebsx.reading.summaries import COST_PER_MILLION, ERRORS
from sebsx.reading.units import parse_bytes, parse_duration
from sebsx.stats import tail_samples

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sebsx.model.metrics import Metric

EXAMPLES = "p95>300ms, errors>1% or 'warm cost>2.50'"
_FORM = re.compile(r"(?P<figure>[^<>=]+?)\s*(?P<sign>[<>])\s*(?P<limit>[^<>=\s].*)")
_QUANTILE = re.compile(r"(?:(?P<metric>.+)\.)?(?P<name>p(?P<percent>[0-9]+(?:\.[0-9]+)?)|median)")
_LATENCY = "client.latency_s"
_SHORT = {"cost": COST_PER_MILLION, COST_PER_MILLION.name: COST_PER_MILLION, ERRORS.name: ERRORS}
_MONEY = re.compile(r"\$?\s*(?P<number>[0-9.]+)\s*(?:USD)?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A limit of one figure.

    Args:
        text: As it was written.
        words: Levels that a condition must have to be held against it, such as `warm`; none for every condition.
        metric: What is measured.
        q: Share below the quantile; None for a share of failures and for a cost, which are means.
        above: Whether it is crossed by what lies above the limit; else by what lies below.
        limit: In the unit of the metric.
    """

    text: str
    words: tuple[str, ...]
    metric: Metric
    q: float | None
    above: bool
    limit: float

    @classmethod
    def parse(cls, text: str, metrics: Mapping[str, Metric]) -> Threshold:
        """Return what a user wrote: `[WORD ...] FIGURE > LIMIT`, or `<`.

        FIGURE is `errors`, `cost` (per million invocations), a quantile of the client's latency (`p95`, `median`), or
        one of another metric (`function.duration_s.p90`; without a quantile the median). LIMIT has the metric's unit.

        Raises:
            UserError: If it is something else; it names the threshold and what is wrong.
        """
        found = _FORM.fullmatch(text.strip())
        if found is None:
            raise UserError(f"--fail-if {text!r} is not a threshold (e.g. {EXAMPLES})")
        *words, name = found["figure"].split()
        metric, q = _figure(name, metrics, text)
        try:
            limit = _LIMITS.get(metric.unit, _number)(found["limit"].strip())
        except ValueError as exc:
            raise UserError(f"--fail-if {text!r}: {exc}") from None
        return cls(text=text.strip(), words=tuple(words), metric=metric, q=q, above=found["sign"] == ">", limit=limit)

    @property
    def needed(self) -> int:
        """How many invocations of a condition its figure needs to be known."""
        return 1 if self.q is None else tail_samples(max(self.q, 1 - self.q))

    @property
    def name(self) -> str:
        """The figure in words: `p95 of client.latency_s`."""
        if self.q is None:
            return "cost per million" if self.metric is COST_PER_MILLION else self.metric.name
        return f"{'median' if self.q == 0.5 else f'p{100 * self.q:g}'} of {self.metric.name}"

    def names(self, levels: Mapping[str, Any]) -> bool:
        """Tell whether the levels of a condition are among those that it is for."""
        return set(self.words) <= words_of(levels)


def words_of(levels: Mapping[str, Any]) -> set[str]:
    """Return the levels that a word of a threshold can mean."""
    return {str(level) for level in levels.values() if isinstance(level, str | int) and level != ""}


def _figure(name: str, metrics: Mapping[str, Metric], text: str) -> tuple[Metric, float | None]:
    """Return the metric and the quantile that a name means."""
    if name in _SHORT:
        return _SHORT[name], None
    found = _QUANTILE.fullmatch(name)
    named, q = (found["metric"] or _LATENCY, _share_below(found, text)) if found else (name, 0.5)
    metric = next((each for key, each in metrics.items() if named == key or fnmatchcase(named, key)), None)
    if metric is None or metric.unit not in _LIMITS:
        known = [*_SHORT, "p95", "median", *(key for key, each in metrics.items() if each.unit in _LIMITS)]
        raise UnknownNameError(f"--fail-if {text!r}: figure", name, known, f"e.g. {EXAMPLES}")
    return replace(metric, name=named), q


def _share_below(found: re.Match[str], text: str) -> float:
    share = float(f"{found['percent']}e-2") if found["percent"] else 0.5
    if not 0 < share < 1:
        raise UserError(
            f"--fail-if {text!r}: {found['name']} is not a quantile; there are those above p0 and below p100"
        )
    return share


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not 0 <= number < float("inf"):
        raise ValueError(f"{text!r} is not a number of 0 or more")
    return number


def _with_unit(parse: Callable[[str], float], unit: str) -> Callable[[str], float]:
    def read(text: str) -> float:
        if text.strip("0123456789.") == "" and text.strip("0."):
            raise ValueError(f"{text!r} has no unit; write {text}{unit}")
        return parse(text)

    return read


def _share(text: str) -> float:
    number = text.removesuffix("%").strip()
    share = _number(number) / (100 if text.endswith("%") else 1)
    if not share < 1:
        raise ValueError(f"{text!r} is not a share (e.g. 1% or 0.01)")
    return share


def _usd(text: str) -> float:
    found = _MONEY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not an amount of USD (e.g. 2.50 or $2.50)")
    return _number(found["number"])


# How limits are read, by the unit of the metric.
_LIMITS: Mapping[str, Callable[[str], float]] = {
    "s": _with_unit(parse_duration, "ms"), "bytes": _with_unit(parse_bytes, "MiB"),
    "1": _share, "USD": _usd, "count": _number,
}  # fmt: skip
