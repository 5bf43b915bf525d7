"""What functions printed before calls of theirs failed: kept with the run, a few times and not for every failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.model import Status
from sebsx.system.outside import without_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.functions import Function
    from sebsx.model import Invocation, Reply, Run
    from sebsx.store import Store

METRIC = "function.output"
MOST_CHARACTERS = 4096
# Of failures of other kinds the function knows nothing: it was not reached.
_OWN = frozenset({Status.FUNCTION_ERROR, Status.OUT_OF_MEMORY, Status.TIMEOUT, Status.WRONG_OUTPUT})
_MOST_OUTPUTS = 20


class Outputs:
    """Keeps the last output of a function once for each error that it has.

    Args:
        run: The run as stored.
        store: Where it goes.
    """

    def __init__(self, run: Run, store: Store) -> None:
        self._run = run
        self._store = store
        self._seen: set[tuple[int, str]] = set()

    def keep(
        self, function: Function, cell_id: int, invocations: Sequence[Invocation], replies: Mapping[str, Reply]
    ) -> None:
        """Look at invocations that were just stored, and keep what was printed before an error that is new.

        Args:
            function: The function that was called.
            cell_id: Row of the cell.
            invocations: As stored.
            replies: Their replies, by request id.
        """
        for invocation in invocations:
            key = function.id, (invocation.error or "").partition("\n")[0]
            if invocation.status not in _OWN or key in self._seen or len(self._seen) >= _MOST_OUTPUTS:
                continue
            self._seen.add(key)
            printed = function.platform.output_of(function.deployment, replies[invocation.request_id]).strip()
            if printed:
                self._store.add_value(
                    self._run.id, METRIC, None, deployment_id=function.id, cell_id=cell_id,
                    text=without_environment(printed)[-MOST_CHARACTERS:], sequence=invocation.sequence,
                )  # fmt: skip
