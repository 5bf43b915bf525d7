"""The contract of an experiment: how functions are exercised."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from sebsx.settings import NoSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.registered import Registered
    from sebsx.contracts.scene import Scene
    from sebsx.contracts.session import Session
    from sebsx.model import Capability, Factor, Plan

S = TypeVar("S")


class Experiment(ABC, Generic[S]):
    """A way to exercise functions. Stateless; `__init__` takes nothing.

    Class attributes:
        name: What a user types.
        summary: One line.
        Settings: Frozen dataclass.
        needs: Capabilities every platform of the run must have; checked before anything is deployed.
        collectors: Names of the collectors that its samples come from: its functions carry them beside those asked for.
        factors: What its cells have beside what core knows of every cell (`sebsx.model.factors.CORE_FACTORS`); one of
            the same name takes the place of core's.
        analyzer: Name of the analyzer that reads its runs; None for none.
        without_options: Why its functions cannot be given options (`--option`), for the message that refuses them;
            empty where they can.
        extras: Extras of the distribution that its runs or its analyzer use; `plan` says which are not installed.
        subject: The word after `sebsx run` that means this experiment (`sebsx run benchmark NAME...`), beside
            `sebsx run experiment NAME`; None for none. Settings marked `positional` are its arguments.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    Settings: ClassVar[type[Any]] = NoSettings
    needs: ClassVar[frozenset[Capability]] = frozenset()
    collectors: ClassVar[Sequence[str]] = ()
    factors: ClassVar[Sequence[Factor]] = ()
    analyzer: ClassVar[str | None] = None
    without_options: ClassVar[str] = ""
    extras: ClassVar[Sequence[str]] = ()
    subject: ClassVar[str | None] = None

    def platforms(self, registry: Registered, settings: S) -> Sequence[str]:
        """Return the platforms that the settings mean where the user names none; empty for the default one."""
        return ()

    def settings_of(self, platform: type[Platform[Any]], settings: S) -> Mapping[str, str]:
        """Return settings of a platform by name that those of the experiment say, such as the region of a function.

        They are stronger than environment and files, and weaker than `--set`.
        """
        return {}

    @abstractmethod
    def plan(self, scene: Scene, settings: S) -> Plan:
        """Return the design: every cell, what it costs and how long it takes. Touches nothing.

        Raises:
            UserError: If the settings make no design.
        """

    @abstractmethod
    def run(self, session: Session, settings: S) -> None:
        """Measure. One readable function; touches only the session, which stores as it goes."""
