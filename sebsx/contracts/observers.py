"""Whom a session tells what it is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sebsx.model import Cell, Plan


class Observer(Protocol):
    """Hears what a session is doing, for people who wait."""

    def step(self, text: str) -> None:
        """Something begins: a build, a deployment, a teardown."""
        ...

    def planned(self, plan: Plan) -> None:
        """The design is known."""
        ...

    def progressed(self, cell: Cell, done: int, failed: int) -> None:
        """A batch of a cell was stored: valid samples and failures so far."""
        ...

    def warned(self, text: str) -> None:
        """Something may make the result wrong."""
        ...
