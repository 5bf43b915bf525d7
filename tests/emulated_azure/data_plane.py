"""Where the functions of a subscription run: instances with a worker each, as Flex Consumption has them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from tests.installed import installed
from tests.laws import Law

# Microsoft's worker library, and the wheel that carries the messages of the protocol.
RUNTIME = (
    "azure-functions-runtime==1.3.0",
    "azure-functions-runtime-v1==1.2.0",
    "azurefunctions-extensions-base==1.2.0",
)
_FOR_PYTHON = "3.13"  # what its metadata asks for; it runs on 3.11 as well
_READY_S = 60.0
_QUEUED_S = 0.5  # how long a request waits for an instance where no more are allowed


@dataclass
class Instance:
    """One instance of an app."""

    id: str
    pid: int
    port: int
    in_flight: int = 0
    dead: bool = False
    idle_since_s: float = field(default_factory=time.monotonic)


@dataclass
class App:
    """An app as it is at one time.

    Args:
        root: Folder of the unpacked package.
        settings: Application settings.
        timeout_s: Time after which the host ends an invocation.
        each: Invocations that an instance serves at once.
        most: Most instances.
    """

    root: Path
    settings: dict[str, str]
    timeout_s: float
    each: int
    most: int
    functions: dict[str, Any] = field(default_factory=dict)
    instances: list[Instance] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """What the front end answers, and what the host tells Application Insights."""

    status: int
    body: bytes
    headers: dict[str, str]
    invocation: str = ""
    instance: str = ""
    received_s: float = 0.0
    duration_s: float = 0.0


class DataPlane:
    """Instances of every app; nothing of them is left after `stop`.

    Args:
        workdir: For code and logs.
        certificate: File with certificates that functions trust.
    """

    def __init__(self, workdir: Path, certificate: Path) -> None:
        self._workdir, self._certificate = workdir, certificate
        self._zygote: subprocess.Popen[str] | None = None
        self._lock = threading.Condition()
        self._forking, self._unpacking = threading.Lock(), threading.Lock()
        self._apps: dict[str, App] = {}
        self._processes: dict[int, subprocess.Popen[str]] = {}  # of Node.js
        self._calls = ThreadPoolExecutor(64)
        self._http = urllib3.PoolManager(maxsize=64, num_pools=200)

    def stop(self) -> None:
        for name in list(self._apps):
            self.remove(name)
        if self._zygote is not None:
            assert self._zygote.stdin is not None
            self._zygote.stdin.close()
            self._zygote.wait(10)
        self._calls.shutdown(wait=True)
        self._http.clear()

    def deploy(self, name: str, package: Path, app: App, ready: int = 0) -> dict[str, Any]:
        """Serve a package, and return the functions that the worker found; raises `ValueError` with its words."""
        app.root = self._unpacked(package)
        self.remove(name)
        first = self._started(name, app)
        self._end(first)  # hosts look for functions when a package comes, long before a call does
        with self._lock:
            self._apps[name] = app
        for _ in range(ready):
            self._started(name, app)
        return app.functions

    def _unpacked(self, package: Path) -> Path:
        """Return the folder of a package, which apps of the same one share: it is compiled once."""
        root = self._workdir / "code" / hashlib.sha256(package.read_bytes()).hexdigest()[:16]
        with self._unpacking:
            if not root.exists():
                with zipfile.ZipFile(package) as archive:
                    archive.extractall(root)
        return root

    def change(self, name: str, settings: dict[str, str], **limits: Any) -> None:
        """Give an app other settings, which ends its instances."""
        app = self._apps.get(name)
        if app is not None:
            self._end_all(app)
            app.settings = settings
            for key, value in limits.items():
                setattr(app, key, value)

    def remove(self, name: str) -> None:
        """End what serves."""
        with self._lock:
            app = self._apps.pop(name, None)
            self._lock.notify_all()
        if app is not None:
            self._end_all(app)

    def call(self, name: str, route: str, body: bytes, headers: dict[str, str], law: Law) -> Answer:
        """Serve one request."""
        received_s, app = time.time(), self._apps.get(name)
        law.carry(len(body))
        if app is None or route not in app.functions:
            return Answer(404, b"", {})
        self._end_idle(app, law)
        instance = self._taken(name, app)
        if instance is None:
            return Answer(429, b"", {}, str(uuid.uuid4()), "", received_s)
        invocation, began_s = str(uuid.uuid4()), time.perf_counter()
        sent = {**headers, "X-Emulated-Invocation": invocation}
        future = self._calls.submit(self._forward, instance, route, body, sent)
        try:
            status, data, told = future.result(app.timeout_s)
        except Late:  # the host ends the worker with the invocation
            self._end(instance)
            status, data, told = 500, b"", {}
        except urllib3.exceptions.HTTPError:
            status, data, told = 502, b"", {}
        took_s = time.perf_counter() - began_s
        return Answer(status, data, told, invocation, instance.id, received_s, took_s)

    def _forward(self, instance: Instance, route: str, body: bytes, headers: dict[str, str]) -> Any:
        try:
            url = f"http://127.0.0.1:{instance.port}/{route}"
            told = self._http.request("POST", url, body=body, headers=headers, retries=False, timeout=300)
            kept = {key: value for key, value in told.headers.items() if key.lower() not in _HOP}
            return told.status, told.data, kept
        except urllib3.exceptions.HTTPError:
            instance.dead = True
            raise
        finally:
            with self._lock:
                instance.in_flight -= 1
                instance.idle_since_s = time.monotonic()
                self._lock.notify_all()

    def _end_idle(self, app: App, law: Law) -> None:
        """End the instances that were idle for longer than they are kept."""
        with self._lock:
            gone = [one for one in app.instances if not one.in_flight and law.ends(one.idle_since_s)]
            for instance in gone:
                app.instances.remove(instance)
        for instance in gone:
            self._end(instance)

    def _taken(self, name: str, app: App) -> Instance | None:
        """Return an instance that takes one more call, started if none does; None where no more are allowed."""
        until_s = time.monotonic() + _QUEUED_S
        with self._lock:
            while True:
                app.instances = [one for one in app.instances if not one.dead]
                for instance in app.instances:
                    if instance.in_flight < app.each:
                        instance.in_flight += 1
                        return instance
                if len(app.instances) < app.most:
                    placeholder = Instance("starting", 0, 0, in_flight=app.each)
                    app.instances.append(placeholder)
                    break
                if not self._lock.wait(until_s - time.monotonic()):
                    return None
        try:
            return self._started(name, app, taken=1)
        finally:
            with self._lock:
                if placeholder in app.instances:
                    app.instances.remove(placeholder)
                self._lock.notify_all()

    def _started(self, name: str, app: App, taken: int = 0) -> Instance:
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self._workdir), "PYTHONDONTWRITEBYTECODE": "1",
            "SSL_CERT_FILE": str(self._certificate), "NODE_EXTRA_CA_CERTS": str(self._certificate),
            "WEBSITE_SITE_NAME": name, **app.settings,
        }  # fmt: skip
        wanted = {"root": str(app.root), "environment": environment, "log": str(self._workdir / f"{name}.log")}
        told = self._launched(wanted) if (app.root / "function_app.py").exists() else self._launched_node(wanted)
        if "error" in told:
            raise ValueError(told["error"])
        app.functions = told["functions"]
        instance = Instance(str(uuid.uuid4()), told["pid"], told["port"], in_flight=taken)
        with self._lock:
            app.instances.append(instance)
        return instance

    def _launched(self, wanted: dict[str, Any]) -> dict[str, Any]:
        pipe = self._workdir / f"answer-{secrets.token_hex(6)}"
        os.mkfifo(pipe)
        with self._forking:
            zygote = self._zygote or self._started_zygote()
            assert zygote.stdin is not None
            zygote.stdin.write(json.dumps({**wanted, "answer": str(pipe)}) + "\n")
            zygote.stdin.flush()
        told = pipe.read_bytes()
        pipe.unlink()
        return json.loads(told) if told else {"error": "the worker ended"}

    def _launched_node(self, wanted: dict[str, Any]) -> dict[str, Any]:
        with Path(wanted["log"]).open("ab") as log:
            process = subprocess.Popen(
                ["node", str(Path(__file__).with_name("worker.cjs")), wanted["root"]], env=wanted["environment"],
                cwd=wanted["root"], stdout=subprocess.PIPE, stderr=log, start_new_session=True, text=True,
            )  # fmt: skip
        assert process.stdout is not None
        line = process.stdout.readline()
        process.stdout.close()  # what it prints besides is nobody's
        self._processes[process.pid] = process
        if not line:
            raise ValueError(Path(wanted["log"]).read_text()[-500:])
        return {"pid": process.pid, **json.loads(line)}

    def _started_zygote(self) -> subprocess.Popen[str]:
        runtime = python_runtime()
        self._zygote = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py"))],
            env={**os.environ, "PYTHONPATH": f"{runtime}:{runtime / 'tests'}"}, cwd=self._workdir,
            stdin=subprocess.PIPE, text=True,
        )  # fmt: skip
        return self._zygote

    def _end_all(self, app: App) -> None:
        with self._lock:
            instances, app.instances = app.instances, []
        for instance in instances:
            self._end(instance)

    def _end(self, instance: Instance) -> None:
        instance.dead = True
        if instance.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(instance.pid, signal.SIGKILL)
            if process := self._processes.pop(instance.pid, None):
                process.wait()


_HOP = frozenset({"connection", "transfer-encoding", "content-length", "server", "date"})


def python_runtime() -> Path:
    """Return a folder with Microsoft's worker library."""
    return installed("azure-runtime", "--no-deps", "--python-version", _FOR_PYTHON, *RUNTIME)
