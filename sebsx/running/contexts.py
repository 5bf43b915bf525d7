"""Makes platforms, each complete from the beginning: with its settings, and with what it is given of the run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sebsx.clouds import tags
from sebsx.contracts.ledger import ForgetfulLedger
from sebsx.contracts.platforms import PlatformContext
from sebsx.errors import UnknownNameError, UnsupportedError
from sebsx.pricing import Pricer, Shelf

if TYPE_CHECKING:
    from pathlib import Path

    from sebsx.contracts.languages import Language
    from sebsx.contracts.ledger import Ledger
    from sebsx.contracts.platforms import Platform
    from sebsx.plugins import Registry

# Of what a run leaves behind on a provider, where the platform has no setting `ttl_h`.
_TTL_H = 24.0


def make_platform(
    registry: Registry,
    name: str,
    settings: Any,
    directory: Path,
    *,
    run_id: str = "",
    attempt: str = "",
    ledger: Ledger | None = None,
) -> Platform[Any]:
    """Return a platform, not opened.

    Args:
        registry: The platforms and languages there are.
        name: Of the platform.
        settings: Its settings.
        directory: Working directory of the run; the platform has a folder of its own in it.
        run_id: The run; empty where nothing is run.
        attempt: Tells processes of one run apart.
        ledger: Where it writes down what it creates; None for nowhere.

    Raises:
        UnknownNameError: If there is no such platform; it suggests the nearest.
    """
    expires_at = datetime.now(UTC) + timedelta(hours=getattr(settings, "ttl_h", _TTL_H))
    context = PlatformContext(
        run_id=run_id,
        platform=name,
        workdir=directory / name,
        tags=tags.make(run_id, name, expires_at) if run_id else {},
        expires_at=expires_at,
        ledger=ledger or ForgetfulLedger(),
        languages=partial(_language, registry),
        prices=Pricer(Shelf(registry)),
        attempt=attempt,
    )
    made: Platform[Any] = registry.get("platforms", name)(settings, context)
    return made


def _language(registry: Registry, name: str) -> Language:
    try:
        found: Language = registry.get("languages", name)()
    except UnknownNameError as exc:
        raise UnsupportedError(str(exc)) from exc
    return found
