"""Where the functions of a project run: instances in Google's functions framework, as Cloud Run has them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from sebsx_gcp.functions import memory_mib
from sebsx_gcp.packages import FRAMEWORK
from tests.emulated_gcp import node
from tests.laws import Law

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_LOOK_S = 0.02
_QUEUED_S = 0.5  # how long a request waits for an instance where no more are allowed
_READY_S = 60.0
_TOO_LATE = b"upstream request timeout"
_BROKEN = (
    b"The request failed because either the HTTP response was malformed or connection to the instance had an error."
)
_NO_INSTANCE = b"Rate exceeded."


@dataclass
class Instance:
    """One instance of a revision."""

    id: str
    pid: int
    port: int
    in_flight: int = 0
    dead: bool = False
    idle_since_s: float = field(default_factory=time.monotonic)


@dataclass
class Revision:
    """What a function is at one time.

    Args:
        name: Of the revision.
        root: Folder of the unpacked package.
        config: `serviceConfig` as read back.
        build: `buildConfig`.
    """

    name: str
    root: Path
    config: dict[str, Any]
    build: dict[str, Any]
    instances: list[Instance] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """What the front end of Cloud Run answers, and what it writes into the log of requests."""

    status: int
    body: bytes
    headers: dict[str, str]
    trace: str
    instance: str
    received_s: float
    latency_s: float


class DataPlane:
    """Instances of every revision; nothing of them is left after `stop`.

    Args:
        workdir: For code and logs.
        on_event: Told of what Cloud Run logs of instances: service, revision, instance and text.
    """

    def __init__(self, workdir: Path, on_event: Any) -> None:
        self._workdir = workdir
        self._on_event = on_event
        self._zygote: subprocess.Popen[str] | None = None
        self._lock = threading.Condition()
        self._forking = threading.Lock()
        self._revisions: dict[str, Revision] = {}
        self._calls = ThreadPoolExecutor(64)
        self._http = urllib3.PoolManager(maxsize=64, num_pools=200)
        self._limits: dict[int, int] = {}  # pid -> bytes
        self._read: dict[str, int] = defaultdict(int)  # bytes of each log
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._watch_memory, daemon=True)
        self.pools: dict[str, int] = defaultdict(int)  # instances that were started, by service

    def start(self) -> None:
        self._watch.start()

    def stop(self) -> None:
        self._ended.set()
        for service in list(self._revisions):
            self.remove(service)
        if self._zygote is not None:
            assert self._zygote.stdin is not None
            self._zygote.stdin.close()
            self._zygote.wait(10)
            assert self._zygote.stdout is not None
            self._zygote.stdout.close()
        self._watch.join()
        self._calls.shutdown(wait=True)
        self._http.clear()

    def deploy(self, service: str, revision: str, package: Path, config: dict[str, Any], build: dict[str, Any]) -> None:
        """Serve a new revision; raises `ValueError` with the words of the build if it cannot be built."""
        root = self._workdir / "code" / revision
        with zipfile.ZipFile(package) as archive:
            archive.extractall(root)
        check_source(root, build)
        self.remove(service)
        made = Revision(revision, root, config, build)
        with self._lock:
            self._revisions[service] = made
        for _ in range(config.get("minInstanceCount", 0)):
            self._start(service, made, "MIN_INSTANCES")

    def printed(self, service: str) -> list[str]:
        """Return the lines that instances of a service printed since this was asked last."""
        lines, revision = [], self._revisions.get(service)
        for name in (service, *([revision.name] if revision else [])):
            path = self._workdir / f"{name}.log"
            text = path.read_bytes()[self._read[name] :] if path.exists() else b""
            whole = text[: text.rfind(b"\n") + 1]
            self._read[name] += len(whole)
            lines += whole.decode("utf-8", "replace").splitlines()
        return lines

    def remove(self, service: str) -> None:
        """End what serves."""
        with self._lock:
            revision = self._revisions.pop(service, None)
            self._lock.notify_all()
        for instance in revision.instances if revision else ():
            self._kill(instance)

    def call(self, service: str, body: bytes, headers: dict[str, str], law: Law) -> Answer:
        """Serve one request."""
        received_s, began_s = time.time(), time.perf_counter()
        law.carry(len(body))
        trace = secrets.token_hex(16)

        def answered(status: int, data: bytes, more: dict[str, str], instance: str) -> Answer:
            latency_s = time.perf_counter() - began_s
            shown = {"x-cloud-trace-context": f"{trace};o=1", "server": "Google Frontend", **more}
            return Answer(status, data, shown, trace, instance, received_s, latency_s)

        revision = self._revisions[service]
        self._end_idle(revision, law)
        instance = self._taken(service, revision)
        if instance is None:
            return answered(429, _NO_INSTANCE, {}, "")
        sent = {"Content-Type": "application/json", **headers, "X-Cloud-Trace-Context": f"{trace}/1;o=1"}
        future = self._calls.submit(self._forward, instance, body, sent)
        try:
            status, data, kind = future.result(revision.config["timeoutSeconds"])
        except Late:
            return answered(504, _TOO_LATE, {}, instance.id)
        except urllib3.exceptions.HTTPError:
            return answered(500, _BROKEN, {}, instance.id)
        return answered(status, data, {"content-type": kind}, instance.id)

    def _forward(self, instance: Instance, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, str]:
        try:
            url = f"http://127.0.0.1:{instance.port}/"
            told = self._http.request("POST", url, body=body, headers=headers, retries=False, timeout=_READY_S)
            return told.status, told.data, told.headers.get("content-type", "")
        except urllib3.exceptions.HTTPError:
            instance.dead = True
            raise
        finally:
            with self._lock:
                instance.in_flight -= 1
                instance.idle_since_s = time.monotonic()
                self._lock.notify_all()

    def _end_idle(self, revision: Revision, law: Law) -> None:
        """End the instances that were idle for longer than they are kept."""
        with self._lock:
            gone = [one for one in revision.instances if not one.in_flight and law.ends(one.idle_since_s)]
            for instance in gone:
                revision.instances.remove(instance)
        for instance in gone:
            self._kill(instance)

    def _taken(self, service: str, revision: Revision) -> Instance | None:
        """Return an instance that takes one more call, started if none does; None where no more are allowed."""
        most = revision.config.get("maxInstanceCount") or 100
        each = revision.config.get("maxInstanceRequestConcurrency") or 1
        until_s = time.monotonic() + _QUEUED_S
        with self._lock:
            while True:
                revision.instances = [one for one in revision.instances if not one.dead]
                for instance in revision.instances:
                    if instance.in_flight < each:
                        instance.in_flight += 1
                        return instance
                if len(revision.instances) < most:
                    placeholder = Instance("starting", 0, 0, in_flight=each)
                    revision.instances.append(placeholder)
                    break
                if not self._lock.wait(until_s - time.monotonic()):
                    return None
        try:
            return self._start(service, revision, "AUTOSCALING", taken=1)
        finally:
            with self._lock:
                revision.instances.remove(placeholder)
                self._lock.notify_all()

    def _start(self, service: str, revision: Revision, reason: str, taken: int = 0) -> Instance:
        identity = secrets.token_hex(32)
        self._on_event(service, revision.name, identity, f"Starting new instance. Reason: {reason} - as it has to.")
        pid, port = self._launched(service, revision)
        with self._lock:
            instance = Instance(identity, pid, port, in_flight=taken)
            revision.instances.append(instance)
            self.pools[service] += 1
            self._limits[pid] = (memory_mib(revision.config["availableMemory"]) or 0) * 2**20
        return instance

    def _launched(self, service: str, revision: Revision) -> tuple[int, int]:
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self._workdir), "PYTHONDONTWRITEBYTECODE": "1",
            "K_SERVICE": service, "K_REVISION": revision.name, "FUNCTION_TARGET": revision.build["entryPoint"],
            "LOG_EXECUTION_ID": "true", **revision.config["environmentVariables"],
        }  # fmt: skip
        if not revision.build["runtime"].startswith("python"):
            return self._launched_node(revision, environment)
        source = revision.build.get("environmentVariables", {}).get("GOOGLE_FUNCTION_SOURCE", "main.py")
        wanted = {
            "source": str(revision.root / source), "target": revision.build["entryPoint"],
            "environment": environment, "log": str(self._workdir / f"{service}.log"),
        }  # fmt: skip
        with self._forking:
            zygote = self._zygote or self._started_zygote()
            assert zygote.stdin is not None
            assert zygote.stdout is not None
            zygote.stdin.write(json.dumps(wanted) + "\n")
            zygote.stdin.flush()
            told = json.loads(zygote.stdout.readline())
        return told["pid"], told["port"]

    def _launched_node(self, revision: Revision, environment: dict[str, str]) -> tuple[int, int]:
        """Start the framework of Node.js by its own command, on a port that is free now."""
        import socket

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        program = node.modules(node.FRAMEWORK) / "@google-cloud/functions-framework/build/src/main.js"
        with (self._workdir / f"{revision.name}.log").open("ab") as log:
            process = subprocess.Popen(
                ["node", str(program), f"--target={revision.build['entryPoint']}", f"--source={revision.root}"],
                env={**environment, "PORT": str(port)}, cwd=revision.root, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self._processes[process.pid] = process
        until_s = time.monotonic() + _READY_S
        while time.monotonic() < until_s:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return process.pid, port
            time.sleep(0.01)
        raise TimeoutError(f"instance of {revision.name} does not listen")

    def _started_zygote(self) -> subprocess.Popen[str]:
        self._zygote = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("zygote.py"))],
            env={**os.environ, "PYTHONPATH": str(python_framework(self._workdir))},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return self._zygote

    def _kill(self, instance: Instance) -> None:
        self._limits.pop(instance.pid, None)
        if instance.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(instance.pid, signal.SIGKILL)
            if process := self._processes.pop(instance.pid, None):
                process.wait()

    def _watch_memory(self) -> None:
        """Kill instances that take more than they may, as the kernel does on Cloud Run."""
        while not self._ended.wait(_LOOK_S):
            for pid, most in list(self._limits.items()):
                try:
                    used = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
                except (OSError, IndexError):
                    self._limits.pop(pid, None)
                    continue
                if used > most:
                    self._limits.pop(pid, None)
                    self._tell_of_memory(pid, used, most)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    def _tell_of_memory(self, pid: int, used: int, most: int) -> None:
        for service, revision in list(self._revisions.items()):
            for instance in revision.instances:
                if instance.pid == pid:
                    text = f"Memory limit of {most >> 20} MiB exceeded with {used >> 20} MiB used. Consider more."
                    self._on_event(service, revision.name, instance.id, text)


def python_framework(workdir: Path) -> Path:
    """Return a folder with Google's functions framework for Python, apart from what is installed for the tests."""
    folder = workdir / "framework"
    if not folder.exists():
        command = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", sys.executable, "--target"]
        subprocess.run([*command, str(folder), FRAMEWORK.strip()], check=True)
    return folder


def check_source(root: Path, build: dict[str, Any]) -> None:
    """Raise `ValueError` where Google's build packs refuse a source.

    Source: GoogleCloudPlatform/buildpacks, `cmd/python/functions_framework` and `cmd/nodejs/functions_framework`.
    """
    chosen = build.get("environmentVariables", {}).get("GOOGLE_FUNCTION_SOURCE")
    if build["runtime"].startswith("python"):
        if not (root / (chosen or "main.py")).is_file():
            raise ValueError(f"missing {chosen or 'main.py'}")
        return
    if chosen:
        raise ValueError("GOOGLE_FUNCTION_SOURCE is not currently supported for Node.js buildpacks")
    manifest = root / "package.json"
    main = json.loads(manifest.read_text()).get("main") if manifest.exists() else None
    wanted = main or ("index.js" if (root / "index.js").exists() else "function.js")
    if not (root / wanted).is_file():
        raise ValueError(f"{wanted} does not exist")
