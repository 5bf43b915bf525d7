"""Measures the platform `docker`: `python tests/perf/docker.py` prints one JSON document.

Cold calls are taken in turns with a bare `docker run` of the same image, which starts the same interpreter and does
nothing; with the same limits, and without any. Warm calls are compared with the function's own time.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.remove(str(Path(__file__).parent))  # where this file would be taken for the SDK

from sebsx.testing.contexts import context_for
from sebsx_docker.backend import DockerPlatform
from sebsx_docker.settings import DockerSettings
from tests.perf.gateway import Client
from tests.platforms.local.conftest import Local

CODE = "def handler(event, context):\n    return None\n"
MEMORY_MIB = 1769
BARE = ("python3", "-I", "-S", "-c", "pass")


def main() -> None:
    """Measure and print."""
    cold_calls, warm_calls = 20, 3000
    with (
        tempfile.TemporaryDirectory() as name,
        DockerPlatform(DockerSettings(), context_for(DockerPlatform, Path(name, "run", "d"))) as platform,
    ):
        deployment = Local(platform, Path(name)).deploy(CODE, memory_mib=MEMORY_MIB)
        image = deployment.effective["image"]
        limits = [f"--memory={MEMORY_MIB}m", f"--memory-swap={MEMORY_MIB}m", "--cpus=1", "--pids-limit=1024"]
        limits += ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp"]
        client = Client(platform.gateway.port, deployment.config.name)
        cold_s, limited_s, bare_s = [], [], []
        for _ in range(cold_calls):
            platform.force_cold(deployment)
            cold_s.append(timed(client.call))
            limited_s.append(timed(lambda: docker_run(*limits, image)))
            bare_s.append(timed(lambda: docker_run(image)))
        warm_s, over_s = warm(client, warm_calls)
        client.close()
    result = {
        "cold_s": statistics.median(cold_s),
        "docker_run_s": statistics.median(bare_s),
        "docker_run_same_limits_s": statistics.median(limited_s),
        "cold_to_docker_run_ratio": statistics.median(cold_s) / statistics.median(bare_s),
        "cold_to_docker_run_same_limits_ratio": statistics.median(cold_s) / statistics.median(limited_s),
        "warm_s": statistics.median(warm_s),
        "warm_over_function_s": statistics.median(over_s),
        "warm_over_function_p99_s": statistics.quantiles(over_s, n=100)[98],
    }
    print(json.dumps({key: round(value, 6) for key, value in result.items()}, indent=2))


def warm(client: Client, calls: int) -> tuple[list[float], list[float]]:
    """Return the times of warm calls, and what of each is not the function's own."""
    times, over = [], []
    for _ in range(calls):
        started = time.perf_counter()
        body = client.call()
        times.append(time.perf_counter() - started)
        over.append(times[-1] - json.loads(body)["sebsx"]["duration_s"])
    return times, over


def docker_run(*words: str) -> None:
    """Run a container that does nothing, to its end and removal."""
    subprocess.run(["docker", "run", "--rm", *words, *BARE], check=True)


def timed(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
