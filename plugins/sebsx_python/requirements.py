"""Installs requirements for any architecture and Python version, by uv where present, else by pip.

Of a registry only wheels are taken: nothing is compiled here, so that this machine need not be like the target. Both
tools are given the same newest glibc, so that they choose the same wheels, and both get one flat file with whole
paths, so that what is installed is what was read (`files`). uv decides environment markers for the target. pip decides
them for this machine: those in the file are decided here, and what the target's markers ask for besides is added.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import replace
from importlib.metadata import Distribution, distributions, version
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from sebsx.building import tools
from sebsx.building.tools import run_installer
from sebsx.contracts.languages import Built, Inputs
from sebsx.errors import PackagingError
from sebsx.system.homes import expanded
from sebsx_python import files, markers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.model import Target

_MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}  # our names -> those of wheels
_HOSTS = {"x86_64": "x86_64", "amd64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}
# Minor versions of glibc 2 that uv can resolve for (`uv pip install --help`, 0.13, November 2026).
_GLIBC_OF_UV: tuple[int, ...] = (17, 28, *range(31, 41))
# PEP 599 and PEP 600: which older tags a wheel for that machine may carry.
_GLIBC_FLOOR = {"x86_64": 5, "aarch64": 17}
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
# What differs between uv and pip, or from one installation to the next.
_VOLATILE = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
_ROUNDS_OF_PIP = 6  # each adds what markers of the target ask for; one that adds nothing is the last
_FRAME = " ╰─▶├│\N{MULTIPLICATION SIGN}"  # what uv draws around its words
# Where the tools look for settings beside their variables: an index named there decides what is installed.
_CONFIGURATIONS = (
    "~/.config/pip/pip.conf", "~/.pip/pip.conf", "/etc/pip.conf", "~/.config/uv/uv.toml", "/etc/uv/uv.toml",
)  # fmt: skip


def any_in(file: Path) -> bool:
    """Return whether a requirements file asks for anything."""
    return files.read(file).any


def inputs(file: Path) -> Inputs:
    """Return everything that `install` reads.

    Raises:
        PackagingError: If a file that is named cannot be read.
    """
    configurations = [expanded(word) for word in _CONFIGURATIONS] + [Path(sys.prefix, "pip.conf")]
    if named := os.environ.get("PIP_CONFIG_FILE"):
        configurations.append(Path(named))
    above = (file.parent, *file.parent.parents)
    configurations += [folder / "uv.toml" for folder in above]
    read = [*files.read(file).files, *(path for path in configurations if path.is_file())]
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("PIP_", "UV_")) and not name.endswith("_CACHE_DIR")
    }
    projects = {f"uv of {folder.name}": said for folder in above if (said := _settings_of_uv(folder))}
    return Inputs(files=dict.fromkeys(read), facts={"tool": _tool(), **variables, **projects})


def install(file: Path, destination: Path, target: Target) -> Built:
    """Install what a requirements file asks for into a folder.

    What only scripts and installers need is removed, so that uv and pip leave the same files.

    Raises:
        PackagingError: If there is neither uv nor pip, or it cannot find wheels for `target`.
    """
    _check(target)
    asked = files.read(file)
    if tool := uv():
        command = [tool, *_uv_arguments(target)]
        _run(command, asked, destination, file, target)
    else:
        _install_by_pip(asked, destination, file, target)
    found = list(distributions(path=[str(destination)]))
    own = {canonicalize_name(each.name) for each in found if _is_local(each)}
    _check_local_wheels(found, target)
    _tidy(destination)
    versions = {canonicalize_name(each.name): f"{canonicalize_name(each.name)}=={each.version}" for each in found}
    return Built(
        requirements=sorted(versions.values()),
        unpinned=sorted(versions[name] for name in versions.keys() - asked.pinned - own),
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
        PackagingError: If it is not such a tag, or older than manylinux2014.
    """
    match = re.fullmatch(r"manylinux_2_(\d+)", binaries)
    wanted = 17 if binaries == _LEGACY[17] else int(match[1]) if match else 0
    known = [minor for minor in _GLIBC_OF_UV if minor <= wanted]
    if not known:
        raise PackagingError(f"binaries {binaries!r} are not known for Python; use manylinux_2_17 or newer")
    return max(known)


def reason(output: str) -> str:
    """Return why an installer failed, on one line: its own reason first, not the usage it prints before."""
    lines = [line.lstrip(_FRAME) for line in output.splitlines()]
    errors = [line.partition(":")[2].strip() for line in lines if line.startswith("ERROR:")]  # as pip marks them
    _, usage, tail = output.partition("\nUsage:")
    if not errors and usage:
        errors = tail.strip().rpartition("\n\n")[2].splitlines()
    said = [
        re.sub(r"^(error|cause): ", "", line)
        for line in lines
        if line and not line.lower().startswith(("using ", "warning", "resolved ", "[notice", "hint"))
    ]
    return tools.reason(errors or said, output)


def _settings_of_uv(folder: Path) -> str:
    """Return what the project in a folder, or in one above the code, sets for uv; the rest of it changes nothing."""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        told = project.get("tool", {}).get("uv", {})
    except (OSError, ValueError, AttributeError, RecursionError):
        return ""
    return json.dumps(told, sort_keys=True, default=str) if told else ""


