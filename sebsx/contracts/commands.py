"""The contract of a command: a word on the command line, with options from a dataclass, that is handed services.

What it is handed is all that it needs: the same services that the command line, a notebook and a web page use.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from sebsx.settings import NoSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sebsx.contracts.analyzers import Report, Table
    from sebsx.contracts.registered import Registered
    from sebsx.contracts.runs import RunView
    from sebsx.model import Plan, Run

S = TypeVar("S")


class Output(Protocol):
    """Where a command says what it has to say; with `--json` only the document is printed."""

    def result(self, document: Any, *tables: Table, text: str = "") -> None:
        """Say the result: tables and a text for people, or the document for programs. Once per command."""
        ...

    def report(self, report: Report) -> None:
        """Show what an analyzer says."""
        ...

    def note(self, text: str) -> None:
        """Say something beside the result."""
        ...

    def warning(self, text: str) -> None:
        """Say what may make the result wrong."""
        ...


class Results(Protocol):
    """The store, open for reading."""

    def view(self, name: str) -> RunView:
        """Return a stored run by id, its start, the name of a baseline, or `last`.

        Raises:
            UnknownNameError: If there is none.
        """
        ...

    def runs(self, limit: int | None = None) -> list[Run]:
        """Return the runs, newest first."""
        ...


class Services(Protocol):
    """What sebsx does, for those who are not its command line: plan, run, read, analyze, write a page."""

    @property
    def registry(self) -> Registered:
        """What plugins registered."""
        ...

    @property
    def output(self) -> Output:
        """Where to say the result."""
        ...

    def plan(self, experiment: str, settings: Mapping[str, Any] | None = None, **asked: Any) -> Plan:
        """Return what a run would do, without touching anything; takes what `run` takes."""
        ...

    def run(self, experiment: str, settings: Mapping[str, Any] | None = None, **asked: Any) -> Run:
        """Do a run from checks to teardown and return it as closed; what it measured is in the store.

        Args:
            experiment: Name of a registered experiment.
            settings: Its settings by field; the others come from environment, files and defaults.
            asked: `platforms` (names), `collectors` (names), `campaign`, `seed`, `budget_usd`, `max_invocations`,
                `max_time_s`, or `resume`, the id of an interrupted run, which brings all the others.

        Raises:
            SebsxError: If it cannot begin or is ended; the run is then stored as failed.
        """
        ...

    def open_store(self) -> AbstractContextManager[Results]:
        """Return the store as a context: `--store`, `SEBSX_STORE`, a settings file, or the user's data folder."""
        ...

    def analyze(
        self, runs: Sequence[RunView], analyzer: str | None = None, settings: Mapping[str, Any] | None = None
    ) -> Report | None:
        """Return what an analyzer says of runs; by default the one of their experiment, None if that has none."""
        ...

    def page(self, runs: Sequence[RunView], destination: str | Path, analyzers: Sequence[str] = ()) -> Path:
        """Write the HTML page of runs, as `sebsx report` does, and return the file."""
        ...


class Command(ABC, Generic[S]):
    """A command of a plugin. Stateless; `__init__` takes nothing.

    Its options are the fields of `Settings`, those marked `positional` are arguments; they are set in `sebsx.toml`
    under `[command.<name>]` and in the environment as well, as every setting is.

    Class attributes:
        name: Kebab-case; the word on the command line unless `words` says others.
        summary: One line.
        words: What a user types where that is not the name: `aws policy` is `policy` in a group `aws`.
        details: More lines for `--help`, such as examples; empty for none.
        Settings: Frozen dataclass.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    words: ClassVar[str] = ""
    details: ClassVar[str] = ""
    Settings: ClassVar[type[Any]] = NoSettings

    @abstractmethod
    def run(self, services: Services, settings: S) -> None:
        """Do it, and say the result through `services.output`.

        Raises:
            SebsxError: What went wrong; the command line prints it in one line and ends with its exit code.
        """
