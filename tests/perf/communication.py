"""What a message over the TCP channel of the local platform takes, against a bare socket ping-pong in the same rounds.

In each round both are measured one after the other, so that the ratio holds on a busy machine: the experiment's own
exchange of two functions, and two bare processes that only send and receive. Both pairs are kept on one processor:
whether the kernel puts a pair on one or on two doubles what a wake-up takes. Prints JSON: medians over the rounds.
Run: python tests/perf/communication.py [--rounds 7] [--message-bytes 1024]; it takes some seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from sebsx import plugins
from sebsx.running import orchestrator
from sebsx.settings import Section, SettingsReader
from sebsx.store import open_store
from sebsx_communication.exchanges import exchanged
from sebsx_communication.experiment import Communication
from sebsx_communication.settings import CommunicationSettings

TRIPS = 2000
WARMUPS = 200
ECHO = """
import socket, sys
length = int(sys.argv[1])
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
while True:
    data = b""
    while len(data) < length:
        part = connection.recv(65536)
        if not part:
            sys.exit()
        data += part
    connection.sendall(data)
"""


class Silent:
    """Says nothing of progress."""

    def step(self, text: str) -> None: ...

    def planned(self, plan: Any) -> None: ...

    def progressed(self, cell: Any, done: int, failed: int) -> None: ...

    def warned(self, text: str) -> None:
        sys.exit(text)


def bare_round_trip_s(message_bytes: int) -> float:
    """Return the median round trip between two processes that do nothing else."""
    data = os.urandom(message_bytes)
    command = [sys.executable, "-c", ECHO, str(message_bytes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(None)
            times = [_ping(connection, data) for _ in range(WARMUPS + TRIPS)]
    return statistics.median(times[WARMUPS:])


def _ping(connection: socket.socket, data: bytes) -> float:
    started = time.perf_counter()
    connection.sendall(data)
    back = b""
    while len(back) < len(data):
        back += connection.recv(65536)
    return time.perf_counter() - started


def channel_round_trip_s(message_bytes: int) -> float:
    """Return the median round trip of one exchange of two functions over the TCP channel."""
    registry = plugins.load()
    section = Section("platform.local", registry.platforms["local"].Settings)
    platform = SettingsReader([], [section]).read("platform.local").value
    settings = CommunicationSettings(
        channels=("tcp",), sizes=(str(message_bytes),), rounds=1, round_trips=TRIPS, warmups=WARMUPS,
        stream_messages=1, budget_s=20.0,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "r.sqlite") as store:
        request = orchestrator.RunSpec(Communication(), settings, {"local": platform}, seed=1)
        run = orchestrator.run(request, registry, store, Silent())
        (found,) = exchanged(store.view(run.id))
        return 2 * statistics.median(found.latencies_s)


def measure(rounds: int, message_bytes: int) -> dict[str, Any]:
    """Return the medians over the rounds, and that of their ratios."""
    bare, channel = [], []
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})  # inherited by every process that is started
    try:
        for _ in range(rounds):
            bare.append(bare_round_trip_s(message_bytes))
            channel.append(channel_round_trip_s(message_bytes))
    finally:
        os.sched_setaffinity(0, allowed)
    return {
        "message_bytes": message_bytes,
        "rounds": rounds,
        "bare_round_trip_us": round(statistics.median(bare) * 1e6, 2),
        "channel_round_trip_us": round(statistics.median(channel) * 1e6, 2),
        "ratio": round(statistics.median(b / a for a, b in zip(bare, channel, strict=True)), 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--message-bytes", type=int, default=1024)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.rounds, arguments.message_bytes), indent=1))


if __name__ == "__main__":
    main()
