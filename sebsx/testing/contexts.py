"""Contexts for platforms under test: what the core gives a platform of a run, without one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from sebsx.clouds import tags
from sebsx.contracts.ledger import ForgetfulLedger
from sebsx.contracts.platforms import PlatformContext
from sebsx.errors import UnknownNameError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

    from sebsx.contracts.languages import Language
    from sebsx.contracts.ledger import Ledger
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.prices import Prices
    from sebsx.plugins import Registry

RUN = "01JZ0000000000000000000009"
TTL = timedelta(hours=24)


def context_for(
    cls: type[Platform[Any]],
    workdir: Path,
    *,
    ledger: Ledger | None = None,
    run_id: str = RUN,
    attempt: str = "",
    prices: Prices | None = None,
) -> PlatformContext:
    """Return the context of a platform in a run.

    Args:
        cls: The platform.
        workdir: Its private folder; not made here.
        ledger: Where it writes down what it creates; None for nowhere.
        run_id: A ULID.
        attempt: As of a run that was resumed, where it is not empty.
        prices: What invocations cost; None for the price books that are installed.
    """
    expires_at = datetime.now(UTC) + TTL
    return PlatformContext(
        run_id=run_id,
        platform=cls.name,
        workdir=workdir,
        tags=tags.make(run_id, cls.name, expires_at),
        expires_at=expires_at,
        ledger=ledger or ForgetfulLedger(),
        languages=_language,
        prices=prices or _prices(),
        attempt=attempt,
    )


@cache
def _registry() -> Registry:
    from sebsx import plugins

    return plugins.load()


def _prices() -> Prices:
    from sebsx.pricing import Pricer, Shelf

    return Pricer(Shelf(_registry()))


def _language(name: str) -> Language:
    try:
        found: Language = _registry().get("languages", name)()
    except UnknownNameError as exc:
        raise UnsupportedError(str(exc)) from exc
    return found
