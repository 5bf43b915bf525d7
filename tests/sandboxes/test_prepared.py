"""What a launcher prepared for a sandbox is handed out as it was asked for, and undone where no sandbox comes of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sebsx.sandboxes.launcher import Launcher, Sandbox, SandboxSpec
from sebsx.sandboxes.pool import Pool, PoolConfig
from sebsx.sandboxes.worker import PlacedCall

CONFIG = PoolConfig("f", memory_mib=128, timeout_s=5.0, environment={"SIZE": "small"})


class Client:
    """Waits for an answer."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def respond(self, code: int, _body: bytes, _headers: str = "") -> None:
        self.answer.set_result(code)


class PreparingLauncher(Launcher):
    """Prepares whatever it is asked for, and starts nothing."""

    def __init__(self, *, listens: bool = True) -> None:
        super().__init__({}, "1:1")
        self.listens = listens
        self.parked: set[str] = set()
        self.launched: list[SandboxSpec] = []

    def listen(self) -> socket.socket:
        if not self.listens:
            raise OSError("too many open files")
        return super().listen()

    async def park(self, spec: SandboxSpec) -> bool:
        self.parked.add(spec.id)
        return True

    async def unpark(self, sandbox_id: str) -> None:
        self.parked.discard(sandbox_id)

    async def launch(self, spec: SandboxSpec, on_output: Callable[[bytes], None]) -> Sandbox:
        self.parked.remove(spec.id)
        self.launched.append(spec)
        raise OSError("none can be started")

    def limits(self, memory_mib: int, cpus: float) -> dict[str, str]:
        return {}

    async def close(self) -> None:
        pass


async def called(launcher: PreparingLauncher, then: Callable[[Pool], Any] = lambda _pool: None) -> int:
    """Return how a call is answered whose sandbox was prepared; `then` follows it at once."""
    pool, client = Pool(CONFIG, launcher, 1000), Client()
    while not launcher.parked:
        await asyncio.sleep(0)
    pool.submit(PlacedCall("r", b"{}", client))  # type: ignore[arg-type]  # what it needs of one
    then(pool)
    code = await client.answer
    await pool.close()
    return code


def test_what_was_prepared_for_a_sandbox_that_cannot_be_started_is_undone() -> None:
    launcher = PreparingLauncher(listens=False)
    assert asyncio.run(called(launcher)) == 500
    assert launcher.parked == set()


def test_sandbox_is_what_was_asked_for_when_its_call_came() -> None:
    launcher = PreparingLauncher()
    larger = replace(CONFIG, memory_mib=256, environment={"SIZE": "large"})
    asyncio.run(called(launcher, lambda pool: pool.update(larger)))
    (spec,) = launcher.launched
    assert (spec.memory_mib, spec.environment["SIZE"]) == (128, "small")
