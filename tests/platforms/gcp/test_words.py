"""What Google writes is read as it means it: quantities, packages, names, log entries and refusals."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sebsx.errors import UserError
from sebsx.model import FunctionConfig, Package, Status, Target
from sebsx.testing.contexts import context_for
from sebsx_gcp import packages
from sebsx_gcp.backend import GcpPlatform
from sebsx_gcp.clients import GcpClients
from sebsx_gcp.errors import ERRORS
from sebsx_gcp.functions import NAME, memory_mib, service_config
from sebsx_gcp.logs import _Instances, _record
from sebsx_gcp.settings import GcpSettings
from tests.packages import zip_package


@pytest.mark.parametrize(
    ("quantity", "wanted"),
    [("256M", 256), ("256Mi", 256), ("1G", 1024), ("2Gi", 2048), ("134217728", 128), ("", None), ("lots", None)],
)
def test_memory_is_read_in_every_form(quantity: str, wanted: int | None) -> None:
    assert memory_mib(quantity) == wanted


def test_names_fit_the_service_behind_a_function() -> None:
    name = NAME.fit("sebsx-01jz0000000000000000000009-" + "a-very-long-name-of-a-benchmark" * 4 + "-12345678")
    assert len(name) <= 49


def repacked(path: Path, language: str, **files: str) -> Package:
    package = zip_package(path, "x86_64", "x = 1\n")
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "."), text)
    version = "3.12" if language == "python" else "22"
    return dataclasses.replace(package, target=Target(language, version, architecture="x86_64"))


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == len(set(archive.namelist()))
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("files", [{}, {"requirements__txt": "numpy==1.0\n"}])
def test_python_dependencies_are_not_resolved_again(tmp_path: Path, files: dict[str, str]) -> None:
    package = repacked(tmp_path / "p.zip", "python", **files)
    archive, digest = packages.laid_out(package, tmp_path / "out")
    assert contents(archive) == {**contents(package.path), "requirements.txt": packages.FRAMEWORK.encode()}
    assert packages.laid_out(package, tmp_path / "out") == (archive, digest)
    assert packages.build_config(package, None)["runtime"] == "python312"


def test_node_package_gets_our_entry_and_keeps_its_locked_dependencies(tmp_path: Path) -> None:
    manifest = json.dumps({"dependencies": {"a": "1"}, "scripts": {"gcp-build": "evil"}, "type": "module"})
    package = repacked(tmp_path / "p.zip", "nodejs", package__json=manifest)
    archive, _ = packages.laid_out(package, tmp_path / "out")
    told = json.loads(contents(archive)["package.json"])
    assert told["main"] == packages.NODE_ENTRY
    assert told["dependencies"] == {"a": "1"}
    assert told["type"] == "module"
    assert "scripts" not in told
    build = packages.build_config(package, None)
    assert (build["runtime"], build["environment_variables"]) == ("nodejs22", {})


def test_what_a_function_gets_is_asked_for_as_google_takes_it() -> None:
    config = FunctionConfig("f", memory_mib=512, timeout_s=1.5, architecture="x86_64", environment={"A": "b"})
    options = {"vcpu": None, "sandbox_concurrency": 1, "min_instances": 0, "max_instances": 0}
    told = service_config(config, options, "", {"SEBSX_BUCKET": "x"})
    assert (told["available_memory"], told["available_cpu"], told["timeout_seconds"]) == ("512Mi", "0.333", 2)
    assert {"A": "b", "SEBSX_BUCKET": "x", "THREADS": "1"}.items() <= told["environment_variables"].items()
    assert "max_instance_count" not in told
    told = service_config(config, {**options, "vcpu": 2.0, "max_instances": 7}, "me@p", {})
    assert (told["available_cpu"], told["max_instance_count"], told["service_account_email"]) == ("2", 7, "me@p")


def entry(instance: str, latency: str = "0.5s", status: int = 200) -> Any:
    labels = {"instanceId": instance} if instance else None
    return SimpleNamespace(http_request={"latency": latency, "status": status}, labels=labels)


def test_start_is_what_the_log_proves() -> None:
    instances = _Instances(started_s={"i": 10.2}, killed_s={"k": 31.0})
    first = _record("a", 10.0, entry("i", "1.5s"), instances)
    assert (first.start_type, first.duration_s, first.sandbox_id) == ("cold", 1.5, "i")
    assert _record("b", 10.5, entry("i"), instances).start_type is None  # came while it was starting
    assert _record("c", 12.0, entry("i"), instances).start_type == "warm"
    assert _record("d", 12.0, entry("unheard-of"), instances).start_type is None
    assert _record("e", 30.0, entry("k", "2s", 500), instances).status is Status.OUT_OF_MEMORY
    assert _record("f", 40.0, entry("k", "2s", 500), instances).status is None
    assert _record("g", 1.0, entry("", "3s", 429), instances).status is Status.THROTTLED
    assert _record("h", 1.0, entry("x", "", 504), instances).status is Status.TIMEOUT


def test_words_of_google_come_without_secrets() -> None:
    said = (
        "project 123456789012: token ya29.a0Af_x-y, eyJhbGciOiJSUzI1NiIsImtpZCI6 at "
        "https://s/x?X-Goog-Signature=0abc&GoogleAccessId=me@p\n  twice"
    )
    assert ERRORS.clean(said) == "project ***: token ***, *** at https://s/x?***&*** twice"


@pytest.mark.parametrize(("region", "usd"), [("us-central1", 3.05e-6), ("europe-west3", 4.11e-6)])
def test_estimate_follows_the_tier_of_the_region(tmp_path: Path, region: str, usd: float) -> None:
    platform = GcpPlatform(GcpSettings(region=region), context_for(GcpPlatform, tmp_path))
    options = {"vcpu": 1.0}
    found = platform.context.prices.estimate_usd(platform, 1024, "x86_64", 0.1, options=options)
    assert found == pytest.approx(usd)


def test_trace_is_read_from_every_form_of_the_header(tmp_path: Path) -> None:
    platform = GcpPlatform(GcpSettings(), context_for(GcpPlatform, tmp_path))
    for text in ("abc;o=1", "abc/7;o=1", "abc"):
        reply: Any = SimpleNamespace(headers={"x-cloud-trace-context": text}, request_id="own")
        assert platform.request_id_of(reply) == "abc"
    assert platform.request_id_of(SimpleNamespace(headers={}, request_id="own")) == "own"  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["functions_url", "storage_url", "firestore_url", "logging_url"])
def test_credentials_go_nowhere_unencrypted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere")
    with pytest.raises(UserError, match="credentials would go to 'emulator' unencrypted"):
        _ = GcpClients(GcpSettings(**{name: "http://emulator:4443"})).credentials
    assert GcpClients(GcpSettings(**{name: "http://emulator:4443", "anonymous": True})).credentials is not None
