"""Which extras are not installed, and the command line that installs one into the environment that runs sebsx."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_NAME = "sebsx"
_EVERY = "all"  # the extra of everything that whoever measures can use


def command(extra: str) -> str:
    """Return what to type: with pip or uv, whichever is there, from where this installation came.

    Args:
        extra: The extra.
    """
    return f"{_installer()} {_requirement(extra)}"


def missing() -> dict[str, list[str]]:
    """Return the extras for those who measure that are not whole, with the packages that each lacks."""
    from packaging.requirements import Requirement  # only those who ask for it pay for it

    try:
        requires = [Requirement(text) for text in metadata.requires(_NAME) or ()]
        extras = metadata.metadata(_NAME).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return {}
    asked = {extra: [each.name for each in requires if _asks(each, extra)] for extra in extras}
    every = set(asked.pop(_EVERY, ()))  # what is not of it is for those who develop
    lacking = {
        extra: [name for name in names if not _installed(name)]
        for extra, names in sorted(asked.items())
        if every.issuperset(names)
    }
    return {extra: names for extra, names in lacking.items() if names}


def _asks(requirement: Requirement, extra: str) -> bool:
    """Return whether an extra, and not sebsx itself, asks for a package."""
    marker = requirement.marker
    return marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def _installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _installer() -> str:
    """Return the start of the command; an environment that uv made has no pip of its own."""
    if util.find_spec("pip") is not None:
        beside = Path(sys.executable).parent / "pip"
        return "pip install" if shutil.which("pip") == str(beside) else f"{shlex.quote(sys.executable)} -m pip install"
    if shutil.which("uv") is not None:
        return f"uv pip install --python {shlex.quote(sys.executable)}"
    python = shlex.quote(sys.executable)
    return f"{python} -m ensurepip && {python} -m pip install"


def _requirement(extra: str) -> str:
    """Return the requirement: of the clone or the repository that sebsx was installed from, else by its name."""
    try:
        origin = json.loads(metadata.distribution(_NAME).read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        origin = {}
    url = origin.get("url", "")
    if url.startswith("file:"):
        folder = unquote(urlsplit(url).path)
        editable = "-e " if origin.get("dir_info", {}).get("editable") else ""
        return f"{editable}{shlex.quote(f'{folder}[{extra}]')}"
    if "vcs_info" in origin:
        revision = origin["vcs_info"].get("requested_revision") or origin["vcs_info"].get("commit_id", "")
        at = f"@{revision}" if revision else ""
        return shlex.quote(f"{_NAME}[{extra}] @ {origin['vcs_info']['vcs']}+{url}{at}")
    return shlex.quote(f"{_NAME}[{extra}]")
