"""Programs that install what a function requires or compile it, and why they failed."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

from sebsx.errors import PackagingError
from sebsx.system.interrupts import interrupts
from sebsx.system.processes import bearing, end_all, is_alive, marked, marking, owner_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

OWNER = "SEBSX_BUILD_OWNER"
_TIMEOUT_S = 900.0
_PARTS = itertools.count(1)
_REASON_CHARACTERS = 600
# As uv, pip, npm and what they are made of say it.
_NO_NETWORK = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED|EHOSTUNREACH|ERR_SOCKET"
    r"|name resolution|Name or service not known|Failed to establish a new connection|tcp connect error|dns error"
    r"|Connection refused|[Nn]etwork is unreachable|client error \(Connect\)|ReadTimeoutError|ConnectTimeoutError"
    r"|network (?:connectivity|was disabled)|failed to lookup address"
)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")


def run_tool(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder and return how it ended and what it said.

    All that it started ends with it, with an interrupt too, even with one that comes while it starts. If we are killed
    ourselves, `leftovers` of the next process finds it.

    Args:
        command: The program and its arguments.
        folder: Where it runs.
        environment: Its variables; None for our own.
        timeout_s: How long it may take.

    Raises:
        OSError: If it cannot be started.
        subprocess.TimeoutExpired: If it takes longer.
    """
    logger.debug("running: %s", command)
    owner, part = own_name(), next(_PARTS)
    variables = {**(os.environ if environment is None else environment), OWNER: owner}
    process = None
    try:
        with interrupts.shielded(), marking(owner, part):
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True, errors="replace", env=variables, start_new_session=True,
            )  # fmt: skip
        output, errors = process.communicate(timeout=timeout_s)
    except BaseException:
        if process is not None:
            _end(process, owner, part)
            process.communicate()
        raise
    end_all(lambda: bearing(owner, part))  # what it left running in the background
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def run_installer(
    command: Sequence[str], folder: Path, what: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder to install what a file asks for, and return how it ended and what it said.

    Ends as `run_tool` does.

    Args:
        command: The program and its arguments.
        folder: Where it runs.
        what: What it works on, for messages.
        environment: Its variables; None for our own.

    Raises:
        PackagingError: If it cannot be started or takes more than 15 minutes.
    """
    try:
        return run_tool(command, folder, environment, _TIMEOUT_S)
    except subprocess.TimeoutExpired:
        message = f"installing {str(what)!r} took more than {_TIMEOUT_S:g} s; is the registry up?"
        raise PackagingError(message) from None
    except OSError as exc:
        raise PackagingError(f"{command[0]!r} cannot be run for {str(what)!r}: {exc.strerror or exc}") from exc


def own_name() -> str:
    """Return the name of this process as an owner of others."""
    owner = owner_of(os.getpid())
    assert owner is not None
    return owner


def leftovers(owners: Iterable[str] = ()) -> dict[int, str]:
    """Return the programs whose sebsx was killed while they ran, and their owners.

    Args:
        owners: Dead processes of sebsx that are known otherwise: what lost the mark of its environment is found, too.
    """
    told = {pid: owner for pid, owner in marked(OWNER).items() if not is_alive(owner)}
    dead = {*told.values(), *(owner for owner in owners if not is_alive(owner))}
    return told | {pid: owner for owner in dead for pid in bearing(owner)}


def end_tools() -> None:
    """End every program that another thread of this process runs; that thread hears of it as of any other end."""
    end_all(lambda: bearing(own_name()))


def _end(process: subprocess.Popen[str], owner: str, part: int) -> None:
    """Kill a program that was not waited for yet, its group, and what left the group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    end_all(lambda: bearing(owner, part))


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
