"""Sandboxes of one deployment that are prepared ahead of their calls, as far as the launcher can."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable

    from sebsx.sandboxes.launcher import Launcher, SandboxSpec

logger = logging.getLogger(__name__)


class Parking:
    """Names sandboxes, those first that are prepared.

    Args:
        launcher: Prepares them.
        spec_of: Returns what a sandbox of that id has to be now; one prepared for something else is never handed out.
    """

    def __init__(self, launcher: Launcher, spec_of: Callable[[str], SandboxSpec]) -> None:
        self._launcher = launcher
        self._spec_of = spec_of
        self._parked: deque[SandboxSpec] = deque()
        self._filling = asyncio.Lock()
        self._possible = True  # until the launcher says that there is nothing to prepare, or it is closed

    def lacks(self, count: int) -> bool:
        """Tell whether fewer than `count` are prepared, and more can be."""
        return self._possible and len(self._parked) < count

    def take(self) -> str:
        """Return the id of the next sandbox."""
        for spec in self._parked:
            if self._fits(spec):
                self._parked.remove(spec)
                return spec.id
        return uuid4().hex

    async def fill(self, count: int) -> None:
        """Return when `count` are prepared, or none can be: a call may still start a sandbox that is not."""
        async with self._filling:
            await self._drop([spec for spec in self._parked if not self._fits(spec)])
            await asyncio.gather(*(self._park() for _ in range(count - len(self._parked))))

    async def close(self) -> None:
        """Undo all that is prepared, and prepare no more."""
        self._possible = False
        async with self._filling:
            await self._drop(list(self._parked))

    async def _park(self) -> None:
        await asyncio.sleep(0)  # calls go on between two
        if not self._possible:
            return
        spec = self._spec_of(uuid4().hex)
        try:
            if await self._launcher.park(spec):
                self._parked.append(spec)
            else:
                self._possible = False
        except OSError as exc:
            logger.warning("no sandbox of %r can be prepared: %s", spec.deployment, exc)

    async def _drop(self, specs: list[SandboxSpec]) -> None:
        for spec in specs:
            self._parked.remove(spec)
        await asyncio.gather(*(self._launcher.unpark(spec.id) for spec in specs))

    def _fits(self, spec: SandboxSpec) -> bool:
        return spec == self._spec_of(spec.id)
