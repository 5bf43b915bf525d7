"""The contract of what tells people that a run has ended, and what they are told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from sebsx.reading.units import duration
from sebsx.system.outside import without_environment, without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.model import Run


class NotifySettings(Protocol):
    """What the settings of every notifier have."""

    @property
    def after_s(self) -> float:
        """Runs that were shorter are not told of."""
        ...

    @property
    def timeout_s(self) -> float:
        """Time within which all must be done."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run that has ended, in words for people and in fields for programs; neither holds a secret.

    Args:
        run: The run as stored.
        lasted_s: From its start to its end; where it was resumed, from its first start.
    """

    run: Run
    lasted_s: float

    @property
    def subject(self) -> str:
        """One line."""
        campaign = f" of campaign {self.run.campaign}" if self.run.campaign else ""
        text = f"sebsx: {self.run.experiment}{campaign} {self.run.status.value} after {duration(self.lasted_s)}"
        return " ".join(text.split())

    @property
    def text(self) -> str:
        """Some lines: what ended how, why, and where to look."""
        error = [without_environment(without_secrets(self.run.error))] if self.run.error else []
        return "\n".join([self.subject, *error, f"sebsx show {self.run.id}", f"sebsx report {self.run.id}"])

    @property
    def document(self) -> Mapping[str, Any]:
        """The same as JSON; chats show its `text`."""
        run = self.run
        return {
            "run": run.id,
            "experiment": run.experiment,
            "campaign": run.campaign,
            "status": run.status.value,
            "error": without_environment(without_secrets(run.error)) if run.error else None,
            "started_at": run.started_at.isoformat(),
            "finished_at": run.finished_at.isoformat() if run.finished_at else None,
            "duration_s": self.lasted_s,
            "text": self.text,
        }


class Notifier(ABC):
    """A way to tell people that a run has ended. Made with its settings when that is due, and used once.

    Args:
        settings: Its own.

    Class attributes:
        name: Kebab-case; its settings are in `[notify.<name>]`.
        summary: One line.
        Settings: Frozen dataclass with `after_s` and `timeout_s`; its defaults tell nobody.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    Settings: ClassVar[type[Any]]

    def __init__(self, settings: Any) -> None:
        self.settings: NotifySettings = settings

    @property
    @abstractmethod
    def is_set_up(self) -> bool:
        """Whether the settings name somebody to tell."""

    @abstractmethod
    def tell(self, ended: Ended) -> None:
        """Tell them. Whatever it raises becomes one line of warning; it never ends a run.

        Raises:
            OSError: If they cannot be reached, or refuse.
        """
