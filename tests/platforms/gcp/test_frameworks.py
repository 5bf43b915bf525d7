"""A package, as it is deployed, runs in what Google runs it with: started by its own command, in either language."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sebsx.building import Packager
from sebsx.contracts import benchmarks
from sebsx.contracts.platforms import Platform
from sebsx.model import Capability, Package, Status
from sebsx.plugins import Registry
from sebsx.testing import echo_folder
from sebsx.testing.contracts import trying
from sebsx.testing.invoking import invoke, invoke_together
from sebsx_gcp import packages
from sebsx_gcp.backend import GcpPlatform
from tests.emulated_gcp import EmulatedProject, node
from tests.emulated_gcp.data_plane import check_source, python_framework
from tests.platforms.gcp.conftest import made

pytestmark = [pytest.mark.slow]

IN_JAVASCRIPT = """
exports.handler = async (event, context) => {
  if (event.do === 'raise') throw new RangeError(event.value);
  if (event.do === 'exit') process.exit(3);
  if (event.do === 'storage') {
    const data = await context.storage.download(event.from);
    await context.storage.upload(event.to, Buffer.from(data).reverse());
    return { result: data.length };
  }
  if (event.do === 'table') {
    const partition = event.value;
    for (const sort of ['b', 'ä', 'a']) await context.table.put(partition, sort, { sort });
    await context.table.delete(partition, 'b');
    const found = await context.table.query(partition);
    return { result: [found.map((item) => item.sort), await context.table.get(partition, 'b')] };
  }
  if (event.do === 'sleep') await new Promise((resolve) => setTimeout(resolve, event.value * 1000));
  return { result: event.value };
};
"""
MANIFEST = """
name = "echo"
version = "1"
summary = "answers what it is asked"
category = "test"
source = "own code"
licence = "Apache-2.0"

[defaults]
memory_mib = 256
timeout_s = 10

