"""Programs that install what a function requires or compile it, and why they failed."""

from __future__ import annotations

import logging
import re
import subprocess
from typing import TYPE_CHECKING

from sebsx.errors import PackagingError
from sebsx.interrupts import interrupts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

_TIMEOUT_S = 900.0
_REASON_CHARACTERS = 600
# As uv, pip, npm and what they are made of say it.
_NO_NETWORK = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED|EHOSTUNREACH|ERR_SOCKET"
    r"|name resolution|Name or service not known|Failed to establish a new connection|tcp connect error|dns error"
    r"|Connection refused|[Nn]etwork is unreachable|client error \(Connect\)|ReadTimeoutError|ConnectTimeoutError"
    r"|network (?:connectivity|was disabled)|failed to lookup address"
)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")


def run_installer(
    command: Sequence[str], folder: Path, what: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder to install what a file asks for, and return how it ended and what it said.

    It ends with an interrupt, even with one that comes while it starts.

    Args:
        command: The program and its arguments.
        folder: Where it runs.
        what: What it works on, for messages.
        environment: Its variables; None for our own.

    Raises:
        PackagingError: If it cannot be started or takes more than a quarter of an hour.
    """
    logger.debug("installing: %s", command)
    process = None
    try:
        with interrupts.shielded():
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True, errors="replace", env=environment,
            )  # fmt: skip
        output, errors = process.communicate(timeout=_TIMEOUT_S)
    except BaseException as exc:
        if process is not None:
            process.kill()
            process.communicate()
        if isinstance(exc, subprocess.TimeoutExpired):
            message = f"installing {str(what)!r} took more than {_TIMEOUT_S:g} s; is the registry up?"
            raise PackagingError(message) from None
        if isinstance(exc, OSError):
            raise PackagingError(f"{command[0]!r} cannot be run for {str(what)!r}: {exc.strerror or exc}") from exc
        raise
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def reason(lines: Iterable[str], said: str) -> str:
    """Return why a tool failed, on one line: first that there is no network, then its own reason from its beginning.

    Args:
        lines: The lines that hold the reason, most telling first.
        said: All that it said, in which signs of a missing network are looked for.
    """
    text = " ".join(" ".join(lines).split())
    if len(text) > _REASON_CHARACTERS:
        text = f"{text[:_REASON_CHARACTERS].rstrip()} ..."
    text = _CREDENTIALS.sub("", text) or "it did not say why"
    return f"no network, or the registry is down: {text}" if _NO_NETWORK.search(said) else text
