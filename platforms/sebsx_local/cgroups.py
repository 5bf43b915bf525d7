"""Limits by control groups, version 1 and 2: one group per gateway, below it one per sandbox.

Files are those of the kernel's `Documentation/admin-guide/cgroup-v1` and `cgroup-v2.rst`. All paths hang on a
`root`, `/sys/fs/cgroup` outside of tests.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sebsx.sandboxes.launcher import quota

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

logger = logging.getLogger(__name__)

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
PREFIX = "sebsx-"
_OWNER_WORDS = 3  # process, its start, its namespace; see `sebsx.sandboxes.owners`
CONTROLLERS = ("memory", "cpu", "pids")
ACCOUNTING = "cpuacct"  # version 1 may count processor time in a hierarchy of its own: collectors read it there
PIDS_MAX = 1024  # processes and threads, as in AWS Lambda
_ENABLE = " ".join(f"+{name}" for name in CONTROLLERS)
_ROUNDS = 200
_PAUSE_S = 0.005


@dataclass(frozen=True, slots=True)
class Words:
    """What one version calls things."""

    version: int
    memory: str
    swap: str
    peak: str
    events: str


V1 = Words(1, "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control")
V2 = Words(2, "memory.max", "memory.swap.max", "memory.peak", "memory.events")


class SandboxGroup:
    """The groups of one sandbox: one folder in version 2, one per controller in version 1.

    Args:
        words: Names of the files.
        folders: Controller -> folder; made here.
        memory_bytes: Memory limit, swap included.
    """

    def __init__(self, words: Words, folders: Mapping[str, Path], memory_bytes: int) -> None:
        self._words = words
        self._folders = folders
        self._places = sorted(set(folders.values()))
        self._peak: int | None = None
        for folder in self._places:
            folder.mkdir()
        if "memory" in folders:
            memory = folders["memory"]
            (memory / words.memory).write_text(str(memory_bytes))
            # Version 1 bounds memory and swap together, version 2 swap alone; a kernel without swap has neither file.
            with contextlib.suppress(OSError):
                (memory / words.swap).write_text(str(memory_bytes if words.version == 1 else 0))
        self._limit_processes(PIDS_MAX + 1)  # and the shell that started them

    @property
    def entrances(self) -> list[Path]:
        """The files into which a process writes its number to enter."""
        return [folder / "cgroup.procs" for folder in self._places]

    def limit_cpu(self, share: float) -> bool:
        """Allow `share` processors from now on; return whether that can be limited."""
        if "cpu" not in self._folders:
            return False
        quota_us, period_us = quota(share)
        folder = self._folders["cpu"]
        if self._words.version == 1:
            (folder / "cpu.cfs_period_us").write_text(str(period_us))
            (folder / "cpu.cfs_quota_us").write_text(str(quota_us))
        else:
            (folder / "cpu.max").write_text(f"{quota_us} {period_us}")
        return True

    def max_memory_bytes(self) -> int | None:
        """Return the peak so far; None without the controller, or before Linux 5.19 in version 2."""
        if self._peak is None:
            if "memory" not in self._folders:
                return None
            try:
                self._peak = os.open(self._folders["memory"] / self._words.peak, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                return None
        return int(os.pread(self._peak, 32, 0))  # kept open: asked once per invocation

    def oom_kills(self) -> int:
        """Return how many processes the kernel killed for memory."""
        if "memory" not in self._folders:
            return 0
        return _counter(self._folders["memory"] / self._words.events, "oom_kill")

    def kill(self) -> None:
        """Kill every process once; those born meanwhile cannot be, for the limit of processes is 0 then."""
        with contextlib.suppress(OSError):
            self._limit_processes(0)
        for folder in self._places:
            kill_group(folder)

    def remove(self) -> None:
        """Kill until nothing is left, and remove the folders. Harmless twice. May take milliseconds."""
        if self._peak is not None:
            os.close(self._peak)
            self._peak = None
        for folder in self._places:
            remove_group(folder)

    def _limit_processes(self, count: int) -> None:
        if "pids" in self._folders:
            (self._folders["pids"] / "pids.max").write_text(str(count))


class GatewayGroup:
    """The groups of one gateway.

    Args:
        words: Names of the files.
        folders: Controller -> folder of this gateway, made by `open_group`.
    """

    def __init__(self, words: Words, folders: Mapping[str, Path]) -> None:
        self._words = words
        self.folders = folders

    def sandbox(self, sandbox_id: str, memory_bytes: int) -> SandboxGroup:
        """Return a new group with its memory limit; the processor is not limited yet.

        Raises:
            OSError: If the kernel refuses.
        """
        folders = {name: folder / sandbox_id for name, folder in self.folders.items()}
        return SandboxGroup(self._words, folders, memory_bytes)

    def kind(self, controller: str) -> str | None:
        """Return `cgroup-v1` or `cgroup-v2`, None if the controller cannot be used."""
        return f"cgroup-v{self._words.version}" if controller in self.folders else None

    def remove(self) -> None:
        """Remove the groups and all below."""
        for folder in set(self.folders.values()):
            remove_group(folder)


def open_group(owner: str, root: Path = ROOT, own: Path = OWN, *, run: str = "") -> GatewayGroup | None:
    """Make the groups of a gateway below our own, with the controllers that this user may use.

    Args:
        owner: Marker of the gateway, which becomes part of the name.
        root: Where control groups are mounted.
        own: The kernel's list of the groups we are in.
        run: The run, which becomes part of the name, too.

    Returns:
        The groups, or None if memory cannot be limited.
    """
    try:
        lines = [line.split(":", 2) for line in own.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None
    name = PREFIX + "-".join(filter(None, (*owner.split(":"), run)))
    if any("memory" in controllers.split(",") for _, controllers, _ in lines):
        words, folders = V1, _open_v1(root, lines, name)
    else:
        words, folders = V2, _open_v2(root, lines, name)
    if "memory" not in folders:
        for folder in set(folders.values()):
            remove_group(folder)
        return None
    return GatewayGroup(words, folders)


def may_limit(root: Path = ROOT, own: Path = OWN) -> bool:
    """Return whether this user seems to be allowed to limit memory and processors; looks and makes nothing."""
    try:
        lines = [line.split(":", 2) for line in own.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return False
    if any("memory" in controllers.split(",") for _, controllers, _ in lines):
        return all(_may_v1(root, lines, controller) for controller in ("memory", "cpu"))
    path = next((path for number, controllers, path in lines if number == "0" and not controllers), None)
    if path is None or not (root / "cgroup.controllers").is_file():
        return False
    own_group = root / path.lstrip("/")
    above = [group for group in (own_group, *own_group.parents) if group.is_relative_to(root)]
    return any(_hands_out(group) for group in above)


def _may_v1(root: Path, lines: Sequence[Sequence[str]], controller: str) -> bool:
    for _, controllers, path in lines:
        if controller in controllers.split(","):
            mount = next((root / word for word in (controllers, controller) if (root / word).is_dir()), None)
            if mount is not None:
                parent = mount / path.lstrip("/")
                return os.access(parent if parent.is_dir() else mount, os.W_OK)
    return False


def _hands_out(group: Path) -> bool:
    """Return whether a version 2 group may be divided, with limits of memory and processors for its parts."""
    try:
        words = (group / "cgroup.controllers").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return {"memory", "cpu"} <= set(words) and os.access(group, os.W_OK)


def _open_v1(root: Path, lines: Sequence[Sequence[str]], name: str) -> dict[str, Path]:
    """Make a folder in the hierarchy of each controller."""
    folders = {}
    for _, controllers, path in lines:
        words = set(controllers.split(","))
        for controller in words & set(CONTROLLERS) or words & {ACCOUNTING}:
            mount = next((root / word for word in (controllers, controller) if (root / word).is_dir()), None)
            if mount is None:
                continue
            parent = mount / path.lstrip("/")
            # In a container the path is the host's, and the mount shows our own group as its top.
            folder = (parent if parent.is_dir() else mount) / name
            try:
                folder.mkdir(exist_ok=True)
            except OSError as exc:
                logger.info("no control group for %s below %s: %s", controller, folder.parent, exc)
            else:
                folders[controller] = folder
    return folders


def _open_v2(root: Path, lines: Sequence[Sequence[str]], name: str) -> dict[str, Path]:
    """Make one folder in the nearest group above us that may hand out controllers.

    A group with processes of its own cannot (the rule of no internal processes): then one above it may.
    """
    path = next((path for number, controllers, path in lines if number == "0" and not controllers), None)
    if path is None or not (root / "cgroup.controllers").is_file():
        return {}
    own = root / path.lstrip("/")
    for parent in (own, *own.parents):
        if not parent.is_relative_to(root):
            break
        given = _enabled(parent)
        if "memory" not in given:
            continue
        folder = parent / name
        try:
            folder.mkdir(exist_ok=True)
            (folder / "cgroup.subtree_control").write_text(" ".join(f"+{word}" for word in given))
        except OSError as exc:
            logger.info("no control group below %s: %s", parent, exc)
            continue
        return dict.fromkeys(given, folder)
    return {}


def _enabled(parent: Path) -> list[str]:
    """Return which of our controllers a version 2 group hands to those below, after asking for all."""
    with contextlib.suppress(OSError):
        (parent / "cgroup.subtree_control").write_text(_ENABLE)
    try:
        words = (parent / "cgroup.subtree_control").read_text(encoding="utf-8").split()
    except OSError:
        return []
    return [name for name in CONTROLLERS if name in {word.lstrip("+") for word in words}]


def find_groups(root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """Yield every group that a gateway made, of whatever version, with its owner; see `run_of` for its run."""
    for top, folders, _ in os.walk(root):
        for name in [name for name in folders if name.startswith(PREFIX)]:
            folders.remove(name)
            yield Path(top) / name, ":".join(_words(name)[:_OWNER_WORDS])


def run_of(folder: Path) -> str:
    """Return the run that a group was made for; empty where its name tells none."""
    return "".join(_words(folder.name)[_OWNER_WORDS:])


def _words(name: str) -> list[str]:
    return name.removeprefix(PREFIX).split("-")


def kill_group(folder: Path) -> bool:
    """Kill every process in a group once; return whether there was one."""
    pids = _pids(folder)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return bool(pids)


def remove_group(folder: Path) -> bool:
    """Kill all that is in a group and below, and remove it; return whether it is gone."""
    for _ in range(_ROUNDS):
        if not folder.is_dir():
            return True
        for below, _, _ in os.walk(folder, topdown=False):
            kill_group(Path(below))
            with contextlib.suppress(OSError):  # busy as long as a killed process is not quite gone
                Path(below).rmdir()
        if not folder.is_dir():
            return True
        time.sleep(_PAUSE_S)
    logger.warning("control group %s cannot be removed", folder)
    return False


def _pids(folder: Path) -> list[int]:
    try:
        words = (folder / "cgroup.procs").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [int(word) for word in words if int(word) > 0 and int(word) != os.getpid()]  # 0: of another namespace


def _counter(path: Path, name: str) -> int:
    try:
        for line in path.read_text(encoding="ascii").splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    except OSError:
        pass
    return 0
