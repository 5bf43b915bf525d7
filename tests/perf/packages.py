"""How long a package for AWS takes that brings numpy, Pillow and igraph for arm64; prints JSON.

    python tests/perf/packages.py

`cold_s` is without any package in the cache of sebsx, wheels of the package manager as they are on the machine;
`wheels_cold_s` without those too, so that the network is in it; `cached_s` is the same package again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sebsx import plugins
from sebsx.building import Packager
from sebsx.contracts import benchmarks
from sebsx.testing.contexts import context_for
from sebsx_aws.backend import AwsArmPlatform
from sebsx_aws.settings import AwsSettings

REQUIREMENTS = ("numpy==2.4.6", "pillow==13.0.0", "igraph==1.0.0")
MANIFEST = 'name = "heavy"\nversion = "1"\nsummary = "three large wheels"\n'
CODE = "import igraph, numpy, PIL\n\n\ndef handler(event, context):\n    return 1\n"


def function(folder: Path) -> Path:
    """Write a benchmark that brings the three, locked with hashes as benchmarks are, and return its folder."""
    code = folder / "heavy" / "python"
    code.mkdir(parents=True)
    (folder / "heavy" / "benchmark.toml").write_text(MANIFEST, encoding="utf-8")
    (code / "function.py").write_text(CODE, encoding="utf-8")
    (folder / "requirements.in").write_text("\n".join(REQUIREMENTS), encoding="utf-8")
    words = ["-q", "--generate-hashes", "--universal", "--python-version", "3.12", "-o", str(code / "requirements.txt")]
    command = [sys.executable, "-m", "uv", "pip", "compile", str(folder / "requirements.in"), *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / "heavy"


def main() -> None:
    """Measure and print."""
    language = plugins.load().get("languages", "python")()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        benchmark = benchmarks.load(function(folder))
        platform = AwsArmPlatform(AwsSettings(), context_for(AwsArmPlatform, folder / "work" / "aws-arm"))
        target = platform.target("python", "arm64")

        def build(cache: str) -> tuple[float, int]:
            started_s = time.perf_counter()
            package = Packager(folder / cache).build(benchmark, language, target, platform=platform)
            return time.perf_counter() - started_s, package.bytes

        before = os.environ.get("UV_CACHE_DIR")
        os.environ["UV_CACHE_DIR"] = str(folder / "no-wheels")
        wheels_cold_s, size = build("first")
        if before is None:
            del os.environ["UV_CACHE_DIR"]
        else:
            os.environ["UV_CACHE_DIR"] = before
        build("second")  # brings the wheels to this machine where it never had them
        cold_s, _ = build("third")
        cached_s, _ = build("third")
    times = {"wheels_cold_s": wheels_cold_s, "cold_s": cold_s, "cached_s": cached_s}
    print(json.dumps({**{key: round(value, 4) for key, value in times.items()}, "package_bytes": size}, indent=2))


if __name__ == "__main__":
    main()
