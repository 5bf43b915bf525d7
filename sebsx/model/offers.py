"""What a platform offers a function beside its code: sizes, options, and what comes of a request."""

from __future__ import annotations

import math
import re
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Scalar: TypeAlias = bool | int | float | str

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_YES, _NO = ("true", "yes", "on"), ("false", "no", "off")
# What a quotient of binary fractions may be off by: 0.3 is the third step of 0.1, not the fourth.
_GRAIN = 1e-9


@dataclass(frozen=True, slots=True)
class Between:
    """Every quantity from the smallest to the largest, in steps; a request is rounded up to the next step.

    Args:
        smallest: The least there is; a smaller request gets it.
        largest: The most there is.
        step: Counted from `smallest`; 0 for any quantity between.
    """

    smallest: float
    largest: float
    _: KW_ONLY
    step: float = 1

    def fit(self, asked: Scalar) -> Scalar | None:
        """Return what is given for a request, None where it is not available."""
        if isinstance(asked, str) or not asked <= self.largest:
            return None
        if asked <= self.smallest:
            return self.smallest
        if not self.step:
            return asked
        steps = math.ceil((asked - self.smallest) / self.step - _GRAIN)
        found = round(self.smallest + steps * self.step, 9)
        return found if found <= self.largest else None

    def __str__(self) -> str:
        steps = "" if self.step in (0, 1) else f" in steps of {self.step:g}"
        return f"{self.smallest:.10g} to {self.largest:.10g}{steps}" if self.largest < math.inf else (
            f"{self.smallest:.10g} or more{steps}"
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class OneOf:
    """These values alone: a quantity is rounded up to the next of them, a word must be one of them.

    Args:
        values: Ascending where they are numbers; one alone where nothing can be chosen.
    """

    values: tuple[Scalar, ...]

    @property
    def smallest(self) -> Scalar:
        """The first."""
        return self.values[0]

    @property
    def largest(self) -> Scalar:
        """The last."""
        return self.values[-1]

    def fit(self, asked: Scalar) -> Scalar | None:
        """Return what is given for a request, None where it is not available."""
        if isinstance(asked, bool | str):
            return asked if asked in self.values else None
        return next((value for value in self.values if not isinstance(value, str) and value >= asked), None)

    def __str__(self) -> str:
        *others, last = (spelt(value) for value in self.values)
        return f"{', '.join(others)} or {last}" if others else last


Offer: TypeAlias = Between | OneOf


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """Something a function is given beside memory and time-out, and what of it is available.

    Args:
        name: A noun in snake_case, with its unit at the end where that is not plain: `vcpu`, `ephemeral_mib`. It is the
            name of the factor, and of what `effective` reports.
        kind: `bool`, `int`, `float` or `str`.
        help: One line, lower case.
        unit: What a number counts; empty for words.
        offer: What is available; None for every value of the kind.
        default: What a function gets for which nothing is asked; None where the platform decides.
    """

    name: str
    kind: type[bool | int | float | str]
    help: str
    unit: str = ""
    offer: Offer | None = None
    default: Scalar | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"invalid name {self.name!r}: an option is named in snake_case")

    def offered(self, offer: Offer | None = None, default: Scalar | None = None) -> Option:
        """Return the same option as one platform offers it."""
        return replace(self, offer=offer, default=default)

    def read(self, value: Scalar) -> Scalar:
        """Return a value, or the text that a user typed, as this option's kind.

        Raises:
            ValueError: If it is not one.
        """
        if self.kind is bool:
            word = str(value).lower()
            if word not in (*_YES, *_NO):
                raise ValueError("true or false is wanted")
            return word in _YES
        if self.kind is str:
            return spelt(value)
        return self._number(value)

    def fit(self, asked: Scalar) -> Scalar | None:
        """Return what is given for a request, None where it is not available."""
        if self.offer is None:
            return asked
        found = self.offer.fit(asked)
        return int(found) if found is not None and self.kind is int else found

    def _number(self, value: Scalar) -> int | float:
        wanted = "an integer is wanted" if self.kind is int else "a number is wanted"
        try:
            number = float(value)
        except ValueError:
            raise ValueError(wanted) from None
        if isinstance(value, bool) or not math.isfinite(number) or number < 0:
            raise ValueError(wanted)
        if self.kind is int and number != int(number):
            raise ValueError(wanted)
        return int(number) if self.kind is int else number


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What one platform offers on one architecture.

    Args:
        memory_mib: Provisioned memory.
        options: Everything else that can be chosen for a function.
    """

    memory_mib: Offer
    options: tuple[Option, ...] = ()

    def option(self, name: str) -> Option | None:
        """Return an option by its name, None where it is not offered."""
        return next((option for option in self.options if option.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """What was asked for a function, and what a platform gives it for that.

    Args:
        memory_mib: Asked for.
        memory_offered_mib: The nearest offer that is not smaller; what was asked for where there is none.
        options: Asked for, by name.
        options_offered: The nearest offer of each.
        same_as: Other memory sizes asked for that come to the same, and are not measured again.
        unsupported: Why it is not available; None where it can.
    """

    memory_mib: int
    memory_offered_mib: int
    options: tuple[tuple[str, Scalar], ...] = ()
    options_offered: tuple[tuple[str, Scalar], ...] = ()
    same_as: tuple[int, ...] = field(default=(), compare=False)
    unsupported: str | None = None

    @property
    def factors(self) -> dict[str, Scalar]:
        """Levels for a cell: what was asked for, and beside it what is offered where that is more."""
        found: dict[str, Scalar] = {"memory_mib": self.memory_mib}
        if self.memory_offered_mib != self.memory_mib:
            found["memory_offered_mib"] = self.memory_offered_mib
        offered = dict(self.options_offered)
        for name, asked in self.options:
            found[name] = asked
            if offered.get(name, asked) != asked:
                found[f"{name}_offered"] = offered[name]
        return found

    @property
    def words(self) -> dict[str, str]:
        """The same for readers, by factor: what was asked for, with the offer where that is more (`256 -> 512`)."""
        offered = dict(self.options_offered)
        options = {name: _rounded(asked, offered.get(name, asked)) for name, asked in self.options}
        return {"memory_mib": _rounded(self.memory_mib, self.memory_offered_mib), **options}

    @property
    def label(self) -> str:
        """A few words for progress: `256 -> 512 MiB, vcpu 2`."""
        words = self.words
        return ", ".join((f"{words.pop('memory_mib')} MiB", *(f"{name} {word}" for name, word in words.items())))

    def refused(self, reason: str) -> Provision:
        """Return the same as something that is not available; what was wrong before stays the reason."""
        return self if self.unsupported else replace(self, unsupported=reason)


def fit(offers: Offers, memory_mib: int, options: Mapping[str, Scalar], whose: str) -> Provision:
    """Return what is given for a request, each part rounded up to the nearest offer.

    Args:
        offers: What there is.
        memory_mib: Asked for.
        options: Asked for, by name.
        whose: Whose offers they are, for the reason: `platform 'flex'`.
    """
    memory = offers.memory_mib.fit(memory_mib)
    reasons = [] if memory is not None else [f"{memory_mib} MiB is not offered; {whose} has {offers.memory_mib} MiB"]
    given: dict[str, Scalar] = {}
    for name, asked in options.items():
        option = offers.option(name)
        found = None if option is None else option.fit(asked)
        given[name] = asked if found is None else found
        if option is None:
            reasons.append(f"{whose} has no option {name!r}")
        elif found is None:
            unit = f" {option.unit}" if option.unit else ""
            reasons.append(f"{name} {spelt(asked)} is not offered; {whose} has {option.offer}{unit}")
    return Provision(
        memory_mib=memory_mib,
        memory_offered_mib=memory_mib if memory is None else int(memory),
        options=tuple(options.items()),
        options_offered=tuple(given.items()),
        unsupported="; ".join(reasons) or None,
    )


def distinct(provisions: Sequence[Provision]) -> list[Provision]:
    """Return each provision once that comes to something else: of those that come to the same, the largest request."""
    found: dict[object, list[Provision]] = {}
    for provision in provisions:
        # What is not available comes to nothing: each request of it is a result of its own.
        asked = (provision.memory_mib, provision.options) if provision.unsupported else None
        found.setdefault((asked, provision.memory_offered_mib, provision.options_offered), []).append(provision)
    chosen = []
    for group in found.values():
        largest = max(group, key=lambda one: one.memory_mib)
        others = sorted({one.memory_mib for one in group} - {largest.memory_mib})
        chosen.append(replace(largest, same_as=tuple(others)))
    return chosen


def _rounded(asked: Scalar, offered: Scalar) -> str:
    """Return a request, with what is given for it where that is more: `256 -> 512`."""
    return spelt(asked) if asked == offered else f"{spelt(asked)} -> {spelt(offered)}"


def spelt(value: Scalar) -> str:
    """Return a value as a user types it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, float) else str(value)
