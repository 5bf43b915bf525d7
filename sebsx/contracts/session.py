"""What an experiment is handed: a session, whose every result is stored before it goes on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, overload

from sebsx.model import CellStatus, Kind

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sebsx.contracts.agenda import Agenda
    from sebsx.contracts.calls import Calls, Sent
    from sebsx.contracts.functions import Function, FunctionSpec
    from sebsx.contracts.groups import Group
    from sebsx.contracts.measurement import Measurement, OpenCell
    from sebsx.contracts.observers import Observer
    from sebsx.contracts.runs import RunView
    from sebsx.contracts.scene import Scene
    from sebsx.model import Adoption, Artifact, Cell, Invocation, Plan, Run, StartType


class Session(ABC):
    """All that an experiment can do. Used from one thread; every batch is committed before the next is sent.

    Attributes:
        run: The run as stored.
        scene: The platforms, opened, and the benchmarks.
        observer: Hears of progress.
        rng: The source of every random choice, seeded with the run's seed.
        next_round: The first unused number of a round. Rounds are numbered through the run, so that what was measured
            at different times is never taken for a pair; one that is taken is told by setting the next.
    """

    run: Run
    scene: Scene
    observer: Observer
    rng: random.Random
    next_round: int

    @property
    @abstractmethod
    def view(self) -> RunView:
        """What the run has stored so far, to read from."""

    @abstractmethod
    def rng_for(self, *purpose: object) -> random.Random:
        """Return a generator for one purpose: the same for a seed, whatever was drawn or interrupted before."""

    @abstractmethod
    def pending(self, plan: Plan) -> list[Cell]:
        """Return the cells that can be measured and still have to be: all, or after an interruption the unfinished.

        Those that a platform is known not to be able to do are stored as unsupported, with the reason.
        """

    @abstractmethod
    def prepare(self, specs: Iterable[FunctionSpec]) -> None:
        """Build the packages of functions that are deployed later, several at a time, while nothing is measured.

        Without it each is built when it is deployed. One that cannot be built costs the cells of its function alone,
        when that is deployed.

        Raises:
            UserError: If none of several can be built.
        """

    @abstractmethod
    def deployed(self, spec: FunctionSpec, cells: Sequence[Cell]) -> AbstractContextManager[Function | None]:
        """Deploy a function for some cells, and tear it down afterwards.

        Yields None where the platform cannot or would not deploy it: the cells are then stored as
        unsupported or failed, with the reason, and the experiment goes on with the next. Where a plugin fails in the
        body, its platform or its benchmark, the body ends, what is unfinished of the cells is stored as failed, and
        the experiment goes on behind it.
        """

    @abstractmethod
    def adopted(self, adoption: Adoption, cells: Sequence[Cell]) -> AbstractContextManager[Function | None]:
        """Take a function that exists already for some cells, and undo afterwards whatever that took.

        It is called with nothing until it is `given` an input. Yields None as `deployed` does.
        """

    @abstractmethod
    def called(
        self,
        function: Function,
        parameters: Mapping[str, Any] | None = None,
        read: Callable[[Any], Mapping[str, float]] | None = None,
    ) -> Function:
        """Return the same deployment called with other input: nothing is deployed again.

        Args:
            function: The deployment.
            parameters: Of the benchmark, on top of those it was deployed with.
            read: Returns samples from the output of an invocation that ended well.

        Raises:
            UnsupportedError: If the platform does not take so large a payload.
        """

    @abstractmethod
    def refuse(
        self, cells: Sequence[Cell], reason: str, error: str, status: CellStatus = CellStatus.UNSUPPORTED
    ) -> None:
        """Store cells that cannot be measured, with the reason: that is a result, too."""

    @abstractmethod
    def measure(
        self, cell: Cell, function: Function, wanted: StartType | None = None
    ) -> AbstractContextManager[Measurement]:
        """Begin to measure a cell; samples stored by an interrupted run count.

        The body ends it with `finish`; a body that raises leaves the cell running, to be resumed.
        """

    @abstractmethod
    def begin(self, cell: Cell) -> OpenCell:
        """Begin a cell that several functions serve; what an interrupted run stored of it is in `view`."""

    @abstractmethod
    def finish(self, cell: OpenCell, status: CellStatus, reason: str, error: str | None = None) -> None:
        """Close a cell that was begun, or is being measured, with the reason why it ended."""

    @overload
    def send(
        self, work: Calls, *, streamed: bool = ..., on_stored: Callable[[Sequence[Invocation]], None] = ...
    ) -> Sent: ...

    @overload
    def send(self, work: Agenda) -> Iterator[Sent]: ...

    @abstractmethod
    def send(
        self,
        work: Calls | Agenda,
        *,
        streamed: bool = False,
        on_stored: Callable[[Sequence[Invocation]], None] = lambda _invocations: None,
    ) -> Sent | Iterator[Sent]:
        """Send calls, store what came back, and return it: the one way to call functions.

        Calls are one batch: all are answered, the provider's figures added, and then all is committed. Streamed, they
        are a phase of load without a pause, stored as it goes on: a process that is killed loses less than a second of
        it, memory does not grow with it, and the generator's health is stored as values of the cell (`generator.*`).

        An agenda is calls of several functions, each due at a time of its own. What belongs together is yielded when
        all of it is answered and stored. Functions do not wait for each other: what is due leaves on time while others
        are in flight, and more may be added meanwhile. It ends when nothing is due and everything was answered; what is
        due later stays on the agenda (`agenda.next_s`), so that there is time to deploy and to tear down. Where a
        plugin fails, a platform or a benchmark, only the calls concerned end, and are yielded with the `failure`.

        A failed invocation is a result with a status; only a platform that ends the run raises.

        Args:
            work: What is called, and when.
            streamed: Whether it is a phase of load.
            on_stored: Called with the invocations of a phase that were just committed.

        Raises:
            LimitReachedError: Before a batch that would exceed a limit; after what was sent of a phase or an agenda is
                answered and stored.
            UnsupportedError: If calls may be in flight together where the platform makes one after the other.
        """

    @abstractmethod
    def record(
        self,
        metric: str,
        value: float | str,
        *,
        cell_id: int | None = None,
        function: Function | None = None,
        invocation: Invocation | None = None,
    ) -> None:
        """Store a number or words about the run, a cell, a deployment or an invocation.

        A number of an invocation that is stored already becomes one more sample of it.

        Raises:
            StoreError: If the metric is not registered.
        """

    @abstractmethod
    def keep(
        self,
        path: Path,
        *,
        role: str,
        name: str = "",
        cell_id: int | None = None,
        function: Function | None = None,
        invocation: Invocation | None = None,
    ) -> Artifact:
        """Keep a file with the run (a model, a data set, a log), whatever its size; it may be deleted afterwards.

        Args:
            path: The file.
            role: What it is there, in one word: `model`, `dataset`, `log`.
            name: Its name; that of the file where none is given.
            cell_id: The cell it belongs to.
            function: The deployment it belongs to.
            invocation: The invocation it belongs to.

        Raises:
            UserError: If it cannot be read.
        """

    @abstractmethod
    def execution(
        self,
        kind: str,
        cell_id: int,
        function: Function | None = None,
        purpose: Kind = Kind.MEASURED,
        round: int | None = None,  # noqa: A002  # the column
    ) -> AbstractContextManager[Group]:
        """Measure invocations as one: a workflow, a message, a scale-out.

        What `send` stores inside belongs to the group. Its duration is the metric `execution.duration_s`;
        what else is measured of it goes into `figures`. Groups do not lie within each other.

        Args:
            kind: What it is, in one word.
            cell_id: The cell it belongs to.
            function: The deployment, where there is one for all of it.
            purpose: Whether it counts.
            round: Of an interleaved design.
        """

    @abstractmethod
    def records_wait_s(self, function: Function) -> float:
        """Return how long leaving `deployed` or `adopted` may wait for a function's records; 0 where none are late."""

    @abstractmethod
    def wait(self, seconds: float) -> None:
        """Wait, and end at once when interrupted or out of time."""
