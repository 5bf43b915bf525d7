"""Waiting for a provider: calls that are repeated until it has settled, and looks until something is there.

Both end: at their deadline a `DeployError` says what did not happen, and in which time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sebsx.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity import Retrying

T = TypeVar("T")

SETTLES_S = 60.0
"""How long a provider is given to settle, unless it is known to take longer."""
_FIRST_PAUSE_S, _GROWTH, _LONGEST_PAUSE_S = 0.2, 1.6, 5.0


def settled(
    call: Callable[[], T],
    is_transient: Callable[[Exception], bool],
    what: str,
    *,
    within_s: float = SETTLES_S,
    clean: Callable[[str], str] = str,
) -> T:
    """Return what a call gives, called again while the provider has not heard everywhere of what was just made.

    Only for calls that change nothing when they fail in that way: a role that is not known yet, a function that is
    still being changed. It is called at least twice.

    Args:
        call: The call.
        is_transient: Whether an exception of it will pass; any other is raised at once.
        what: What is being done, for the message: `create of function 'f'`.
        within_s: Time after which it is given up.
        clean: Makes the provider's words fit to be shown: without numbers of accounts and keys.

    Raises:
        DeployError: If the provider did not settle in that time.
    """
    import tenacity  # only those who wait pay for it

    passes = tenacity.retry_if_exception(lambda exc: isinstance(exc, Exception) and is_transient(exc))
    tries = _tries(within_s).copy(retry=passes)
    try:
        return tries(call)
    except tenacity.RetryError as exc:
        last = exc.last_attempt.exception()
        raise DeployError(f"{what} did not settle within {within_s:g} s: {clean(str(last))}") from last


def until(look: Callable[[], T | None], what: str, *, within_s: float) -> T:
    """Return what a look finds as soon as it finds something; what it raises is raised at once.

    Args:
        look: Returns None as long as there is nothing.
        what: What is waited for, for the message: `provisioning of 'f'`.
        within_s: Time after which it is given up.

    Raises:
        DeployError: If there was nothing in that time.
    """
    import tenacity

    tries = _tries(within_s).copy(retry=tenacity.retry_if_result(lambda found: found is None))
    try:
        found: T | None = tries(look)
    except tenacity.RetryError as exc:
        raise DeployError(f"{what} was not done within {within_s:g} s") from exc
    assert found is not None
    return found


def _tries(within_s: float) -> Retrying:
    """Return when to try and when to give up: pauses grow from a fifth of a second to five."""
    import tenacity

    return tenacity.Retrying(
        stop=tenacity.stop_all(tenacity.stop_after_delay(within_s), tenacity.stop_after_attempt(2)),
        wait=tenacity.wait_exponential(multiplier=_FIRST_PAUSE_S, exp_base=_GROWTH, max=_LONGEST_PAUSE_S),
    )
