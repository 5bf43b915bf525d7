"""What `check` says of engines that are not as they should be; needs none that is."""

from __future__ import annotations

import gc
import http.server
import json
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sebsx.errors import PlatformError
from sebsx.model import Problem, Severity
from sebsx.testing.contexts import context_for
from sebsx_docker import engine
from sebsx_docker.backend import DockerArmPlatform, DockerPlatform
from sebsx_docker.settings import DockerSettings

QEMU = "enabled\ninterpreter /usr/libexec/qemu\nflags: POF\n"
INFO = {"DockerRootDir": "/", "MemoryLimit": True, "SwapLimit": True, "CpuCfsQuota": True, "SecurityOptions": []}


@contextmanager
def engine_at(path: Path, api: str = "1.41", **info: Any) -> Iterator[None]:
    """Serve what an engine says of itself, on a socket of its own."""
    answers = {"/version": {"ApiVersion": api, "MinAPIVersion": "1.12", "Version": "x"}, "/info": INFO | info}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers["/" + self.path.rpartition("/")[2]]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "socket"

        def log_message(self, *_: object) -> None:
            pass

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        pass

    with Server(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return `check(api=..., **info)`: what the platform says of such an engine."""

    def call(**said: Any) -> list[Problem]:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/socket")
        with engine_at(tmp_path / "socket", **said):
            return list(DockerPlatform(DockerSettings(), context_for(DockerPlatform, tmp_path)).check())

    return call


def test_fit_engine_has_no_problem(check: Any) -> None:
    assert check() == []


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No engine."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody")
    yield
    gc.collect()  # the SDK closes no socket that it cannot connect; the mark covers what that says


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_engine_is_told_with_advice(tmp_path: Path, nobody: None) -> None:
    (problem,) = DockerPlatform(DockerSettings(), context_for(DockerPlatform, tmp_path)).check()

    assert problem.message == "no Docker engine answers"
    assert "systemctl start docker" in problem.advice


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_engine_that_dies_in_the_middle_is_told_with_advice(tmp_path: Path, nobody: None) -> None:
    platform = DockerPlatform(DockerSettings(), context_for(DockerPlatform, tmp_path / "run" / "docker"))
    with engine_at(tmp_path / "nobody"):
        platform._connection = engine.connect()
    platform._network = "sebsx-run"
    with pytest.raises(PlatformError, match="no Docker engine answers; start one"):
        platform.__exit__()
    platform.__exit__()  # nothing is open any more


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_orphans_of_no_engine_are_none(tmp_path: Path, nobody: None) -> None:
    assert list(DockerPlatform(DockerSettings(), context_for(DockerPlatform, tmp_path)).orphans()) == []


def test_missing_right_is_told_with_advice() -> None:
    denied = OSError("Connection aborted")
    denied.__cause__ = PermissionError(13, "Permission denied")

    assert "group `docker`" in engine._why(denied)


def test_old_engine_is_told(check: Any) -> None:
    (problem,) = check(api="1.30")

    assert problem.message == "the engine speaks API 1.30, older than 1.40"


def test_rootless_engine_is_told(check: Any) -> None:
    (problem,) = check(SecurityOptions=["name=seccomp", "name=rootless"])

    assert "rootless" in problem.message


def test_engine_on_another_machine_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Client:
        api_version, base_url = "1.41", "http://build.example:2375"

    (problem,) = engine._of_engine(Client())

    assert "another machine" in problem.message


def test_limit_that_the_kernel_lacks_is_a_warning(check: Any) -> None:
    (problem,) = check(SwapLimit=False)

    assert (problem.severity, problem.message) == (
        Severity.WARNING,
        "the engine cannot limit swap on this kernel",
    )


def test_full_disk_is_told_with_what_is_free(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_LEAST_FREE_BYTES", 2**62)

    (problem,) = check()

    assert "MiB are free in '/'" in problem.message
    assert "docker image prune" in problem.advice


@pytest.mark.parametrize(
    ("said", "problems"),
    [
        (QEMU, 0),
        (QEMU.replace("enabled", "disabled"), 1),
        (QEMU.replace("POF", "PO"), 1),  # the emulator is looked for inside of the container, where it is not
        (None, 1),
    ],
)
def test_emulator_must_be_registered_for_containers(tmp_path: Path, said: str | None, problems: int) -> None:
    if said is not None:
        (tmp_path / "qemu-aarch64").write_text(said)

    found = list(engine._of_emulator("arm64", tmp_path))

    assert len(found) == problems
    assert all("qemu-user-static" in problem.advice for problem in found)


def test_missing_sdk_is_told_with_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)

    (problem,) = DockerArmPlatform(DockerSettings(), context_for(DockerArmPlatform, tmp_path)).check()

    assert "'docker' is needed" in problem.message
    assert "[docker]" in problem.advice


@pytest.mark.parametrize(("host", "told"), [("x86_64", 1), ("arm64", 0)])
def test_emulated_architecture_is_told_before_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, told: int
) -> None:
    monkeypatch.setattr("sebsx_docker.backend.HOST_ARCHITECTURE", host)
    problems = DockerArmPlatform(DockerSettings(), context_for(DockerArmPlatform, tmp_path)).caveats()
    assert len(problems) == told
    for problem in problems:
        assert problem.severity is Severity.WARNING
        assert "calls take about 9 times as long as on x86_64" in problem.message
