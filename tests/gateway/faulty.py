"""A launcher with a fault that no real one should have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.gateway.launcher import Launcher, Sandbox, SandboxSpec

if TYPE_CHECKING:
    from collections.abc import Callable


class FaultyLauncher(Launcher):
    """Fails by something else than OSError."""

    async def launch(self, spec: SandboxSpec, on_output: Callable[[bytes], None]) -> Sandbox:
        raise ZeroDivisionError
