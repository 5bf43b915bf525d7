"""Shells that wait inside the control group of a sandbox, and start its process there when it is wanted.

Moving a process into a control group waits for a grace period of the kernel, 10 ms and more. What a shell starts is in
its group from birth: a new process, whose start the kernel dates after the call. The shell waits for it, and ends with
its exit code.

Until then it waits at its standard input. That ends with the gateway, whatever ended it, and the shell with that.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
from typing import TYPE_CHECKING

from sebsx.system.processes import marking

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx_local.cgroups import SandboxGroup

DESCRIPTORS = "ulimit -Sn 1024 2>/dev/null"
"""As on Lambda (quotas, docs.aws.amazon.com/lambda, read 2026-11), whatever the gateway itself may open."""

_PATIENCE_S = 10.0
# What else an environment holds no shell passes on.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Complete or nothing: what stands in braces is not begun before it was read to its end. A shell below runs it: this one
# tells its standard errors which signal ended a process, and those of the function are its own.
_SCRIPT = "{{\nexport {variables}\n(exec {command} </dev/null 2>&1)\nexit\n}}\n"


class Shell:
    """A shell in a control group. Its process is the parent of the sandbox's, in one session with it.

    Args:
        group: The group; it is the caller's to remove.
        folder: Where it runs.
        environment: Its own variables, which the sandbox gets as well.
        owner: Marker of the gateway.
        part: Marker of the sandbox.

    Raises:
        OSError: If it cannot be started.
    """

    def __init__(self, group: SandboxGroup, folder: str, environment: Mapping[str, str], owner: str, part: int) -> None:
        self.group = group
        self.part = part
        enter = " && ".join(f"echo $$ >{shlex.quote(str(path))}" for path in group.entrances)
        with marking(owner, part):
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", f"{DESCRIPTORS}; {enter} && echo && . /proc/self/fd/0", "sebsx-sandbox"],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._input, self._output = self.process.stdin.fileno(), self.process.stdout.fileno()

    async def entered(self) -> None:
        """Return when it is in its group.

        Raises:
            OSError: If it could not enter.
        """
        loop = asyncio.get_running_loop()
        said = asyncio.Event()
        loop.add_reader(self._output, said.set)
        try:
            await asyncio.wait_for(said.wait(), _PATIENCE_S)
            if not os.read(self._output, 1):
                raise OSError("a shell could not enter its control group")
        except TimeoutError:
            raise OSError(f"a shell was not in its control group after {_PATIENCE_S:g} s") from None
        finally:
            loop.remove_reader(self._output)

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> bool:
        """Have it start a command, whose output and end are its own from then on; return whether it still could.

        Args:
            command: The program and its arguments.
            environment: Variables beside those of the shell.
        """
        variables = (f"{name}={shlex.quote(value)}" for name, value in environment.items() if _NAME.fullmatch(name))
        script = _SCRIPT.format(variables=" ".join(variables), command=shlex.join(command))
        assert self.process.stdin is not None
        try:
            rest = memoryview(os.fsencode(script))
            while rest:
                rest = rest[os.write(self._input, rest) :]
        except BrokenPipeError:
            return False
        finally:
            self.process.stdin.close()
        return True

    def end(self) -> None:
        """End it where it was not used, and remove its group. May take milliseconds."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.group.remove()
