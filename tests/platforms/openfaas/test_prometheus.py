"""Replicas by Prometheus: a real one, which scrapes the emulated gateway."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sebsx.model import ProviderRecord, Severity
from sebsx.testing.invoking import invoke
from sebsx_openfaas import prometheus
from tests.emulated_openfaas import EmulatedOpenFaas
from tests.packages import zip_package
from tests.platforms.openfaas.conftest import made
from tests.platforms.openfaas.test_faults import CODE, SERVER, config

pytestmark = pytest.mark.slow


@pytest.fixture
def scraping(gateway: EmulatedOpenFaas, tmp_path: Path) -> Iterator[str]:
    """The URL of a Prometheus that scrapes the gateway five times a second."""
    if shutil.which("prometheus") is None:
        pytest.skip("not run: prometheus is not installed")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{found.getsockname()[1]}"
    target = gateway.url.removeprefix("http://")
    jobs = [{"job_name": "gateway", "static_configs": [{"targets": [target]}]}]
    (tmp_path / "prometheus.yml").write_text(
        json.dumps({"global": {"scrape_interval": "200ms"}, "scrape_configs": jobs})
    )
    process = subprocess.Popen(
        ["prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--web.listen-address={address}",
         f"--storage.tsdb.path={tmp_path / 'data'}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until_s = time.monotonic() + 30
        while time.monotonic() < until_s:
            try:
                urllib.request.urlopen(f"http://{address}/-/ready", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def test_replicas_of_a_call_are_those_that_were_scraped(
    gateway: EmulatedOpenFaas, scraping: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus, "_SLOT_S", 0.01)
    package = zip_package(tmp_path / "p.zip", "x86_64", CODE, sebsx_server__py=SERVER)
    with made(tmp_path, gateway, prometheus_url=scraping, registry="registry.example") as platform:
        deployment = platform.deploy(package, config(options={"min_instances": 3}))

        def record() -> ProviderRecord:
            found = platform.record_of(deployment, invoke(platform, deployment, {}).reply)
            assert found is not None
            return found

        until_s = time.monotonic() + 30
        while not record().evidence:
            assert time.monotonic() < until_s, "it is never scraped"
            time.sleep(0.1)
        assert record().evidence == {"replicas": 3}
        assert platform.check() == []


def test_prometheus_that_is_none_is_told_and_asked_no_more(
    gateway: EmulatedOpenFaas, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    platform = made(tmp_path, gateway, prometheus_url=gateway.url, registry="registry.example")
    (problem,) = platform.check()
    assert problem.severity is Severity.WARNING
    assert problem.advice.endswith("--set prometheus_url=...")
    assert [platform.account.replicas.at("f.openfaas-fn", at_s) for at_s in (1.0, 9.0)] == [None, None]
    assert caplog.text.count("replicas are not recorded any more") == 1
