"""Factors: what a design varies, what each is called, and what follows from it.

An experiment declares its factors (`Experiment.factors`); those of core stand here. They are stored with the run, so
that a reader who has not installed the experiment shows the same titles and units.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


class Role(StrEnum):
    """What a factor is for whoever compares cells.

    `varied` is what a design may vary: it tells conditions apart. `derived` follows from other factors (`of`): it
    tells runs apart, but within a design it says nothing new. `identity` tells exactly what was measured, such as a
    digest: a new version has another one, and is compared all the same. `uncompared` is a setting that two sides may
    differ in.
    """

    VARIED = "varied"
    DERIVED = "derived"
    IDENTITY = "identity"
    UNCOMPARED = "uncompared"


# What a name ends with where nobody declares its factor.
_UNITS = {"_s": "s", "_bytes": "bytes", "_mib": "MiB", "_usd": "USD"}
_DIGEST = "_sha256"
_BYTES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One factor of a design.

    Args:
        name: Its key in the factors of a cell; the unit is a suffix of it (`idle_s`).
        title: What a person reads; empty for the name without its unit.
        unit: `s`, `bytes`, `MiB`, `USD`, `1` (a share), or empty for words and counts.
        meaning: One line.
        role: See `Role`; `derived` needs `of`.
        of: The factors that it follows from.
        implies: Facts that differ by nature where this factor does (`docs/compare.md`), so that a comparison of its
            levels does not take them for a fault. What is derived of it is implied anyway.
        bare: Whether a number stands without the title: `512 MiB` rather than `memory 512 MiB`. Words always do.
        always: Whether a label holds it where it does not vary, too.
        base: The level that others are compared with by default; empty for none.
    """

    name: str
    title: str = ""
    unit: str = ""
    meaning: str = ""
    role: Role = Role.VARIED
    of: tuple[str, ...] = ()
    implies: tuple[str, ...] = ()
    bare: bool = False
    always: bool = False
    base: str = ""

    def __post_init__(self) -> None:
        if (self.role is Role.DERIVED) != bool(self.of):
            raise ValueError(f"factor {self.name!r}: what is derived says of what, and nothing else does")
        ending = next((suffix for suffix in _UNITS if self.name.endswith(suffix)), "")
        if not self.title:
            object.__setattr__(self, "title", self.name.removesuffix(ending).replace("_", " "))
        if not self.unit and ending:
            object.__setattr__(self, "unit", _UNITS[ending])

    @classmethod
    def named(cls, name: str) -> Factor:
        """Return what a name alone says of a factor that nobody declared."""
        return cls(name=name, role=Role.IDENTITY if name.endswith(_DIGEST) else Role.VARIED)

    def show(self, level: Any) -> str:
        """Return a level as it stands in a label: `warm`, `512 MiB`, `idle 8 s`; empty for none."""
        if level in (None, "", {}):
            return ""
        if isinstance(level, str):
            return level
        word = level_word(level)
        text = word if isinstance(word, str) else _quantity(level, self.unit)
        return text if self.bare else f"{self.title} {text}"

    def stored(self) -> dict[str, Any]:
        """Return it as JSON, without what is as it would be anyway."""
        plain = Factor(name=self.name)
        values = {name: getattr(self, name) for name in self.__slots__}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if name == "name" or value != getattr(plain, name)
        }

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Factor:
        """Return a factor from JSON; what a later version of sebsx says more of it is passed over."""
        values = {name: value for name, value in stored.items() if name in cls.__slots__}
        for name in ("of", "implies"):
            values[name] = tuple(values.get(name, ()))
        return cls(**{**values, "role": Role(values.get("role", Role.VARIED))})


def level_word(value: Any) -> Any:
    """Return a level as something that can be shown and compared: a mapping of parameters becomes words."""
    return ",".join(f"{key}={item}" for key, item in value.items()) if hasattr(value, "items") else value


# What core itself knows of a cell: by these names a function is deployed (`FunctionSpec.of`) and called.
CORE_FACTORS = (
    Factor(
        name="platform",
        implies=("region", "trigger", "limits", "language_version", "cpu_model", "price_book"),
    ),
    Factor(name="region", implies=("cpu_model", "price_book")),
    Factor(name="benchmark", always=True),
    Factor(name="folder", role=Role.IDENTITY, meaning="where a benchmark that is not registered lies"),
    Factor(name="benchmark_sha256", title="benchmark's digest", role=Role.IDENTITY),
    Factor(name="function", meaning="one of the functions of the benchmark"),
    Factor(name="variant", meaning="of the benchmark's code"),
    Factor(name="size"),
    Factor(name="parameters", role=Role.DERIVED, of=("benchmark", "size"), implies=("parameters",)),
    Factor(name="language", implies=("language_version",)),
    Factor(name="architecture", implies=("cpu_model", "price_book")),
    Factor(name="memory_mib", unit="MiB", implies=("limits",), bare=True, always=True),
    Factor(name="memory_offered_mib", title="memory offered", role=Role.DERIVED, of=("memory_mib", "platform")),
    Factor(name="padding_bytes", title="padding", meaning="bytes in the package that are never read"),
    Factor(name="timeout_s", title="time-out", role=Role.UNCOMPARED),
    Factor(name="start", always=True, meaning="start type that counts"),
)
_LAST = "start"


