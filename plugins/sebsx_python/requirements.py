"""Installs pinned requirements for any architecture and Python version, by uv where present, else by pip.

Only wheels are taken: nothing is compiled here, so that this machine need not be like the target. Both tools
are given the same newest glibc, so that they choose the same wheels.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import platform
import re
import shutil
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

from sebsx.building.tools import run_installer
from sebsx.errors import PackagingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.model import Target

logger = logging.getLogger(__name__)

FILE = "requirements.txt"

_MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}  # our names -> those of wheels
_HOSTS = {"x86_64": "x86_64", "amd64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}
# Minor versions of glibc 2 that uv can resolve for (`uv pip install --help`, 0.13, November 2026).
_GLIBC_OF_UV: tuple[int, ...] = (17, 28, *range(31, 41))
# PEP 599 and PEP 600: which older tags a wheel for that machine may carry.
_GLIBC_FLOOR = {"x86_64": 5, "aarch64": 17}
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
# What differs between uv and pip, or from one installation to the next.
_VOLATILE = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
_REASON_CHARACTERS = 600
_FRAME = " ╰─▶├│\N{MULTIPLICATION SIGN}"  # what uv draws around its words


def any_in(file: Path) -> bool:
    """Return whether a requirements file is there and asks for anything."""
    if not file.is_file():
        return False
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    return any(line.strip() and not line.strip().startswith("#") for line in lines)


def install(file: Path, destination: Path, target: Target) -> list[str]:
    """Install the wheels a requirements file asks for into a folder; return them as `name==version`.

    What only scripts and installers need is removed, so that uv and pip leave the same files.

    Raises:
        PackagingError: If there is neither uv nor pip, or it cannot find wheels for `target`.
    """
    done = run_installer(_command(file, destination, target), file.parent, file)
    if done.returncode != 0:
        raise PackagingError(
            f"requirements in {str(file)!r} have no installable wheels for Python {target.version} on "
            f"{target.architecture} {target.binaries}".rstrip()
            + f": {reason(done.stderr or done.stdout)}"
        )
    _tidy(destination)
    return sorted(
        f"{re.sub(r'[-_.]+', '-', found.name).lower()}=={found.version}"
        for found in distributions(path=[str(destination)])
    )


def uv() -> str | None:
    """Return the path of uv: on PATH, or installed beside the interpreter."""
    beside = Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv")
    return shutil.which("uv") or (str(beside) if beside.is_file() else None)


def glibc(binaries: str) -> int:
    """Return the minor version of glibc 2 to resolve for: the newest that uv knows, not above `binaries`.

    Args:
        binaries: A platform tag without the architecture: `manylinux_2_28`, `manylinux2014`.

    Raises:
        PackagingError: If it is no such tag, or older than manylinux2014.
    """
    match = re.fullmatch(r"manylinux_2_(\d+)", binaries)
    wanted = 17 if binaries == _LEGACY[17] else int(match[1]) if match else 0
    known = [minor for minor in _GLIBC_OF_UV if minor <= wanted]
    if not known:
        raise PackagingError(f"binaries {binaries!r} are not known for Python; use manylinux_2_17 or newer")
    return max(known)


def reason(output: str) -> str:
    """Return why an installer failed, on one line, from all it said."""
    lines = [line.lstrip(_FRAME) for line in output.splitlines()]
    lines = [
        line for line in lines if line and not line.lower().startswith(("using ", "warning", "resolved ", "[notice"))
    ]
    errors = [line.partition(":")[2].strip() for line in lines if line.startswith("ERROR:")]  # as pip marks them
    text = " ".join(errors or lines)
    return text if len(text) <= _REASON_CHARACTERS else f"... {text[-_REASON_CHARACTERS:]}"


def _command(file: Path, destination: Path, target: Target) -> list[str]:
    if target.architecture not in _MACHINES:
        raise PackagingError(f"architecture {target.architecture!r} is not known; use {' or '.join(_MACHINES)}")
    if not target.binaries and target.architecture != _host_architecture():
        raise PackagingError(
            f"requirements for {target.architecture} cannot be installed natively on {_host_architecture()}; "
            "the platform must name the binaries of its target, such as 'manylinux_2_28'"
        )
    tool = uv()
    if tool:
        return [tool, *_uv_arguments(target), "--target", str(destination), "-r", str(file)]
    if importlib.util.find_spec("pip") is None:
        raise PackagingError("requirements need uv or pip to be installed; run: python -m ensurepip, or install uv")
    _warn_of_markers(file, target)
    return [sys.executable, "-m", "pip", *_pip_arguments(target), "--target", str(destination), "-r", str(file)]


def _uv_arguments(target: Target) -> list[str]:
    arguments = ["pip", "install", "--color", "never", "--no-progress", "--link-mode", "copy", "--only-binary", ":all:"]
    arguments += ["--python", sys.executable, "--python-version", target.version]
    if target.binaries:
        arguments += ["--python-platform", f"{_MACHINES[target.architecture]}-manylinux_2_{glibc(target.binaries)}"]
    return arguments


def _pip_arguments(target: Target) -> list[str]:
    arguments = ["install", "--no-input", "--no-color", "--no-compile", "--disable-pip-version-check", "--quiet"]
    arguments += ["--only-binary=:all:", "--implementation", "cp", "--python-version", target.version]
    for tag in platform_tags(target) if target.binaries else ():
        arguments += ["--platform", tag]
    return arguments


def platform_tags(target: Target) -> Sequence[str]:
    """Return the platform tags a target accepts, best first; pip does not derive the older ones itself."""
    machine, tags = _MACHINES[target.architecture], []
    for minor in range(glibc(target.binaries), _GLIBC_FLOOR[machine] - 1, -1):
        tags.append(f"manylinux_2_{minor}_{machine}")
        if minor in _LEGACY:
            tags.append(f"{_LEGACY[minor]}_{machine}")
    return [*tags, f"linux_{machine}"]


def _warn_of_markers(file: Path, target: Target) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}", _host_architecture()
    if (target.version, target.architecture) != here and ";" in file.read_text(encoding="utf-8", errors="replace"):
        logger.warning(
            "pip decides environment markers in %r for this machine, not for %s %s; uv decides them for the target: "
            "pip install uv",
            str(file),
            target.version,
            target.architecture,
        )


def _host_architecture() -> str:
    machine = platform.machine().lower()
    return _HOSTS.get(machine, machine)


def _tidy(folder: Path) -> None:
    shutil.rmtree(folder / "bin", ignore_errors=True)
    (folder / ".lock").unlink(missing_ok=True)
    for information in folder.glob("*.dist-info"):
        for name in _VOLATILE:
            (information / name).unlink(missing_ok=True)
    for compiled in list(folder.rglob("__pycache__")):
        shutil.rmtree(compiled, ignore_errors=True)
