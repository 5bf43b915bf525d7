"""Records of providers that come after the invocations: asked for, waited for, and counted.

What a provider records may come minutes after the answer, or never. A run waits for it until a deadline and says what
did not come; whatever was measured without it stays, and its start types rest on the function's own evidence.
"""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Any

from sebsx.model import Status
from sebsx.running.invocations import add_record
from sebsx.system.interrupts import interrupts

if TYPE_CHECKING:
    from collections.abc import Callable

    from sebsx.contracts.platforms import Platform
    from sebsx.model import Deployment
    from sebsx.model.stored import StoredInvocation
    from sebsx.store import Store

MISSING = "provider.records_missing_count"
_AT_ONCE = 1000
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_PAUSE_GROWS = 1.6
# Of what never ran no provider has a record.
_NEVER_RAN = frozenset({Status.DROPPED, Status.THROTTLED, Status.CLIENT_ERROR})


def ask(
    store: Store,
    run_id: str,
    platform: Platform[Any],
    deployment: Deployment,
    deployment_id: int,
    *,
    cell_id: int | None = None,
    first: int = 0,
) -> int:
    """Add what the provider recorded by now to stored invocations that lack it, and return how many stay without.

    Args:
        store: Where they are.
        run_id: Their run.
        platform: Which is asked, opened.
        deployment: The function as the platform knows it.
        deployment_id: Its row.
        cell_id: Only those of a cell.
        first: Only those from this sequence on.
    """
    missing, named = 0, platform.names_sandboxes(deployment)
    stored = store.view(run_id).invocations(cell_id=cell_id, first=first)
    while page := list(islice(stored, _AT_ONCE)):
        wanted = [item for item in page if item.deployment_id == deployment_id and _lacks(item, named)]
        if not wanted:
            continue
        records = platform.records(deployment, [item.request_id for item in wanted])
        known = [item for item in wanted if item.request_id in records]
        for item in known:
            add_record(item, records[item.request_id], platform, deployment)
        store.update_recorded(known)
        missing += len(wanted) - len(known)
    return missing


def wait(question: Callable[[], int], within_s: float, tell: Callable[[str], None]) -> int:
    """Ask again and again until nothing is missing or the time is over; return how many are.

    Args:
        question: Asks, and returns how many records are missing.
        within_s: How long.
        tell: Hears how many are missing, while they are waited for.

    Raises:
        KeyboardInterrupt: If the user does not want to wait.
    """
    ends, pause_s = time.monotonic() + within_s, _FIRST_PAUSE_S
    while missing := question():
        left_s = ends - time.monotonic()
        if left_s <= 0:
            break
        tell(f"waiting for {missing} records, for {left_s:.0f} s at most")
        wakes = time.monotonic() + min(pause_s, left_s)
        while (rest_s := wakes - time.monotonic()) > 0:
            interrupts.check()
            time.sleep(min(rest_s, _FIRST_PAUSE_S))
        pause_s = min(_LONGEST_PAUSE_S, pause_s * _PAUSE_GROWS)
    return missing


def _lacks(item: StoredInvocation, named: bool) -> bool:
    """Tell whether an invocation that may have run has nothing of a provider's record, or not the sandbox it names."""
    if item.status in _NEVER_RAN or item.client_connected_s is None:
        return False
    if named and item.sandbox_id is None:
        return True
    return item.provider_duration_s is None and item.provider_init_s is None and item.provider_billed_s is None