@dataclass(frozen=True, kw_only=True)
class Factors:
    """The factors of a design, in the order in which people read them.

    Args:
        declared: Those of core and of the experiment.
        varying: Names of those that have several levels in the design.
    """

    declared: tuple[Factor, ...] = CORE_FACTORS
    varying: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, own: Iterable[Factor], cells: Sequence[Mapping[str, Any]] = ()) -> Factors:
        """Return the factors of a design.

        Args:
            own: What its experiment declares, beside or in place of core's.
            cells: The levels of its cells; a name that nobody declared is known by what it says itself.
        """
        found = {factor.name: factor for factor in (*CORE_FACTORS, *own)}
        found |= {name: Factor.named(name) for cell in cells for name in cell if name not in found}
        ordered = sorted(found.values(), key=lambda factor: factor.name == _LAST)
        return cls(declared=tuple(ordered), varying=frozenset(_varying(cells)))

    @classmethod
    def read(cls, stored: Mapping[str, Any] | None) -> Factors:
        """Return factors from JSON; those of core for a run that was stored before factors were declared."""
        if not stored:
            return cls()
        return cls(declared=tuple(map(Factor.read, stored["declared"])), varying=frozenset(stored["varying"]))

    def stored(self) -> dict[str, Any]:
        """Return them as JSON."""
        return {"declared": [factor.stored() for factor in self.declared], "varying": sorted(self.varying)}

    def __getitem__(self, name: str) -> Factor:
        """Return a factor; by what its name says, where nobody declared it."""
        return self._by_name.get(name) or Factor.named(name)

    def __or__(self, other: Factors) -> Factors:
        """Return the factors of two designs together."""
        found = {factor.name: factor for factor in (*other.declared, *self.declared)}
        ordered = sorted(found.values(), key=lambda factor: factor.name == _LAST)
        return Factors(declared=tuple(ordered), varying=self.varying | other.varying)

    def label(self, levels: Mapping[str, Any]) -> str:
        """Return one line that tells a cell from the others of its design: what varies, and what is always told."""
        return " ".join(filter(None, (self[name].show(levels[name]) for name in self.telling(levels))))

    def telling(self, names: Iterable[str]) -> list[str]:
        """Return those of some names that tell cells of the design apart, in order."""
        return [
            name
            for name in self.ordered(names)
            if self[name].role is Role.VARIED and (self[name].always or name in self.varying)
        ]

    def ordered(self, names: Iterable[str]) -> list[str]:
        """Return names in the order in which people read them; those that nobody declared come before the start."""
        places = {factor.name: place for place, factor in enumerate(self.declared)}
        return sorted(dict.fromkeys(names), key=lambda name: (name == _LAST, places.get(name, len(places))))

    def compared(self, names: Iterable[str]) -> list[str]:
        """Return those of some names whose levels two sides must have in common."""
        return [name for name in self.ordered(names) if self[name].role in (Role.VARIED, Role.DERIVED)]

    def implied(self, name: str) -> frozenset[str]:
        """Return what differs by nature where a factor does, itself included."""
        derived = {factor.name for factor in self.declared if name in factor.of}
        return frozenset({name, *self[name].implies, *derived})

    def alike(self, levels: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        """Return what a cell has in common with those that it is the base or the new side of."""
        sides = [factor.name for factor in self.declared if factor.base]
        apart = {name for side in sides for name in self.implied(side)}
        return tuple((name, str(levels[name])) for name in self.compared(levels) if name not in apart)

    @cached_property
    def _by_name(self) -> dict[str, Factor]:
        return {factor.name: factor for factor in self.declared}


def _varying(cells: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for name in dict.fromkeys(name for cell in cells for name in cell):
        if len({str(cell.get(name)) for cell in cells}) > 1:
            yield name


def _quantity(value: Any, unit: str) -> str:
    """Return a number with its unit: `64 KiB`, `0.5 s`, `4`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if unit == "bytes":
        for size, name in _BYTES:
            if value and value % size == 0:
                return f"{value // size:g} {name}"
        return f"{value:g} B" if abs(value) < 1e6 else f"{value:.0f} B"
    if unit == "1":
        return f"{value:.3g}"
    return f"{value:g} {unit}".rstrip() if isinstance(value, float) else f"{value} {unit}".rstrip()
