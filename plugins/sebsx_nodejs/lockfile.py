"""Installs the packages of a `package-lock.json` for any architecture, by npm.

Install scripts do not run: nothing is compiled here, so that this machine need not be like the target. What a
package needs for one processor must come as a package of its own, as esbuild, sharp and others do it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.building.tools import run_installer
from sebsx.errors import PackagingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.model import Target


MANIFEST = "package.json"
LOCK = "package-lock.json"

_MODULES = "node_modules"
_PROCESSORS = {"x86_64": "x64", "arm64": "arm64"}  # our names -> those of npm
_SYSTEM, _LIBRARY = "linux", "glibc"
_NOTES = ".package-lock.json"  # what npm writes down for itself
_REASON_CHARACTERS = 600
# `--os` and `--cpu` came with npm 10.1, `--libc` with 10.3 (https://github.com/npm/cli/releases, January 2024); an
# older one takes them and does nothing.
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
    with tempfile.TemporaryDirectory(prefix="sebsx-npm-") as folder:
        for name in (MANIFEST, LOCK):
            shutil.copyfile(source / name, Path(folder, name))
        _run_npm(source, Path(folder), processor)
        installed = _installed(_read(source / LOCK), Path(folder), processor)
        modules = Path(folder, _MODULES)
        (modules / _NOTES).unlink(missing_ok=True)
        shutil.move(modules, destination / _MODULES)
    return installed


def _run_npm(source: Path, folder: Path, processor: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise PackagingError(f"packages in {str(source / LOCK)!r} need npm, which was not found; install Node.js's npm")
    command = [npm, "ci", *_FLAGS, f"--os={_SYSTEM}", f"--cpu={processor}", f"--libc={_LIBRARY}"]
    done = run_installer(command, folder, source / LOCK)
    if done.returncode != 0:
        raise PackagingError(f"packages in {str(source / LOCK)!r} cannot be installed: {reason(done.stderr)}")


def _installed(lock: Mapping[str, Any], folder: Path, processor: str) -> list[str]:
    """Return what of a lock file was installed.

    Raises:
        PackagingError: If it is not what the target needs: an older npm ignores `--cpu`.
    """
    found = []
    for path, entry in lock.get("packages", {}).items():
        if not path or entry.get("dev"):
            continue
        fits = (
            _allows(entry.get("os"), _SYSTEM)
            and _allows(entry.get("cpu"), processor)
            and _allows(entry.get("libc"), _LIBRARY)
        )
        present = (folder / path).is_dir()
        if present and fits:
            name = entry.get("name") or path.rpartition(f"{_MODULES}/")[2]
            found.append(f"{name}=={entry['version']}")
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
    """Return why npm failed, on one line, from all it said."""
    lines = [line.partition("npm error")[2].strip() for line in output.splitlines() if line.startswith("npm error")]
    said = " ".join(line for line in lines if line and not line.startswith("A complete log"))
    text = said or " ".join(output.split())
    return text if len(text) <= _REASON_CHARACTERS else f"... {text[-_REASON_CHARACTERS:]}"


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise PackagingError(f"{str(path)!r} cannot be read: {exc}") from exc
    if not isinstance(value, dict):
        raise PackagingError(f"{str(path)!r} holds no JSON object")
    return value
