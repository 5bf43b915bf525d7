"""Measures the gateway: `python tests/perf/gateway.py` prints one JSON document.

Ratios are taken within one run: cold starts against `python -I -S -c pass` and against those of a launcher that has
nothing ready and moves each process into its control group, as it was before; warm calls against a bare asyncio
HTTP server that answers at once through the same client. Processor time is that of gateway and sandbox together.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sebsx.sandboxes import Gateway
from sebsx.sandboxes.http import HttpProtocol
from sebsx.sandboxes.launcher import SandboxSpec
from sebsx.sandboxes.pool import PoolConfig
from sebsx_local import launcher
from sebsx_local.launcher import LocalLauncher
from tests.packages import write_package

NAME = "noop"
TICKS = os.sysconf("SC_CLK_TCK")


class UnpreparedLauncher(LocalLauncher):
    """Has nothing ready before a call."""

    async def park(self, spec: SandboxSpec) -> bool:
        """Prepare nothing."""
        return False


def main() -> None:
    """Measure and print."""
    cold_calls, warm_calls = 30, 4000
    with ExitStack() as stack:
        gateway = stack.enter_context(running(launcher.NAME))
        unprepared = stack.enter_context(running("tests.perf.gateway:UnpreparedLauncher"))
        times = cold(cold_calls, {"cold_s": gateway, "cold_unprepared_s": unprepared})
        warm = warm_calls_of(gateway, warm_calls)
        several = throughput(gateway, 2, warm_calls)
    bare_s = bare(warm_calls)
    starts = {name: statistics.median(values) for name, values in times.items()}
    result = {
        **starts,
        "cold_to_python_ratio": starts["cold_s"] / starts["python_start_s"],
        "cold_unprepared_to_python_ratio": starts["cold_unprepared_s"] / starts["python_start_s"],
        **warm,
        "bare_server_s": bare_s,
        "warm_to_bare_ratio": warm["warm_s"] / bare_s,
        **several,
    }
    print(json.dumps({key: round(value, 7) for key, value in result.items()}, indent=2))


@contextmanager
def running(launched_by: str) -> Iterator[Gateway]:
    """Return a gateway with a function that does nothing."""
    with tempfile.TemporaryDirectory() as folder:
        options = {"workdir": folder, "limits": "auto", "cpu_boost_at_init": True}
        gateway = Gateway(launched_by, options, Path(folder) / "gateway.log")
        gateway.start()
        try:
            deploy(gateway, Path(folder))
            yield gateway
        finally:
            gateway.stop()


def deploy(gateway: Gateway, workdir: Path) -> None:
    """Deploy a function that does nothing."""
    root = write_package(workdir / "packages" / NAME, "def handler(event, context):\n    return None\n")
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(root)], check=True)
    command = [sys.executable, "-I", "-S", str(root / "sebsx_runtime" / "bootstrap.py")]
    gateway.deploy(PoolConfig(NAME, 1769, 20.0, options={"command": command, "root": str(root)}))


def cold(calls: int, gateways: Mapping[str, Gateway]) -> dict[str, list[float]]:
    """Return times of bare interpreter starts and of cold calls of some gateways by their names, taken in turns."""
    times: dict[str, list[float]] = defaultdict(list)
    clients = {name: Client(gateway.port) for name, gateway in gateways.items()}
    for _ in range(calls):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
        times["python_start_s"].append(time.perf_counter() - started)
        for name, client in clients.items():
            gateways[name].force_cold(NAME)
            time.sleep(0.05)  # the former sandbox is cleared away meanwhile
            started = time.perf_counter()
            client.call()
            times[name].append(time.perf_counter() - started)
    for client in clients.values():
        client.close()
    return times


def warm_calls_of(gateway: Gateway, calls: int) -> dict[str, float]:
    """Return latency of sequential warm calls over the function's own time, and processor time per call."""
    client = Client(gateway.port)
    client.call()
    pids = [gateway.pid, *children(gateway.pid)]
    before, times, own = cpu_s(pids), [], []
    for _ in range(calls):
        started = time.perf_counter()
        body = client.call()
        times.append(time.perf_counter() - started)
        own.append(float(body.partition(b'"duration_s":')[2].partition(b",")[0]))
    spent = cpu_s(pids) - before
    client.close()
    over = [whole - inside for whole, inside in zip(times, own, strict=True)]
    return {
        "warm_s": statistics.median(times),
        "warm_over_function_s": statistics.median(over),
        "cpu_per_call_s": spent / calls,
    }


def throughput(gateway: Gateway, connections: int, calls: int) -> dict[str, float]:
    """Return calls per second over several connections, each used by a thread of this process."""
    clients = [Client(gateway.port) for _ in range(connections)]
    for client in clients:
        client.call()

    def work(client: Client) -> None:
        for _ in range(calls):
            client.call()

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - started
    for client in clients:
        client.close()
    return {"calls_per_s": connections * calls / elapsed}


def bare(calls: int) -> float:
    """Return the median time of a call to a server on the same HTTP code that answers at once."""
    ready: list[int] = []
    loop = asyncio.new_event_loop()
    started = threading.Event()

    async def start() -> None:
        server = await loop.create_server(
            lambda: HttpProtocol(lambda _, protocol: protocol.respond(200, b"null"), 65536), "127.0.0.1", 0
        )
        ready.append(server.sockets[0].getsockname()[1])
        started.set()

    thread = threading.Thread(target=lambda: (loop.run_until_complete(start()), loop.run_forever()))
    thread.start()
    started.wait()
    client, times = Client(ready[0]), []
    for _ in range(calls):
        begin = time.perf_counter()
        client.call()
        times.append(time.perf_counter() - begin)
    client.close()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    return statistics.median(times)


class Client:
    """A client of one connection that costs next to nothing."""

    def __init__(self, port: int, name: str = NAME) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = f"POST /invoke/{name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
        self._head = head.encode() + b"X-Sebsx-Request-Id: %d\r\n\r\n{}"
        self._count = 0

    def call(self) -> bytes:
        """Send one event and return the body of the answer."""
        self._count += 1
        self._socket.sendall(self._head % self._count)
        data = b""
        while True:
            data += self._socket.recv(65536)
            head, end, body = data.partition(b"\r\n\r\n")
            if end and len(body) >= int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]):
                assert head.startswith(b"HTTP/1.1 200"), data
                return body

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def children(pid: int) -> list[int]:
    """Return the child processes of a process."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu_s(pids: list[int]) -> float:
    """Return the processor time of processes so far, in steps of a clock tick."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


if __name__ == "__main__":
    main()
