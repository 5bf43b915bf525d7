"""Finds and deletes what dead runs left behind: by the ledger, by tags on the platform, and on this disk."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sebsx.building import cached_bytes, default_cache, tools
from sebsx.errors import PluginError, SebsxError, StoreError, UserError
from sebsx.model import Resource, ResourceState, RunStatus
from sebsx.running.contexts import make_platform
from sebsx.running.orchestrator import OWNER_FILE, settings_of, work_root, workdir
from sebsx.store.owner import can_be_asked, is_alive, process_name
from sebsx.system.folders import remove_folder
from sebsx.system.processes import end_all

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from sebsx.contracts.platforms import Platform
    from sebsx.plugins import Registry
    from sebsx.settings import SettingsReader
    from sebsx.store import Store

logger = logging.getLogger(__name__)

_WORKDIR = "workdir"
_PROCESS = "process"
_CACHE = "cache"
_THIS_MACHINE = "-"
_HALF_MADE_S = 60.0
# A folder whose owner is in a container or on another host that shares it is left alone as long as it is young.
_ELSEWHERE_S = 7 * 24 * 3600.0


@dataclass(frozen=True)
class Removal:
    """What became of one resource."""

    resource: Resource
    text: str
    failed: bool = False


@dataclass(frozen=True)
class Leftovers:
    """What may be deleted, what may not yet, and who can do it.

    Args:
        resources: May be deleted.
        platforms: By name and run: as the run was told, so that it is deleted where it was made; for orphans by name
            alone, as told today.
        kept: May belong to runs on other machines.
        failures: Why platforms could not be asked for orphans.
    """

    resources: list[Resource]
    platforms: dict[tuple[str, str], Platform[Any]]
    kept: list[Resource] = field(default_factory=list)
    failures: list[SebsxError] = field(default_factory=list)


def find(
    store: Store,
    registry: Registry,
    reader: SettingsReader,
    also: Iterable[str] = (),
    runs: Collection[str] = (),
) -> Leftovers:
    """Return everything that belongs to no living run; deletes nothing.

    The ledger of this store is read, and platforms are asked for orphans with our tags: those in the
    ledger, those that need no account, and those in `also`. An orphan of a run that this store does not know may
    belong to one that lives on another machine: it is kept until it expires, or its run is named.

    A run whose row is damaged may be a living one: what belongs to it is kept, and the damage is among the failures.

    Args:
        store: Whose ledger is read.
        registry: The platforms there are.
        reader: Their settings.
        also: Names of platforms to ask besides.
        runs: Only what belongs to these runs; empty for everything.
    """
    sound, damaged = store.sound_runs()
    known_runs = {}
    for run in sound:
        try:
            known_runs[run.id] = settings_of(run)
        except StoreError as exc:
            damaged[run.id] = exc
    living = {run.id for run in sound if run.status is RunStatus.RUNNING} | damaged.keys()
    in_ledger = [resource for resource in store.resources() if resource.run_id not in living]
    free = [name for name, cls in registry.platforms.items() if cls.extra is None]
    names = dict.fromkeys([*(resource.platform for resource in in_ledger), *free, *also])
    places = dict.fromkeys([*((name, "") for name in names), *((item.platform, item.run_id) for item in in_ledger)])
    readers = {run_id: reader.over(known_runs[run_id]) if run_id else reader for _, run_id in places}
    platforms: dict[tuple[str, str], Platform[Any]] = {}
    failures: list[SebsxError] = list(damaged.values())
    for name, run_id in places:
        if name in registry.platforms:
            settings = readers[run_id].read(f"platform.{name}").value
            try:
                platforms[name, run_id] = make_platform(registry, name, settings, workdir("clean"), run_id=run_id)
            except PluginError as exc:  # one that cannot be made must not keep the others
                failures.append(exc)
    known = {(resource.platform, resource.kind, resource.name) for resource in in_ledger}
    found: list[Resource] = []
    for name in names:
        if platform := platforms.get((name, "")):
            try:
                found += platform.orphans()
            except SebsxError as exc:  # one that cannot be asked must not keep the others
                failures.append(exc)
    orphans = [
        resource
        for resource in found
        if (resource.platform, resource.kind, resource.name) not in known and resource.run_id not in living
    ]
    if runs:
        chosen = [item for item in [*in_ledger, *orphans, *_tools(), *_workdirs()] if item.run_id in runs]
        return Leftovers(chosen, platforms, failures=failures)
    now = datetime.now(UTC)
    foreign = [
        resource
        for resource in orphans
        if resource.run_id not in known_runs and resource.expires_at is not None and resource.expires_at > now
    ]
    ours = [resource for resource in orphans if resource not in foreign]
    return Leftovers([*in_ledger, *ours, *_tools(), *_workdirs()], platforms, foreign, failures)


def remove(leftovers: Leftovers, store: Store) -> list[Removal]:
    """Delete what was found; one that fails does not stop the others."""
    return [_remove(resource, leftovers, store) for resource in leftovers.resources]


def cached() -> Resource | None:
    """Return the cache of packages on this machine as one thing that may be deleted; None where there is none.

    Raises:
        UserError: If a run is under way on this machine, which may be using it.
    """
    if any(_is_owned(folder) for folder in _folders()):
        raise UserError("a run is under way on this machine and may use cached packages; clean the cache after it")
    if not default_cache().is_dir():
        return None
    return Resource(_CACHE, f"{cached_bytes() / 2**20:,.0f} MiB of packages", platform=_THIS_MACHINE, run_id="")


def _remove(resource: Resource, leftovers: Leftovers, store: Store) -> Removal:
    if resource.kind == _WORKDIR and resource.platform == _THIS_MACHINE:
        return _remove_workdir(resource)
    if resource.kind == _CACHE and resource.platform == _THIS_MACHINE:
        if remove_folder(default_cache()):
            return Removal(resource, "deleted")
        return Removal(resource, f"{str(default_cache())!r} cannot be deleted; is it somebody else's?", failed=True)
    if resource.kind == _PROCESS and resource.platform == _THIS_MACHINE:
        return _end_tool(resource)
    told = resource.run_id if resource.id is not None else ""
    platform = leftovers.platforms.get((resource.platform, told))
    if platform is None:
        return Removal(resource, f"platform {resource.platform!r} is not installed", failed=True)
    try:
        platform.remove(resource)
    except Exception as exc:  # one that cannot be removed must not keep the others
        logger.info("removing %s failed", resource.name, exc_info=True)
        return Removal(resource, str(exc) or type(exc).__name__, failed=True)
    if resource.id is not None:
        store.set_resource(resource.id, ResourceState.DELETED)
    return Removal(resource, "deleted")


def _remove_workdir(resource: Resource) -> Removal:
    """Delete a working directory."""
    folder = work_root() / resource.name
    if remove_folder(folder):
        return Removal(resource, "deleted")
    return Removal(resource, f"{str(folder)!r} cannot be deleted; is it in use, or somebody else's?", failed=True)


def _tools() -> list[Resource]:
    """Return the installers, compilers and converters whose sebsx was killed while they ran."""
    folders = {owner: folder.name.partition(".")[0] for folder in _folders() if (owner := _owner_name(folder))}
    return [
        Resource(_PROCESS, str(pid), platform=_THIS_MACHINE, run_id=folders.get(owner, ""), provider_id=owner)
        for pid, owner in sorted(tools.leftovers(folders).items())
    ]


def _end_tool(resource: Resource) -> Removal:
    """End a program and what it started, after a second look at whose it is."""
    owner = resource.provider_id or ""
    if end_all(lambda: [pid for pid, found in tools.leftovers([owner]).items() if found == owner]):
        return Removal(resource, "ended")
    return Removal(resource, f"process {resource.name} cannot be ended; is it somebody else's?", failed=True)


def _owner_name(folder: Path) -> str | None:
    """Return the name of the process that owns a working directory; None where it is elsewhere or unknown."""
    try:
        owner = json.loads((folder / OWNER_FILE).read_text(encoding="utf-8"))
        return process_name(owner) if can_be_asked(owner) else None
    except (OSError, ValueError, AttributeError, KeyError):
        return None


def _folders() -> list[Path]:
    root = work_root()
    return sorted(folder for folder in root.iterdir() if folder.is_dir()) if root.is_dir() else []


def _workdirs() -> list[Resource]:
    """Return the working directories whose process is gone; another store's living runs keep theirs."""
    return [
        Resource(
            _WORKDIR,
            folder.name,
            platform=_THIS_MACHINE,
            run_id=folder.name.partition(".")[0],
            state=ResourceState.CREATED,
        )
        for folder in _folders()
        if not _is_owned(folder)
    ]


def _is_owned(folder: Path) -> bool:
    try:
        owner = json.loads((folder / OWNER_FILE).read_text(encoding="utf-8"))
        if not can_be_asked(owner):
            return time.time() - folder.stat().st_mtime < _ELSEWHERE_S
        return is_alive(owner)
    except (OSError, ValueError, AttributeError):
        # Without a readable owner: being made at this moment, or left half-made.
        return time.time() - folder.stat().st_mtime < _HALF_MADE_S
