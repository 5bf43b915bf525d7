"""The contract of an exporter: how results leave for dashboards, spreadsheets and other tools."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sebsx.store.reader import RunView


class Exporter(ABC):
    """Writes runs in one format. Deterministic order, stable names, no NaN, units in names; failing
    invocations are exported too. Stateless; `__init__` takes nothing.

    Class attributes:
        name: What a user types after `--format`.
        summary: One line.
        suffix: Ending of the file, with the dot.
    """  # noqa: D205  # the first sentence needs two lines

    name: ClassVar[str]
    summary: ClassVar[str]
    suffix: ClassVar[str]

    @abstractmethod
    def export(self, runs: Sequence[RunView], destination: Path) -> Sequence[Path]:
        """Write the runs to `destination` (replacing it) and return the files written.

        Raises:
            UserError: If the runs cannot be expressed in this format, or the file not be written.
        """
