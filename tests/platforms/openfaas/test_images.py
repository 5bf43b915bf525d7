"""Functions as images: built and pushed by a real engine, pulled from a registry, run in containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from sebsx.building import Packager
from sebsx.clouds import images
from sebsx.contracts.benchmarks import Benchmark
from sebsx.plugins import Registry
from sebsx.testing.contracts import trying
from sebsx.testing.fakes import MemoryLedger
from sebsx.testing.invoking import invoke
from tests import emulated_openfaas, engines
from tests.emulated_openfaas import EmulatedOpenFaas
from tests.platforms.docker import conftest
from tests.platforms.openfaas.conftest import made

needs_engine = conftest.needs_engine  # the fixture
pytestmark = [pytest.mark.slow, pytest.mark.docker, pytest.mark.timeout(300)]
LIKE_OF_WATCHDOG = "FROM {base}\nCOPY watchdog.py /fwatchdog\n"


def test_image_is_pushed_and_runs_from_the_registry(
    needs_engine: None, echo_benchmark: Benchmark, sebsx_registry: Registry, sebsx_packager: Packager, tmp_path: Path
) -> None:
    ledger = MemoryLedger()
    folder = tmp_path / "watchdog"
    folder.mkdir()
    program = (Path(emulated_openfaas.__file__).parent / "watchdog.py").read_text()
    (folder / "watchdog.py").write_text(f"#!/usr/local/bin/python3\n{program}")
    (folder / "watchdog.py").chmod(0o755)
    with (
        engines.registry(tmp_path) as host,
        engines.image(folder, LIKE_OF_WATCHDOG) as watchdog,
        EmulatedOpenFaas(tmp_path / "gateway", with_engine=True) as gateway,
    ):
        own = {"registry": host, "watchdog_image": watchdog, "python_image": watchdog, "ready_s": 30.0}
        with made(tmp_path, gateway, ledger=ledger, **own) as platform:
            language = sebsx_registry.get("languages", "python")()
            package = sebsx_packager.build(
                echo_benchmark, language, platform.target("python", "x86_64"), platform=platform
            )
            try:
                deployment = platform.deploy(package, trying.config(platform))
                with images.engine() as client:
                    found = [tag for image in client.images.list() for tag in image.tags if tag.startswith(host)]
                assert found == [deployment.effective["image"]]  # which the gateway pulled
                seen = set()
                for _ in range(2):
                    answer = invoke(platform, deployment, {"do": "echo", "value": 1})
                    assert answer.output == {"result": 1}
                    assert answer.envelope is not None
                    assert answer.envelope["sebsx"]["call"] == 1
                    seen.add(answer.envelope["sebsx"]["sandbox"])
                    platform.force_cold(deployment)
                assert len(seen) == 2
                platform.teardown(deployment)
            finally:
                gateway.reset()
                engines.forget(f"{host}/sebsx")
    assert ledger.open == {}
