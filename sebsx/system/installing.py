"""The command line that installs an extra into the environment that runs sebsx."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from importlib import metadata, util
from pathlib import Path
from urllib.parse import unquote, urlsplit

_NAME = "sebsx"


def command(extra: str) -> str:
    """Return what to type: with pip or uv, whichever is there, from where this installation came.

    Args:
        extra: The extra.
    """
    return f"{_installer()} {_requirement(extra)}"


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
