"""How close the load engine comes to wrk, what recording costs, and how well an open loop keeps its times.

nginx is pinned to the first processor, clients to the last, and every round measures all of them in turn, so that the
ratios hold on a busy machine. Prints JSON: medians over the rounds. Run: python tests/perf/load.py [--rounds 5]
[--open-s 30]; it takes about a minute. Needs nginx and wrk.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from sebsx.contracts.calls import Health
from sebsx.contracts.schedules import Closed, Open, Schedule, constant
from sebsx.model import Deployment, FunctionConfig, Kind
from sebsx.model.metrics import CORE_METRICS
from sebsx.running.evidence import Starts
from sebsx.running.recording import Recording, undisturbed
from sebsx.running.samples import Names
from sebsx.sending.client import HttpClient, Outgoing
from sebsx.store import Store, open_store
from sebsx.testing.contexts import context_for
from sebsx.testing.fakes import FakePlatform, FakeSettings
from tests.store.conftest import RUN, add_deployment, make_cell, make_run

NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port};
    location / {{ default_type application/json; return 200 '{{"result": "{result}"}}'; }}
  }}
}}
"""
BODY = b'{"n": 1}'
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
# wrk sends the same request: a POST with the headers that a function gets.
WRK = """
wrk.method = "POST"
wrk.body = '{"n": 1}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-Sebsx-Request-Id"] = "01JZ0000000000000000000000-12345"
"""


@contextlib.contextmanager
def nginx(processor: int) -> Iterator[str]:
    """Run nginx on one processor and yield its URL."""
    binary = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin") or sys.exit("nginx is not installed")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        config = Path(folder) / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, port=port, result="0123456789" * 12))
        command = ["taskset", "-c", str(processor), binary, "-e", f"{folder}/error.log", "-c", str(config)]
        process = subprocess.Popen(command)
        try:
            until_s = time.monotonic() + 10
            while time.monotonic() < until_s:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait()


def wrk(url: str, connections: int, seconds: int, script: Path) -> dict[str, float]:
    """Return rate and median latency of wrk with one thread."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    middle = re.search(r"50%\s+([\d.]+)(us|ms|s)", text)
    assert rate is not None, text
    assert middle is not None, text
    return {"rps": float(rate[1]), "p50_s": float(middle[1]) * UNITS[middle[2]]}


def driven(url: str, schedule: Schedule) -> dict[str, float]:
    """Return rate, processor time a request, and median latency of the driver alone."""
    latencies = []
    with HttpClient() as client, undisturbed():
        started_s, cpu_s = time.perf_counter(), time.thread_time()
        for reply in client.drive(schedule, lambda number: Outgoing(url, BODY, f"01JZ0000000000000000000000-{number}")):
            assert reply.http_status == 200
            latencies.append(reply.done_s - reply.sent_s)
        cpu_s, duration_s = time.thread_time() - cpu_s, time.perf_counter() - started_s
    n = len(latencies)
    return {"rps": n / duration_s, "cpu_s": cpu_s / n, "p50_s": statistics.median(latencies)}


def recorded(url: str, schedule: Schedule) -> tuple[dict[str, float], Health]:
    """Return the same with every invocation stored in SQLite, and the generator's health."""
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "store.sqlite") as store:
        store.start_run(make_run(RUN), {}, CORE_METRICS)
        stream = store.stream(RUN, add_deployment(store, RUN), store.design.add_cell(RUN, make_cell("warm", 1)))
        deployment = Deployment(
            "fn", FunctionConfig("fn", memory_mib=128, timeout_s=3.0, architecture="x86_64"), effective={}, endpoint=url
        )
        recording = Recording(
            stream, FakePlatform(FakeSettings(), context_for(FakePlatform, Path(folder))), deployment,
            lambda _output: None, Starts(), Names(()),
            kind=Kind.MEASURED, sequence=1, batch=0, on_commit=lambda *_stored: None,
        )  # fmt: skip

        def request(number: int) -> Outgoing:
            return Outgoing(url, BODY, f"01JZ0000000000000000000000-{number}")

        with HttpClient() as client, undisturbed():
            started_s, cpu_s = time.perf_counter(), time.thread_time()
            for reply in client.drive(schedule, request, max_in_flight=1000, idle=recording.idle):
                recording.add(reply)
            loop_s, busy_s = time.perf_counter() - started_s, time.thread_time() - cpu_s - client.spun_s
            recording.close()
            cpu_s, duration_s = time.thread_time() - cpu_s, time.perf_counter() - started_s
            health = recording.health(loop_s, busy_s, client.in_flight_max)
        n = stored(store)
        median_s = statistics.median(store.view(RUN).column("client.latency_s"))
    return {"rps": n / duration_s, "cpu_s": cpu_s / n, "p50_s": median_s}, health


def stored(store: Store) -> int:
    """Return how many invocations ended well."""
    counts = store.counts(RUN)
    assert {status for _, status, _ in counts} <= {"ok", "dropped"}
    return sum(n for (_, status, _), n in counts.items() if status == "ok")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--open-s", type=float, default=30.0)
    arguments = parser.parse_args()
    processors = sorted(os.sched_getaffinity(0))
    rounds: list[dict[str, float]] = []
    with nginx(processors[0]) as url, tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        script.write_text(WRK)
        os.sched_setaffinity(0, {processors[-1]})
        driven(url, Closed(2000, users=16))
        for _ in range(arguments.rounds):
            many, alone, (kept, _) = (
                wrk(url, 16, 1, script),
                driven(url, Closed(20_000, users=16)),
                recorded(url, Closed(20_000, users=16)),
            )
            one, single = wrk(url, 1, 1, script), driven(url, Closed(4000, users=1))
            rounds.append(
                {
                    "wrk_rps": many["rps"],
                    "driver_rps": alone["rps"],
                    "recorded_rps": kept["rps"],
                    "driver_ratio": alone["rps"] / many["rps"],
                    "recorded_ratio": kept["rps"] / many["rps"],
                    "driver_cpu_us": 1e6 * alone["cpu_s"],
                    "bookkeeping_cpu_us": 1e6 * (kept["cpu_s"] - alone["cpu_s"]),
                    "wrk_p50_us": 1e6 * one["p50_s"],
                    "bias_us": 1e6 * (single["p50_s"] - one["p50_s"]),
                }
            )
        os.sched_setaffinity(0, processors)
        rate = 2000.0
        figures, health = recorded(url, Open(constant(rate, arguments.open_s)))
    result: dict[str, Any] = {
        name: {
            "median": round(statistics.median(each[name] for each in rounds), 3),
            "rounds": [round(each[name], 2) for each in rounds],
        }
        for name in rounds[0]
    }
    result["open_loop"] = {
        "target_rps": rate,
        "achieved_share": round(
            health.sent / (rate * arguments.open_s) * min(1, arguments.open_s / health.duration_s), 4
        ),
        "lateness_p99_ms": round(1e3 * health.lateness_p99_s, 3),
        "cpu_share": round(health.cpu_share, 3),
        "latency_p50_us": round(1e6 * figures["p50_s"], 1),
        "verdict": health.verdict or "kept up",
    }
    result["wanted"] = {
        "driver_ratio": ">= 0.40", "recorded_ratio": ">= 0.20", "bookkeeping_cpu_us": "<= 30", "bias_us": "<= 30",
        "open_loop": "achieved >= 0.99 and lateness_p99_ms <= 5, or a verdict",
    }  # fmt: skip
    result["load_average"] = os.getloadavg()[0]
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