[languages.nodejs]
handler = "function.handler"
"""


def package_of(language: str, platform: Platform[Any], packager: Packager, registry: Registry, folder: Path) -> Package:
    """Return a package of a function that echoes, in a language."""
    source = echo_folder()
    if language == "nodejs":
        source = folder / "echo"
        (source / "nodejs").mkdir(parents=True)
        (source / "benchmark.toml").write_text(MANIFEST)
        (source / "nodejs" / "function.js").write_text(IN_JAVASCRIPT)
    made_of = registry.get("languages", language)()
    return packager.build(benchmarks.load(source), made_of, platform.target(language, "x86_64"), platform=platform)


@contextlib.contextmanager
def served(command: list[str], root: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run a framework's command; yields the URL once it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        command, cwd=root, env={**os.environ, **environment, "PORT": str(port)}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until_s = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, "the framework has ended"
            assert time.monotonic() < until_s, "the framework does not listen"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def ask(url: str, event: object) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "X-Cloud-Trace-Context": "0123456789abcdef/7;o=1"}
    request = urllib.request.Request(url, json.dumps(event).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith("application/json")
        told: dict[str, Any] = json.loads(answer.read())
    return told


@pytest.mark.parametrize("language", ["python", "nodejs"])
def test_package_runs_by_the_command_of_googles_framework(
    language: str, project: EmulatedProject, tmp_path: Path, sebsx_packager: Packager, sebsx_registry: Registry
) -> None:
    platform = made(tmp_path, project)
    package = package_of(language, platform, sebsx_packager, sebsx_registry, tmp_path)
    archive, _ = packages.laid_out(package, tmp_path)
    root = tmp_path / "workspace"
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(root)
    build = packages.build_config(package, None)
    # As Google's build packs do.
    check_source(root, {"runtime": build["runtime"], "environmentVariables": build["environment_variables"]})
    if language == "python":
        command = [sys.executable, "-m", "functions_framework", f"--target={build['entry_point']}"]
        environment = {
            "PYTHONPATH": str(python_framework(project.workdir)), "THREADS": "1",
            "FUNCTION_SOURCE": build["environment_variables"]["GOOGLE_FUNCTION_SOURCE"],
        }  # fmt: skip
    else:
        program = node.modules(node.FRAMEWORK) / "@google-cloud/functions-framework/build/src/main.js"
        command, environment = ["node", str(program), f"--target={build['entry_point']}"], {}
    with served(command, root, environment) as url:
        first, second = ask(url, {"value": 1}), ask(url, {"value": "ü"})
        failed = ask(url, {"do": "raise", "value": "by intent"})
    assert (first["output"], second["output"]) == ({"result": 1}, {"result": "ü"})
    assert [told["sebsx"]["call"] for told in (first, second, failed)] == [1, 2, 3]
    assert first["sebsx"]["init_gap_s"] >= 0
    assert "init_gap_s" not in second["sebsx"]
    assert failed["error"]["message"] == "by intent"


def test_function_in_javascript_is_deployed_called_and_forced_cold(
    project: EmulatedProject, tmp_path: Path, sebsx_packager: Packager, sebsx_registry: Registry
) -> None:
    with made(tmp_path, project) as platform:
        package = package_of("nodejs", platform, sebsx_packager, sebsx_registry, tmp_path)
        deployment = platform.deploy(package, trying.config(platform))
        assert deployment.effective["runtime"] == "nodejs22"
        assert invoke(platform, deployment, {"value": [1, None]}).output == {"result": [1, None]}
        error = invoke(platform, deployment, {"do": "raise", "value": "by intent"})
        assert error.status is Status.FUNCTION_ERROR
        assert (error.envelope or {})["error"]["type"] == "RangeError"
        platform.storage().put("in", b"\0abc")
        assert invoke(platform, deployment, {"do": "storage", "from": "in", "to": "out"}).output == {"result": 4}
        assert platform.storage().get("out") == b"cba\0"
        platform.table()
        assert invoke(platform, deployment, {"do": "table", "value": "p"}).output == {"result": [["a", "ä"], None]}
        gone = invoke(platform, deployment, {"do": "exit"})
        assert (gone.envelope or {})["error"]["message"] == "the function called process.exit(3)"
        assert Capability.FORCE_COLD in platform.capabilities
        platform.force_cold(deployment)
        again = invoke(platform, deployment, {"value": 1})
        assert (again.envelope or {})["sebsx"]["call"] == 1
        platform.teardown(deployment)
    assert project.remaining() == {}


def test_options_decide_how_many_calls_share_an_instance(
    project: EmulatedProject, tmp_path: Path, sebsx_packager: Packager, sebsx_registry: Registry
) -> None:
    asked = {"vcpu": 1.0, "sandbox_concurrency": 8, "min_instances": 1}
    with made(tmp_path, project) as platform:
        package = package_of("python", platform, sebsx_packager, sebsx_registry, tmp_path)
        deployment = platform.deploy(package, trying.config(platform, options=asked))
        assert asked.items() <= deployment.effective.items()
        answers = invoke_together(platform, deployment, {"do": "sleep", "value": 0.5}, 4)
        told = [(answer.envelope or {})["sebsx"] for answer in answers]
        assert len({one["sandbox"] for one in told}) == 1
        assert max(one.get("concurrent", 0) for one in told) >= 1
        assert platform.options_of(deployment) == {**asked, "max_instances": 100}
        assert platform.billing(platform.options_of(deployment)).vcpu == 1.0
        platform.teardown(deployment)


def test_combinations_that_google_refuses_are_refused_before(project: EmulatedProject, tmp_path: Path) -> None:
    """What is refused here is what the stand-in refuses, by Google's words."""
    platform: GcpPlatform = made(tmp_path, project)

    def reason(memory_mib: int, **options: float) -> str:
        return platform.provision(memory_mib, options, "x86_64").unsupported or ""

    assert "needs 1 vCPU at least" in reason(256, sandbox_concurrency=2)
    assert "1024 MiB need 0.583 vCPU at least" in reason(1024, vcpu=0.333)
    assert "4 vCPU need 2048 MiB at least" in reason(512, vcpu=4)
    assert reason(300, vcpu=0.9) == ""  # both are rounded up
    assert platform.provision(300, {"vcpu": 0.9}, "x86_64").factors == {
        "memory_mib": 300, "memory_offered_mib": 512, "vcpu": 0.9, "vcpu_offered": 1.0,
    }  # fmt: skip
