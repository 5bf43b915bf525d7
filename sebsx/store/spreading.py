"""Reads a large run in several processes, each some of its spans.

A database hands values to Python one by one, which is most of the time of a report or an export. Processes and not
threads, as only one thread of a process runs Python; programs of their own and not forks, as those that sebsx runs in
may have threads, and no module `__main__` that may be run twice.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, TypeVar

from sebsx.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sebsx.store.bulk import BulkReader, Span
    from sebsx.store.engine import Database

    Work = Callable[["BulkReader", Span], Any]

T = TypeVar("T")

_LEAST_SPANS = 5  # for each process: fewer are read before it has started
_MOST_PROCESSES = 8


def spread(work: Callable[[BulkReader, Span], T], reader: BulkReader, database: Database, key: int) -> Iterator[T]:
    """Yield what `work` makes of each span of a run, in order.

    Args:
        work: Can be pickled, and so can what it returns: it is called in other processes where there are many spans.
        reader: Of the run.
        database: Which it reads.
        key: Row of the run.

    Raises:
        StoreError: If a process ends before its work is done.
    """
    spans = reader.spans()
    count = min(os.cpu_count() or 1, _MOST_PROCESSES, len(spans) // _LEAST_SPANS)
    if count < 2:  # one is this one
        for span in spans:
            yield work(reader, span)
        return
    with ExitStack() as stack:
        answers = [stack.enter_context(_worker(database.target, key, work, spans[n::count])) for n in range(count)]
        for place in range(len(spans)):
            yield _received(answers[place % count])


@contextmanager
def _worker(target: str, key: int, work: Work, spans: Sequence[Span]) -> Iterator[IO[bytes]]:
    """Run a process that does some of the work, and yield where its answers come from, in the order of the spans.

    It waits with the next until the last was taken, and ends when nobody takes any.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "sebsx.store"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True,
    )  # fmt: skip
    with process:
        assert process.stdin
        assert process.stdout
        try:
            with suppress(BrokenPipeError):  # one that has ended gives no answer
                pickle.dump((target, key, work, spans), process.stdin)
                process.stdin.close()
            yield process.stdout
        finally:
            process.kill()  # it only reads


def _received(answers: IO[bytes]) -> Any:
    try:
        value, error = pickle.load(answers)  # noqa: S301  # from our own process
    except EOFError as error:
        raise StoreError("a process that reads the store has ended; is there enough memory?") from error
    if error is not None:
        raise error
    return value
