"""Image packages: built and pushed by a real engine, pulled from a registry, run as the blackbox of an action."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sebsx.building import Packager
from sebsx.clouds import images
from sebsx.contracts.benchmarks import Benchmark
from sebsx.plugins import Registry
from sebsx.testing.contracts import trying
from sebsx.testing.fakes import MemoryLedger
from sebsx.testing.invoking import invoke
from tests import emulated_openwhisk, engines
from tests.emulated_openwhisk import EmulatedOpenWhisk
from tests.platforms.docker import conftest
from tests.platforms.openwhisk.conftest import made

needs_engine = conftest.needs_engine  # the fixture
pytestmark = [pytest.mark.slow, pytest.mark.docker, pytest.mark.timeout(300)]
LIKE_OPENWHISK = """FROM {base}
COPY python_proxy.py /proxy.py
WORKDIR /tmp
ENTRYPOINT ["/bin/sh", "-c", "exec python3 /proxy.py 127.0.0.1 $SEBSX_PROXY_PORT"]
"""


def test_image_is_pushed_and_runs_from_the_registry(
    needs_engine: None, whisk: EmulatedOpenWhisk, echo_benchmark: Benchmark, sebsx_registry: Registry,
    sebsx_packager: Packager, tmp_path: Path,
) -> None:  # fmt: skip
    ledger = MemoryLedger()
    folder = tmp_path / "base"
    folder.mkdir()
    shutil.copy(Path(emulated_openwhisk.__file__).parent / "python_proxy.py", folder)
    with (
        engines.registry(tmp_path) as host,
        engines.image(folder, LIKE_OPENWHISK) as base,
        made(tmp_path, whisk, ledger=ledger, registry=host, base_image=base) as platform,
    ):
        language = sebsx_registry.get("languages", "python")()
        package = sebsx_packager.build(echo_benchmark, language, platform.target("python", "x86_64"), platform=platform)
        try:
            options = {"package": "image"}
            first = platform.deploy(package, trying.config(platform, options=options))
            second = platform.deploy(package, trying.config(platform, options=options, memory_mib=512))
            assert first.effective["package"] == "image"
            assert first.effective["runtime"] == "blackbox"
            assert first.deployed_sha256 == second.deployed_sha256 != ""
            with images.engine() as client:  # nothing of it is left there, though another pulls it
                assert client.images.list(filters={"reference": f"{host}/sebsx"}) == []
            for deployment, memory_mib in ((first, 256), (second, 512)):
                answer = invoke(platform, deployment, {"do": "echo", "value": memory_mib})
                assert answer.output == {"result": memory_mib}
                platform.teardown(deployment)
        finally:
            whisk.reset()
            engines.forget(f"{host}/sebsx")
    assert ledger.open == {}
