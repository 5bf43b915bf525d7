"""The contract of a stored run as analyzers, exporters and reports read it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import IO, TYPE_CHECKING, Any, TypeVar

from sebsx.model import Factors, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sebsx.model import Artifact, Run, RunStatus, StartType, Status
    from sebsx.model.frame import Frame
    from sebsx.model.metrics import Metric
    from sebsx.model.stored import (
        Page,
        StoredCell,
        StoredClient,
        StoredDeployment,
        StoredExecution,
        StoredInvocation,
        StoredPhase,
        StoredSandbox,
        StoredValue,
    )

R = TypeVar("R")


class RunView(ABC):
    """One stored run to read from. Small tables are read when first asked for and kept; invocations stream.

    Made by `Store.view`; usable as long as that store is open.
    """

    @property
    @abstractmethod
    def run(self) -> Run:
        """The run; `interrupted` if it was left `running` by a process that is gone."""

    @property
    @abstractmethod
    def status(self) -> RunStatus:
        """State of the run."""

    @abstractmethod
    def beside(self, run_id: str) -> RunView:
        """Return another run of the same store.

        Raises:
            UnknownNameError: If there is none.
        """

    @property
    @abstractmethod
    def environment(self) -> Mapping[str, Any]:
        """Facts about the client machine."""

    @abstractmethod
    def cells(self) -> list[StoredCell]:
        """Return the cells of the design in its order."""

    @property
    def factors(self) -> Factors:
        """What the cells of the design differ in, as the run's experiment declared it."""
        return Factors.of(self.run.factors.declared, [cell.factors for cell in self.cells()])

    @abstractmethod
    def deployments(self) -> list[StoredDeployment]:
        """Return the deployments in the order in which they were made, failed and unsupported ones too."""

    @abstractmethod
    def sandboxes(self) -> list[StoredSandbox]:
        """Return the sandboxes in the order in which they were first seen."""

    @abstractmethod
    def packages(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what is known of the packages that were deployed (`requirements`, `content_hash`), by SHA-256."""

    @abstractmethod
    def values(self) -> list[StoredValue]:
        """Return values of the run, its deployments and its cells in the order in which they were stored."""

    @abstractmethod
    def executions(self) -> list[StoredExecution]:
        """Return the groups of invocations that were measured as one, by sequence."""

    @abstractmethod
    def execution_frame(self, *, kind: Kind | None = Kind.MEASURED) -> Frame:
        """Return the executions as arrays, by sequence.

        There are the numbers `sequence`, `round`, `deployment_id`, `cell_id`, `begin_s`, `end_s`,
        `execution.duration_s` and every figure that any of them has, and the words `kind` (as that of an invocation),
        `execution` (what it is) and `status`.

        Args:
            kind: Only those that count so; None for all.
        """

    @abstractmethod
    def artifacts(self) -> list[Artifact]:
        """Return the files that were kept with the run, in the order in which they were stored."""

    @abstractmethod
    def open_artifact(self, artifact: Artifact) -> IO[bytes]:
        """Open a file to read from, a block at a time where it is large; the caller closes it.

        Raises:
            StoreError: If the store does not hold it.
        """

    @abstractmethod
    def copy_artifact(self, artifact: Artifact, destination: Path) -> None:
        """Write a file to a place, and hold that it is what was stored.

        Raises:
            StoreError: If the store does not hold it, or it is damaged.
            UserError: If it cannot be written.
        """

    @abstractmethod
    def clients(self) -> list[StoredClient]:
        """Return the machines that sent beside the one that the run was on."""

    @abstractmethod
    def phases(self) -> list[StoredPhase]:
        """Return the phases of load in the order in which they began, those that were broken off too."""

    @abstractmethod
    def metrics(self) -> Mapping[str, Metric]:
        """Return the metrics registered in the store, by name."""

    @abstractmethod
    def counts(self, cell_id: int | None = None) -> Mapping[tuple[Kind, Status, StartType], int]:
        """Return how many invocations there are of each kind, status and start type."""

    @abstractmethod
    def invocations(
        self,
        cell_id: int | None = None,
        kind: Kind | None = None,
        status: Status | None = None,
        first: int | None = None,
    ) -> Iterator[StoredInvocation]:
        """Return invocations with their samples, by sequence, reading a thousand at a time.

        Args:
            cell_id: Only of this cell.
            kind: Only of this kind.
            status: Only those that ended like this.
            first: Only from this sequence on.
        """

    @abstractmethod
    def column(
        self,
        name: str,
        *,
        cell_id: int | None = None,
        kind: Kind | None = None,
        status: Status | None = None,
        start_type: StartType | None = None,
    ) -> list[float]:
        """Return the values of one metric by sequence; invocations that do not have it are left out.

        Args:
            name: A metric (`client.latency_s`, `phase.compute_s`) or a column of `invocation` with a number.
            cell_id: Only of this cell.
            kind: Only of this kind.
            status: Only of invocations that ended like this.
            start_type: Only of invocations that started like this.

        Raises:
            UnknownNameError: If there is no such metric or column.
        """

    @abstractmethod
    def frame(self, *, kind: Kind | None = Kind.MEASURED, more: Sequence[str] = ()) -> Frame:
        """Return all invocations as arrays, by sequence: a million take a few seconds and some 150 MB.

        Always there are the numbers `sequence`, `round`, `deployment_id`, `cell_id`, `client_sent_s`, the core
        metrics of an invocation (`client.latency_s`, `function.duration_s`, `cost_usd`, ...), and the words `kind`,
        `status`, `start_type`. The columns of a run that has ended are kept for those who ask next, and cannot be
        written to.

        Args:
            kind: Only of this kind; None for warm-ups too.
            more: Columns wanted besides: other columns of `invocation` (`client_done_s`, `bytes_in`, the words
                `sandbox_id` and `start_evidence`), and samples by name or pattern (`phase.*_s`); samples that no
                invocation has are left out.
        """

    @abstractmethod
    def add_to(self, destination: Path) -> None:
        """Copy the run with all that belongs to it into an SQLite store, made where it is missing, in DELETE mode.

        All runs added to one file must come from one store.

        Raises:
            StoreError: If it cannot be written.
        """

    @abstractmethod
    def rows(self, view: str = "invocations", columns: Sequence[str] | None = None) -> Iterator[Mapping[str, Any]]:
        """Return the run's rows of a view by sequence, reading a thousand at a time.

        Args:
            view: `invocations`, `measured` or `executions`.
            columns: Those wanted; None for all.
        """

    @abstractmethod
    def map_pages(self, function: Callable[[Page], R]) -> Iterator[R]:
        """Yield what a function makes of each page of all invocations, by sequence.

        Many pages are read by several processes, in which the function is called: it is one of a module, or a
        `functools.partial` of one, and can be pickled as what it returns can.
        """

    @abstractmethod
    def sample_names(self) -> list[str]:
        """Return the names of the samples that the run's invocations have, sorted."""

    @abstractmethod
    def row_columns(self, view: str = "invocations") -> list[str]:
        """Return the columns of a view in their order.

        Raises:
            UnknownNameError: If there is no such view.
        """
