"""The gateway: a process that places invocations on sandboxes of ours, for platforms on this machine.

A platform starts one with `Gateway` and names the `Launcher` that says what a sandbox is made of.
"""

from __future__ import annotations

from sebsx.sandboxes.client import Gateway
from sebsx.sandboxes.launcher import Launcher, Sandbox, SandboxSpec

__all__ = ["Gateway", "Launcher", "Sandbox", "SandboxSpec"]