def _check(target: Target) -> None:
    if target.architecture not in _MACHINES:
        raise PackagingError(f"architecture {target.architecture!r} is not known; use {' or '.join(_MACHINES)}")
    if not target.binaries and target.architecture != _host_architecture():
        raise PackagingError(
            f"requirements for {target.architecture} cannot be installed natively on {_host_architecture()}; "
            "the platform must name the binaries of its target, such as 'manylinux_2_28'"
        )
    if uv() is None and importlib.util.find_spec("pip") is None:
        raise PackagingError("requirements need uv or pip to be installed; run: python -m ensurepip, or install uv")


def _tool() -> str:
    """Return which tool installs, with its version: another one may resolve otherwise."""
    tool = uv()
    if tool is not None:
        return _version(tool)
    return f"pip {version('pip')}" if importlib.util.find_spec("pip") else "none"


@functools.cache
def _version(tool: str) -> str:
    try:
        done = subprocess.run([tool, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return tool
    return done.stdout.strip()


def _install_by_pip(asked: files.Requirements, destination: Path, file: Path, target: Target) -> None:
    """Let pip install, and go on until nothing is missing that the target's markers ask for.

    Raises:
        PackagingError: If that does not end: pip cannot be used for this target.
    """
    environment = markers.environment(target)
    decided = asked.decided(environment)
    command = [sys.executable, "-m", "pip", *_pip_arguments(target)]
    added: list[str] = []
    for _ in range(_ROUNDS_OF_PIP):
        shutil.rmtree(destination, ignore_errors=True)
        destination.mkdir()
        _run(command, replace(decided, lines=[*decided.lines, *added]), destination, file, target)
        lacking = markers.missing(decided.lines, destination, target)
        if not set(lacking) - set(added):
            break
        added = sorted({*added, *lacking})
    if lacking:
        raise PackagingError(
            f"pip decides environment markers for this machine, and does not install {', '.join(lacking)} for "
            f"{str(file)!r}, which Python {target.version} on {target.architecture} needs; uv can: pip install uv"
        )
    markers.remove_superfluous(decided.lines, destination, target)


def _run(command: Sequence[str], asked: files.Requirements, destination: Path, file: Path, target: Target) -> None:
    with tempfile.TemporaryDirectory(prefix="sebsx-requirements-") as folder:
        flat, limits = (Path(folder, name) for name in ("requirements.txt", "constraints.txt"))
        lines = _with_wheels(asked, Path(folder), file)
        flat.write_text("\n".join([*lines, ""]), encoding="utf-8")
        limits.write_text("\n".join([*asked.constraints, ""]), encoding="utf-8")
        limited = ["-c", str(limits)] if asked.constraints else []
        words = [*command, "--target", str(destination), "-r", str(flat), *limited]
        done = run_installer(words, file.parent, file)
        if done.returncode != 0:
            why = reason(done.stderr or done.stdout).replace(str(flat), str(file))
            wanted = f"Python {target.version} on {target.architecture} {target.binaries}".rstrip()
            raise PackagingError(f"{why} (installing {str(file)!r} for {wanted}, from wheels alone)")


def _with_wheels(asked: files.Requirements, folder: Path, file: Path) -> list[str]:
    """Build a wheel of each project in a folder, and return the lines with those in their places."""
    lines = asked.lines
    for number, project in enumerate(dict.fromkeys(asked.projects)):
        source, out = files.copy(project, folder / "projects" / str(number)), folder / "wheels" / str(number)
        if tool := uv():
            command = [tool, "build", "--wheel", "--color", "never", "--python", sys.executable, "--out-dir", str(out)]
        else:
            command = [
                sys.executable,
                "-m",
                "pip",
                "wheel",
                "--no-deps",
                "--no-color",
                "--quiet",
                "--wheel-dir",
                str(out),
            ]
        done = run_installer([*command, str(source)], file.parent, project)
        wheels = sorted(out.glob("*.whl"))
        if done.returncode != 0 or not wheels:
            raise PackagingError(f"{reason(done.stderr or done.stdout)} (building {str(project)!r} for {str(file)!r})")
        lines = [files.moved(line, project, wheels[0]) for line in lines]
    return lines


def _is_local(distribution: Distribution) -> bool:
    """Return whether a distribution was made of a folder or file of this machine, whose content is in the key."""
    return _origin(distribution).get("url", "").startswith("file:")


def _origin(distribution: Distribution) -> Mapping[str, str]:
    told: dict[str, str] = json.loads(distribution.read_text("direct_url.json") or "{}")
    return told


def _check_local_wheels(found: Sequence[Distribution], target: Target) -> None:
    """Refuse what was compiled here for a target that is another machine."""
    if not target.binaries:
        return
    for distribution in found:
        if not _is_local(distribution):
            continue
        tags = [line.split("-") for line in (distribution.read_text("WHEEL") or "").splitlines() if "Tag:" in line]
        if tags and all(tag[-1] != "any" and not tag[-1].startswith("manylinux") for tag in tags):
            raise PackagingError(
                f"{distribution.name} was compiled for this machine from {_origin(distribution)['url']!r}, not for "
                f"{target.architecture} {target.binaries}; name a wheel for that in its place"
            )


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
