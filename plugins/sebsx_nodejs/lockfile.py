"""Installs the packages of a `package-lock.json` for any architecture, by npm.

Install scripts do not run: nothing is compiled here, so that this machine need not be like the target. What a
package needs for one processor must come as a package of its own, as esbuild, sharp and others do it. Packages by path
(`file:../shared`), which npm installs as links, are copied in the place of their links.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.building import tools
from sebsx.building.tools import run_installer
from sebsx.contracts.languages import Inputs
from sebsx.contracts.sources import source_files
from sebsx.errors import PackagingError
from sebsx.system.homes import expanded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.model import Target


MANIFEST = "package.json"
LOCK = "package-lock.json"

_MODULES = "node_modules"
_PROCESSORS = {"x86_64": "x64", "arm64": "arm64"}  # our names -> those of npm
_SYSTEM, _LIBRARY = "linux", "glibc"
_NOTES = ".package-lock.json"  # what npm writes down for itself
_SETTINGS = ".npmrc"
# `--os` and `--cpu` came with npm 10.1, `--libc` with 10.3 (https://github.com/npm/cli/releases, January 2024); an
# older one takes them and does nothing.
_ENDS = ("Clean install a project", "Usage:")  # of what it says before it explains itself
_FLAGS = ("--omit=dev", "--ignore-scripts", "--no-bin-links", "--no-audit", "--no-fund", "--no-update-notifier")


def any_in(source: Path) -> bool:
    """Return whether a code folder asks for packages."""
    if not (source / MANIFEST).is_file():
        return False
    manifest = _read(source / MANIFEST)
    return bool(manifest.get("dependencies") or manifest.get("optionalDependencies"))


def install(source: Path, destination: Path, target: Target) -> list[str]:
    """Install the locked packages into `destination/node_modules`; return them as `name==version`.

    Raises:
        PackagingError: If there is no lock file or no npm, or npm cannot install for `target`.
    """
    if target.architecture not in _PROCESSORS:
        raise PackagingError(f"architecture {target.architecture!r} is not known; use {' or '.join(_PROCESSORS)}")
    if not (source / LOCK).is_file():
        raise PackagingError(
            f"{str(source / MANIFEST)!r} has dependencies but no {LOCK} beside it; "
            "run `npm install --package-lock-only --omit-lockfile-registry-resolved` there"
        )
    processor = _PROCESSORS[target.architecture]
    lock = _read(source / LOCK)
    with tempfile.TemporaryDirectory(prefix="sebsx-npm-") as scratch:
        folder = _copy(source, Path(scratch), _paths(lock))
        _run_npm(source, folder, processor)
        modules = folder / _MODULES
        modules.mkdir(exist_ok=True)
        _replace_links(modules)
        installed = _installed(lock, folder, processor)
        (modules / _NOTES).unlink(missing_ok=True)
        shutil.move(modules, destination / _MODULES)
    return installed


def inputs(source: Path) -> Inputs:
    """Return everything that `install` reads.

    Raises:
        PackagingError: If the lock file cannot be read, or a package that it names by path.
    """
    settings = (source / _SETTINGS, expanded(f"~/{_SETTINGS}"), Path("/etc/npmrc"))
    files = [path for path in (source / MANIFEST, source / LOCK, *settings) if path.is_file()]
    for word in _paths(_read(source / LOCK)) if (source / LOCK).is_file() else ():
        files += _files_of(source, word)
    variables = {name: value for name, value in os.environ.items() if name.lower().startswith("npm_config_")}
    npm = shutil.which("npm")
    return Inputs(files=dict.fromkeys(files), facts={"tool": _version(npm) if npm else "none", **variables})


def _paths(lock: Mapping[str, Any]) -> list[str]:
    """Return what a lock file names by path, as it is written there: folders and archives."""
    found = {""}
    for entry in _packages(lock).values():
        resolved = entry.get("resolved", "")
        if isinstance(resolved, str) and (entry.get("link") or resolved.startswith("file:")):
            found.add(resolved.removeprefix("file:"))
    return sorted(found - {""})


def _packages(lock: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    packages = lock.get("packages", {})
    if not isinstance(packages, dict) or not all(isinstance(entry, dict) for entry in packages.values()):
        raise PackagingError(f"{LOCK} has no table of packages; write it again with npm 7 or later")
    return packages


def _files_of(source: Path, word: str) -> list[Path]:
    path = Path(os.path.normpath(source / word))
    if path.is_dir():
        return source_files(path)
    if path.is_file():
        return [path]
    raise PackagingError(f"{word!r}, which {str(source / LOCK)!r} names, is neither a file nor a folder")


def _copy(source: Path, scratch: Path, words: Sequence[str]) -> Path:
    """Copy what npm reads, each to the same place from the code folder, and return the copy of that folder."""
    above = max((_steps_up(word) for word in words), default=0)
    folder = scratch.joinpath(*["above"] * above, "code")
    folder.mkdir(parents=True)
    for name in (MANIFEST, LOCK, _SETTINGS):
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    for word in words:
        if Path(word).is_absolute():
            continue  # npm finds it where it is
        place = Path(os.path.normpath(source / word))
        for file in _files_of(source, word):
            copy = Path(os.path.normpath(folder / word)) / (file.relative_to(place) if place.is_dir() else "")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    return folder


def _steps_up(word: str) -> int:
    return Path(os.path.normpath(word)).parts.count("..")


def _replace_links(modules: Path) -> None:
    """Put a copy in the place of each link: what it leads to stays on this machine."""
    for place in [*modules.iterdir(), *modules.glob("@*/*")]:
        if place.is_symlink():
            target = place.resolve()
            place.unlink()
            shutil.copytree(target, place, symlinks=False)


@functools.cache
def _version(npm: str) -> str:
    try:
        done = subprocess.run([npm, "--version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return npm
    return f"npm {done.stdout.strip()}"


def _run_npm(source: Path, folder: Path, processor: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise PackagingError(f"packages in {str(source / LOCK)!r} need npm, which was not found; install Node.js's npm")
    command = [npm, "ci", *_FLAGS, f"--os={_SYSTEM}", f"--cpu={processor}", f"--libc={_LIBRARY}"]
    done = run_installer(command, folder, source / LOCK)
    if done.returncode != 0:
        raise PackagingError(f"{reason(done.stderr or done.stdout)} (installing {str(source / LOCK)!r})")


def _installed(lock: Mapping[str, Any], folder: Path, processor: str) -> list[str]:
    """Return what of a lock file was installed.

    Raises:
        PackagingError: If it is not what the target needs: an older npm ignores `--cpu`.
    """
    found = []
    packages = _packages(lock)
    for path, entry in packages.items():
        if _MODULES not in path.split("/") or entry.get("dev"):
            continue
        fits = (
            _allows(entry.get("os"), _SYSTEM)
            and _allows(entry.get("cpu"), processor)
            and _allows(entry.get("libc"), _LIBRARY)
        )
        present = (folder / path).is_dir()
        if present and fits:
            name = entry.get("name") or path.rpartition(f"{_MODULES}/")[2]
            of = packages.get(entry.get("resolved", ""), {}) if entry.get("link") else entry
            found.append(f"{name}=={of.get('version', '0')}")
        elif present or (fits and not _may_miss(entry)):
            raise PackagingError(
                f"npm did not install {path!r} for {_SYSTEM} {processor} as locked; update it: npm 10.3 can"
            )
    return sorted(set(found))


def _allows(words: Sequence[str] | None, word: str) -> bool:
    """Return whether a list such as `["linux", "darwin"]` or `["!win32"]` has room for a word."""
    if not words:
        return True
    refused = [entry[1:] for entry in words if entry.startswith("!")]
    return word not in refused and (word in words or len(refused) == len(words))


def _may_miss(entry: Mapping[str, Any]) -> bool:
    """Return whether npm may leave a package out although it fits: optional ones that name no processor, and peers."""
    return bool(entry.get("peer") or entry.get("devOptional") or (entry.get("optional") and not entry.get("cpu")))


def reason(output: str) -> str:
    """Return why npm failed, on one line: its own reason, without its usage and its stack."""
    lines = [line.partition("npm error")[2].strip() for line in output.splitlines() if line.startswith("npm error")]
    ends = [at for at, line in enumerate(lines) if line in _ENDS or line.startswith(("A complete log", "at "))]
    said = [line for line in lines[: min(ends, default=None)] if not line.startswith(("code ", "syscall ", "errno "))]
    code = [line for line in lines if line.startswith("code ")]
    return tools.reason([*said, *(f"({line})" for line in code[:1])] if lines else output.splitlines(), output)


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as exc:
        raise PackagingError(f"{str(path)!r} cannot be read: {exc}") from exc
    if not isinstance(value, dict):
        raise PackagingError(f"{str(path)!r} holds no JSON object")
    return value
