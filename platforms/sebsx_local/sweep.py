"""Finds and ends what dead gateways left: processes, control groups, folders. Never anything without our marker.

Also run as `python -m sebsx_local.sweep OWNER WORKDIR`: waits until its standard input ends, which is the end of the
gateway, and clears up after it, whatever ended it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sebsx.system.processes import bearing, end_all, is_alive, marked
from sebsx_local import cgroups

if TYPE_CHECKING:
    from collections.abc import Iterator

PROCESS, CGROUP, WORKDIR = "process", "cgroup", "workdir"
MARKER = "sebsx-gateway.json"
OWNER = "SEBSX_SANDBOX_OWNER"
RUN = "SEBSX_SANDBOX_RUN"
SANDBOXES = "sandboxes"
MADE = ("packages", "storage", SANDBOXES)  # folders that we make in a working directory
FILES = (MARKER, "gateway.log", "table.sqlite", "table.sqlite-wal", "table.sqlite-shm")


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something of a gateway: what it is, its name (a number or a path), the gateway's marker, and its run."""

    kind: str
    name: str
    owner: str
    run: str = ""


def leftovers(beside: Path) -> Iterator[Leftover]:
    """Yield what belongs to gateways that no longer run.

    Args:
        beside: Folder whose folders are looked at for our marker.
    """
    alive: dict[str, bool] = {}
    for leftover in _all(beside):
        if leftover.owner not in alive:
            alive[leftover.owner] = is_alive(leftover.owner)
        if not alive[leftover.owner]:
            yield leftover


def remove(leftover: Leftover) -> bool:
    """End or delete one thing, after a second look at its marker; return whether it is gone."""
    if is_alive(leftover.owner):
        return False
    if leftover.kind == PROCESS:
        pid = int(leftover.name)
        return end_all(lambda: processes_of(leftover.owner) & {pid})
    path = Path(leftover.name)
    if leftover.kind == CGROUP:
        return cgroups.remove_group(path)
    if _marker(path).get("owner") == leftover.owner:
        remove_workdir(path)
    return not path.exists()


def write_marker(workdir: Path, owner: str, run: str = "") -> None:
    """Say in a working directory whose it is."""
    (workdir / MARKER).write_text(json.dumps({"owner": owner, "run": run}), encoding="utf-8")


def remove_workdir(workdir: Path) -> None:
    """Delete what we made in a working directory, and the directory if nothing else is in it."""
    for name in MADE:
        shutil.rmtree(workdir / name, ignore_errors=True)
    for name in FILES:
        (workdir / name).unlink(missing_ok=True)
    if workdir.is_dir() and not any(workdir.iterdir()):
        workdir.rmdir()


def clear(owner: str) -> None:
    """End all processes and control groups of a gateway, which must have ended."""
    for path, found in cgroups.find_groups():
        if found == owner:
            cgroups.remove_group(path)
    end_all(lambda: processes_of(owner))


def processes_of(owner: str) -> set[int]:
    """Return every process that a gateway started, and what those started, wherever they went."""
    return {pid for pid, found in marked(OWNER).items() if found == owner} | bearing(owner)


def _all(beside: Path) -> Iterator[Leftover]:
    runs: dict[str, str] = {}  # of each gateway that is known
    for path, owner in cgroups.find_groups():
        runs[owner] = cgroups.run_of(path)
        yield Leftover(CGROUP, str(path), owner, runs[owner])
    folders = []
    for marker in beside.glob(f"*/{MARKER}"):
        if said := _marker(marker.parent):
            runs[said["owner"]] = said["run"]
            folders.append(Leftover(WORKDIR, str(marker.parent), said["owner"], said["run"]))
    told = marked(RUN)
    for pid, owner in marked(OWNER).items():
        runs.setdefault(owner, told.get(pid, ""))
    for owner, run in runs.items():
        yield from (Leftover(PROCESS, str(pid), owner, run) for pid in processes_of(owner))
    yield from folders


def _marker(workdir: Path) -> dict[str, str]:
    """Return what a working directory says of its owner; empty where it says nothing that can be read."""
    try:
        said = json.loads((workdir / MARKER).read_text(encoding="utf-8"))
        return {"owner": str(said["owner"]), "run": str(said.get("run", ""))}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def main() -> None:
    """Wait for the end of the gateway and clear up after it."""
    owner, workdir = sys.argv[1:3]
    while os.read(sys.stdin.fileno(), 4096):
        pass
    clear(owner)
    shutil.rmtree(Path(workdir) / SANDBOXES, ignore_errors=True)


if __name__ == "__main__":
    main()
