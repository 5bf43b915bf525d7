"""The folders of the user: where what can be made again lies, what is to be kept, and the settings."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING, Literal, TypeAlias

from sebsx.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

_Kind: TypeAlias = Literal["cache", "config", "data"]
_NAME = "sebsx"
_REMOVAL_S = 2.0
_PAUSE_S = 0.05


def cache_folder() -> Path:
    """Return the folder for what can be made again; it need not exist.

    Raises:
        UserError: If this user has no home, as a container's that runs as a number (`docker run -u 12345`).
    """
    return _known(_find("cache"), "XDG_CACHE_HOME")


def data_folder() -> Path:
    """Return the folder for what is to be kept; it need not exist.

    Raises:
        UserError: If this user has no home.
    """
    return _known(_find("data"), "XDG_DATA_HOME")


def store_file() -> Path:
    """Return the file that results are in when no store is named; it need not exist.

    Raises:
        UserError: If this user has no home.
    """
    return data_folder() / "sebsx.sqlite"


def config_folder() -> Path | None:
    """Return the folder of the user's settings, None for a user without a home, who then has none."""
    return _find("config")


def has_home() -> bool:
    """Tell whether this user has a folder for what is to be kept; without one nothing is there to be read."""
    return _find("data") is not None


def remove_folder(folder: Path) -> bool:
    """Delete a folder with all that is in it and return whether it is gone.

    What is about to end may still write into it: it is tried again for two seconds.
    """
    until_s = time.monotonic() + _REMOVAL_S
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return True
        if time.monotonic() > until_s:
            return False
        time.sleep(_PAUSE_S)


def _find(kind: _Kind) -> Path | None:
    import platformdirs  # a tenth of what `sebsx --version` would take

    finders = {
        "cache": platformdirs.user_cache_path,
        "config": platformdirs.user_config_path,
        "data": platformdirs.user_data_path,
    }
    try:
        folder = finders[kind](_NAME)
    except RuntimeError:  # of newer versions of platformdirs
        return None
    return None if folder.parts[0].startswith("~") else folder


def _known(folder: Path | None, variable: str) -> Path:
    if folder is None:
        user = os.getuid() if hasattr(os, "getuid") else "this one"
        raise UserError(f"user {user} has no home folder, and no {variable} is set; set HOME to a folder of your own")
    return folder
