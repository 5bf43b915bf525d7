"""Launchers that behave as no local one does: with a fault, or with limits that take time to come into force."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.sandboxes.launcher import Launcher, Sandbox, SandboxSpec
from sebsx_local.launcher import LocalLauncher

if TYPE_CHECKING:
    from collections.abc import Callable


class FaultyLauncher(Launcher):
    """Fails by something else than OSError."""

    async def launch(self, spec: SandboxSpec, on_output: Callable[[bytes], None]) -> Sandbox:
        raise ZeroDivisionError


class SlowLimitsLauncher(LocalLauncher):
    """Needs a while to limit a sandbox, and writes down when it has."""

    async def launch(self, spec: SandboxSpec, on_output: Callable[[bytes], None]) -> Sandbox:
        sandbox = await super().launch(spec, on_output)

        async def limit() -> None:
            await asyncio.sleep(0.3)
            (Path(self.options["workdir"]) / "limited").write_text(repr(time.time()))

        def initialised() -> Any:
            return asyncio.ensure_future(limit())

        sandbox.initialised = initialised  # type: ignore[method-assign]
        return sandbox
