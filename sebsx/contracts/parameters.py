"""What can be set of a benchmark: its parameters, and sizes by number."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

from sebsx.errors import UnknownNameError, UserError
from sebsx.texts import parse_quantity

if TYPE_CHECKING:
    from sebsx.contracts.tables import ManifestTable

_TYPES: dict[str, Any] = {"int": int, "float": float, "str": str, "bool": bool}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a benchmark: its type, default, range and help."""

    name: str
    _: KW_ONLY
    type: str
    default: Any
    help: str = ""
    minimum: float | None = None
    maximum: float | None = None

    @classmethod
    def read(cls, name: str, table: ManifestTable) -> Parameter:
        """Return the parameter that a table of a manifest describes.

        Raises:
            UserError: If a key is unknown, missing or of a wrong type, or the default is out of range.
        """
        kind = table.text("type")
        if kind not in _TYPES:
            raise UnknownNameError("type", kind, _TYPES, of=table.where)
        given, explanation = table.any("default"), table.text("help", "")
        minimum, maximum = (table.number(key) if key in table else None for key in ("minimum", "maximum"))
        table.done()
        if kind not in ("int", "float") and (minimum is not None or maximum is not None):
            raise UserError(f"{table.where} has a minimum or maximum, but a {kind} has none")
        parameter = cls(name, type=kind, default=given, help=explanation, minimum=minimum, maximum=maximum)
        parameter.parse(given, table.where)
        return parameter

    def parse(self, value: Any, where: str) -> Any:
        """Return `value` in the parameter's type.

        Raises:
            UserError: If it has the wrong type or is out of range; the message names `where`.
        """
        try:
            parsed = parse_quantity(value, _TYPES[self.type], self.name)
        except (ValueError, TypeError) as exc:
            raise UserError(f"parameter {self.name!r} of {where} is {value!r}: {exc}") from exc
        if self.minimum is not None and parsed < self.minimum:
            raise UserError(f"parameter {self.name!r} of {where} is {value!r}: must be at least {self.minimum}")
        if self.maximum is not None and parsed > self.maximum:
            raise UserError(f"parameter {self.name!r} of {where} is {value!r}: must be at most {self.maximum}")
        return parsed


@dataclass(frozen=True, slots=True)
class Steps:
    """Numbered sizes `1..count` of one parameter, chosen so that the work grows in equal steps.

    Args:
        parameter: Name of the parameter that a step sets.
        first: Its value at step 1.
        last: Its value at the last step.
        count: How many steps there are.
        growth: Exponent by which work grows with the parameter: work is proportional to `value ** growth`.
    """

    parameter: str
    _: KW_ONLY
    first: float
    last: float
    count: int = 40
    growth: float = 1.0

    @classmethod
    def read(cls, table: ManifestTable) -> Steps:
        """Return the steps that a table of a manifest describes.

        Raises:
            UserError: If a key is unknown, missing or of a wrong type.
        """
        steps = cls(
            table.text("parameter"),
            first=table.number("first", above=-math.inf),
            last=table.number("last"),
            count=table.integer("count", 40, minimum=2),
            growth=table.number("growth", 1.0, above=0),
        )
        table.done()
        if not all(map(steps._can_be_computed, (1, 2, steps.count))):
            raise UserError(f"steps in {table.where} cannot be computed: choose other values of first, last and growth")
        return steps

    def value(self, step: int) -> float:
        """Return the parameter's value at a step from 1 to `count`."""
        # As floats, which overflow at once: a power of whole numbers would be computed to its last digit.
        low, high = float(self.first) ** self.growth, float(self.last) ** self.growth
        return float((low + (high - low) * (step - 1) / (self.count - 1)) ** (1 / self.growth))

    def _can_be_computed(self, step: int) -> bool:
        try:
            return math.isfinite(self.value(step))
        except (ArithmeticError, TypeError):  # too large, or a root of a negative number
            return False

    def __contains__(self, size: str) -> bool:
        return size.isdecimal() and len(size) <= len(str(self.count)) and 1 <= int(size) <= self.count
