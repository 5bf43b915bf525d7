"""Fetches records that had not come when a run ended, for as long as the provider keeps them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sebsx.errors import UserError
from sebsx.model import Capability, Deployment, FunctionConfig, RunStatus
from sebsx.running import provider_records
from sebsx.running.contexts import make_platform
from sebsx.running.orchestrator import settings_of, workdir

if TYPE_CHECKING:
    from collections.abc import Callable

    from sebsx.contracts.platforms import Platform
    from sebsx.model.stored import StoredDeployment
    from sebsx.plugins import Registry
    from sebsx.settings import SettingsReader
    from sebsx.store import Store


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What became of the records of one function.

    `reason` says why its platform was not asked; empty where it was.
    """

    platform: str
    function: str
    missing: int | None = None
    reason: str = ""


def fetch(
    store: Store, registry: Registry, reader: SettingsReader, run_id: str, wait_s: float, tell: Callable[[str], None]
) -> list[Fetched]:
    """Add the provider's records that a run lacks, and return what is still missing, for each of its functions.

    Args:
        store: Where the run is.
        registry: The platforms there are.
        reader: Their settings, below those of the run.
        run_id: The run; it has ended.
        wait_s: How long to wait for what is not there yet, for each function.
        tell: Hears what goes on.

    Raises:
        UserError: If the run goes on.
        PlatformError: If a platform cannot be asked.
    """
    view = store.view(run_id)
    if view.status is RunStatus.RUNNING:
        raise UserError(f"run {run_id} is still running and fetches its records itself")
    settings = reader.over(settings_of(view.run))
    found: list[Fetched] = []
    with ExitStack() as stack:
        opened: dict[str, Platform[Any]] = {}
        for row in view.deployments():
            name = row.platform
            function = row.provider_id or row.benchmark
            if reason := _refused(registry, row):
                found.append(Fetched(platform=name, function=function, reason=reason))
                continue
            if name not in opened:
                made = make_platform(
                    registry, name, settings.read(f"platform.{name}").value, workdir("records"), run_id=run_id
                )
                opened[name] = stack.enter_context(made)
            asked = partial(provider_records.ask, store, run_id, opened[name], _deployment(row), row.id)
            missing = provider_records.wait(asked, wait_s, partial(_tell, tell, name))
            store.add_value(run_id, provider_records.MISSING, missing, deployment_id=row.id)
            found.append(Fetched(platform=name, function=function, missing=missing))
    return found


def _tell(tell: Callable[[str], None], platform: str, text: str) -> None:
    tell(f"{platform}: {text}")


def _refused(registry: Registry, row: StoredDeployment) -> str:
    """Return why there are no records of a function to fetch; empty where there may be some."""
    if row.provider_id is None:
        return "it was never deployed"
    cls = registry.get("platforms", row.platform)
    if Capability.RECORDS not in cls.capabilities:
        return "the platform has no records"
    return "" if cls.late_records else "the platform keeps no records after a run"


def _deployment(row: StoredDeployment) -> Deployment:
    """Return a function that may be gone, as its platform reported it."""
    name = row.provider_id or ""
    config = FunctionConfig(name, memory_mib=row.memory_mib, timeout_s=row.timeout_s, architecture=row.architecture)
    adopted = bool(row.effective.get("adopted"))
    return Deployment(name, config, effective=row.effective, region=row.region or "", adopted=adopted)
