"""Programs that install what a function requires."""

from __future__ import annotations

import logging
import subprocess
from typing import TYPE_CHECKING

from sebsx.errors import PackagingError
from sebsx.interrupts import interrupts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

_TIMEOUT_S = 900.0


def run_installer(command: Sequence[str], folder: Path, what: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder to install what a file asks for, and return how it ended and what it said.

    It ends with an interrupt, even with one that comes while it starts.

    Raises:
        PackagingError: If it takes more than a quarter of an hour.
    """
    logger.debug("installing: %s", command)
    process = None
    try:
        with interrupts.shielded():
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True, errors="replace",
            )  # fmt: skip
        output, errors = process.communicate(timeout=_TIMEOUT_S)
    except BaseException as exc:
        if process is not None:
            process.kill()
            process.communicate()
        if isinstance(exc, subprocess.TimeoutExpired):
            message = f"installing {str(what)!r} took more than {_TIMEOUT_S:g} s; is the registry up?"
            raise PackagingError(message) from None
        raise
    return subprocess.CompletedProcess(command, process.returncode, output, errors)
