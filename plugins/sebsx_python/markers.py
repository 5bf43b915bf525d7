"""Which distributions a target needs, by its own environment markers: pip decides them for this machine."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sebsx.model import Target

_MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}  # our names -> those of markers


def environment(target: Target) -> dict[str, str]:
    """Return what markers are decided by on a target: CPython on Linux."""
    known = {key: str(value) for key, value in default_environment().items()}
    if not target.binaries and known["python_version"] == target.version:
        return known  # this machine itself
    return {
        **known,
        "implementation_name": "cpython",
        "implementation_version": f"{target.version}.0",
        "os_name": "posix",
        "platform_machine": _MACHINES[target.architecture],
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{target.version}.0",
        "python_version": target.version,
        "sys_platform": "linux",
    }


def missing(asked: Iterable[str], folder: Path, target: Target) -> list[str]:
    """Return what a target needs besides what is in a folder, as requirements without markers, sorted.

    Args:
        asked: Requirements as in a file, decided for the target.
        folder: Where an installer put what it thought is needed.
        target: Whose markers count.
    """
    installed = {_name(found): found for found in distributions(path=[str(folder)])}
    wanted = _closure(asked, installed, environment(target))
    return sorted({
        f"{requirement.name}{_extras(requirement)}{requirement.specifier}"
        for requirement in wanted
        if _name(requirement) not in installed
        or not requirement.specifier.contains(installed[_name(requirement)].version, prereleases=True)
    })  # fmt: skip


def remove_superfluous(asked: Iterable[str], folder: Path, target: Target) -> None:
    """Remove the distributions that only this machine's markers asked for."""
    installed = {_name(found): found for found in distributions(path=[str(folder)])}
    wanted = {_name(requirement) for requirement in _closure(asked, installed, environment(target))}
    if any(_is_path(line) for line in asked):  # their names are not known: nothing can be told to be too much
        return
    for name in installed.keys() - wanted:
        _remove(installed[name], folder)


def _closure(asked: Iterable[str], installed: dict[str, Distribution], known: dict[str, str]) -> Iterator[Requirement]:
    """Yield every requirement that follows from what was asked, each with its extras once."""
    waiting = [requirement for line in asked if (requirement := _requirement(line)) is not None]
    # What is named by its path alone is whatever came of it.
    named = {_name(requirement) for requirement in waiting}
    if any(_is_path(line) for line in asked):
        waiting += [Requirement(name) for name in installed if name not in named]
    seen: set[tuple[str, str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        key = (_name(requirement), str(requirement.specifier), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        yield requirement
        found = installed.get(_name(requirement))
        for line in (found.requires or []) if found else ():
            follows = Requirement(line)
            extras = requirement.extras or {""}
            if follows.marker is None or any(follows.marker.evaluate({**known, "extra": word}) for word in extras):
                waiting.append(follows)


def _requirement(line: str) -> Requirement | None:
    """Return a line as a requirement, None for an option or a path."""
    try:
        return Requirement(line.partition(" --")[0])
    except InvalidRequirement:
        return None


def _is_path(line: str) -> bool:
    return not line.startswith("-") and _requirement(line) is None


def _name(found: Requirement | Distribution) -> str:
    return canonicalize_name(found.name)


def _extras(requirement: Requirement) -> str:
    return f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""


def _remove(distribution: Distribution, folder: Path) -> None:
    """Remove the files of a distribution and the folders that are empty then."""
    for file in distribution.files or ():
        path = Path(os.path.normpath(str(distribution.locate_file(file))))  # scripts are `../../bin/x`
        if path.is_relative_to(folder):
            path.unlink(missing_ok=True)
            for parent in path.parents:
                if parent == folder or not parent.is_relative_to(folder) or any(parent.iterdir()):
                    break
                parent.rmdir()
    for information in folder.glob("*.dist-info"):
        if not any(information.iterdir()):
            shutil.rmtree(information)
